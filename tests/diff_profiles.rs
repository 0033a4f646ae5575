//! `diff` of profiles and locks: each difference under its topic, with the line that made it.

#[path = "common/differ.rs"]
mod differ;

use std::process::Command;

use differ::run;

const PROFILE: &str = r#"schema = 1
extends = ["node"]

[image]
id = "pair"
version = "1"
arch = "amd64"

[source.debian.apt]
suites = ["trixie"]
keyring = "debian"

[kernel]
apt = "linux-image-cloud-amd64"
cmdline = ["console=ttyS0", "panic=10"]

[kubelet]
apt = "kubelet"
version = "1.36.0"

[kubelet.config]
maxPods = 110

[[file]]
path = "/etc/motd"
text = "hello\n"

[[output]]
format.raw = {}
"#;

const LOCK: &str = r#"schema = 1
epoch = 1700000000

[[release]]
from = "debian"
suite = "trixie"
date = 1700000000
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
signed_by = ["AAAA"]

[image.amd64]

[[image.amd64.package]]
name = "bash"
version = "5.2-1"
arch = "amd64"
from = "debian"
suite = "trixie"
requested = true
path = "pool/bash.deb"
size = 1000
sha256 = "2222222222222222222222222222222222222222222222222222222222222222"
"#;

/// What is told of two files, without the head and the notes.
fn told(ending: &str, before: &str, after: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (format!("a.{ending}"), format!("b.{ending}"));
    std::fs::write(folder.path().join(&a), before).unwrap();
    std::fs::write(folder.path().join(&b), after).unwrap();
    let (out, _) = run(0, folder.path(), &[&a, &b]);
    let body = out.strip_prefix(&format!("--- {a}\n+++ {b}\n\n")).expect("a head");
    body.split("\n\n").filter(|part| !part.starts_with("note: ")).collect::<Vec<_>>().join("\n\n")
}

fn profile(from: &str, to: &str) -> String {
    assert!(PROFILE.contains(from), "{from}");
    told("toml", PROFILE, &PROFILE.replace(from, to))
}

fn lock(from: &str, to: &str) -> String {
    assert!(LOCK.contains(from), "{from}");
    told("lock", LOCK, &LOCK.replace(from, to))
}

#[test]
fn a_value_has_its_line() {
    assert_eq!(
        profile("maxPods = 110", "maxPods = 50"),
        "containerd, kubelet, runc (1 changed)\n  ~ kubelet.config.maxPods  110 -> 50 <- b.toml:22\n\n1 difference\n"
    );
    assert_eq!(
        profile("panic=10", "panic=30"),
        "Kernel and command line (1 changed)\n  ~ command line: panic  10 -> 30 <- a.toml:15 (before); b.toml:15\n\n1 difference\n"
    );
    assert_eq!(
        profile("text = \"hello\\n\"", "text = \"hallo\\n\"\nmode = \"0600\""),
        "Files (1 changed)\n  ~ /etc/motd  mode 0644; text 1 lines -> mode 0600; text 1 lines <- b.toml:27; b.toml:26\n      \
         @@ -1 +1 @@\n      -hello\n      +hallo\n\n1 difference\n"
    );
}

#[test]
fn what_is_given_up_and_who_is_trusted_come_first() {
    let more = "[waive.kubelet-anonymous]\nreason = \"a test\"\n\n[kubelet]\n";
    assert_eq!(
        profile("[kubelet]\n", more),
        "Waivers and what is left out (1 added)\n  ! waive.kubelet-anonymous.reason  a test <- b.toml:18\n\n\
         1 difference; to look at: waiver 1\n"
    );
    let suite = profile("\"trixie\"]", "\"trixie\", \"trixie-security\"]");
    assert_eq!(
        suite,
        "Trust: archives, suites, keys (1 added)\n  ! source.debian.apt.suites[trixie-security] <- b.toml:10\n\n\
         1 difference; to look at: key 1\n"
    );
}

#[test]
fn the_same_profile_otherwise_written_is_the_same() {
    let other = PROFILE.replace("arch = \"amd64\"", "# of one\narch   =   'amd64'").replace("[image]", "\n[image]");
    assert_eq!(told("toml", PROFILE, &other), "no difference\n");
}

