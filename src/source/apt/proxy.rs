//! The proxies that the host's own apt uses (`apt.conf(5)`, `apt-transport-http(1)`).
//!
//! They hold for the archives that the host's apt configuration names, and for nothing else: the host
//! knows how these are reached. Variables of the environment (`http_proxy` and its like) win.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::mirror::Host;
use crate::error::{Context, Result};
use crate::source::http::{Client, Detour};

/// No configuration file is larger.
const MAX_CONFIG: u64 = 1 << 20;
/// Blocks in blocks; deeper ones are not read.
const MAX_DEPTH: usize = 20;

/// A client that reaches archives as this machine's apt does.
pub fn client(offline: bool) -> Result<Client> {
    let folder = Path::new("/etc/apt");
    let detours = detours(folder, &Host::read(folder)?, &|name| std::env::var(name).ok())?;
    Ok(Client::new(offline)?.with_detours(detours))
}

/// How the archives of `host` are reached by the configuration in `folder` (`/etc/apt`); `environment` looks a variable up.
pub fn detours(folder: &Path, host: &Host, environment: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Detour>> {
    let settings = read(folder)?;
    let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    let decided = |scheme: &str| {
        let names = [format!("{scheme}_proxy"), "all_proxy".to_owned()];
        names.iter().any(|name| set(name) || set(&name.to_uppercase()))
    };
    let mut out = Vec::new();
    for base in host.addresses() {
        let Some((scheme, rest)) = base.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))
        else {
            continue;
        };
        let server = rest.split(['/', ':']).next().unwrap_or_default();
        // What holds for one server wins; https falls back to what http has.
        let keys = [scheme, "http"]
            .into_iter()
            .flat_map(|scheme| [format!("acquire::{scheme}::proxy::{server}"), format!("acquire::{scheme}::proxy")]);
        let found = keys.into_iter().find_map(|key| settings.get(&key.to_lowercase()));
        if let Some(proxy) = found.filter(|proxy| !proxy.is_empty() && *proxy != "DIRECT" && !decided(scheme)) {
            out.push(Detour { base, proxy: proxy.clone() });
        }
    }
    Ok(out)
}

/// All settings by lower-case name: those of `apt.conf.d`, by name of the file, then those of `apt.conf`.
fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files: Vec<PathBuf> = Vec::new();
    if let Ok(listing) = std::fs::read_dir(folder.join("apt.conf.d")) {
        files.extend(listing.filter_map(|entry| entry.ok().map(|entry| entry.path())));
        // Files of other names are backups and the like.
        files.retain(|path| path.extension().is_none_or(|ending| ending == "conf"));
        files.sort();
    }
    files.push(folder.join("apt.conf"));
    let mut settings = BTreeMap::new();
    for path in files.into_iter().filter(|path| path.is_file()) {
        if path.metadata().map_or(0, |meta| meta.len()) <= MAX_CONFIG {
            let bytes = std::fs::read(&path).context(|| format!("reading `{}`", path.display()))?;
            settings.extend(parse(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(settings)
}

/// A piece of a configuration.
#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Open,
    Close,
    End,
}

/// Every `Name "value";`, blocks written out: `acquire::http::proxy`.
pub(crate) fn parse(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut above: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for token in tokens(text) {
        match token {
            Token::Word(word) => words.push(word),
            Token::Open => {
                above.push(words.first().cloned().unwrap_or_default());
                words.clear();
            }
            Token::Close => {
                above.pop();
                words.clear();
            }
            Token::End => {
                if let [name, value] = words.as_slice()
                    && above.len() <= MAX_DEPTH
                {
                    let path = above.iter().chain([name]).map(String::as_str).collect::<Vec<_>>().join("::");
                    out.push((path.to_lowercase(), value.clone()));
                }
                words.clear();
            }
        }
    }
    out
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let line = rest.find('\n').unwrap_or(rest.len());
        let taken = match first {
            // `#clear` and `#include` begin like comments; what they do is not needed here.
            _ if rest.starts_with("//") || first == '#' => line,
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => {
                let body = &rest[1..];
                let end = body.find('"').unwrap_or(body.len());
                out.push(Token::Word(body[..end].to_owned()));
                (end + 2).min(rest.len())
            }
            '{' | '}' | ';' => {
                out.push(match first {
                    '{' => Token::Open,
                    '}' => Token::Close,
                    _ => Token::End,
                });
                1
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
                out.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(folder: &Path) -> Host {
        let sources = "deb http://one.test/debian trixie main\ndeb https://two.test/x trixie main\n\
            deb http://near.test:80/debian trixie main\ndeb file:/srv/debian trixie main\n";
        std::fs::write(folder.join("sources.list"), sources).unwrap();
        Host::read(folder).unwrap()
    }

    fn detours_of(files: &[(&str, &str)], variables: &[&str]) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("apt.conf.d")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let look = |name: &str| variables.contains(&name).then(|| "http://env.test".to_owned());
        let found = detours(folder.path(), &host(folder.path()), &look).unwrap();
        found.into_iter().map(|detour| (detour.base, detour.proxy)).collect()
    }

    #[test]
    fn both_ways_of_writing_are_read() {
        for text in [
            "Acquire::http::Proxy \"http://p.test:3128\"; // why\n",
            "# no\n/* Acquire::http::Proxy \"http://no\"; */\nAPT { X \"y\"; };\nacquire { HTTP { proxy \"http://p.test:3128\"; Timeout 5; }; };",
        ] {
            let found = detours_of(&[("apt.conf", text)], &[]);
            let bases = ["http://one.test/debian", "https://two.test/x", "http://near.test:80/debian"];
            assert_eq!(found, bases.map(|base| (base.to_owned(), "http://p.test:3128".to_owned())), "{text}");
        }
    }

    #[test]
    fn servers_schemes_and_later_files_have_their_own() {
        let files = [
            ("apt.conf.d/10a", "Acquire::http::Proxy \"http://old\";\nAcquire::http::Proxy::near.test \"DIRECT\";"),
            ("apt.conf.d/20b.conf", "Acquire::https::Proxy \"http://s\";"),
            ("apt.conf.d/30c.bak", "Acquire::http::Proxy \"http://bak\";"),
            ("apt.conf", "Acquire::http::Proxy \"http://new\";"),
        ];
        let found = detours_of(&files, &[]);
        assert_eq!(found, [("http://one.test/debian", "http://new"), ("https://two.test/x", "http://s")].map(own));
        // The environment wins, for the scheme that it names.
        assert_eq!(detours_of(&files, &["http_proxy"]), [own(("https://two.test/x", "http://s"))]);
        assert_eq!(detours_of(&files, &["ALL_PROXY"]), []);
    }

    fn own((base, proxy): (&str, &str)) -> (String, String) {
        (base.to_owned(), proxy.to_owned())
    }
}
