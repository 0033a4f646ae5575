//! The files of one folder over HTTP, for a guest that starts from the network: QEMU itself serves TFTP alone.
//!
//! It listens on the loopback address, which QEMU's user network shows to the guest as 10.0.2.2, answers GET and HEAD
//! with whole files of that folder, and ends with the run.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Context, Result};

/// As long as a request's head may be.
const MAX_HEAD: u64 = 16 << 10;
/// As many guests' connections at once; a boot program opens one or two.
const MAX_CONNECTIONS: usize = 16;
/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the files that lie directly in `folder`.
    ///
    /// # Errors
    /// The system's, where no port can be had.
    pub fn start(folder: &Path) -> Result<Self> {
        let doing = || "serving the folder over HTTP".to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(doing)?;
        let address = listener.local_addr().context(doing)?;
        let ends = Arc::new(AtomicBool::new(false));
        let (stop, folder) = (ends.clone(), folder.to_owned());
        let thread = std::thread::spawn(move || listen(&listener, &folder, &stop));
        Ok(Server { address, ends, thread: Some(thread) })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for the next connection.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn listen(listener: &TcpListener, folder: &Path, ends: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (open, folder) = (open.clone(), folder.to_owned());
        std::thread::spawn(move || {
            // A guest that goes away in the middle is no fault of ours.
            drop(talk(&stream, &folder));
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Answers requests of one connection until it ends.
fn talk(stream: &TcpStream, folder: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    while let Some((request, last)) = head(&mut reader)? {
        let mut words = request.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let found = matches!(method, "GET" | "HEAD").then(|| file(folder, target)).flatten();
        let mut out = stream;
        match found.map(File::open) {
            Some(Ok(mut file)) => {
                let length = file.metadata()?.len();
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
                if method == "GET" {
                    std::io::copy(&mut Read::by_ref(&mut file).take(length), &mut out)?;
                }
            }
            Some(Err(_)) | None => write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
        if last {
            break;
        }
    }
    Ok(())
}

/// The first line of a request, and whether it is the connection's last; none at the end.
fn head(reader: &mut impl BufRead) -> std::io::Result<Option<(String, bool)>> {
    let mut reader = reader.take(MAX_HEAD);
    let mut request = String::new();
    if reader.read_line(&mut request)? == 0 {
        return Ok(None);
    }
    let mut last = request.trim_end().ends_with("HTTP/1.0");
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            // It never ends, or is longer than any that boots.
            return Ok(None);
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Some((request, last)));
        }
        last |= line == "connection: close";
    }
}

/// The file of a target such as `/boot.ipxe`: directly in the folder, and no link out of it.
fn file(folder: &Path, target: &str) -> Option<PathBuf> {
    let name = target.strip_prefix('/')?.split(['?', '#']).next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '~');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return None;
    }
    let path = folder.join(name);
    std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|_| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(port: u16, text: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn files_of_the_folder_are_served_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("served");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("boot.ipxe"), "#!ipxe\n").unwrap();
        std::fs::write(outer.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        let server = Server::start(&folder).unwrap();
        let get = |target: &str| ask(server.port(), &format!("GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n"));
        assert_eq!(get("/boot.ipxe"), "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n#!ipxe\n");
        for target in ["/", "/none", "/../secret", "/link", "/%2e%2e/secret", "boot.ipxe", "/.", "//etc/passwd"] {
            assert!(get(target).starts_with("HTTP/1.1 404"), "{target}");
        }
        // Two on one connection, the first without its bytes.
        let two = "HEAD /boot.ipxe HTTP/1.1\r\n\r\nGET /boot.ipxe HTTP/1.0\r\n\r\n";
        assert_eq!(ask(server.port(), two).matches("Content-Length: 7").count(), 2);
        assert!(ask(server.port(), "POST /boot.ipxe HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404"));
        let endless = format!("GET /boot.ipxe HTTP/1.1\r\n{}", "x: y\r\n".repeat(10_000));
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
        drop(stream.write_all(endless.as_bytes()));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(answer.is_empty());
        drop(server);
    }
}
