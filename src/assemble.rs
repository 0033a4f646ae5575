//! Inputs to a tree: packages unpacked, programs built, images assembled, steps run, checks made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::boot::{Parts, grub};
use crate::digest::Digest;
use crate::disk::{Sizes, repart_definitions};
use crate::error::{Context as _, Error, Kind, Result};
use crate::lock::{Input, Lock, Section};
use crate::node;
use crate::path::RootPath;
use crate::profile::{Edit, FileContent, Go, Origin, Preload, PreloadImage, Profile, Program};
use crate::record::{self, Record};
use crate::report::Stage;
use crate::source::apt::deb;
use crate::source::{Context, Fetched, Member, Package, archive, fetch, go};
use crate::store::Blob;
use crate::system::depmod::depmod;
use crate::system::{self, Image, Inputs, Tally};
use crate::tree::{Content, Meta, Tree};

/// The tree and what was learnt while it was made.
pub struct Assembled {
    /// The root.
    pub tree: Tree,
    /// How every maintainer script was accounted for.
    pub tally: Tally,
    /// Kernel, modules and loader, found in the tree.
    pub parts: Parts,
    /// What the image says of itself.
    pub record: Record,
    /// Every file beside the profile.
    pub locals: BTreeMap<PathBuf, Digest>,
}

/// Makes the tree of `profile` out of what was fetched.
pub fn assemble(profile: &Profile, lock: &Lock, fetched: &Fetched, walls: bool, cx: &Context) -> Result<Assembled> {
    let stage = cx.report.stage("assemble", None);
    let section = lock.section(profile.image.arch)?;
    let locals = fetch::locals(&profile.local_files(), cx)?;
    let digests: BTreeMap<PathBuf, Digest> =
        locals.iter().filter_map(|(path, blob)| Some((path.clone(), blob.digest()?))).collect();
    let record = Record::new(profile, lock, &digests)?;
    cx.store.register_files(&Lock::path_for(&profile.path), &record.files)?;
    let work = Work { profile, lock, section, fetched, locals: &locals, walls, cx, stage: &stage };
    stage.at("unpacking packages");
    let packages = work.packages()?;
    let files = work.files()?;
    let programs = work.programs()?;
    let images = work.images(&files)?;
    stage.at("laying the tree");
    let inputs = Inputs {
        profile,
        epoch: lock.epoch,
        packages: &packages,
        programs: &programs,
        files: &files,
        images: &images,
        record: &record,
        report: cx.report,
    };
    let (mut tree, tally) = system::assemble(&inputs, |tree, inputs| {
        for (name, step) in node::STEPS {
            step(tree, inputs).context(|| format!("making the node: {name}"))?;
        }
        partitions(tree, inputs)
    })?;
    stage.at("reading kernel modules");
    let release = Parts::release(&tree)?;
    let modules = depmod(&mut tree, &release, lock.epoch, Some(&cx.store), cx.jobs)?;
    stage.at("checking");
    node::checks::run(&tree, &inputs)?;
    let parts = Parts::find(&tree, profile.image.arch, modules)?;
    // The kernel that runs is the UKI's; another copy in the root would only take room.
    tree.remove(&RootPath::new(format!("/boot/vmlinuz-{release}"))?);
    if profile.boot.bios() {
        tree.remove(&RootPath::new(grub::TREE)?);
    }
    let names = packages.iter().map(|package| package.name.as_str()).collect();
    record::lay_origins(&mut tree, &names, lock.epoch.0)?;
    stage.done(tree.content_bytes(), false);
    Ok(Assembled { tree, tally, parts, record, locals: digests })
}

/// What systemd-repart makes at first boot.
fn partitions(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let Profile { layout, var, boot, .. } = inputs.profile;
    let sizes = Sizes::new(layout, var, boot.bios())?;
    let folder = RootPath::new("/usr/lib/repart.d")?;
    let meta = Meta::new(0o644, inputs.epoch.0).from(&"partitions".into());
    for (name, text) in repart_definitions(&sizes, inputs.profile.image.arch) {
        tree.put_file(&folder.join(name)?, meta.clone(), Content::bytes(text.into_bytes()))?;
    }
    Ok(())
}

/// All that the ways to an input have in common.
struct Work<'a> {
    profile: &'a Profile,
    lock: &'a Lock,
    section: &'a Section,
    fetched: &'a Fetched,
    /// Every file beside the profile.
    locals: &'a BTreeMap<PathBuf, Blob>,
    walls: bool,
    cx: &'a Context<'a>,
    stage: &'a Stage<'a>,
}

