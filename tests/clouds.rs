//! The clouds that the tool knows: each row sound for each architecture, the list in README.md true, commands
//! filled in. What a row does to a build is tested in `tests/outputs.rs`. `BLESS=1` rewrites README.md and
//! fails the run.

use std::fs;
use std::process::Command;

use imagebuild::arch::Arch;
use imagebuild::profile::{self, LoadOptions, load_output, load_text, schema, show};
use serde_json::Value;

/// Every cloud that there is to be.
const NAMES: [&str; 25] = [
    "akamai",
    "alibaba",
    "aws",
    "azure",
    "cloudstack",
    "digitalocean",
    "exoscale",
    "gcp",
    "hetzner",
    "hyperv",
    "ibm",
    "kubevirt",
    "metal",
    "metal-4k",
    "nocloud",
    "nutanix",
    "opennebula",
    "openstack",
    "oracle",
    "proxmox",
    "scaleway",
    "tencent",
    "upcloud",
    "vmware",
    "vultr",
];

#[test]
fn every_row_is_sound_for_every_architecture() {
    for arch in Arch::ALL {
        let rows = profile::clouds(arch).unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), NAMES);
        for (name, row) in &rows {
            let output = load_output(name, &format!("cloud = \"{name}\"")).unwrap();
            assert_eq!((&output.format, output.compress), (&row.format, row.compress), "{name}");
            assert_eq!(output.name.as_deref(), Some(name.as_str()));
            for format in &row.accepts {
                load_output(name, &format!("cloud = \"{name}\"\nformat.{format} = {{}}"))
                    .unwrap_or_else(|error| panic!("{name} accepts {format}: {error}"));
            }
            assert!(!row.drivers.disk.is_empty() && !row.drivers.network.is_empty(), "{name}: drivers");
            assert!(row.cmdline.iter().any(|word| word.starts_with("console=")), "{name}: no console");
            assert!(!row.import.is_empty() && !row.source.is_empty(), "{name}: import and source");
            assert!(row.import.iter().any(|command| command.contains("{file}")), "{name}: no command takes the file");
        }
    }
}

/// The example with these outputs and rows.
fn example(more: &str) -> String {
    let text = fs::read_to_string("examples/hello-pod.toml").unwrap();
    format!("{text}\n{more}")
}

#[test]
fn rows_of_a_profile_stand_beside_the_tools_and_the_canonical_form_holds_all() {
    let text = example(
        "[[output]]\ncloud = \"aws\"\n[[output]]\ncloud = \"mine\"\ncmdline = [\"quiet\"]\n\
         [[output]]\ncloud = \"mine\"\nformat.raw = {}\nname = \"other\"\n\
         [cloud.mine]\ntitle = \"My own\"\nformat.qcow2.cluster = \"8K\"\naccepts = [\"raw\"]\ncompress = \"gz\"\n\
         size.multiple = \"1G\"\nsector = 4096\nfirmware = \"either\"\ncmdline.amd64 = [\"console=ttyS1\"]\n\
         cmdline.arm64 = []\ndrivers.disk = [\"virtio-blk\"]\nimport = [\"put {file} {colour}\"]\nmetadata.colour = \"red\"\n",
    );
    // The example has an output of its own; the list is one.
    let text = text.replace("[[output]]\nformat.raw = {}\n", "");
    let path = std::path::Path::new("examples/hello-pod.toml");
    let load = |text: String| load_text(path, Some(text), &LoadOptions { arch: Some(Arch::Amd64) }).unwrap().0;
    let profile = load(text);
    assert_eq!(profile.clouds.keys().collect::<Vec<_>>(), ["aws", "mine"]);
    let mine = &profile.clouds["mine"];
    assert_eq!(mine.drivers.disk, ["virtio_blk"]);
    assert_eq!(mine.cmdline, ["console=ttyS1"]);
    let outputs: Vec<_> =
        profile.outputs.iter().map(|output| (output.format.name(), output.compress.is_some())).collect();
    assert_eq!(outputs, [("raw", false), ("qcow2", true), ("raw", false)]);
    let canonical = show(&profile, None);
    assert_eq!(load(canonical.clone()), profile, "{canonical}");
}

