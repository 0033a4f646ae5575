//! Files from the network: resumed, retried, bounded in size, time and redirects.
//!
//! - Only `http`, `https` and, for archives on a disk, `file` are spoken.
//! - An answer that is cut or stalls is asked for again from where it broke off, a few times.
//! - Nothing here is believed: whoever takes the bytes compares their digest.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking as http;
use reqwest::header;

use crate::error::{Error, Kind, Result};

/// As many redirects as one answer may take.
const MAX_REDIRECTS: usize = 5;
/// However much progress there is between them, an answer may break off this often.
const MAX_BREAKS: u32 = 50;

/// How long to wait and how often to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte.
    pub stall: Duration,
    /// Over this long a time `floor` bytes must come.
    pub window: Duration,
    /// Bytes that must come in a `window`.
    pub floor: u64,
    /// Tries without progress before giving up.
    pub tries: u32,
    /// Pause before the second try; doubled before each further one.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            window: Duration::from_secs(30),
            floor: 4096,
            tries: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// Why a file was not had.
#[derive(Debug)]
pub enum Failure {
    /// The server says that it has no such file (404, 410).
    Gone(String),
    /// Anything that another try will not mend.
    Refused(Error),
    /// The server has no bytes where the answer was to go on (416): what is here is not its file.
    Beyond(String),
    /// The network's or the server's fault.
    Again(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Gone(message) | Failure::Beyond(message) => Error::source(message),
            Failure::Again(message) => Error::source(message).hint("check the network, or name another mirror"),
        }
    }
}

/// Asks servers for files; shared by threads.
pub struct Client {
    plain: http::Client,
    secure: OnceLock<Result<http::Client, String>>,
    /// Ways round, each with its client once it was used.
    detours: Vec<(Detour, OnceLock<Result<http::Client, String>>)>,
    patience: Patience,
    offline: bool,
}

/// What lies below the URL `base` is had through `proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detour {
    /// A URL without a slash at the end.
    pub base: String,
    /// The proxy's URL, `http` or `https`.
    pub proxy: String,
}

