//! `report`: one page, the same wherever the build lies, whose commands are true.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;
#[path = "common/small.rs"]
mod small;

use std::path::Path;
use std::process::Command;

use imagebuild::disk;
use imagebuild::profile::Raw;

use house::{House, digests, succeed};
use small::{EPOCH, Small, put};

fn report(house: &House, words: &[&str]) -> String {
    let mut command = house.tool("store");
    let output = command.current_dir(house.folder.path()).arg("report").args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_page_is_the_same_everywhere_and_its_commands_succeed() {
    let house = House::new();
    let folder = house.folder.path();
    house.few();
    house.lock();
    succeed(Command::new("openssl").current_dir(folder).args(["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]));
    house.build("out", |command| {
        command.arg("--sign").arg(folder.join("key.pem"));
    });
    let before = digests(folder);
    let page = report(&house, &["out"]);
    assert_eq!(before, digests(folder), "a page wrote something");
    succeed(Command::new("cp").current_dir(folder).args(["-r", "out", "elsewhere"]));
    let copy = report(&house, &["elsewhere"]);
    assert_eq!(page, copy);
    assert!(!page.contains(folder.to_str().unwrap()));
    for heading in
        ["Image", "Sizes by package", "Partitions", "Files that came out", "How to verify", "How it was made"]
    {
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    // Nothing from elsewhere, nothing that runs.
    for never in ["src=", "<script", "@import", "url(", "<link"] {
        assert!(!page.contains(never), "{never}");
    }

    // A reader types what the page says.
    succeed(Command::new("openssl").current_dir(folder).args([
        "pkey",
        "-in",
        "key.pem",
        "-pubout",
        "-out",
        "out/PUBLIC.pem",
    ]));
    succeed(Command::new("cp").current_dir(folder.join("out")).args(["SHA256SUMS.pub", "PUBLIC.pub"]));
    let tool = Path::new(env!("CARGO_BIN_EXE_imagebuild")).parent().unwrap();
    let (_, verify) = page.split_once("<section id=\"verify\">").unwrap();
    let commands: Vec<&str> = verify.split("<pre>").skip(1).filter_map(|rest| rest.split("</pre>").next()).collect();
    assert_eq!(commands.len(), 6, "{commands:?}");
    for command in commands.iter().filter(|command| !command.ends_with("/proc/cmdline")) {
        let path = format!("{}:/usr/bin:/bin", tool.display());
        let mut shell = Command::new("sh");
        shell.env("PATH", path).env("IMAGEBUILD_STORE", folder.join("store")).current_dir(folder.join("out"));
        succeed(shell.args(["-c", command]));
    }

    // What was typed, a rebuild among it, changes nothing of the page.
    assert_eq!(page, report(&house, &["out"]));

    // Another build of the same image takes the place of this one in what is remembered.
    house.change("a small image", "another image");
    house.build("next", |_| ());
    assert!(!report(&house, &["out"]).contains("How it was made"));
    let page = report(&house, &["out", "next"]);
    assert!(page.contains("file[/etc/motd].text") && page.contains("How it was made"), "{page}");
    let mut command = house.tool("store");
    let output = command.current_dir(folder).args(["report", "small.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn names_of_an_image_are_text_and_nothing_else() {
    let mut tree = small::tree(&["dm-verity", "squashfs"]);
    let name = "<script>alert(1)</script>";
    let status = format!("Package: {name}\nStatus: install ok installed\nVersion: 1{name}\nArchitecture: all\n\n");
    put(&mut tree, "/usr/lib/dpkg-db/status", status.into_bytes());
    put(&mut tree, &format!("/usr/lib/dpkg-db/info/{}.list", "x"), b"/usr/lib/x\n".to_vec());
    put(&mut tree, "/usr/lib/x", vec![1; 2 << 20]);
    put(&mut tree, "/usr/lib/<b>large", vec![1; 2 << 20]);
    let small = Small::new(tree);
    let (disk, _) = disk::place(&small.layout, &small.pieces(), None, EPOCH).unwrap();
    let path = small.folder.path().join("it's <b>.raw");
    small::write(&Raw {}, &disk, &path);
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    let output = command.args(["--quiet", "--store", "/nowhere", "report"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert"), "{page}");
    // An image that says nothing of rules is held against all of them.
    assert!(page.contains("<h2>Posture</h2>") && page.contains("class=\"fate broken\""), "{page}");
    assert!(!page.contains("<b>large") && page.contains("&lt;b&gt;large"), "{page}");
    assert!(page.contains("imagebuild verify &#39;it&#39;\\&#39;&#39;s &lt;b&gt;.raw&#39;"), "{page}");
}