#[test]
fn commands_are_filled_in_for_a_build() {
    let tool = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_imagebuild")).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, list, _) = tool(&["clouds"]);
    assert_eq!(code, Some(0));
    assert_eq!(list.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>(), NAMES);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.json");
    let zero = "0".repeat(64);
    let artifact = |path: &str, format: &str, cloud: &str, disk: u64| serde_json::json!({ "path": path, "format": format, "cloud": cloud, "disk": disk, "size": 5, "sha256": zero });
    let manifest = serde_json::json!({
        "schema": 1, "imagebuild": "0", "fast": false, "epoch": 0, "minimum_disk": 0,
        "image": { "id": "node", "version": "1.0.0", "arch": "arm64" },
        "inputs": { "profile": zero, "lock": zero, "tree": zero, "packages": {} },
        "root": { "root_hash": zero, "salt": "", "size": 0, "verity_size": 0, "codec": "", "inodes": 0 },
        "boot": { "kernel": "", "cmdline": "", "initrd_size": 0, "uki_size": 0, "uki": zero },
        "partitions": [], "scripts": {}, "waivers": {}, "warnings": [],
        "artifacts": [
            artifact("node_1.0.0.aws.raw", "raw", "aws", 3 << 30),
            artifact("node_1.0.0.openstack.qcow2", "qcow2", "openstack", (5 << 30) - 1),
        ],
    });
    fs::write(&path, manifest.to_string()).unwrap();
    let path = path.to_str().unwrap();
    let (code, text, error) = tool(&["clouds", "aws", "--manifest", path]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("UserBucket={S3Bucket=BUCKET,S3Key=node_1.0.0.aws.raw}\n"), "{text}");
    assert!(text.contains("--name node-1.0.0 --architecture arm64 --boot-mode uefi "), "{text}");
    let (_, json, _) = tool(&["--json", "clouds", "openstack", "--manifest", path]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let command = json["import"][0].as_str().unwrap();
    assert!(command.contains("--min-disk 5 ") && command.ends_with("--file node_1.0.0.openstack.qcow2 node-1.0.0"));
    assert_eq!(json["rules"]["metadata"]["hw_architecture"], "aarch64");
    let (code, _, error) = tool(&["clouds", "exoscale", "--manifest", path]);
    assert_eq!(code, Some(2));
    assert!(error.contains("wrote nothing for `exoscale`"), "{error}");
    let (code, _, error) = tool(&["clouds", "asw"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("there is no cloud `asw`"), "{error}");
}

/// Formats out of the schema, clouds out of the rows.
fn lists() -> String {
    let schema = schema::schema();
    let mut out = "| format | file |\n|---|---|\n".to_owned();
    for choice in schema["$defs"]["Format"]["oneOf"].as_array().unwrap() {
        let (name, _) = choice["properties"].as_object().unwrap().iter().next().unwrap();
        let text = choice["description"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        out += &format!("| `{name}` | {} |\n", text.trim_end_matches('.'));
    }
    out += "\n| `cloud` | for | format | disk |\n|---|---|---|---|\n";
    for (name, row) in profile::clouds(Arch::Amd64).unwrap() {
        let format = row.format.name();
        let compress = row.compress.map(|compress| format!(".{}", compress.extension())).unwrap_or_default();
        let sector = if row.sector == 512 { "" } else { "sectors of 4096 bytes" };
        let disk = [row.size.to_string(), sector.to_owned()];
        let disk: Vec<_> = disk.into_iter().filter(|text| !text.is_empty()).collect();
        out += &format!("| `{name}` | {} | {format}{compress} | {} |\n", row.title, disk.join(", "));
    }
    out
}

#[test]
fn the_readme_lists_every_format_and_cloud() {
    const MARKS: (&str, &str) = ("<!-- lists: generated by tests/clouds.rs -->\n", "<!-- lists end -->");
    let readme = fs::read_to_string("README.md").unwrap();
    let (before, rest) = readme.split_once(MARKS.0).expect("the mark where lists begin");
    let (have, after) = rest.split_once(MARKS.1).expect("the mark where lists end");
    let want = lists();
    if have == want {
        return;
    }
    assert!(std::env::var_os("BLESS").is_some(), "README.md is not what the rows say; BLESS=1 rewrites it");
    fs::write("README.md", format!("{before}{}{want}{}{after}", MARKS.0, MARKS.1)).unwrap();
    panic!("README.md was rewritten; look at the difference and run again");
}
