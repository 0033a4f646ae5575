//! What the templates beside `node` promise.

use super::disk::spoil_var;
use super::node::{boot, build, hello_pod_text, type_into};
use super::{HELLO, TIMEOUT};

/// The example, over another template.
fn over(template: &str) -> String {
    let text = hello_pod_text().replace("extends = [\"node\"]", &format!("extends = [\"{template}\"]"));
    let text = text.replace("id = \"hello-pod\"", &format!("id = \"{template}\""));
    assert_eq!(text.matches(&format!("\"{template}\"")).count(), 2);
    text
}

#[test]
fn a_hardened_node_runs_pods() {
    let image = build("hardened", &over("hardened"));
    let booted = boot("hardened", &image.raw, "/kubepods.slice/", TIMEOUT, &["--disk-size", "4G"]);
    booted.ended(0).saw(HELLO).saw("Kernel is locked down from command line").saw_no("[FAILED]").saw_no("FATAL");
}

#[test]
fn a_debug_node_that_fails_has_a_shell_and_stays() {
    let image = build("debug", &over("debug"));
    let disk = image.copy("debug");
    spoil_var(&disk);
    // The sum is the shell's: what is typed is echoed on the console, too.
    let line =
        "echo debug-$((40 + 2)) $(systemctl is-active imagebuild-reboot.timer) $(systemctl is-active emergency.target)";
    let until = "debug-42 inactive active";
    let typed = ("/var cannot be mounted", line);
    let booted = type_into("debug", &disk, until, TIMEOUT, &["--disk-size", "4G"], typed);
    booted.ended(0).saw("imagebuild: /var cannot be mounted");
    std::fs::remove_file(disk).unwrap();
}
