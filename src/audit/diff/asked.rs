//! What two profiles ask for: each value that differs, under the topic that it belongs to, with its line.

use super::Found;
use super::change::{Change, Flag, Kind, Topic, Weight};
use super::leaves::{self, Leaf};
use super::modes::Modes;
use super::side::{Shown, Side};
use crate::record;

/// Compares profiles, where both sides have one.
pub fn compare(a: &Side, b: &Side, found: &mut Found) {
    let (Some(before), Some(after)) = (&a.profile, &b.profile) else { return };
    let (modes, others) = (Modes::of(&before.leaves), Modes::of(&after.leaves));
    let (raised, left) = (modes.raised(&others), modes.left(&others));
    let mut not_compared = 0;
    before.leaves.compare(&after.leaves, |path, old, new| {
        // A record names a file beside its profile by digest, the profile by path: neither tells of the other.
        let by_digest =
            |leaf: Option<&Leaf>| leaf.is_some_and(|leaf| leaf.value.starts_with(&format!("{}/", record::FILES)));
        if path.ends_with("file") && by_digest(old) != by_digest(new) {
            not_compared += 1;
            return;
        }
        let (topic, what, part) = place(path);
        let Some(mut change) = leaves::change(&what, old, new) else { return };
        let element = [old, new].into_iter().flatten().all(|leaf| leaf.value.is_empty()) && path.ends_with(']');
        if element {
            // An element of a list is its name; what a word of the command line is set to is a part of that.
            (change.before, change.after) = (old.and(part.clone()), new.and(part));
        } else if let Some(part) = part {
            change = named(change, &part);
        }
        change.seen = false;
        let origin = |shown: &Shown, leaf: Option<&Leaf>| shown.origin(&leaf?.place);
        change.because = match (origin(before, old), origin(after, new)) {
            (_, Some(line)) => vec![line],
            (Some(line), None) => vec![format!("{line} (before)")],
            (None, None) => Vec::new(),
        };
        // What was asked for came about: the files themselves are told.
        if topic == Topic::Outputs && path.starts_with("output[") && a.manifest.is_some() && b.manifest.is_some() {
            change = change.weigh(Weight::Follows).because("told by its files");
        }
        change.flags.extend(flags(path, change.kind));
        // Files that are there speak for themselves.
        if a.root().is_none() || b.root().is_none() {
            // `file[/etc/motd].mode` is of the row `file[/etc/motd]`.
            let row = path.rfind("].").and_then(|end| path.get(..=end)).unwrap_or(path);
            change.flags.extend(raised.get(row).into_iter().flatten());
            if left.contains(row) && path.ends_with("].mode") {
                change.notes.push("no row gives its mode now: what its package ships is in no profile".to_owned());
            }
        }
        found.add(topic, change);
    });
    if not_compared > 0 {
        let text = format!("{not_compared} files beside a profile are not compared with those of an image's record");
        found.notes.push(text);
    }
}

/// `text = ...` of `/etc/motd`: several values of one thing become one change.
fn named(mut change: Change, part: &str) -> Change {
    // A path says that the thing is there; nothing of it is worth repeating.
    if matches!(part, "path" | "name" | "package" | "script") {
        (change.before, change.after) = (None, None);
        return change;
    }
    let with = |value: Option<String>| value.map(|value| format!("{part} {value}"));
    change.before = with(change.before);
    change.after = with(change.after);
    change
}

fn flags(path: &str, kind: Kind) -> Vec<Flag> {
    let given_up = ["waive.", "userland.without", "userland.script"];
    let mut flags = Vec::new();
    if path.starts_with("source.") {
        flags.push(Flag::Key);
    }
    if given_up.iter().any(|prefix| path.starts_with(prefix)) && kind != Kind::Removed {
        flags.push(Flag::Waiver);
    }
    if path.starts_with("posture.capabilities[") {
        // One file more that may have what the rule forbids.
        if kind != Kind::Removed {
            flags.extend([Flag::Waiver, Flag::Capability]);
        }
    } else if path.starts_with("posture.") && kind != Kind::Added {
        // One rule fewer.
        flags.push(Flag::Waiver);
    }
    flags
}

