//! The lock as a file: TOML, sorted, replaced as a whole.

use std::io::Write;
use std::path::Path;

use super::{Lock, SCHEMA, Section};
use crate::bytes::limited;
use crate::error::{Context, Error, Kind, Result};
use crate::temp::{Temp, beside};

/// The largest lock that is read.
const MAX_SIZE: u64 = 64 << 20;

const HEADER: &str = "\
# What the inputs of the image are, by sha256. Made by imagebuild from the profile beside it;
# `imagebuild lock` mends it, `imagebuild update` moves it on. Not meant to be edited.
";

impl Lock {
    /// The path of a profile's lock: beside it, ending in `.lock`.
    pub fn path_for(profile: &Path) -> std::path::PathBuf {
        profile.with_extension("lock")
    }

    /// Reads a lock; none where there is no file.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let doing = || format!("reading lock `{}`", path.display());
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(doing),
        };
        let text = String::from_utf8(limited(file, MAX_SIZE, Kind::Lock).context(doing)?);
        let text = text.map_err(|_| Error::new(Kind::Lock, "the file is not UTF-8")).context(doing)?;
        Self::parse(&text).map(Some).context(doing)
    }

    /// Takes a lock's text apart and checks it.
    pub fn parse(text: &str) -> Result<Self> {
        let broken = |message: String| {
            Error::new(Kind::Lock, message).hint("restore it from version control, or remove it: a build makes it anew")
        };
        let lock: Lock = toml::from_str(text).map_err(|error| broken(error.to_string().trim_end().to_owned()))?;
        if lock.schema != SCHEMA {
            return Err(broken(format!("its schema is {}, not {SCHEMA}", lock.schema)));
        }
        for section in lock.image.values().chain(lock.toolchain.values()) {
            if let Some(name) = section.disorder() {
                return Err(broken(format!("`{name}` is there twice or not in its place")));
            }
            let paths = section.packages.iter().map(|package| &package.path);
            let inputs = section.inputs.iter().filter_map(|input| match &input.location {
                super::Location::Apt { path, .. } => Some(path),
                super::Location::Url(_) => None,
            });
            if let Some(path) = paths.chain(inputs).find(|path| crate::path::RootPath::new(format!("/{path}")).is_err())
            {
                return Err(broken(format!("`{path}` is no path below an archive's root")));
            }
        }
        Ok(lock)
    }

    /// The text of the lock; what is read back from it is equal.
    pub fn text(&self) -> Result<String> {
        let body = toml::to_string(self).map_err(|error| Error::bug(format!("writing a lock: {error}")))?;
        Ok(format!("{HEADER}\n{body}"))
    }

    /// Writes the lock, whole or not at all; a file that holds it already is left alone.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.text()?;
        if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        let folder = beside(path);
        let mut file = Temp::new_in(folder)?;
        file.write_all(text.as_bytes()).context(|| format!("writing lock `{}`", path.display()))?;
        file.persist(path, 0o644)
    }
}

impl Section {
    /// The first name that is not later than the one before it.
    fn disorder(&self) -> Option<&str> {
        let packages = self.packages.windows(2).filter_map(|pair| match pair {
            [a, b] if a.name >= b.name => Some(b.name.as_str()),
            _ => None,
        });
        let inputs = self.inputs.windows(2).filter_map(|pair| match pair {
            [a, b] if a.name >= b.name => Some(b.name.as_str()),
            _ => None,
        });
        packages.chain(inputs).next()
    }
}
