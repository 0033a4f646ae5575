//! `[[file]]`, `[[directory]]`, `[[link]]`, `[[mode]]`, `remove`, `[[user]]`, `[[unit]]`.

use std::collections::BTreeMap;

use super::{Resolver, name};
use crate::path::RootPath;
use crate::profile::place::{At, Place};
use crate::profile::{Edit, FileContent, Unit, UnitState, User, raw};

impl Resolver<'_> {
    /// What is laid into a tree: folders, then files, then links; no path twice.
    pub(super) fn laid(
        &mut self,
        directories: raw::List<raw::Directory>,
        files: raw::List<raw::File>,
        links: raw::List<raw::Link>,
    ) -> Vec<Edit> {
        let mut seen = BTreeMap::new();
        let mut edits = Vec::new();
        for At { value: raw, place } in directories.map(|list| list.value).unwrap_or_default() {
            let path = self.path(raw.path, place, "directory.path", &mut seen);
            let mode = self.mode(raw.mode, 0o755);
            let owner = self.owner(raw.owner);
            edits.extend(path.map(|path| Edit::Directory { path, mode, owner }));
        }
        for At { value: raw, place } in files.map(|list| list.value).unwrap_or_default() {
            let path = self.path(raw.path, place, "file.path", &mut seen);
            let mode = self.mode(raw.mode, 0o644);
            let owner = self.owner(raw.owner);
            let content = self.content(raw.text, raw.file, raw.url, place);
            if let (Some(path), Some(content)) = (path, content) {
                edits.push(Edit::File { path, content, mode, owner });
            }
        }
        for At { value: raw, place } in links.map(|list| list.value).unwrap_or_default() {
            let path = self.path(raw.path, place, "link.path", &mut seen);
            let target = self.text(raw.target, place, "link.target");
            if let (Some(path), Some(target)) = (path, target) {
                edits.push(Edit::Link { path, target: target.value });
            }
        }
        edits
    }

    /// What is changed after that: modes and owners, then removals.
    pub(super) fn changed(&mut self, modes: raw::List<raw::Mode>, remove: raw::List<String>) -> Vec<Edit> {
        let mut seen = BTreeMap::new();
        let mut edits = Vec::new();
        for At { value: raw, place } in modes.map(|list| list.value).unwrap_or_default() {
            let path = self.path(raw.path, place, "mode.path", &mut seen);
            if raw.mode.is_none() && raw.owner.is_none() {
                self.wrong(place, "this changes nothing", "`mode`, `owner` or both");
            }
            let mode = raw.mode.map(|mode| self.mode(Some(mode), 0));
            let owner = raw.owner.map(|owner| self.owner(Some(owner)));
            edits.extend(path.map(|path| Edit::Mode { path, mode, owner }));
        }
        edits.extend(self.globs(remove, "/").into_iter().map(Edit::Remove));
        edits
    }

    fn path(
        &mut self,
        raw: raw::Opt<raw::Parsed<RootPath>>,
        table: Place,
        name: &str,
        seen: &mut BTreeMap<String, Place>,
    ) -> Option<RootPath> {
        let raw = self.needed(raw, table, name)?;
        let path = raw.value.0;
        if path.is_root() {
            self.wrong(raw.place, "the root itself is given", "a path below `/`");
        }
        let text = At { value: path.to_string(), place: raw.place };
        (!self.again(seen, &text, "path")).then_some(path)
    }

    fn mode(&mut self, raw: Option<At<String>>, default: u16) -> u16 {
        let Some(raw) = raw else { return default };
        name::mode(&raw.value).unwrap_or_else(|| {
            let message = format!("`{}` is not a mode", raw.value);
            self.wrong(raw.place, message, "octal digits up to `7777`, as `\"0644\"`");
            default
        })
    }

    fn owner(&mut self, raw: Option<At<String>>) -> (String, String) {
        let root = || ("root".to_owned(), "root".to_owned());
        let Some(raw) = raw else { return root() };
        match raw.value.split_once(':') {
            Some((user, group)) if name::owner(user) && name::owner(group) => (user.to_owned(), group.to_owned()),
            _ => {
                let message = format!("`{}` is not an owner", raw.value);
                self.wrong(raw.place, message, "`user:group`, by name or number");
                root()
            }
        }
    }

    fn content(
        &mut self,
        text: Option<At<String>>,
        file: Option<At<String>>,
        url: Option<At<raw::Url>>,
        table: Place,
    ) -> Option<FileContent> {
        let places =
            [text.as_ref().map(|at| at.place), file.as_ref().map(|at| at.place), url.as_ref().map(|at| at.place)];
        self.one_of(&["text", "file", "url"], &places, table, "file", "what it holds")?;
        match (text, file, url) {
            (Some(text), ..) => Some(FileContent::Text(text.value)),
            (_, Some(file), _) => self.local(file).map(FileContent::File),
            (.., url) => self.url(url?, "file.url").map(FileContent::Url),
        }
    }

    /// `[[user]]`
    pub(super) fn users(&mut self, raw: raw::List<raw::User>) -> Vec<User> {
        let (mut names, mut ids) = (BTreeMap::new(), BTreeMap::new());
        let mut users = Vec::new();
        for At { value: raw, place } in raw.map(|list| list.value).unwrap_or_default() {
            let name = self.needed(raw.name, place, "user.name");
            if let Some(name) = &name {
                self.again(&mut names, name, "user");
            }
            let uid = self.needed(raw.uid, place, "user.uid");
            if let Some(uid) = &uid {
                let text = At { value: uid.value.to_string(), place: uid.place };
                self.again(&mut ids, &text, "user id");
            }
            for account in name.iter().chain(raw.groups.iter().flat_map(|list| &list.value)) {
                if !name::account(account) {
                    let message = format!("`{}` cannot be the name of an account", account.value);
                    self.wrong(account.place, message, "up to 31 lower-case letters, digits, `-` and `_`");
                }
            }
            for id in [&uid, &raw.gid].into_iter().flatten().filter(|id| id.value >= u32::MAX - 1) {
                self.wrong(id.place, format!("`{}` cannot be an id", id.value), "a number below 4294967294");
            }
            for path in [&raw.home, &raw.shell].into_iter().flatten() {
                if RootPath::new(path.as_bytes()).is_err() || path.contains([':', '\n']) {
                    self.wrong(path.place, format!("`{}` is not an absolute path", path.value), "`/path`");
                }
            }
            let groups = self.unique(raw.groups, "group");
            let (Some(name), Some(uid)) = (name, uid) else { continue };
            users.push(User {
                name: name.value,
                uid: uid.value,
                gid: raw.gid.map_or(uid.value, |gid| gid.value),
                home: raw.home.map_or_else(|| "/nonexistent".to_owned(), |home| home.value),
                shell: raw.shell.map_or_else(|| "/usr/sbin/nologin".to_owned(), |shell| shell.value),
                groups,
            });
        }
        users
    }

    /// `[[unit]]`
    pub(super) fn units(&mut self, raw: raw::List<raw::Unit>) -> Vec<Unit> {
        let mut seen = BTreeMap::new();
        let mut units = Vec::new();
        for At { value: raw, place } in raw.map(|list| list.value).unwrap_or_default() {
            let name = self.needed(raw.name, place, "unit.name");
            if let Some(name) = &name {
                self.again(&mut seen, name, "unit");
                if !name::unit(name) {
                    let message = format!("`{}` cannot be the name of a unit", name.value);
                    self.wrong(name.place, message, "a name and a type, as `name.service`");
                }
            }
            if raw.text.is_none() && raw.dropins.is_none() && raw.state.is_none() {
                self.wrong(place, "this unit changes nothing", "`text`, `dropins` or `state`");
            }
            let mut dropins = BTreeMap::new();
            for (file, text) in raw.dropins.map(|map| map.value).unwrap_or_default() {
                if !name::dropin(&file.value) {
                    let message = format!("`{}` cannot be the name of a drop-in", file.value);
                    self.wrong(file.place, message, "a file name that ends in `.conf`");
                }
                dropins.insert(file.value, text.value);
            }
            let state = match raw.state.map(|state| state.value) {
                Some(raw::UnitState::Enabled) => UnitState::Enabled,
                Some(raw::UnitState::Disabled) => UnitState::Disabled,
                Some(raw::UnitState::Masked) => UnitState::Masked,
                Some(raw::UnitState::Default) | None => UnitState::Default,
            };
            if let (Some(text), UnitState::Masked) = (&raw.text, state) {
                self.wrong(text.place, "a masked unit has no text", "either `text` or `state = \"masked\"`");
            }
            let text = raw.text.map(|text| text.value);
            units.extend(name.map(|name| Unit { name: name.value, text, dropins, state }));
        }
        units
    }
}
