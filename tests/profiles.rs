//! Every profile, example and template: its resolved form, and the reference manual.
//!
//! A new test of what a sound profile means goes here; one of what a bad profile is told
//! is a pair of files in `tests/mistakes/`. `BLESS=1` rewrites golden files and fails the run.

use std::fs;
use std::path::{Path, PathBuf};

use imagebuild::arch::Arch;
use imagebuild::profile::{LoadOptions, Origins, Profile, load_text, manual, schema, show, template};

fn resolved(path: &Path, text: String, arch: Option<Arch>) -> (Profile, Origins) {
    load_text(path, Some(text), &LoadOptions { arch })
        .unwrap_or_else(|error| panic!("{} for {arch:?}:\nerror: {error}", path.display()))
}

/// Name, path and text of everything that must resolve.
fn all() -> Vec<(String, PathBuf, String)> {
    let mut found = vec![("sketch".to_owned(), PathBuf::from("tests/sketch.toml"))];
    for folder in ["examples", "profiles"] {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                found.push((path.file_stem().unwrap().to_string_lossy().into_owned(), path));
            }
        }
    }
    found.sort();
    let mut all: Vec<_> = found
        .into_iter()
        .map(|(name, path)| {
            let text = fs::read_to_string(&path).unwrap();
            (name, path, text)
        })
        .collect();
    for name in template::names() {
        let text = template::START.replace("extends = [\"node\"]", &format!("extends = [\"{name}\"]"));
        all.push((format!("template-{name}"), PathBuf::from("examples/hello-pod.toml"), text));
    }
    all
}

/// Compares with a golden file, or writes it and says so.
fn golden(path: &Path, have: &str, blessed: &mut Vec<PathBuf>, stale: &mut Vec<PathBuf>) {
    if fs::read_to_string(path).is_ok_and(|want| want == have) {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, have).unwrap();
        blessed.push(path.to_owned());
    } else {
        stale.push(path.to_owned());
    }
}

#[test]
fn resolved_forms_are_golden() {
    let (mut blessed, mut stale) = (Vec::new(), Vec::new());
    let mut files = Vec::new();
    for (name, path, text) in all() {
        for arch in Arch::ALL {
            let (profile, _) = resolved(&path, text.clone(), Some(arch));
            let file = PathBuf::from(format!("tests/golden/{name}.{arch}.toml"));
            files.push(file.clone());
            golden(&file, &show(&profile, None), &mut blessed, &mut stale);
        }
    }
    for entry in fs::read_dir("tests/golden").unwrap() {
        let path = entry.unwrap().path();
        assert!(files.contains(&path), "{} belongs to no profile", path.display());
    }
    assert!(stale.is_empty(), "not as expected: {stale:?}; BLESS=1 rewrites them");
    assert!(blessed.is_empty(), "rewritten: {blessed:?}; look at the difference and run again");
}

#[test]
fn the_canonical_form_means_the_same() {
    for (name, path, text) in all() {
        let (profile, origins) = resolved(&path, text, None);
        let canonical = show(&profile, None);
        let (again, _) = resolved(&path, canonical.clone(), None);
        assert_eq!(again, profile, "{name}");
        assert_eq!(show(&again, None), canonical, "{name}");
        // Comments change nothing.
        assert_eq!(resolved(&path, show(&profile, Some(&origins)), None).0, profile, "{name}");
    }
}

#[test]
fn every_value_says_where_it_was_set() {
    let path = Path::new("tests/sketch.toml");
    let (profile, origins) = resolved(path, fs::read_to_string(path).unwrap(), None);
    let shown = show(&profile, Some(&origins));
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert_eq!(line("id = "), "id = \"node\"  # tests/sketch.toml:5");
    assert_eq!(line("block = "), "block = \"128K\"  # default");
    assert_eq!(line("url = "), "url = \"https://example.org/crictl-amd64.tar.gz\"  # tests/sketch.toml:51");
    let example = Path::new("examples/hello-pod.toml");
    let (_, origins) = resolved(example, template::START.to_owned(), None);
    assert!(origins.get("kernel.exclude[0]").unwrap().starts_with("template node:"));
    // A glob knows its line by itself: a warning about it is given long after the file was read.
    let globs = &profile.userland.exclude;
    let line = globs.iter().find(|glob| &***glob == "/usr/share/locale/**").map(|glob| glob.origin());
    assert_eq!(line, Some("tests/sketch.toml:27"), "{globs:?}");
}

#[test]
fn bases_lie_below_and_arrays_are_edited() {
    let text = r#"
schema = 1
extends = ["sketch.toml"]
[kernel]
"+cmdline" = ["quiet"]
-modules = true
[kernel.sysctl]
-"vm.overcommit_memory" = true
"vm.swappiness" = 10
[userland]
-packages = ["systemd"]
[containerd]
file = "sketch.toml"
version = "2.3.4"
[writable]
"/etc/cni" = "sealed"
"#;
    // A quoted key with a sign is written as one word.
    let text = text.replace("-\"vm.overcommit_memory\"", "\"-vm.overcommit_memory\"");
    let (profile, origins) = resolved(Path::new("tests/child.toml"), text, None);
    assert_eq!(profile.kernel.cmdline, ["console=ttyS0,115200n8", "quiet"]);
    assert!(profile.kernel.modules.is_empty());
    assert_eq!(profile.kernel.sysctl.keys().collect::<Vec<_>>(), ["kernel.core_pattern", "vm.swappiness"]);
    assert_eq!(profile.userland.packages.len(), 1);
    assert!(matches!(&profile.containerd.program.origin, imagebuild::profile::Origin::File(_)));
    assert!(!profile.writable.keys().any(|path| path.to_string() == "/etc/cni"));
    assert_eq!(origins.get("kernel.cmdline[1]"), Some("tests/child.toml:5"));
}

#[test]
fn templates_are_all_built_in() {
    let mut files: Vec<String> = fs::read_dir("templates")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_string_lossy().strip_suffix(".toml").map(str::to_owned))
        .collect();
    files.sort();
    assert_eq!(template::names().collect::<Vec<_>>(), files);
}

#[test]
fn the_manual_is_current() {
    let (mut blessed, mut stale) = (Vec::new(), Vec::new());
    golden(Path::new("docs/profile.md"), &manual::manual(), &mut blessed, &mut stale);
    golden(Path::new("docs/posture.md"), &imagebuild::audit::posture::manual(), &mut blessed, &mut stale);
    assert!(stale.is_empty(), "docs/profile.md or docs/posture.md is not what src/profile says; BLESS=1 rewrites it");
    assert!(
        blessed.is_empty(),
        "docs/profile.md or docs/posture.md was rewritten; look at the difference and run again"
    );
}

#[test]
fn the_schema_knows_every_key_and_form() {
    let schema = schema::schema();
    assert_eq!(schema["additionalProperties"], false);
    for key in ["image", "containerd", "pod", "waive"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    assert!(schema["patternProperties"]["^\\+file$"].is_object());
    assert!(schema["$defs"]["Kernel"]["patternProperties"]["^-sysctl$"].is_object());
    assert!(!schema.to_string().contains("x-needed"));
}
