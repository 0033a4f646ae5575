//! `why`: what brought a package or a file into an image.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::audit::Opened;
use crate::audit::inventory::Inventory;
use crate::error::{Context, Error, Result};
use crate::lock::Lock;
use crate::path::RootPath;
use crate::record;
use crate::report::{Mode, Report, visible};

/// As many dependants are named.
const NAMED: usize = 12;

/// `imagebuild why node.raw runc`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild why node.raw libseccomp2          the shortest way from what was asked for\n  \
    imagebuild why node.raw /usr/sbin/runc       the package, or the line of the profile, that brought a file\n\n\
    What was asked for is in the lock that an image carries; of images without one only who needs what is told.")]
pub struct Args {
    /// An image of any format, a squashfs, or the folder of a build.
    image: PathBuf,
    /// A package, or a path of the root.
    what: String,
}

/// Prints the answer.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let doing = || format!("looking into `{}`", args.image.display());
    let inventory = Inventory::read(Opened::open(&args.image)?.root).context(doing)?;
    let answer = match args.what.strip_prefix('/') {
        Some(_) => of_path(&inventory, &args.what).context(doing)?,
        None => of_package(&inventory, &args.what).context(doing)?,
    };
    if report.mode() == Mode::Json {
        let mut event = json!({ "event": "why", "what": args.what });
        for (key, value) in answer.facts {
            event[key] = value;
        }
        report.event(&event);
        return Ok(());
    }
    let text: String = answer.text.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect();
    super::print(text.as_bytes())
}

/// What is known, for people and for machines.
struct Answer {
    text: String,
    facts: Vec<(&'static str, Value)>,
}

fn of_package(inventory: &Inventory, name: &str) -> Result<Answer> {
    let package = inventory.packages.get(name).ok_or_else(|| {
        let alike = |other: &str| strsim::jaro_winkler(other, name);
        let near = inventory.packages.keys().max_by(|a, b| alike(a).total_cmp(&alike(b)));
        let error = Error::user(format!("the image has no package `{name}`"));
        match near.filter(|near| alike(near) > 0.8) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        }
    })?;
    let mut text = format!("{name} {}\n", package.version);
    let mut facts = vec![("package", json!(name)), ("version", json!(package.version))];
    match asked(inventory)? {
        None => text += "  the image does not say what was asked for\n",
        Some(asked) => {
            let asked: HashSet<&str> = asked.iter().map(String::as_str).collect();
            let way = inventory.why(&asked).remove(name).unwrap_or_default();
            match way.as_slice() {
                [] => text += "  nothing that was asked for needs it\n",
                [_] => text += "  asked for by the profile\n",
                [first, rest @ ..] => text += &format!("  {first} (asked for) > {}\n", rest.join(" > ")),
            }
            facts.push(("way", json!(way)));
        }
    }
    let dependants = inventory.dependants(name);
    if !dependants.is_empty() {
        let more = dependants.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text += &format!("  needed by {}{more}\n", dependants[..dependants.len().min(NAMED)].join(", "));
    }
    facts.push(("needed_by", json!(dependants)));
    Ok(Answer { text, facts })
}

fn of_path(inventory: &Inventory, path: &str) -> Result<Answer> {
    let path = RootPath::new(path)?;
    if !inventory.nodes.contains_key(&path) {
        return Err(Error::user(format!("the image has no `{path}`")));
    }
    let lines = of_profile(inventory, &path)?;
    let mut text = format!("{path}\n");
    let mut facts = vec![("profile", json!(lines))];
    for line in &lines {
        text += &format!("  the profile's {line}\n");
    }
    if let Some(owner) = inventory.owner(&path).cloned() {
        let answer = of_package(inventory, &owner)?;
        text += &format!("  of the package {}", answer.text.replace('\n', "\n  ").trim_end());
        text.push('\n');
        facts.extend(answer.facts);
    } else if lines.is_empty() {
        let origins = inventory.carried(record::ORIGINS)?.map(|text| record::origins(&text)).unwrap_or_default();
        match origins.get(&path) {
            Some(origin) => {
                text += &format!("  no package: `{origin}` of the build made it\n");
                facts.push(("origin", json!(origin)));
            }
            None => text += "  no package and no line of the profile\n",
        }
    }
    Ok(Answer { text, facts })
}

/// The packages that the lock of an image's record says were asked for.
fn asked(inventory: &Inventory) -> Result<Option<Vec<String>>> {
    let Some(text) = inventory.carried(record::LOCK)? else { return Ok(None) };
    let lock = Lock::parse(&text).context(|| "reading the lock that the image carries".to_owned())?;
    let packages = lock.image.into_values().flat_map(|section| section.packages);
    Ok(Some(packages.filter(|package| package.requested).map(|package| package.name).collect()))
}

/// Tables of the record's profile that name a path: `[[file]]`, `[[unit]]`.
fn of_profile(inventory: &Inventory, path: &RootPath) -> Result<Vec<String>> {
    let Some(text) = inventory.carried(record::PROFILE)? else {
        return Ok(Vec::new());
    };
    let table: toml::Table =
        text.parse().map_err(|error| Error::user(format!("the profile that the image carries: {error}")))?;
    let path = path.to_string();
    let mut out = Vec::new();
    for key in ["file", "directory", "link", "mode"] {
        let entries = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        let named = entries.filter(|entry| entry.get("path").and_then(toml::Value::as_str) == Some(path.as_str()));
        out.extend(named.map(|_| format!("[[{key}]]")));
    }
    let of = |table: &toml::Value| table.get("path").and_then(toml::Value::as_str) == Some(path.as_str());
    let fixed = ["containerd", "kubelet", "runc", "cni"].map(|key| (key.to_owned(), table.get(key)));
    let programs = table.get("program").and_then(toml::Value::as_table).into_iter().flatten();
    let programs = programs.map(|(name, program)| (format!("program.{name}"), Some(program)));
    out.extend(
        fixed.into_iter().chain(programs).filter(|(_, table)| table.is_some_and(of)).map(|(key, _)| format!("[{key}]")),
    );
    Ok(out)
}
