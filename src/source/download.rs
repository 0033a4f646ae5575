//! Many files into the store at once, each verified before it has a name there.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::report::Stage;
use crate::source::http::{Client, Failure, is_source};
use crate::store::{Blob, Store};

/// The largest file that is taken where its size is not known before.
pub const MAX_UNKNOWN: u64 = 8 << 30;
/// As often a file is begun anew when its digest was wrong.
const MAX_WRONG: u32 = 2;

/// A file to have.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it is to the user: a package's name, a URL.
    pub name: String,
    /// Where it may lie, the best place first.
    pub urls: Vec<String>,
    /// What it must be.
    pub sha256: Digest,
    /// Bytes, where they are known.
    pub size: Option<u64>,
}

/// A file that was not had.
#[derive(Debug)]
pub struct Lost {
    /// [`Job::name`].
    pub name: String,
    /// Whether every place says that it has no such file.
    pub gone: bool,
    /// What happened at the last place.
    pub error: Error,
}

/// Has every file of `jobs` that the store has not, `threads` at once; tells `stage` of each byte.
///
/// After a fault of the network no further file is begun; files that are gone are all found out.
pub fn all(client: &Client, store: &Store, stage: &Stage<'_>, threads: usize, jobs: &[Job]) -> Vec<Lost> {
    // The largest first, so that none of them is alone at the end.
    let mut order: Vec<&Job> = jobs.iter().filter(|job| store.blob(&job.sha256).is_none()).collect();
    order.sort_by_key(|job| std::cmp::Reverse(job.size.unwrap_or(u64::MAX)));
    order.dedup_by_key(|job| job.sha256);
    let (next, stop, lost) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, order.len().max(1)) {
            scope.spawn(|| {
                while let Some(job) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    stage.at(job.name.as_str());
                    if let Err(failed) = one(client, store, &|bytes| stage.advance(bytes), job) {
                        stop.fetch_or(!failed.gone, Ordering::Relaxed);
                        lost.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(failed);
                    }
                }
            });
        }
    });
    let mut lost = lost.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    lost.sort_by(|a, b| a.name.cmp(&b.name));
    lost
}

/// Has one file; `progress` is told of each byte once, however often it is sent.
pub fn one(client: &Client, store: &Store, progress: &dyn Fn(u64), job: &Job) -> Result<Blob, Lost> {
    let mut seen = 0;
    let mut gone = !job.urls.is_empty();
    let mut last = Error::source(format!("nothing says where `{}` lies", job.name));
    for url in &job.urls {
        for _ in 0..=MAX_WRONG {
            match attempt(client, store, progress, &mut seen, job, url) {
                Ok(blob) => return Ok(blob),
                Err(Failure::Gone(message)) => {
                    last = Error::source(message);
                    break;
                }
                Err(Failure::Refused(error)) => {
                    (gone, last) = (false, error.context(format!("fetching `{url}`")));
                    break;
                }
                // A wrong or too large answer: begun anew.
                Err(Failure::Again(message) | Failure::Beyond(message)) => {
                    (gone, last) = (false, Error::source(message).context(format!("fetching `{url}`")));
                }
            }
        }
    }
    let error = if gone { last } else { last.hint("check the network, or name another mirror or URL") };
    Err(Lost { name: job.name.clone(), gone, error })
}

fn attempt(
    client: &Client,
    store: &Store,
    progress: &dyn Fn(u64),
    seen: &mut u64,
    job: &Job,
    url: &str,
) -> Result<Blob, Failure> {
    let limit = job.size.unwrap_or(MAX_UNKNOWN);
    let fault = |error: Error| match is_source(&error) {
        true => Failure::Again(error.to_string()),
        // The disk's fault is nothing that a server could mend.
        false => Failure::Refused(error),
    };
    if let Some(blob) = store.blob(&job.sha256) {
        return Ok(blob);
    }
    let Some(mut partial) = store.partial(&job.sha256, limit).map_err(fault)? else {
        // Another run has the same file on its way; it is not waited for.
        let body = client.open(url, job.size, limit)?;
        return store.insert(&job.sha256, limit, Counted { inner: body, position: 0, seen, progress }).map_err(fault);
    };
    let from = partial.length();
    if job.size != Some(from) {
        let body = match client.open_from(url, from, job.size, limit) {
            Err(Failure::Beyond(message)) => {
                partial.clear().map_err(fault)?;
                return Err(Failure::Again(message));
            }
            body => body?,
        };
        let mut counted = Counted { inner: body, position: from, seen, progress };
        counted.tell();
        io::copy(&mut counted, &mut partial).map_err(|error| fault(error.into()))?;
    }
    store.keep_partial(partial, &job.sha256).map_err(fault)
}

/// Tells of bytes beyond those that were seen before.
struct Counted<'a, R> {
    inner: R,
    position: u64,
    seen: &'a mut u64,
    progress: &'a dyn Fn(u64),
}

impl<R> Counted<'_, R> {
    fn tell(&mut self) {
        if self.position > *self.seen {
            (self.progress)(self.position - *self.seen);
            *self.seen = self.position;
        }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position += count as u64;
        self.tell();
        Ok(count)
    }
}
