//! Accounts: who could log in, and as whom (passwd(5), shadow(5)).

use super::view::View;
use super::{Breach, Verdict};
use crate::error::Result;
use crate::path::RootPath;

const PASSWD: &str = "/etc/passwd";
const SHADOW: &str = "/etc/shadow";
/// Shells that end at once.
const NO_LOGIN: [&str; 4] = ["nologin", "false", "true", "sync"];

fn lines(view: &View<'_>, path: &str) -> Result<Vec<Vec<String>>> {
    let text = view.text(path)?.unwrap_or_default();
    Ok(text.lines().filter(|line| !line.is_empty()).map(|line| line.split(':').map(str::to_owned).collect()).collect())
}

fn field(line: &[String], at: usize) -> &str {
    line.get(at).map_or("", String::as_str)
}

/// No password, and no empty one.
pub fn passwords(view: &View<'_>) -> Result<Verdict> {
    let mut breaches = Vec::new();
    // In passwd an `x` says that shadow has it; in shadow nothing hashes to a word that begins with `!` or `*`.
    for (path, locked) in [(PASSWD, &["x", "*", "!"][..]), (SHADOW, &["*", "!"])] {
        let at = RootPath::new(path)?;
        for line in lines(view, path)? {
            let (name, password) = (field(&line, 0), field(&line, 1));
            match password {
                "" => breaches.push(Breach::at(&at, format!("`{name}` needs no password"))),
                password if locked.iter().any(|start| password.starts_with(start)) => {}
                _ => breaches.push(Breach::at(&at, format!("`{name}` has a password"))),
            }
        }
    }
    Ok(Verdict::of(breaches))
}

/// Only root is root.
pub fn second_root(view: &View<'_>) -> Result<Verdict> {
    let at = RootPath::new(PASSWD)?;
    let also =
        lines(view, PASSWD)?.into_iter().filter(|line| field(line, 0) != "root" && field(line, 2).parse() == Ok(0));
    Ok(Verdict::of(also.map(|line| Breach::at(&at, format!("`{}` has the number 0", field(&line, 0)))).collect()))
}

/// No account has a shell that is there.
pub fn shells(view: &View<'_>) -> Result<Verdict> {
    let at = RootPath::new(PASSWD)?;
    let mut breaches = Vec::new();
    for line in lines(view, PASSWD)? {
        // login(1) takes /bin/sh where there is none.
        let shell = Some(field(&line, 6)).filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh");
        let name = shell.rsplit('/').next().unwrap_or_default();
        if !NO_LOGIN.contains(&name) && view.find(shell).is_some() {
            breaches.push(Breach::at(&at, format!("the shell of `{}` is {shell}", field(&line, 0))));
        }
    }
    Ok(Verdict::of(breaches))
}

/// The numbers that have a name in a file.
pub fn named(view: &View<'_>, path: &str) -> Result<std::collections::BTreeSet<u32>> {
    Ok(lines(view, path)?.iter().filter_map(|line| field(line, 2).parse().ok()).collect())
}
