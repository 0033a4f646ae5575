//! Files of a node as its posture reads them: every one of them may be anyone's.

use crate::audit::posture::{Anchor, Asked, View, check, json, markdown, sarif, text};
use crate::epoch::Epoch;
use crate::path::RootPath;
use crate::tree::{Content, Meta, Tree};

/// What the parts of an input become, in this order; a part ends with a NUL.
const FILES: [&str; 12] = [
    "/usr/lib/systemd/system/kubelet.service",
    "/usr/lib/systemd/system/kubelet.service.d/10-x.conf",
    "/usr/lib/kubernetes/kubelet.yaml",
    "/usr/lib/systemd/system/containerd.service",
    "/etc/containerd/config.toml",
    "/etc/containerd/certs.d/a/hosts.toml",
    "/usr/lib/systemd/system/var.mount",
    "/etc/fstab",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/sysctl.d/10-x.conf",
    "/etc/secret",
];

/// A node whose files are the parts of the input, then its command line and the profile that it carries. Every rule has
/// an answer, and every form of the report can be written.
pub fn posture(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut tree = Tree::default();
    for path in FILES {
        let content = Content::bytes(parts.next().unwrap_or_default().to_vec());
        tree.put_file(&RootPath::new(path).expect("a path"), Meta::new(0o600, 0), content).expect("an empty place");
    }
    let mut part = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (line, carried) = (part(), part());
    let asked = Asked::carried(&carried, Epoch(super::NOW as u32));
    let asked = asked.unwrap_or_else(|_| Asked::carried("", Epoch(0)).expect("nothing is carried"));
    let view = View::of_build(&tree, line, vec![part()]);
    let report = check(&view, &asked).expect("all files can be read");
    let anchor = Anchor { uri: "x".to_owned(), line: 1 };
    let forms =
        [text(&report, true), markdown(&report), json(&report).to_string(), sarif(&report, &anchor).to_string()];
    assert!(forms[0].chars().all(|c| c == '\n' || !c.is_control()));
    assert!(forms.iter().all(|form| form.len() < (1 << 20) + 64 * bytes.len()));
}
