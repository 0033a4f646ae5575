//! From a file to a [`Profile`]: read, merge, choose, expand, read strictly, resolve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::de::{Reader, cut};
use super::expand::Expand;
use super::extend::Reading;
use super::mistake::{self, Mistake};
use super::node::{Data, Node, Numbers, parse};
use super::origins::Origins;
use super::place::{At, Files, SourceFile};
use super::resolve::Resolver;
use super::{Cloud, Output, Profile, cloud, raw};
use crate::arch::Arch;
use crate::error::{Error, Result};

/// More values than this are not cut out of one profile: the rest follows from them.
const MOST_FAULTS: usize = 200;

/// The longest value of a variable, in bytes.
const LONGEST: usize = 128;

/// What a load is told besides the file.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The target, in place of the profile's.
    pub arch: Option<Arch>,
}

/// Loads the profile at `path` and all that it extends.
///
/// Reads TOML files and looks whether the files that they name are there; nothing else is
/// touched. The returned [`Origins`] tell which line set which value.
///
/// # Errors
/// [`Kind::User`](crate::error::Kind::User), with every mistake of every file; as JSON in
/// the error's detail `mistakes`.
pub fn load(path: &Path, options: &LoadOptions) -> Result<(Profile, Origins)> {
    load_text(path, None, options)
}

/// The files beside the profile at `path` that it names; they need not be there.
///
/// # Errors
/// As those of [`load`].
pub fn named_files(path: &Path) -> Result<BTreeSet<PathBuf>> {
    Ok(load_with(path, None, &LoadOptions::default(), true)?.0.local_files())
}

/// [`load`], with `text` in place of what the file at `path` holds, if it is given.
pub fn load_text(path: &Path, text: Option<String>, options: &LoadOptions) -> Result<(Profile, Origins)> {
    load_with(path, text, options, false)
}

/// The same, where files that it names may be `absent`.
fn load_with(path: &Path, text: Option<String>, options: &LoadOptions, absent: bool) -> Result<(Profile, Origins)> {
    let mut reading = Reading::default();
    let tree = reading.read(path, text)?;
    let Reading { files, mut mistakes, broken, .. } = reading;
    let (arch, known) = architecture(&tree, options);
    let values = variables(&files, &tree, arch, &mut mistakes);
    let mut expand = Expand { files: &files, mistakes: &mut mistakes, arch, known, values, gone: BTreeSet::new() };
    let node = expand.node(tree);
    let gone = expand.gone;
    let Some(node) = node else { return Err(mistake::error(mistakes)) };
    let origins = Origins::of(&files, &node);
    let (raw, cut) = strictly::<raw::Profile>(&files, node, &mut mistakes, gone);
    let Some(raw) = raw else { return Err(mistake::error(mistakes)) };
    let mut outputs = raw.value.output.iter().flat_map(|outputs| &outputs.value);
    let rows = if outputs.any(|output| output.cloud.is_some()) { clouds(arch)? } else { BTreeMap::new() };
    let mut resolver = Resolver::new(&files, mistakes, cut, broken, arch);
    resolver.rows = rows;
    resolver.absent = absent;
    let profile = resolver.profile(raw, path.to_owned());
    match (profile, resolver.mistakes) {
        (Some(profile), mistakes) if mistakes.is_empty() => Ok((profile, origins)),
        (_, mistakes) => Err(mistake::error(mistakes)),
    }
}

/// The target, and whether it is sure; one that is missing or unknown is told of later.
fn architecture(tree: &Node, options: &LoadOptions) -> (Arch, bool) {
    let written = match tree.get(&["image", "arch"]).map(|node| &node.data) {
        Some(Data::Text(name)) => Arch::from_name(name),
        _ => None,
    };
    let arch = options.arch.or(written);
    (arch.unwrap_or(Arch::Amd64), arch.is_some())
}

