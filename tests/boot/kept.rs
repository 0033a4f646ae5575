//! A node without a disk of its own whose /var lies on a partition that the command line asks for.

use std::fs::File;
use std::path::PathBuf;

use super::disk::run;
use super::node::{self, boot, build, hello_pod_text};
use super::{HELLO, TIMEOUT};

/// Where /var is not the one of an earlier start, the machine leaves a mark there and goes off, and never runs a pod.
const MARK: &str = r#"
[["+unit"]]
name = "mark.service"
state = "enabled"
text = """
[Unit]
ConditionPathExists=!/var/lib/mark
RequiresMountsFor=/var
Before=kubelet.service
SuccessAction=poweroff
[Service]
Type=oneshot
ExecStart=systemd-tmpfiles --create /usr/lib/probe/mark.conf
[Install]
WantedBy=multi-user.target
"""
[[file]]
path = "/usr/lib/probe/mark.conf"
text = "f /var/lib/mark 0644 - - - here\n"

[[output]]
format.iso = {}
cmdline = ["imagebuild.var=keep"]
[[output]]
format.netboot = {}
cmdline = ["imagebuild.var=keep"]
"#;

/// A disk of 1 GiB whose only partition is called `keep` and holds an empty ext4.
fn disk() -> PathBuf {
    let path = node::scratch().join("copies/keep.raw");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    run("sgdisk", &[&"--new=1:2048:0", &"--change-name=1:keep", &path]);
    run("mkfs.ext4", &[&"-q", &"-F", &"-E", &format!("offset={}", 2048 * 512), &path, &"1022M"]);
    path
}

#[test]
fn a_partition_that_is_asked_for_keeps_var_from_start_to_start() {
    let text = hello_pod_text().replace("\"hello-pod\"", "\"hello-kept\"");
    let image = build("hello-kept", &format!("{text}\n{MARK}"));
    let disk = disk();
    let found = "imagebuild-init: /var is the partition `keep` of disk vda";
    let more = ["--install-to", disk.to_str().unwrap()];
    let iso = image.raw.with_extension("iso");
    let first = boot("kept-first", &iso, HELLO, TIMEOUT, &[&["--cdrom"], &more[..]].concat());
    first.restarted().saw(found).saw_no("FATAL").saw_no("/var in memory");
    let second = boot("kept-second", &image.raw.with_extension("netboot"), "/kubepods.slice/", TIMEOUT, &more);
    second.ended(0).saw(found).saw(HELLO).saw_no("FATAL").saw_no("/var in memory");
    std::fs::remove_file(disk).unwrap();

    let missing = boot("kept-missing", &iso, HELLO, TIMEOUT, &["--cdrom"]);
    missing.restarted().saw("FATAL: /var: no partition has the label `keep`, after 30 s").saw_no("systemd[1]");
}