#[test]
fn locks_tell_versions_keys_and_bytes() {
    assert_eq!(
        lock("5.2-1", "5.3-1"),
        "Packages (1 changed)\n  ~ bash  5.2-1 -> 5.3-1 [upgraded; asked for; from debian trixie]\n\n1 difference\n"
    );
    assert!(lock("5.2-1", "5.1-9").ends_with("to look at: downgrade 1\n"));
    let rebuilt = lock("sha256 = \"2222", "sha256 = \"3222");
    assert!(rebuilt.contains("! bash") && rebuilt.contains("rebuilt under the same version"), "{rebuilt}");
    assert!(rebuilt.ends_with("to look at: same-version 1\n"), "{rebuilt}");
    let keys = lock("AAAA", "BBBB");
    assert_eq!(
        keys,
        "Trust: archives, suites, keys (1 changed)\n  ! suite debian trixie  AAAA -> BBBB [signed by other keys]\n\n\
         1 difference; to look at: key 1\n"
    );
    let gone = lock("requested = true\n", "");
    assert!(gone.contains("no longer asked for, a dependency still"), "{gone}");
    let moment = lock("epoch = 1700000000", "epoch = 1700000001");
    assert!(moment.ends_with("cosmetic only: nothing but ids, times and what follows from them differs\n"), "{moment}");
}

#[test]
fn a_profile_brings_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    for (name, version) in [("a", "5.2-1"), ("b", "5.3-1")] {
        std::fs::write(folder.path().join(format!("{name}.toml")), PROFILE).unwrap();
        std::fs::write(folder.path().join(format!("{name}.lock")), LOCK.replace("5.2-1", version)).unwrap();
    }
    let (out, _) = run(0, folder.path(), &["a.toml", "b.toml"]);
    assert!(out.contains("~ bash  5.2-1 -> 5.3-1"), "{out}");
    // What both know is compared.
    let (out, _) = run(0, folder.path(), &["a.toml", "b.lock"]);
    assert!(out.contains("~ bash  5.2-1 -> 5.3-1"), "{out}");
    std::fs::remove_file(folder.path().join("b.lock")).unwrap();
    let (out, _) = run(0, folder.path(), &["a.toml", "b.toml"]);
    assert!(out.contains("note: `b.toml` has no lock beside it") && out.ends_with("no difference\n"), "{out}");
    let (_, err) = run(2, folder.path(), &["b.toml", "a.lock"]);
    assert!(err.contains("nothing in common"), "{err}");
}

#[test]
fn modes_are_flagged_as_those_of_files_are() {
    let suid = profile("text = \"hello\\n\"", "text = \"hello\\n\"\nmode = \"4755\"");
    assert!(suid.contains("  ! /etc/motd  mode 0644 -> mode 4755 <- b.toml:27\n"), "{suid}");
    assert!(suid.ends_with("to look at: setuid 1\n"), "{suid}");
    let open = profile("[[output]]", "[[mode]]\npath = \"/srv\"\nmode = \"0777\"\n[[output]]");
    assert!(open.ends_with("to look at: world-writable 1\n"), "{open}");
    let sticky = profile("[[output]]", "[[mode]]\npath = \"/srv\"\nmode = \"1777\"\n[[output]]");
    assert!(sticky.contains("+ /srv  mode 1777") && !sticky.contains("to look at"), "{sticky}");
}

/// A profile with these rows more, against one with those.
fn rows(before: &str, after: &str) -> String {
    let with = |rows: &str| PROFILE.replace("[[output]]", &format!("{rows}\n[[output]]"));
    told("toml", &with(before), &with(after))
}

const TAKEN: &str = "[[mode]]\npath = \"/usr/bin/su\"\nmode = \"0755\"";
const GIVEN: &str = "[[mode]]\npath = \"/usr/bin/su\"\nmode = \"4755\"";
const OTHER: &str = "[[mode]]\npath = \"/usr/bin/mount\"\nmode = \"0755\"";
const LAID: &str = "[[file]]\npath = \"/usr/bin/su\"\ntext = \"x\"\nmode = \"6755\"";

#[test]
fn a_setuid_bit_is_seen_whichever_row_gives_it() {
    let setuid = |before: &str, after: &str| {
        let told = rows(before, after);
        assert!(told.contains("! /usr/bin/su  ") && told.ends_with("; to look at: setuid 1\n"), "{told}");
    };
    setuid(TAKEN, GIVEN);
    setuid(OTHER, GIVEN);
    setuid("", &format!("{OTHER}\n{GIVEN}"));
    setuid("", LAID);
    // The row that took it away from the profile's own file is gone, or another one is there in its place.
    setuid(&format!("{LAID}\n{TAKEN}"), LAID);
    setuid(&format!("{LAID}\n{TAKEN}"), &format!("{LAID}\n{OTHER}"));
    setuid(&format!("{LAID}\n{TAKEN}"), &format!("{LAID}\n{}", TAKEN.replace("0755", "2755")));
    // The same bits, and another user's.
    setuid(&format!("{GIVEN}\nowner = \"games:games\""), &format!("{GIVEN}\nowner = \"root:root\""));
    for (before, after) in [(GIVEN, TAKEN), (LAID, &format!("{LAID}\n{TAKEN}")), (LAID, &GIVEN.replace("4755", "6755"))]
    {
        let told = rows(before, after);
        assert!(told.contains("/usr/bin/su") && !told.contains("to look at"), "{told}");
    }
    let folder = "[[directory]]\npath = \"/var/log/journal\"\nmode = \"2755\"";
    assert!(!rows("", folder).contains("to look at"));
    let inside = |mode: &str| {
        let image = "[[preload]]\nname = \"localhost/a:1\"\npackages = [\"bash\"]\nentrypoint = [\"/su\"]";
        format!("{image}\n[[preload.file]]\npath = \"/su\"\ntext = \"x\"\nmode = \"{mode}\"")
    };
    let told = rows(&inside("0755"), &inside("4755"));
    assert!(told.contains("! container image localhost/a:1  "), "{told}");
    assert!(told.ends_with("; to look at: setuid 1\n"), "{told}");
}