fn variables(files: &Files, tree: &Node, arch: Arch, mistakes: &mut Vec<Mistake>) -> BTreeMap<&'static str, String> {
    let mut values = BTreeMap::from([("arch", arch.name().to_owned())]);
    for name in ["id", "version"] {
        let Some(node) = tree.get(&["image", name]) else { continue };
        let Data::Text(text) = &node.data else { continue };
        match text.contains("${") {
            true => mistakes.push(
                Mistake::new(files, node.place, format!("`image.{name}` holds a variable"))
                    .expected("plain text, since variables are made of it"),
            ),
            // One that is too long is told of later, and must not grow everything until then.
            false if text.len() <= LONGEST => drop(values.insert(name, text.clone())),
            false => {}
        }
    }
    values
}

/// One output by itself, as a table in TOML: `format.qcow2 = { cluster = "64K" }`; `name` is what mistakes call it.
///
/// # Errors
/// As those of [`load`].
pub fn load_output(name: &str, text: &str) -> Result<Output> {
    let mut files = Files::default();
    let file = files.push(SourceFile::new(name.to_owned(), text.to_owned(), None));
    let mut mistakes = Vec::new();
    let node = parse(&files, file, &mut Numbers::default(), &mut mistakes);
    let broken = !mistakes.is_empty();
    let (raw, cut) = strictly::<raw::Output>(&files, node, &mut mistakes, BTreeSet::new());
    let Some(raw) = raw else { return Err(mistake::error(mistakes)) };
    let mut resolver = Resolver::new(&files, mistakes, cut, broken, Arch::Amd64);
    if raw.value.cloud.is_some() {
        resolver.rows = clouds(Arch::Amd64)?;
    }
    match (resolver.output(raw, &mut BTreeMap::new()), resolver.mistakes) {
        (Some(output), mistakes) if mistakes.is_empty() => Ok(output),
        (_, mistakes) => Err(mistake::error(mistakes)),
    }
}

/// The rows that are built in, by name, as they are for an architecture.
///
/// # Errors
/// None but a bug of ours: the text is part of the program.
pub fn clouds(arch: Arch) -> Result<BTreeMap<String, Cloud>> {
    let mut files = Files::default();
    let file = files.push(SourceFile::new("clouds.toml".to_owned(), cloud::TEXT.to_owned(), None));
    let mut mistakes = Vec::new();
    let node = parse(&files, file, &mut Numbers::default(), &mut mistakes);
    let values = BTreeMap::from([("arch", arch.name().to_owned())]);
    let mut expand =
        Expand { files: &files, mistakes: &mut mistakes, arch, known: true, values, gone: BTreeSet::new() };
    let node = expand.node(node);
    let gone = expand.gone;
    let bug = |mistakes| Error::bug(mistake::error(mistakes).message());
    let Some(node) = node else { return Err(bug(mistakes)) };
    let (raw, cut) = strictly::<raw::Clouds>(&files, node, &mut mistakes, gone);
    let Some(raw) = raw else { return Err(bug(mistakes)) };
    let mut resolver = Resolver::new(&files, mistakes, cut, false, arch);
    let rows = resolver.clouds(raw.value.cloud);
    if resolver.mistakes.is_empty() { Ok(rows) } else { Err(bug(resolver.mistakes)) }
}

/// Reads a tree into the raw types; what does not fit is noted, cut out and left behind, until the rest does.
fn strictly<T: for<'de> Deserialize<'de>>(
    files: &Files,
    mut node: Node,
    mistakes: &mut Vec<Mistake>,
    mut gone: BTreeSet<(usize, String)>,
) -> (Option<At<T>>, BTreeSet<(usize, String)>) {
    for _ in 0..MOST_FAULTS {
        let fault = match At::<T>::deserialize(Reader(&node)) {
            Ok(raw) => return (Some(raw), gone),
            Err(fault) => fault,
        };
        let place = fault.place.map_or(node.place, |place| *place);
        // A table out of which something was cut may be wrong for that reason alone.
        if !gone.iter().any(|(table, _)| *table == place.id) {
            let mut mistake = Mistake::new(files, place, fault.message);
            mistake.expected = fault.expected;
            mistake.help = fault.help;
            mistakes.push(mistake);
        }
        match cut(&mut node, place.id) {
            Some((table, key)) => {
                // A key that was misspelt is not missing as well.
                gone.extend(fault.meant.map(|meant| (table, meant.to_owned())));
                gone.insert((table, key));
            }
            None => return (None, gone),
        }
    }
    (None, gone)
}
