//! What is remembered of the last build of each image, so that the next one can say what is new.
//!
//! ```text
//! STORE/builds/ab12…     a text, named by the digest of whose it is
//! ```

use std::io::Write;
use std::path::PathBuf;

use super::Store;
use crate::bytes::limited;
use crate::digest::Digest;
use crate::error::{Context, Kind, Result};
use crate::temp::Temp;

/// A longer text is not read: those of images with thousands of packages have some MB.
const MAX_TEXT: u64 = 32 << 20;

impl Store {
    /// What [`Store::remember`] last wrote of `name`; none where it was nothing, or is too long to be ours.
    pub fn remembered(&self, name: &str) -> Option<String> {
        let file = std::fs::File::open(self.memory(name)).ok()?;
        String::from_utf8(limited(file, MAX_TEXT, Kind::System).ok()?).ok()
    }

    /// Writes a text in the place of what was remembered of `name`; whole or not at all.
    pub fn remember(&self, name: &str, text: &str) -> Result<()> {
        let path = self.memory(name);
        let folder = self.path().join("builds");
        std::fs::create_dir_all(&folder).context(|| format!("making `{}`", folder.display()))?;
        let mut file = Temp::new_in(&folder)?;
        file.write_all(text.as_bytes()).context(|| format!("writing `{}`", path.display()))?;
        file.persist(&path, 0o644)
    }

    fn memory(&self, name: &str) -> PathBuf {
        self.path().join("builds").join(Digest::of(name.as_bytes()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.remembered("a"), None);
        store.remember("a", "one").unwrap();
        store.remember("b", "other").unwrap();
        store.remember("a", "two").unwrap();
        assert_eq!(store.remembered("a").as_deref(), Some("two"));
        assert_eq!(std::fs::read_dir(folder.path().join("builds")).unwrap().count(), 2);
        let long = std::fs::File::create(store.memory("a")).unwrap();
        long.set_len(MAX_TEXT + 1).unwrap();
        assert_eq!(store.remembered("a"), None);
        std::fs::write(store.memory("a"), [0xff]).unwrap();
        assert_eq!(store.remembered("a"), None);
    }
}