impl Detour {
    fn leads_to(&self, url: &str) -> bool {
        url.strip_prefix(&self.base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// What a server answered: where its bytes begin in the file, and the bytes.
struct Answer {
    start: u64,
    body: Box<dyn Read + Send>,
}

impl Client {
    /// A client; one that is `offline` reads files and asks no server.
    pub fn new(offline: bool) -> Result<Self> {
        Self::with_patience(offline, Patience::default())
    }

    /// The same with other limits.
    pub fn with_patience(offline: bool, patience: Patience) -> Result<Self> {
        // Fails only where a provider is installed already: it is this one.
        drop(rustls::crypto::ring::default_provider().install_default());
        // A machine without any certificate authority can still use archives over http.
        let plain = builder(patience).tls_certs_only([]).build();
        let plain = plain.map_err(|error| Error::system(format!("preparing downloads: {}", full(&error))))?;
        Ok(Client { plain, secure: OnceLock::new(), detours: Vec::new(), patience, offline })
    }

    /// The same client, which takes `detours`.
    #[must_use]
    pub fn with_detours(mut self, detours: Vec<Detour>) -> Self {
        self.detours = detours.into_iter().map(|detour| (detour, OnceLock::new())).collect();
        self
    }

    /// The client for `at`, to which a question for `asked` has led.
    fn for_url(&self, asked: &str, at: &reqwest::Url) -> Result<&http::Client, Failure> {
        let Some((detour, client)) = self.detours.iter().find(|(detour, _)| detour.leads_to(asked)) else {
            return self.for_scheme(at);
        };
        let made = client.get_or_init(|| {
            let proxy = reqwest::Proxy::all(&detour.proxy).map_err(|error| full(&error))?;
            let proxy = proxy.no_proxy(reqwest::NoProxy::from_env());
            let builder = || builder(self.patience).proxy(proxy.clone());
            // As without a proxy: http alone needs no authorities.
            let plain = |error| if at.scheme() == "http" { builder().tls_certs_only([]).build() } else { Err(error) };
            builder().build().or_else(plain).map_err(|error| full(&error))
        });
        made.as_ref().map_err(|error| {
            let message = format!("the proxy `{}` of this machine's apt cannot be used: {error}", detour.proxy);
            Failure::Refused(Error::system(message).hint("name another one by http_proxy or https_proxy"))
        })
    }

    fn for_scheme(&self, url: &reqwest::Url) -> Result<&http::Client, Failure> {
        match url.scheme() {
            "http" => Ok(&self.plain),
            "https" => {
                let secure = self.secure.get_or_init(|| builder(self.patience).build().map_err(|error| full(&error)));
                secure.as_ref().map_err(|error| {
                    Failure::Refused(
                        Error::system(format!("https cannot be used: {error}"))
                            .hint("install the package ca-certificates"),
                    )
                })
            }
            other => Err(Failure::Refused(
                Error::source(format!("unknown scheme `{other}` of `{url}`")).hint("expected http, https or file"),
            )),
        }
    }

    /// The file at `url`, for one pass from the start to the end; at most `limit` bytes.
    ///
    /// `size` where it is known: less is then an answer that was cut.
    pub fn open(&self, url: &str, size: Option<u64>, limit: u64) -> Result<Body<'_>, Failure> {
        self.open_from(url, 0, size, limit)
    }

    /// The same from the byte `from` on; `size` and `limit` are of the whole file.
    pub fn open_from(&self, url: &str, from: u64, size: Option<u64>, limit: u64) -> Result<Body<'_>, Failure> {
        let mut body = Body {
            client: self,
            url: url.to_owned(),
            size,
            limit,
            position: from,
            reached: from,
            tries: 0,
            breaks: 0,
            answer: None,
            window: (Instant::now(), 0),
        };
        body.connect()?;
        Ok(body)
    }

    /// The whole file at `url`; at most `limit` bytes.
    pub fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        match self.open(url, None, limit)?.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Failure::Refused(error.into())),
        }
    }

    /// One question, redirects followed; the answer begins at `from` or at 0.
    fn ask(&self, url: &str, from: u64, limit: u64) -> Result<Answer, Failure> {
        let mut at = reqwest::Url::parse(url).map_err(|error| {
            Failure::Refused(
                Error::source(format!("`{url}` is not a URL: {error}")).hint("expected http, https or file"),
            )
        })?;
        if at.scheme() == "file" {
            return read_file(&at, from);
        }
        if self.offline {
            let error = Error::source(format!("`{url}` is not in the store, and the network must not be asked"));
            return Err(Failure::Refused(error.hint("run once without --offline, or fill the store by `vendor`")));
        }
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.for_url(url, &at)?.get(at.clone());
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let response = request.send().map_err(|error| Failure::Again(format!("`{at}`: {}", full(&error))))?;
            if !response.status().is_redirection() {
                return check(response, from, limit);
            }
            let target = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let next = target.and_then(|target| at.join(target).ok());
            let next = next.ok_or_else(|| Failure::Again(format!("`{at}` redirects to nowhere")))?;
            if at.scheme() == "https" && next.scheme() != "https" {
                return Err(Failure::Refused(Error::source(format!("`{at}` redirects away from https, to `{next}`"))));
            }
            at = next;
        }
        Err(Failure::Refused(Error::source(format!("`{url}` redirects more than {MAX_REDIRECTS} times"))))
    }
}

fn builder(patience: Patience) -> http::ClientBuilder {
    http::Client::builder()
        .user_agent(concat!("imagebuild/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(patience.connect)
        // In the blocking client: until the headers are there, then for each read.
        .timeout(patience.stall)
}

/// The error with its causes; the outermost alone says little.
fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn read_file(url: &reqwest::Url, from: u64) -> Result<Answer, Failure> {
    let wrong = || Failure::Refused(Error::source(format!("`{url}` does not name a file of this machine")));
    let path = url.to_file_path().map_err(|()| wrong())?;
    let mut file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::Gone(format!("`{}` does not exist", path.display())),
        _ => Failure::Refused(Error::system(format!("opening `{}`: {error}", path.display()))),
    })?;
    file.seek(SeekFrom::Start(from)).map_err(|error| Failure::Refused(error.into()))?;
    Ok(Answer { start: from, body: Box::new(file) })
}

