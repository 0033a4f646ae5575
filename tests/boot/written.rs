//! A pod looks at the node from inside: what may be written can be, the rest cannot.

use super::TIMEOUT;
use super::node::{boot, build, hello_pod_text};

/// A pod that looks at the node from inside and tells what it sees.
const PROBE: &str = r#"
[[pod]]
name = "probe"
manifest.apiVersion = "v1"
manifest.kind = "Pod"
manifest.metadata = { name = "probe", namespace = "default" }
[pod.manifest.spec]
hostNetwork = true
volumes = [
  { name = "console", hostPath = { path = "/dev/console", type = "CharDevice" } },
  { name = "host", hostPath = { path = "/", type = "Directory" } },
]
[[pod.manifest.spec.containers]]
name = "probe"
image = "localhost/busybox:1"
imagePullPolicy = "Never"
securityContext = { privileged = true }
volumeMounts = [{ name = "console", mountPath = "/console" }, { name = "host", mountPath = "/host", mountPropagation = "HostToContainer" }]
args = ["sh", "-c", """
say() { printf '\\r\\nprobe-%s %s\\r\\n' "$1" "$2" > /console; }
tries() { if "$@" 2>/dev/null; then echo yes; else echo no; fi; }
say machine "$(busybox cat /host/etc/machine-id)"
say opt "$(tries busybox cp /usr/bin/busybox /host/opt/cni/bin/busybox)"
say runs "$(tries /host/opt/cni/bin/busybox true)"
say conf "$(tries busybox touch /host/etc/cni/net.d/10-test.conf)"
say volumes "$(tries busybox mkdir -p /host/var/lib/kubelet/volumeplugins/x)"
say usr "$(tries busybox touch /host/usr/bin/new)"
say etc "$(tries busybox touch /host/etc/new)"
say packages "$(busybox grep -c '^Package:' /host/var/lib/dpkg/status)"
say done '' ; busybox sleep 100000
"""]
"#;

#[test]
fn what_may_be_written_can_be_and_no_two_nodes_share_an_id() {
    let image = build("probe", &format!("{}\n{PROBE}", hello_pod_text().replace("\"hello-pod\"", "\"probe\"")));
    let machines =
        [("11111111-2222-4333-8444-555555555555", "virtio"), ("99999999-2222-4333-8444-555555555555", "scsi")];
    let ids = machines.map(|(uuid, bus)| {
        let more = ["--disk-size", "4G", "--uuid", uuid, "--disk", bus];
        let booted = boot(&format!("probe-{}", &uuid[..4]), &image.raw, "probe-done", TIMEOUT, &more);
        booted.ended(0);
        for (what, expected) in
            [("opt", "yes"), ("runs", "yes"), ("conf", "yes"), ("volumes", "yes"), ("usr", "no"), ("etc", "no")]
        {
            assert_eq!(booted.after(&format!("probe-{what} ")), expected, "{what}");
        }
        let packages = image.manifest()["inputs"]["packages"].as_object().unwrap().len();
        assert_eq!(booted.after("probe-packages "), packages.to_string());
        let id = booted.after("probe-machine ").to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        id
    });
    assert_ne!(ids[0], ids[1]);
}
