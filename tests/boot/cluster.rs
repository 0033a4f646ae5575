//! A node that joins a cluster, in two releases, and what stands for the cluster's API server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::node::{Image, build, hello_pod_text};

/// No cluster approves anything here.
const WAIVED: &str = "\n[waive.kubelet-serving-certificate]\nreason = \"a test\"\n";

/// The last that the units below write.
pub const DONE: &str = "probe-done";

/// What tells of the node: there is no shell, so systemd's own programs print to the console. The
/// kubelet's words go there too. Twenty-five seconds are four restarts of a kubelet that ends at once.
const PROBE: &str = r#"
[["+unit"]]
name = "kubelet.service"
dropins = { "10-console.conf" = "[Service]\nStandardOutput=journal+console\nStandardError=journal+console\n" }
[["+unit"]]
name = "probe.timer"
state = "enabled"
text = """
[Unit]
# Of a kubelet that waits, and of one that is ready, the start is over.
After=kubelet.service kubelet.path imagebuild-images.service imagebuild-hostname.service
[Timer]
OnActiveSec=25s
AccuracySec=1s
[Install]
WantedBy=multi-user.target
"""
[["+unit"]]
name = "probe.service"
text = """
[Service]
Type=oneshot
StandardOutput=tty
ExecStart=systemd-tmpfiles --create /usr/lib/probe/names.conf
ExecStart=systemctl show kubelet.service --property=NRestarts --property=ActiveState
ExecStart=-systemd-analyze --no-pager cat-config /etc/kubernetes/touched
ExecStart=-systemd-analyze --no-pager cat-config /etc/kubernetes/untouched
ExecStart=-systemd-analyze --no-pager cat-config /etc/kubernetes/pki/ca.crt
ExecStart=systemd-tmpfiles --create /usr/lib/probe/done.conf
"""
[[file]]
path = "/usr/lib/probe/names.conf"
text = 'w /dev/kmsg - - - - <3>probe-release %A\nprobe-host %H\nprobe-machine %m\n'
[[file]]
path = "/usr/lib/probe/done.conf"
text = 'w /dev/kmsg - - - - <3>probe-done\n'
[[file]]
path = "/etc/kubernetes/touched"
text = "touched, of release ${version}\n"
[[file]]
path = "/etc/kubernetes/untouched"
text = "untouched, of release ${version}\n"
"#;

/// In the first release only: changes one of the two files.
const TOUCH: &str = r#"
[["+unit"]]
name = "touch.service"
state = "enabled"
text = """
[Unit]
RequiresMountsFor=/etc/kubernetes
Before=probe.service
[Service]
Type=oneshot
ExecStart=systemd-tmpfiles --create /usr/lib/probe/touch.conf
[Install]
WantedBy=multi-user.target
"""
[[file]]
path = "/usr/lib/probe/touch.conf"
text = 'w /etc/kubernetes/touched - - - - touched, of the node itself\n'
"#;

/// The first release.
pub fn first() -> Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| release("1", TOUCH)).clone()
}

/// The second release: other files, and nothing that changes them.
pub fn second() -> Image {
    release("2", "")
}

fn release(version: &str, more: &str) -> Image {
    let text = hello_pod_text()
        .replace("id = \"hello-pod\"\nversion = \"1\"", &format!("id = \"cluster\"\nversion = \"{version}\""))
        .replace("standalone = {}", "join = {}");
    assert!(text.contains("id = \"cluster\"") && text.contains("join = {}"));
    build(&format!("cluster-{version}"), &format!("{text}\n{WAIVED}\n{PROBE}\n{more}"))
}

/// An API server that lets nobody in, and says so in words that end up in the kubelet's log.
pub struct Server {
    /// Where the guest finds it: QEMU's user network leads this address to the host's loopback.
    pub url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Listens until the test's process ends.
    pub fn new(words: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://10.0.2.2:{}", listener.local_addr().expect("an address").port());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (shared, words) = (heads.clone(), words.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A guest that breaks off is none of the test's concern; what it asked is kept before.
                drop(answer(stream, &words, &shared));
            }
        });
        Server { url, heads }
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, words: &str, heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value.parse());
    let length: u64 = length.flatten().next().unwrap_or(0);
    heads.lock().unwrap().push(head);
    std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
    let status = serde_json::json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": words, "reason": "Forbidden", "code": 403 });
    let body = status.to_string();
    write!(
        reader.get_mut(),
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A bootstrap kubeconfig for `server`. The secret is in the path of its address: a token would be held
/// back where there is no TLS.
pub fn kubeconfig(server: &str, secret: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"{server}/{secret}\"}}}}]\n\
         users: [{{name: u, user: {{token: none}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
    )
}

/// A certificate that says who signs, as a cluster's authority has one; nobody has its key.
pub const CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUEf9++Rc7kX2GmHwrQ0XNcBip5WEwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjQxNDQ5NDlaGA8yMTI2MTAzMTE0NDk0
OVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLDm
18gbrxEeAz+CY5c0IbAiJQvXpigDmt8JW9nz4FkHcDbDKT6SKPiQCAvdn+e7ha6f
8IW5BUs1bXJajQS7vtujUzBRMB0GA1UdDgQWBBRCxOZQIRA4gSG78U5rGp5u11Y3
MTAfBgNVHSMEGDAWgBRCxOZQIRA4gSG78U5rGp5u11Y3MTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCwtq+7aBs1+VJHNo5ekGLl2osJLWmvvKvb
j7hH6Zs1WwIgBn8P3H86RgryWaGgnwDfr0VAev1PBwolK6XMQ/d3Ua4=
-----END CERTIFICATE-----
";
/// A piece of it that nothing else holds.
pub const PIECE_OF_CA: &str = "j7hH6Zs1WwIgBn8P3H86RgryWaGgnwDfr0VAev1PBwolK6XMQ";
