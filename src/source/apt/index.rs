//! Every package that the indexes of some suites name, found by name or by what it provides.
//!
//! The texts stay as they came; of a stanza only its place is kept, and its fields are read
//! when they are asked for, so that tens of thousands of packages cost little more than their text.

use std::collections::{BTreeSet, HashMap};

use super::deb822;
use super::relation::{self, Relation};
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::lock;
use crate::path::RootPath;

/// The text of one index.
struct Text {
    from: String,
    suite: String,
    text: String,
}

/// The place of a stanza in an index.
#[derive(Debug, Clone, Copy)]
struct Place {
    text: u32,
    start: u32,
    end: u32,
}

/// The number of a stanza.
pub type StanzaId = u32;

/// The packages of one architecture.
pub struct Universe {
    arch: String,
    texts: Vec<Text>,
    places: Vec<Place>,
    by_name: HashMap<Box<str>, Vec<StanzaId>>,
    /// Names of packages that provide a name.
    providers: HashMap<Box<str>, BTreeSet<Box<str>>>,
}

/// A package of an index, its fields yet to be read.
#[derive(Clone, Copy)]
pub struct Stanza<'a> {
    /// Key of the profile's source.
    pub from: &'a str,
    /// Suite.
    pub suite: &'a str,
    text: &'a str,
}

impl<'a> Stanza<'a> {
    /// A field's value; empty where there is none.
    pub fn field(&self, name: &str) -> &'a str {
        deb822::field(self.text, name).unwrap_or_default()
    }

    /// Name.
    pub fn name(&self) -> &'a str {
        self.field("Package")
    }

    /// Version.
    pub fn version(&self) -> &'a str {
        self.field("Version")
    }

    /// The groups of a relation field.
    pub fn relations(&self, field: &str) -> Result<Vec<Vec<Relation>>> {
        relation::parse(self.field(field)).context(|| format!("reading `{field}` of package `{}`", self.name()))
    }

    /// `optional` and its like as a number: the lower, the more there is to the package.
    pub fn priority(&self) -> usize {
        let order = ["required", "important", "standard", "optional"];
        order.iter().position(|name| *name == self.field("Priority")).unwrap_or(order.len())
    }

    /// The package as the lock names it.
    pub fn locked(&self, requested: bool) -> Result<lock::Package> {
        let bad =
            |field: &str| Error::source(format!("the index has no sound `{field}` for package `{}`", self.name()));
        let path = self.field("Filename");
        Ok(lock::Package {
            name: self.name().to_owned(),
            version: self.version().to_owned(),
            arch: self.field("Architecture").to_owned(),
            from: self.from.to_owned(),
            suite: self.suite.to_owned(),
            requested,
            path: confined(path).ok_or_else(|| bad("Filename"))?,
            size: self.field("Size").parse().map_err(|_| bad("Size"))?,
            sha256: self.field("SHA256").parse::<Digest>().map_err(|_| bad("SHA256"))?,
        })
    }
}

/// A path below an archive's root that stays there.
pub fn confined(path: &str) -> Option<String> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let normal = RootPath::new(format!("/{path}")).ok().filter(|path| !path.is_root());
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    (normal.is_some() && plain).then(|| path.to_owned())
}

impl Universe {
    /// An empty one, for packages of `arch` (Debian's name) and `all`.
    pub fn new(arch: &str) -> Self {
        Universe {
            arch: arch.to_owned(),
            texts: Vec::new(),
            places: Vec::new(),
            by_name: HashMap::new(),
            providers: HashMap::new(),
        }
    }

    /// The architecture.
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// Adds an index; of two stanzas of the same name, version and source the first stays.
    pub fn add(&mut self, from: &str, suite: &str, text: String) -> Result<()> {
        let number = u32::try_from(self.texts.len()).map_err(|_| Error::source("too many indexes"))?;
        if u32::try_from(text.len()).is_err() {
            return Err(Error::source(format!("the index of suite `{suite}` is larger than 4 GiB")));
        }
        self.texts.push(Text { from: from.to_owned(), suite: suite.to_owned(), text });
        let mut places = Vec::new();
        let Some(added) = self.texts.last() else { return Ok(()) };
        let base = added.text.as_ptr() as usize;
        for paragraph in deb822::paragraphs(&added.text) {
            let start = (paragraph.as_ptr() as usize - base) as u32;
            places.push(Place { text: number, start, end: start + paragraph.len() as u32 });
        }
        for place in places {
            self.take(place);
        }
        Ok(())
    }

    fn take(&mut self, place: Place) {
        let Ok(id) = u32::try_from(self.places.len()) else { return };
        let stanza = self.at(place);
        let (name, arch) = (stanza.name(), stanza.field("Architecture"));
        let fits = (arch == self.arch || arch == "all") && !name.is_empty() && !stanza.version().is_empty();
        let key = (stanza.from, stanza.version());
        let twice = || {
            let others = self.by_name.get(name).into_iter().flatten().map(|id| self.stanza(*id));
            others.into_iter().any(|other| (other.from, other.version()) == key)
        };
        if !fits || twice() {
            return;
        }
        let provides = stanza.field("Provides");
        // A broken `Provides` provides nothing.
        let provided = if provides.is_empty() { Vec::new() } else { relation::parse(provides).unwrap_or_default() };
        let name: Box<str> = name.into();
        for relation in provided.into_iter().flatten() {
            self.providers.entry(relation.name.into()).or_default().insert(name.clone());
        }
        self.by_name.entry(name).or_default().push(id);
        self.places.push(place);
    }

    fn at(&self, place: Place) -> Stanza<'_> {
        let text = &self.texts[place.text as usize];
        Stanza { from: &text.from, suite: &text.suite, text: &text.text[place.start as usize..place.end as usize] }
    }

    /// A stanza by its number.
    pub fn stanza(&self, id: StanzaId) -> Stanza<'_> {
        self.at(self.places[id as usize])
    }

    /// The packages of a name, in the order of the suites.
    pub fn named(&self, name: &str) -> &[StanzaId] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Names of packages that provide `name`, sorted.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.providers.get(name).into_iter().flatten().map(|name| &**name)
    }

    /// The name nearest to one that is not there.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let scored = self.by_name.keys().map(|known| (strsim::jaro_winkler(known, name), &**known));
        let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
        best.filter(|(score, _)| *score > 0.85).map(|(_, known)| known)
    }
}
