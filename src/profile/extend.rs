//! Reads a profile and all that it extends, and merges them into one tree.

use std::path::{Path, PathBuf};

use super::merge::Merge;
use super::mistake::{Mistake, similar};
use super::node::{Data, Node, Numbers, parse};
use super::place::{Files, Place, SourceFile};
use super::template;
use crate::bytes::limited;
use crate::error::{Context, Error, Kind, Result};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// The most files that one profile may pull in, repetitions counted.
const MOST_FILES: usize = 64;

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Reading {
    /// The files.
    pub files: Files,
    /// All mistakes so far.
    pub mistakes: Vec<Mistake>,
    /// Whether a file could not be read as TOML, so that what is missing may only be unreadable.
    pub broken: bool,
    numbers: Numbers,
}

/// What a name in `extends` stands for.
#[derive(Clone, PartialEq, Eq)]
enum Base {
    Template(String),
    File(PathBuf),
}

impl Reading {
    /// The merged tree of the profile at `path`; its text is `text` where that is given.
    ///
    /// # Errors
    /// Where the profile itself cannot be read; mistakes in it are collected instead.
    pub fn read(&mut self, path: &Path, text: Option<String>) -> Result<Node> {
        let text = match text {
            Some(text) => text,
            None => read(path)?,
        };
        let file = self.file(path, text);
        let mut chain = vec![Base::File(identity(path))];
        Ok(self.merged(file, &mut chain))
    }

    fn file(&mut self, path: &Path, text: String) -> usize {
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        self.files.push(SourceFile::new(path.display().to_string(), text, Some(base)))
    }

    fn merged(&mut self, file: usize, chain: &mut Vec<Base>) -> Node {
        let before = self.mistakes.len();
        let mut node = parse(&self.files, file, &mut self.numbers, &mut self.mistakes);
        self.broken |= self.mistakes.len() > before;
        let mut tree = Node { place: node.place, data: Data::Table(Default::default()) };
        for (name, place) in self.bases(&mut node) {
            match self.base(&name, place, chain) {
                Some(base) => Merge { files: &self.files, mistakes: &mut self.mistakes }.lay(&mut tree, base),
                None => self.broken = true,
            }
        }
        Merge { files: &self.files, mistakes: &mut self.mistakes }.lay(&mut tree, node);
        tree
    }

    /// Takes `extends` out of a file's table.
    fn bases(&mut self, node: &mut Node) -> Vec<(String, Place)> {
        let Data::Table(entries) = &mut node.data else { return Vec::new() };
        let Some(entry) = entries.remove("extends") else { return Vec::new() };
        let wrong = |node: &Node| Mistake::new(&self.files, node.place, format!("this is {}", node.kind()));
        let Data::Array(names) = &entry.value.data else {
            let mistake = wrong(&entry.value).expected("an array of names and paths");
            self.mistakes.push(mistake);
            return Vec::new();
        };
        let mut bases = Vec::new();
        for node in names {
            match &node.data {
                Data::Text(name) => bases.push((name.clone(), node.place)),
                _ => {
                    let mistake = wrong(node).expected("a template's name or a path in quotes");
                    self.mistakes.push(mistake);
                }
            }
        }
        bases
    }

    fn base(&mut self, name: &str, place: Place, chain: &mut Vec<Base>) -> Option<Node> {
        let (base, path) = match (is_path(name), self.files.base(place)) {
            (false, _) => (Base::Template(name.to_owned()), None),
            (true, Some(folder)) => {
                let path = folder.join(name);
                (Base::File(identity(&path)), Some(path))
            }
            (true, None) => {
                self.complain(place, format!("a template cannot extend the file `{name}`"), "a template's name");
                return None;
            }
        };
        if chain.contains(&base) {
            self.complain(place, format!("`{name}` extends itself"), "a chain of bases that ends");
            return None;
        }
        if self.files.len() >= MOST_FILES {
            self.complain(place, format!("more than {MOST_FILES} files are extended"), "fewer");
            return None;
        }
        let file = match path {
            Some(path) => match regular(&path).and_then(|()| read(&path)) {
                Ok(text) => self.file(&path, text),
                Err(error) => {
                    let message = format!("`{name}` cannot be read: {}", error.message());
                    self.complain(place, message, "a path of a profile, from the folder of this file");
                    return None;
                }
            },
            None => self.template(name, place)?,
        };
        chain.push(base);
        let node = self.merged(file, chain);
        chain.pop();
        Some(node)
    }

    fn template(&mut self, name: &str, place: Place) -> Option<usize> {
        if let Some(text) = template::get(name) {
            let file = SourceFile::new(format!("template {name}"), text.to_owned(), None);
            return Some(self.files.push(file));
        }
        let names: Vec<&str> = template::names().collect();
        let mut mistake = Mistake::new(&self.files, place, format!("there is no template `{name}`"))
            .expected(format!("{}, or a path that ends in `.toml`", super::fault::list(&names)));
        mistake.help.extend(similar(name, names).map(|name| format!("did you mean `{name}`?")));
        self.mistakes.push(mistake);
        None
    }

    fn complain(&mut self, place: Place, message: String, expected: &str) {
        self.mistakes.push(Mistake::new(&self.files, place, message).expected(expected));
    }
}

fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml")
}

/// The same file by another name is the same.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A base is a file of the project: a terminal or a pipe would be waited for.
fn regular(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(Error::user("it is no regular file")),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<String> {
    let doing = || format!("reading `{}`", path.display());
    let file = std::fs::File::open(path).map_err(|error| Error::user(error.to_string())).context(doing)?;
    let bytes =
        limited(file, LARGEST, Kind::User).map_err(|error| Error::user(error.message()).hint("expected a profile"));
    let bytes = bytes.context(doing)?;
    String::from_utf8(bytes).map_err(|_| Error::user("the file is not UTF-8")).context(doing)
}
