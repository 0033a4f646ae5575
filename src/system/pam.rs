//! The common PAM stacks, `/etc/pam.d/common-*`, as `pam-auth-update` makes them of the modules' own
//! descriptions in `/usr/share/pam-configs` and the templates in `/usr/share/pam`.
//!
//! Only what lets people in reads them: login, su, sudo, sshd, cron. Descriptions with `Default: yes`
//! take part, the highest priority first; `end` in a control field jumps behind the primary block.

use std::collections::BTreeMap;

use super::scripts::Account;
use super::{Inputs, Place};
use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::tree::Tree;

/// No description or template is larger.
const LIMIT: u64 = 1 << 20;
/// The stacks: the file's name, the field of a description, whether it is for people at a terminal only.
const STACKS: [(&str, &str, bool); 5] = [
    ("account", "Account", true),
    ("auth", "Auth", true),
    ("password", "Password", true),
    ("session", "Session", true),
    ("session-noninteractive", "Session", false),
];

pub(crate) type Description = BTreeMap<String, Vec<String>>;

/// Writes the stacks whose templates are in the tree.
pub fn pam(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let folder = RootPath::new("/usr/share/pam-configs")?;
    let mut descriptions = Vec::new();
    for name in tree.directory(&folder).into_iter().flat_map(|folder| folder.entries.keys()) {
        if let Some(text) = text(tree, &folder.join(name)?)? {
            let description = parse(&text);
            if value(&description, "Default") == "yes" {
                let priority: i64 = value(&description, "Priority").parse().unwrap_or(0);
                descriptions.push((std::cmp::Reverse(priority), name.clone(), description));
            }
        }
    }
    descriptions.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    for (stack, field, interactive) in STACKS {
        let Some(template) = text(tree, &RootPath::new(format!("/usr/share/pam/common-{stack}"))?)? else { continue };
        let taken = descriptions.iter().map(|(.., description)| description);
        let taken = taken.filter(|one| interactive || value(one, "Session-Interactive-Only") != "yes");
        let taken: Vec<&Description> = taken.collect();
        let kind = field.to_lowercase();
        let mut primary = block(&taken, field, "Primary", &kind);
        if primary.is_empty() {
            primary = format!("{kind}\t[default=1]\t\t\tpam_permit.so\n");
        }
        let additional = block(&taken, field, "Additional", &kind);
        // The template for sessions without people has marks of its own.
        let mark = if interactive { &*kind } else { "session_nonint" };
        let text = template
            .replace(&format!("${mark}_primary\n"), &primary)
            .replace(&format!("${mark}_additional\n"), &additional);
        let path = format!("/etc/pam.d/common-{stack}");
        if tree.get(&RootPath::new(&*path)?).is_none() {
            Place::new(tree, inputs, "pam").file(&path, 0o644, text)?;
        }
    }
    Ok(())
}

/// The lines of one block: the first module uses its `Initial` form, if it has one.
fn block(descriptions: &[&Description], field: &str, block: &str, kind: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for description in descriptions.iter().filter(|one| value(one, &format!("{field}-Type")) == block) {
        let initial = description.get(&format!("{field}-Initial")).filter(|_| lines.is_empty());
        let own = initial.or_else(|| description.get(field));
        lines.extend(own.into_iter().flatten().filter(|line| !line.is_empty()).cloned());
    }
    let count = lines.len();
    let one = |(at, line): (usize, String)| {
        let line = line.replace("end", &(count - at).to_string());
        // The blank between module and options stands there without options too, as in the original.
        let blank = if line.ends_with(".so") { " " } else { "" };
        format!("{kind}\t{line}{blank}\n")
    };
    lines.into_iter().enumerate().map(one).collect()
}

fn value<'d>(description: &'d Description, field: &str) -> &'d str {
    description.get(field).and_then(|lines| lines.first()).map_or("", String::as_str)
}

/// Fields and their lines; lines that begin with a blank continue the field.
pub(crate) fn parse(text: &str) -> Description {
    let mut out = Description::new();
    let mut field = String::new();
    for line in text.lines() {
        if line.starts_with(char::is_whitespace) {
            out.entry(field.clone()).or_default().push(line.trim().to_owned());
        } else if let Some((name, value)) = line.split_once(':') {
            name.clone_into(&mut field);
            let lines = out.entry(field.clone()).or_default();
            lines.extend(Some(value.trim().to_owned()).filter(|value| !value.is_empty()));
        }
    }
    out
}

fn text(tree: &Tree, path: &RootPath) -> Result<Option<String>> {
    let Some((_, content)) = tree.file(path) else { return Ok(None) };
    let bytes = content.read(LIMIT).context(|| format!("reading `{path}`"))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, path};
    use super::*;
    use crate::tree::{Content, Meta};

    #[test]
    fn the_first_module_is_initial_and_ends_jump_behind_the_block() {
        let mut tree = Tree::default();
        let mut put = |name: &str, text: &str| {
            tree.put_file(&path(name), Meta::new(0o644, 0), Content::bytes(text.as_bytes())).unwrap();
        };
        put("/usr/share/pam/common-auth", "# top\n$auth_primary\nx\n$auth_additional\n");
        put("/usr/share/pam/common-session", "$session_primary\n$session_additional\n");
        let unix =
            "Default: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_unix.so try\n";
        put(
            "/usr/share/pam-configs/unix",
            &format!("{unix}Auth-Initial:\n\t[success=end default=ignore]\tpam_unix.so\n"),
        );
        put("/usr/share/pam-configs/low", &unix.replace("256", "1").replace("unix", "low"));
        put("/usr/share/pam-configs/off", &unix.replace("yes", "no"));
        Fixture::new().with(|inputs| pam(&mut tree, inputs, &Account::default())).unwrap();
        let read = |name: &str| String::from_utf8(tree.file(&path(name)).unwrap().1.read(1000).unwrap()).unwrap();
        assert_eq!(
            read("/etc/pam.d/common-auth"),
            "# top\nauth\t[success=2 default=ignore]\tpam_unix.so \nauth\t[success=1 default=ignore]\tpam_low.so try\nx\n"
        );
        assert_eq!(read("/etc/pam.d/common-session"), "session\t[default=1]\t\t\tpam_permit.so\n");
        assert!(tree.get(&path("/etc/pam.d/common-password")).is_none());
    }
}
