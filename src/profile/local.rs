//! The files that a profile takes from beside it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Apt, Edit, FileContent, Keyring, Origin, PreloadImage, Profile, Source};

impl Profile {
    /// Every file beside the profile that it names: keyrings, programs, container images, files of the root.
    pub fn local_files(&self) -> BTreeSet<PathBuf> {
        let mut paths = BTreeSet::new();
        self.clone().each_local(&mut |path| {
            paths.insert(path.clone());
        });
        paths
    }

    /// The same profile whose files beside it are elsewhere.
    #[must_use]
    pub fn with_local_files(&self, mut place: impl FnMut(&PathBuf) -> PathBuf) -> Self {
        let mut profile = self.clone();
        profile.each_local(&mut |path| *path = place(path));
        profile
    }

    fn each_local(&mut self, tell: &mut dyn FnMut(&mut PathBuf)) {
        for Source::Apt(Apt { keyring, .. }) in self.sources.values_mut() {
            match keyring {
                Keyring::File(path) => tell(path),
                Keyring::Debian => {}
            }
        }
        let fixed = [&mut self.containerd.program, &mut self.kubelet.program].into_iter();
        for program in fixed.chain(&mut self.runc).chain(&mut self.cni).chain(self.programs.values_mut()) {
            match &mut program.origin {
                Origin::File(path) => tell(path),
                Origin::Apt(_) | Origin::Url(_) | Origin::Go(_) => {}
            }
        }
        for preload in &mut self.preload {
            match &mut preload.image {
                PreloadImage::File(path) => tell(path),
                PreloadImage::Url(_) => {}
                PreloadImage::Assemble { edits, .. } => each_of(edits, tell),
            }
        }
        each_of(&mut self.edits, tell);
    }
}

fn each_of(edits: &mut [Edit], tell: &mut dyn FnMut(&mut PathBuf)) {
    for edit in edits {
        match edit {
            Edit::File { content: FileContent::File(path), .. } => tell(path),
            Edit::File { .. } | Edit::Directory { .. } | Edit::Link { .. } | Edit::Mode { .. } | Edit::Remove(_) => {}
        }
    }
}