impl Work<'_> {
    fn packages(&self) -> Result<Vec<Package>> {
        let blob = |locked: &crate::lock::Package| {
            let missing = || Error::new(Kind::Lock, format!("package `{}` was not fetched", locked.name));
            self.fetched.packages.get(&locked.name).cloned().ok_or_else(missing)
        };
        let wanted =
            self.section.packages.iter().map(|locked| Ok((locked, blob(locked)?))).collect::<Result<Vec<_>>>()?;
        deb::unpack_all(&self.cx.store, self.cx.jobs, &wanted)
    }

    /// Every file that the profile lays into the root or into an image, by its name in the profile.
    fn files(&self) -> Result<BTreeMap<String, Content>> {
        let assembled = self.profile.preload.iter().flat_map(|preload| match &preload.image {
            PreloadImage::Assemble { edits, .. } => edits.as_slice(),
            PreloadImage::File(_) | PreloadImage::Url(_) => &[],
        });
        let mut files = BTreeMap::new();
        for edit in self.profile.edits.iter().chain(assembled) {
            let Edit::File { content, .. } = edit else { continue };
            match content {
                FileContent::Text(_) => {}
                FileContent::File(path) => {
                    files.insert(path.to_string_lossy().into_owned(), self.local(path)?.content());
                }
                FileContent::Url(url) => {
                    files.insert(url.url.clone(), self.fetched.url(&url.url)?.content());
                }
            }
        }
        Ok(files)
    }

    fn local(&self, path: &Path) -> Result<&Blob> {
        self.locals.get(path).ok_or_else(|| Error::bug(format!("`{}` was not read", path.display())))
    }

    /// The members of every program that is not a package, by the program's name.
    fn programs(&self) -> Result<BTreeMap<String, Vec<Member>>> {
        let mut out = BTreeMap::new();
        for (name, program) in self.profile.programs() {
            let members = self.program(name, program).context(|| format!("making program `{name}`"))?;
            if !members.is_empty() {
                out.insert(name.to_owned(), members);
            }
        }
        Ok(out)
    }

    fn program(&self, name: &str, program: &Program) -> Result<Vec<Member>> {
        let blob = match &program.origin {
            Origin::Apt(_) => return Ok(Vec::new()),
            Origin::Url(url) => self.fetched.url(&url.url)?.clone(),
            Origin::File(path) => self.local(path)?.clone(),
            Origin::Go(go) => self.go(name, go)?,
        };
        archive::program(name, program, &blob, &self.cx.store)
    }

    fn go(&self, name: &str, go: &Go) -> Result<Blob> {
        self.stage.at(format!("building {name}"));
        let host = Arch::host().and_then(|host| self.lock.toolchain.get(&host));
        let inputs = |section: &Section, prefix: &str| -> Result<Vec<(String, Blob)>> {
            let mine = section.inputs.iter().filter_map(|input| Some((input, input.name.strip_prefix(prefix)?)));
            mine.map(|(input, rest)| Ok((rest.to_owned(), self.fetched.input(&input.name)?.clone()))).collect()
        };
        let inputs = go::Inputs {
            source: inputs(self.section, &format!("go/{name}/"))?,
            toolchain: match host {
                Some(section) => inputs(section, &format!("go/{name}/toolchain/"))?,
                None => Vec::new(),
            },
            unconfined: !self.walls,
        };
        // A compiled program is kept even where other derived values are made anew: it is minutes of
        // work, and its key holds all that it was made of.
        let cx = self.cx.with_store(self.cx.store.clone().with_derived());
        Ok(go::build(go, &inputs, self.profile.image.arch, &cx)?.0)
    }

    fn images(&self, files: &BTreeMap<String, Content>) -> Result<Vec<Image>> {
        self.profile.preload.iter().map(|preload| self.image(preload, files)).collect()
    }

    fn image(&self, preload: &Preload, files: &BTreeMap<String, Content>) -> Result<Image> {
        match &preload.image {
            PreloadImage::File(path) => node::preload::open(preload, self.local(path)?.content()),
            PreloadImage::Url(url) => node::preload::open(preload, self.fetched.url(&url.url)?.content()),
            PreloadImage::Assemble { .. } => {
                let prefix = format!("preload/{}/", preload.name);
                let mine = self.section.inputs.iter().filter(|input| input.name.starts_with(&prefix));
                let unpack = |input: &Input| deb::unpack_input(&self.cx.store, self.fetched.input(&input.name)?, input);
                let packages = mine.map(unpack).collect::<Result<Vec<_>>>()?;
                let (arch, epoch) = (self.profile.image.arch, self.lock.epoch);
                node::preload::assemble(preload, &packages, files, arch, epoch, &self.cx.store)
            }
        }
    }
}
