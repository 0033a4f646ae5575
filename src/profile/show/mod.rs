//! A resolved profile as canonical TOML: sorted, every default explicit, no variable, no base.
//!
//! It loads again to the same profile, from the same folder and for the same architecture.

mod part;
mod write;

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{
    Component, Edit, FileContent, Origin, Origins, Package, Pod, Preload, PreloadImage, Profile, Program, Url,
};

/// The canonical form; with `origins`, every value says which line set it.
pub fn show(profile: &Profile, origins: Option<&Origins>) -> String {
    let shower =
        Shower { folder: profile.path.parent().unwrap_or(Path::new("")).to_owned(), from: common_source(profile) };
    let table = escaped(shower.profile(profile));
    write::document(&table, origins)
}

/// What the parts need to know of the whole.
struct Shower {
    /// What paths are written relative to.
    folder: PathBuf,
    /// The source that is not repeated at each package.
    from: Option<String>,
}

/// The source of most packages of the userland; the first of those by name.
fn common_source(profile: &Profile) -> Option<String> {
    let count = |name: &String| profile.userland.packages.iter().filter(|package| package.from == *name).count();
    let best = profile.sources.keys().rev().max_by_key(|name| count(name))?;
    Some(best.clone())
}

/// A table of what is there.
fn table<const N: usize>(entries: [(&str, Option<Value>); N]) -> Table {
    entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn texts(list: &[String]) -> Option<Value> {
    Some(list.to_vec().into())
}

fn text(text: impl ToString) -> Option<Value> {
    Some(Value::String(text.to_string()))
}

fn tables<T>(list: impl IntoIterator<Item = T>, each: impl Fn(T) -> Table) -> Option<Value> {
    let tables: Vec<Value> = list.into_iter().map(|item| Value::Table(each(item))).collect();
    (!tables.is_empty()).then_some(Value::Array(tables))
}

/// `NAME = {}`
fn tag(name: &str) -> Option<Value> {
    Some(Value::Table(table([(name, Some(Value::Table(Table::new())))])))
}

impl Shower {
    fn path(&self, path: &Path) -> Option<Value> {
        let relative = path.strip_prefix(&self.folder).unwrap_or(path);
        text(relative.display())
    }

    fn package(&self, package: &Package) -> Value {
        match self.from.as_ref() == Some(&package.from) {
            true => Value::String(package.name.clone()),
            false => Value::Table(table([("name", text(&package.name)), ("from", text(&package.from))])),
        }
    }

    fn packages(&self, packages: &[Package]) -> Option<Value> {
        Some(Value::Array(packages.iter().map(|package| self.package(package)).collect()))
    }

    fn url(&self, url: &Url) -> Option<Value> {
        Some(Value::Table(table([("url", text(&url.url)), ("sha256", text(url.sha256))])))
    }

    fn program(&self, program: &Program) -> Table {
        let (key, origin) = match &program.origin {
            Origin::Apt(packages) => match packages.as_slice() {
                [one] => ("apt", Some(self.package(one))),
                several => ("apt", self.packages(several)),
            },
            Origin::Url(url) => ("url", self.url(url)),
            Origin::File(path) => ("file", self.path(path)),
            Origin::Go(go) => {
                let define: Table = go.define.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
                let go = table([
                    ("source", Some(self.package(&go.source))),
                    ("toolchain", Some(self.package(&go.toolchain))),
                    ("package", text(&go.package)),
                    ("root", text(&go.root)),
                    ("version", text(&go.version)),
                    ("define", Some(Value::Table(define))),
                ]);
                ("go", Some(Value::Table(go)))
            }
        };
        let unpack = program.unpack.iter().map(|(glob, folder)| (glob.clone(), folder.to_string().into()));
        table([
            (key, origin),
            ("version", program.version.as_ref().and_then(text)),
            ("path", text(&program.path)),
            ("unpack", Some(Value::Table(unpack.collect()))),
        ])
    }

    fn component(&self, component: &Component) -> Table {
        let mut table = self.program(&component.program);
        table.insert("config".to_owned(), Value::Table(component.config.clone()));
        table.insert("args".to_owned(), component.args.clone().into());
        table
    }

    fn preload(&self, preload: &Preload) -> Table {
        let name = ("name", text(&preload.name));
        let archive = |key: &str, value| Some(Value::Table(table([(key, value)])));
        match &preload.image {
            PreloadImage::File(path) => table([name, ("archive", archive("file", self.path(path)))]),
            PreloadImage::Url(url) => table([name, ("archive", archive("url", self.url(url)))]),
            PreloadImage::Assemble { packages, include, edits, entrypoint, cmd, env, user } => {
                let mut out = table([
                    name,
                    ("packages", self.packages(packages)),
                    ("include", texts(include)),
                    ("entrypoint", texts(entrypoint)),
                    ("cmd", texts(cmd)),
                    ("env", texts(env)),
                    ("user", user.as_ref().and_then(text)),
                ]);
                self.edits(edits, &mut out);
                out
            }
        }
    }

    fn pod(&self, pod: &Pod) -> Table {
        table([("name", text(&pod.name)), ("manifest", Some(Value::Table(pod.manifest.clone())))])
    }

    /// Each kind of edit under its own key.
    fn edits(&self, edits: &[Edit], out: &mut Table) {
        for edit in edits {
            let (key, value) = match edit {
                Edit::Remove(glob) => ("remove", Value::String(glob.clone())),
                Edit::File { .. } => ("file", Value::Table(self.edit(edit))),
                Edit::Directory { .. } => ("directory", Value::Table(self.edit(edit))),
                Edit::Link { .. } => ("link", Value::Table(self.edit(edit))),
                Edit::Mode { .. } => ("mode", Value::Table(self.edit(edit))),
            };
            if let Value::Array(list) = out.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
                list.push(value);
            }
        }
    }

    fn edit(&self, edit: &Edit) -> Table {
        let octal = |mode: &u16| text(format!("{mode:04o}"));
        let owned = |(user, group): &(String, String)| text(format!("{user}:{group}"));
        match edit {
            Edit::File { path, content, mode, owner } => {
                let (key, content) = match content {
                    FileContent::Text(content) => ("text", text(content)),
                    FileContent::File(path) => ("file", self.path(path)),
                    FileContent::Url(url) => ("url", self.url(url)),
                };
                table([("path", text(path)), (key, content), ("mode", octal(mode)), ("owner", owned(owner))])
            }
            Edit::Directory { path, mode, owner } => {
                table([("path", text(path)), ("mode", octal(mode)), ("owner", owned(owner))])
            }
            Edit::Link { path, target } => table([("path", text(path)), ("target", text(target))]),
            Edit::Mode { path, mode, owner } => table([
                ("path", text(path)),
                ("mode", mode.as_ref().and_then(octal)),
                ("owner", owner.as_ref().and_then(owned)),
            ]),
            Edit::Remove(_) => Table::new(),
        }
    }
}

/// With `${` written so that no variable is seen in it.
fn escaped(table: Table) -> Table {
    let plain = |text: String| text.replace("${", "$${");
    table.into_iter().map(|(key, value)| (plain(key), escaped_value(value))).collect()
}

fn escaped_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${", "$${")),
        Value::Table(table) => Value::Table(escaped(table)),
        Value::Array(values) => Value::Array(values.into_iter().map(escaped_value).collect()),
        value => value,
    }
}