/// What a package ships is in no profile, so that a row which goes is told, and no more than that.
#[test]
fn a_mode_that_nothing_gives_any_more_is_told() {
    let told = rows(TAKEN, OTHER);
    let wanted = "  - /usr/bin/su  mode 0755 [no row gives its mode now: what its package ships is in no profile] <- ";
    assert!(told.contains(wanted) && !told.contains("to look at"), "{told}");
}

#[test]
fn a_group_of_a_user_is_one_thing() {
    let user = "[[user]]\nname = \"eve\"\nuid = 7";
    let told = rows(user, &format!("{user}\ngroups = [\"video\"]"));
    let (first, rest) = told.split_once(" <- ").unwrap();
    assert_eq!(first, "Users and groups (1 added)\n  + group video: member eve");
    assert!(rest.starts_with("b.toml:") && rest.ends_with("\n\n1 difference\n"), "{told}");
}

#[test]
fn a_file_that_may_have_capabilities_is_seen() {
    let with = |paths: &str| format!("[posture]\ncapabilities = [{paths}]");
    let more = rows("", &with("\"/usr/bin/ping\""));
    assert!(more.contains("  ! posture.capabilities[/usr/bin/ping] <- "), "{more}");
    assert!(more.ends_with("; to look at: capability 1, waiver 1\n"), "{more}");
    let fewer = rows(&with("\"/usr/bin/ping\""), "");
    assert!(!fewer.contains("to look at"), "{fewer}");
}

#[test]
fn a_revision_of_a_repository_is_a_side() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"];
        let status = Command::new("git").current_dir(&folder).args(identity).args(arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    let base = "[kubelet.config]\nmaxPods = 7\n";
    let inside = folder.path().join("nodes");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(folder.path().join("base.toml"), base).unwrap();
    let profile =
        PROFILE.replace("[\"node\"]", "[\"node\", \"../base.toml\"]").replace("[kubelet.config]\nmaxPods = 110\n", "");
    std::fs::write(inside.join("a.toml"), &profile).unwrap();
    git(&["init", "-q", "."]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    std::fs::write(folder.path().join("base.toml"), base.replace('7', "9")).unwrap();
    let (out, _) = run(0, &inside, &["git:HEAD:nodes/a.toml", "a.toml"]);
    assert!(out.contains("~ kubelet.config.maxPods  7 -> 9 <- "), "{out}");
    let (out, _) = run(0, &inside, &["a.toml", "git:HEAD:nodes/a.toml"]);
    assert!(out.contains("9 -> 7 <- HEAD:nodes/../base.toml:2") || out.contains("9 -> 7 <- HEAD:base.toml:2"), "{out}");
    assert!(run(2, &inside, &["git:none:a.toml", "a.toml"]).1.contains("none"));
    assert!(run(2, &inside, &["git:HEAD:../a.toml", "a.toml"]).1.contains("holds no"));
    assert!(run(2, &inside, &["git:HEAD", "a.toml"]).1.contains("git:REVISION:PATH"));
}

#[test]
fn sides_made_to_harm_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let deep = format!("schema = 1\nx = {}{}\n", "[".repeat(5000), "]".repeat(5000));
    for (name, text) in
        [("a.lock", deep.as_str()), ("b.lock", "schema = 99\n"), ("c.json", "{"), ("d.raw", "x"), ("e.toml", "[")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_imagebuild"))
            .current_dir(folder.path())
            .args(["diff", name, name])
            .output()
            .unwrap();
        assert!(matches!(output.status.code(), Some(2..=4)), "{name}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(name), "{name}: {output:?}");
    }
    assert!(run(1, folder.path(), &["none", "none"]).1.contains("none"));
}