/// The topic of a path, the thing that it is about, and the thing's part where it has several.
fn place(path: &str) -> (Topic, String, Option<String>) {
    let same = |topic| (topic, path.to_owned(), None);
    let (head, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
    match head {
        "image" | "schema" => same(Topic::Identity),
        "source" => same(Topic::Trust),
        "waive" | "posture" => same(Topic::Waivers),
        "userland" if path.starts_with("userland.packages[") => {
            let (element, _) = element(&path["userland.packages".len()..]);
            let name = element.split(" from ").next().unwrap_or(&element);
            (Topic::Packages, name.to_owned(), None)
        }
        "userland" if path.starts_with("userland.script[") => {
            part("script ", &path["userland.script".len()..], Topic::Waivers)
        }
        "userland" if path.starts_with("userland.exclude") => same(Topic::Files),
        "userland" => same(Topic::Waivers),
        "kernel" if path.starts_with("kernel.cmdline[") => {
            let (word, _) = element(&path["kernel.cmdline".len()..]);
            let (key, value) = word.split_once('=').map_or((word.as_str(), None), |(key, value)| (key, Some(value)));
            (Topic::Kernel, format!("command line: {key}"), value.map(str::to_owned))
        }
        "kernel" if path.starts_with("kernel.sysctl") => {
            let key = path["kernel.sysctl".len()..].trim_start_matches('.').trim_matches(['[', ']']);
            (Topic::Settings, format!("sysctl {key}"), None)
        }
        "kernel" if path.starts_with("kernel.modules[") => {
            let (module, _) = element(&path["kernel.modules".len()..]);
            (Topic::Settings, format!("module {module}"), None)
        }
        "kernel" | "boot" => same(Topic::Kernel),
        "kubelet" | "containerd" | "runc" | "cni" | "program" | "cluster" => same(Topic::Node),
        "preload" => part("container image ", rest, Topic::Preload),
        "pod" => part("pod ", rest, Topic::Preload),
        "file" | "directory" | "link" | "mode" => part("", rest, Topic::Files),
        "remove" => same(Topic::Files),
        "user" => match rest.split_once("].groups[") {
            // What comes of it is a line of the group.
            Some((user, group)) => {
                let (user, group) = (user.trim_start_matches('['), group.trim_end_matches(']'));
                (Topic::Accounts, format!("group {group}: member {user}"), None)
            }
            None => part("user ", rest, Topic::Accounts),
        },
        "unit" => part("", rest, Topic::Units),
        "network" | "journal" => same(Topic::Settings),
        "writable" => (
            Topic::Writable,
            rest.trim_start_matches('.').trim_start_matches('[').trim_end_matches(']').to_owned(),
            None,
        ),
        "var" => same(Topic::Writable),
        "layout" | "pack" => same(Topic::Partitions),
        _ => same(Topic::Outputs),
    }
}

fn part(prefix: &str, rest: &str, topic: Topic) -> (Topic, String, Option<String>) {
    let (name, rest) = element(rest);
    let rest = rest.trim_start_matches('.');
    (topic, format!("{prefix}{name}"), (!rest.is_empty()).then(|| rest.to_owned()))
}

/// `[/etc/motd].mode` as `/etc/motd` and `.mode`.
fn element(rest: &str) -> (String, &str) {
    let Some(inner) = rest.strip_prefix('[') else { return (rest.to_owned(), "") };
    // Names hold brackets now and then; the one that closes is followed by a dot or by nothing.
    let end = inner.match_indices(']').map(|(at, _)| at).find(|at| {
        let after = &inner[at + 1..];
        after.is_empty() || after.starts_with('.') || after.starts_with('[')
    });
    let end = end.unwrap_or(inner.len());
    (inner[..end].to_owned(), inner.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_its_topic() {
        let told = |path: &str| {
            let (topic, what, part) = place(path);
            format!("{topic:?} {what} {}", part.unwrap_or_default())
        };
        assert_eq!(told("file[/etc/motd].mode"), "Files /etc/motd mode");
        assert_eq!(told("kernel.cmdline[panic=10]"), "Kernel command line: panic 10");
        assert_eq!(told("kernel.sysctl.[vm.swappiness]"), "Settings sysctl vm.swappiness ");
        assert_eq!(told("userland.packages[bash from debian]"), "Packages bash ");
        assert_eq!(told("writable.[/etc/cni]"), "Writable /etc/cni ");
        assert_eq!(told("kubelet.config.maxPods"), "Node kubelet.config.maxPods ");
    }
}