/// Sorts an answer by its status; its bytes begin at `from`, or at 0 where the server knows no ranges.
fn check(response: http::Response, from: u64, limit: u64) -> Result<Answer, Failure> {
    let (status, url) = (response.status(), response.url().clone());
    let start = match status {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => match content_range(&response) {
            Some(start) if start == from => from,
            _ => return Err(Failure::Again(format!("`{url}` answers with another range than was asked for"))),
        },
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return Err(Failure::Gone(format!("`{url}` is not there ({status})")));
        }
        StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
            return Err(Failure::Beyond(format!("`{url}` ends before byte {from}")));
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::RANGE_NOT_SATISFIABLE => {
            return Err(Failure::Again(format!("`{url}` answers {status}")));
        }
        status if status.is_client_error() => {
            return Err(Failure::Refused(Error::source(format!("`{url}` answers {status}"))));
        }
        status => return Err(Failure::Again(format!("`{url}` answers {status}"))),
    };
    if response.content_length().and_then(|length| start.checked_add(length)).is_some_and(|end| end > limit) {
        return Err(Failure::Again(format!("`{url}` is larger than the {limit} bytes that are allowed")));
    }
    Ok(Answer { start, body: Box::new(response) })
}

/// The first byte of `Content-Range: bytes FIRST-LAST/TOTAL` (RFC 9110, 14.4).
fn content_range(response: &http::Response) -> Option<u64> {
    let value = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

/// A file on its way; reading it asks again by itself when the answer breaks off.
pub struct Body<'a> {
    client: &'a Client,
    url: String,
    size: Option<u64>,
    limit: u64,
    position: u64,
    /// The position at the last break: beyond it there was progress.
    reached: u64,
    tries: u32,
    breaks: u32,
    answer: Option<Answer>,
    /// When the present window began, and where.
    window: (Instant, u64),
}

impl Body<'_> {
    /// Asks until there is an answer, or patience ends.
    fn connect(&mut self) -> Result<(), Failure> {
        while self.answer.is_none() {
            match self.client.ask(&self.url, self.position, self.limit) {
                Ok(answer) => {
                    self.window = (Instant::now(), self.position);
                    self.answer = Some(answer);
                }
                Err(Failure::Again(message)) => self.pause(message)?,
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Counts a break and waits; fails when there were too many.
    fn pause(&mut self, message: String) -> Result<(), Failure> {
        self.answer = None;
        if self.position > self.reached {
            self.tries = 0;
        }
        self.reached = self.position;
        self.tries += 1;
        self.breaks += 1;
        // A disk says the same when asked again.
        let disk = self.url.starts_with("file:");
        if disk || self.tries >= self.client.patience.tries || self.breaks >= MAX_BREAKS {
            return Err(Failure::Again(format!("{message} (tried {} times)", self.breaks)));
        }
        std::thread::sleep(self.client.patience.pause * (1 << (self.tries - 1).min(4)));
        Ok(())
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        self.connect()?;
        let Some(answer) = &mut self.answer else { return Ok(None) };
        // A server without ranges begins anew: what we have already is passed over.
        let behind = self.position - answer.start.min(self.position);
        let room = if behind > 0 { (behind.min(buffer.len() as u64)) as usize } else { buffer.len() };
        let failed = match answer.body.read(&mut buffer[..room]) {
            Ok(0) if behind > 0 || self.size.is_some_and(|size| self.position < size) => {
                "the answer was cut".to_owned()
            }
            Ok(0) => return Ok(Some(0)),
            Ok(count) if behind > 0 => {
                answer.start += count as u64;
                return Ok(None);
            }
            Ok(count) => {
                // From here on `start` follows the position.
                answer.start += count as u64;
                self.position += count as u64;
                if self.position > self.limit {
                    let message = format!("`{}` sends more than the {} bytes that are allowed", self.url, self.limit);
                    return Err(Failure::Again(message));
                }
                match self.too_slow() {
                    false => return Ok(Some(count)),
                    true => return self.pause(format!("`{}` sends too slowly", self.url)).map(|()| Some(count)),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(error) => full(&error),
        };
        self.pause(format!("`{}`: {failed}", self.url)).map(|()| None)
    }

    fn too_slow(&mut self) -> bool {
        let (since, from) = self.window;
        if since.elapsed() < self.client.patience.window {
            return false;
        }
        self.window = (Instant::now(), self.position);
        self.position - from < self.client.patience.floor
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.read_once(buffer) {
                Ok(Some(count)) => return Ok(count),
                Ok(None) => {}
                Err(failure) => return Err(Error::from(failure).into()),
            }
        }
    }
}

/// Whether another try, or another mirror, could mend the error.
pub(crate) fn is_source(error: &Error) -> bool {
    error.kind() == Kind::Source
}
