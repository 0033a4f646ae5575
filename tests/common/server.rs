//! A web server on loopback that can be made to misbehave.
#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does instead of answering well.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Sends only so many bytes of the answer's body, then closes.
    Cut(usize),
    /// Sends so many bytes, then nothing, keeping the connection open for so long.
    Stall(usize, Duration),
    /// Sends one byte each so long, forever.
    Drip(Duration),
    /// Sends other bytes of the same length.
    Lie,
    /// Sends this many more bytes than the file has.
    Oversize(usize),
    /// Answers with this status.
    Status(u16),
    /// Sends somewhere else.
    Redirect(String),
    /// Answers ranges with the whole file.
    NoRanges,
    /// Claims this length.
    Claim(u64),
}

#[derive(Default)]
struct State {
    faults: BTreeMap<String, Vec<Fault>>,
    log: Vec<String>,
}

/// A server of the files of a folder.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    state: Arc<Mutex<State>>,
    address: std::net::SocketAddr,
}

impl Server {
    /// Serves `folder` until dropped.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if shared.lock().expect("the state").log.iter().any(|line| line == "end") {
                    return;
                }
                let (folder, shared) = (folder.clone(), shared.clone());
                std::thread::spawn(move || drop(answer(stream, &folder, &shared)));
            }
        });
        Server { url: format!("http://{address}"), state, address }
    }

    /// The next requests of a path meet these faults, one each; `*` stands for any path.
    pub fn faults(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut state = self.state.lock().expect("the state");
        state.faults.entry(path.to_owned()).or_default().extend(faults);
    }

    /// What was asked: path and range.
    pub fn log(&self) -> Vec<String> {
        self.state.lock().expect("the state").log.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.lock().expect("the state").log.push("end".to_owned());
        drop(TcpStream::connect(self.address));
    }
}

fn answer(mut stream: TcpStream, folder: &std::path::Path, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut from = 0usize;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some(range) = header.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range.trim().trim_end_matches('-').parse().unwrap_or(0);
        }
    }
    let fault = {
        let mut state = state.lock().expect("the state");
        state.log.push(format!("{path} {from}"));
        let key = if state.faults.get(&path).is_some_and(|faults| !faults.is_empty()) { path.as_str() } else { "*" };
        state.faults.get_mut(key).filter(|faults| !faults.is_empty()).map(|faults| faults.remove(0))
    };
    let name = path.trim_start_matches('/').replace("%2B", "+").replace("%7E", "~");
    let Ok(mut body) = std::fs::read(folder.join(name)) else {
        write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        return Ok(());
    };
    let whole = body.len();
    if matches!(fault, Some(Fault::NoRanges)) {
        from = 0;
    }
    body.drain(..from.min(whole));
    let mut length = body.len() as u64;
    match &fault {
        Some(Fault::Status(status)) => {
            write!(stream, "HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            return Ok(());
        }
        Some(Fault::Redirect(to)) => {
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            return Ok(());
        }
        Some(Fault::Lie) => body.iter_mut().for_each(|byte| *byte ^= 1),
        Some(Fault::Oversize(more)) => {
            body.extend(vec![0; *more]);
            length += *more as u64;
        }
        Some(Fault::Claim(claim)) => length = *claim,
        _ => {}
    }
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n")?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{}/{whole}\r\n", whole.saturating_sub(1))?;
    }
    write!(stream, "\r\n")?;
    match fault {
        Some(Fault::Cut(count)) => stream.write_all(&body[..count.min(body.len())])?,
        Some(Fault::Stall(count, time)) => {
            stream.write_all(&body[..count.min(body.len())])?;
            stream.flush()?;
            std::thread::sleep(time);
        }
        Some(Fault::Drip(time)) => {
            for byte in body {
                stream.write_all(&[byte])?;
                stream.flush()?;
                std::thread::sleep(time);
            }
        }
        _ => stream.write_all(&body)?,
    }
    stream.shutdown(Shutdown::Both)
}
