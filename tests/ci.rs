//! The steps of `examples/ci/`: each of them is carried out, on a small image, as far as it needs no QEMU.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;
use std::path::Path;

use house::House;

/// The tool's command lines in a file: lines of shell scripts, and `args:` of containers.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("- ");
        if let Some(words) = line.strip_prefix("imagebuild ") {
            out.push(shell_words(words));
        } else if let Some(list) = line.strip_prefix("args: ") {
            out.push(serde_json::from_str(list).expect("a list in quotes"));
        }
    }
    out
}

/// Words between spaces; single quotes keep spaces.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

fn verb(words: &[String]) -> &str {
    let verbs = ["lock", "posture", "build", "lint", "boot"];
    words.iter().find(|word| verbs.contains(&word.as_str())).unwrap_or_else(|| panic!("{words:?} names no verb"))
}

#[test]
fn every_step_of_every_ci_system_does_what_it_says() {
    let house = House::new();
    let folder = house.folder.path();
    let text = fs::read_to_string(house.profile()).unwrap();
    let text = text.replace("id = \"small\"", "id = \"node\"").replace("version = \"1\"", "version = \"1.0.0\"");
    fs::write(folder.join("node.toml"), text).unwrap();
    house::succeed(house.tool("store").args(["--mirror", &house.mirror(), "lock"]).arg(folder.join("node.toml")));

    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci");
    let mut seen = Vec::new();
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        drop(fs::remove_dir_all(folder.join("out")));
        let commands = commands(&fs::read_to_string(&path).unwrap());
        // One system shows findings beside the lines of a change.
        let verbs = commands.iter().map(|words| verb(words).to_owned()).filter(|verb| verb != "posture");
        let verbs: Vec<String> = verbs.collect();
        assert!(verbs.starts_with(&["lock".into(), "build".into(), "lint".into()]), "{}: {verbs:?}", path.display());
        for words in commands {
            let mut command = house.tool("store");
            command.current_dir(folder).env("IMAGEBUILD_MIRROR_TEST", house.mirror().trim_start_matches("test="));
            // What a container finds below these folders is beside the profile here.
            let words = words.iter().map(|word| {
                word.replace("/profile/", "")
                    .replace("/data/", "")
                    .replace("store", folder.join("store").to_str().unwrap())
            });
            command.args(words.filter(|word| word != "--store" && !word.ends_with("/store")));
            if verb(&command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()) == "boot" {
                // Only that the options are there: the image never boots.
                command.arg("--help");
            }
            house::succeed(&mut command);
        }
        assert!(folder.join("out/node_1.0.0.raw").is_file(), "{}", path.display());
        seen.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["github.yml", "gitlab.yml", "job.yaml", "tekton.yaml"]);
}
