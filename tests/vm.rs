//! `boot` from the outside: its exit codes against a QEMU of the test's own making, its overlay judged by qemu-img.
//!
//! Whether a real image boots is tested in tests/boot.rs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use imagebuild::vm::overlay;

/// A folder with an image of 1 MiB and a program that stands for QEMU.
fn scene(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("node_1.raw"), vec![0; 1 << 20]).unwrap();
    for name in ["qemu-system-x86_64", "qemu-system-aarch64"] {
        let path = folder.path().join("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir(folder.path().join("tmp")).unwrap();
    folder
}

fn boot(folder: &Path, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    command.arg("boot").arg(folder.join("node_1.raw")).args(arguments);
    let output = command.env("PATH", path).env("TMPDIR", folder.join("tmp")).output().unwrap();
    // Whatever happened, nothing is left behind and the image is as it was.
    assert_eq!(fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
    assert_eq!(fs::read(folder.join("node_1.raw")).unwrap(), vec![0; 1 << 20]);
    output
}

#[track_caller]
fn expect(output: &Output, code: i32, words: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "{text}");
}

#[test]
fn a_text_that_appears_ends_the_run_with_0() {
    let folder = scene("printf 'first\\r\\nhello fr'; printf 'om a pod\\r\\n'; sleep 1000");
    let log = folder.path().join("log");
    let output = boot(folder.path(), &["--accel", "tcg", "--until", "hello from", "--log", log.to_str().unwrap()]);
    expect(&output, 0, "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "first\nhello from a pod\n");
    assert_eq!(fs::read(log).unwrap(), b"first\r\nhello from a pod\r\n");
}

#[test]
fn a_guest_that_ends_before_the_text_is_5_with_its_last_lines() {
    let folder = scene("echo last words");
    let output = boot(folder.path(), &["--accel", "tcg", "--until", "hello"]);
    expect(&output, 5, "powered off or rebooted");
    expect(&output, 5, "    last words");
    expect(&boot(folder.path(), &["--accel", "tcg"]), 0, "");
}

#[test]
fn time_that_is_over_is_5_and_qemu_is_gone() {
    let folder = scene("echo $$ > $TMPDIR/../pid; echo up; sleep 1000");
    let output = boot(folder.path(), &["--accel", "tcg", "--until", "hello", "--timeout", "1"]);
    expect(&output, 5, "1 s are over");
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn a_qemu_that_fails_is_1_with_its_words() {
    let folder = scene("echo no such machine >&2; exit 3");
    expect(&boot(folder.path(), &["--accel", "tcg", "--until", "hello"]), 1, "no such machine");
}

#[test]
fn a_missing_qemu_is_1_and_names_the_package() {
    let folder = scene("");
    fs::remove_dir_all(folder.path().join("bin")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    let output = command.arg("boot").arg(folder.path().join("node_1.raw")).env("PATH", "/nowhere").output().unwrap();
    expect(&output, 1, "apt install qemu-system-");
}

#[test]
fn a_kvm_that_aborts_falls_back_to_tcg() {
    // Where the host has no KVM, TCG is taken at once and there is no warning to look for.
    let folder = scene("case \"$*\" in *'-accel kvm'*) exit 134;; esac; echo hello");
    let output = boot(folder.path(), &["--until", "hello", "--timeout", "60"]);
    let opens = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    expect(&output, 0, if opens { "going on with TCG" } else { "" });
    expect(&boot(folder.path(), &["--until", "hello", "--accel", "kvm"]), 1, "QEMU ended with");
}

#[test]
fn a_disk_smaller_than_the_image_is_2() {
    let folder = scene("echo hello");
    expect(&boot(folder.path(), &["--disk-size", "512K"]), 2, "--disk-size 1M");
    let missing = Command::new(env!("CARGO_BIN_EXE_imagebuild")).args(["boot", "/nowhere.raw"]).output().unwrap();
    expect(&missing, 2, "no image");
}

#[test]
fn the_nonce_reaches_the_guest_and_the_text() {
    let find = "for word; do case $word in type=11,path=*) cat ${word#type=11,path=}; echo;; esac; done";
    let folder = scene(find);
    let wanted = "credential:hello.nonce={nonce}";
    expect(&boot(folder.path(), &["--accel", "tcg", "--until", wanted]), 0, "");
    let own = ["--accel", "tcg", "--credential", "hello.nonce=mine", "--until", "hello.nonce=mine"];
    expect(&boot(folder.path(), &own), 0, "");
}

/// The firmware's part, played by what reads its variables and fetches what they name.
#[test]
fn over_http_the_variables_name_the_uki() {
    let find = r#"
        for word; do case $word in *unit=1*) vars=${word##*file=};; esac; done
        tr -d '\000' <$vars | grep -ao BootNext | tail -n 1
        port=$(grep -ao 'http://10.0.2.2:[0-9]*/netboot.efi' $vars | tail -n 1 | cut -d : -f 3 | cut -d / -f 1)
        echo "exec 3<>/dev/tcp/127.0.0.1/$port; printf 'GET /netboot.efi HTTP/1.0\r\n\r\n' >&3; tail -n 1 <&3" | bash
    "#;
    let folder = scene(find);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(at("net")).unwrap();
    fs::write(at("net/netboot.efi"), "the UKI\n").unwrap();
    let (net, kept) = (at("net"), at("kept.fd"));
    let boot_net = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
        command.arg("boot").arg(&net).args(["--over", "http", "--accel", "tcg", "--arch", "amd64"]).args(more);
        command.env("TMPDIR", at("tmp"));
        command.env("PATH", format!("{}:/usr/bin:/bin", at("bin"))).output().unwrap()
    };
    for more in [&[][..], &["--firmware-vars", &kept], &["--firmware-vars", &kept]] {
        let output = boot_net(more);
        expect(&output, 0, "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "BootNext\nthe UKI\n");
    }
    fs::write(&kept, "no variables").unwrap();
    expect(&boot_net(&["--firmware-vars", &kept]), 1, "it holds no variables of UEFI in a form that is known");
    expect(&boot(folder.path(), &["--over", "http"]), 2, "only the files of a netboot folder travel over HTTP");
}

#[test]
fn qemu_img_finds_the_overlay_sound() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("base, with comma.raw");
    let mut bytes = vec![7u8; 3 << 20];
    fs::write(&image, &bytes).unwrap();
    for (size, whole) in [(3u64 << 20, true), (5 << 30, false), (4 << 40, false)] {
        let path = folder.path().join("overlay.qcow2");
        overlay::write(&path, &image, "raw", size).unwrap();
        let qemu_img = |arguments: &[&str]| {
            let output = Command::new("qemu-img").args(arguments).arg(&path).output().expect("qemu-img is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        qemu_img(&["check"]);
        let info: serde_json::Value = serde_json::from_str(&qemu_img(&["info", "--output=json"])).unwrap();
        assert_eq!(info["virtual-size"], size);
        assert_eq!(info["backing-filename"], image.to_str().unwrap());
        assert_eq!(info["backing-filename-format"], "raw");
        if whole {
            let raw = folder.path().join("whole.raw");
            let convert = ["convert", "-O", "raw", path.to_str().unwrap(), raw.to_str().unwrap()];
            assert!(Command::new("qemu-img").args(convert).status().unwrap().success());
            bytes.resize(size as usize, 0);
            assert_eq!(fs::read(&raw).unwrap(), bytes);
        }
    }
}
