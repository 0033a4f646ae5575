//! The threads that read, hash and compress; each job is independent of all others.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use super::codec::{Compress, Method};
use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::store::{Key, Packs};
use crate::tree::{Content, Opened};

/// The version of the code below: to be raised when a block's bytes change for the same input.
const VERSION: u32 = 1;
/// Bytes read at a time for hashing.
const STEP: u64 = 1 << 17;

/// Something to do.
pub enum Job<'t> {
    /// Read small files and hash all, as far as asked.
    Look(usize, Vec<Question<'t>>),
    /// Compress a block.
    Pack(u64, Block<'t>),
}

/// A file whose digest is asked for.
pub struct Question<'t> {
    /// The file's number in the plan.
    pub file: usize,
    /// Its bytes.
    pub content: &'t Content,
    /// Whether the digest of the whole file is wanted.
    pub whole: bool,
    /// Bytes from the start whose digest is wanted; 0 for none.
    pub head: u64,
    /// Whether its bytes are wanted too.
    pub keep: bool,
}

/// What a look found.
pub struct Answer {
    /// The file's number in the plan.
    pub file: usize,
    /// The digest of the whole file, where it is wanted.
    pub digest: Option<Digest>,
    /// The digest of its head, where it is wanted.
    pub head: Option<Digest>,
    /// The bytes, where they are wanted.
    pub bytes: Option<Vec<u8>>,
}

/// The pieces of a block, back to back: one of a data block, many of a fragment block.
pub struct Block<'t> {
    /// In order.
    pub pieces: Vec<Piece<'t>>,
    /// Data blocks may be holes; fragment blocks may not.
    pub may_be_hole: bool,
}

/// A part of a file.
pub struct Piece<'t> {
    /// The file.
    pub content: &'t Content,
    /// Its digest, where it is known.
    pub digest: Option<Digest>,
    /// Where the part begins.
    pub offset: u64,
    /// How long it is.
    pub length: u32,
    /// Its bytes, where they have been read already.
    pub bytes: Option<Vec<u8>>,
}

/// A block, ready to be written.
#[derive(Debug, PartialEq, Eq)]
pub enum Packed {
    /// Only zeros.
    Hole,
    /// Compressed.
    Small(Vec<u8>),
    /// As it is, since it does not become smaller.
    Plain(Vec<u8>),
}

/// A job's outcome.
pub enum Done {
    /// Of [`Job::Look`].
    Looked(usize, Result<Vec<Answer>>),
    /// Of [`Job::Pack`].
    Packed(u64, Result<Packed>),
}

/// One thread's tools.
pub struct Worker<'c> {
    method: Method,
    compressor: Option<Box<dyn Compress>>,
    opened: Opened,
    buffer: Vec<u8>,
    output: Vec<u8>,
    cache: Option<&'c Packs>,
}

impl<'c> Worker<'c> {
    /// Tools for blocks of `method`.
    pub fn new(method: Method, cache: Option<&'c Packs>) -> Result<Self> {
        let compressor = method.compressor()?;
        Ok(Worker { method, compressor, opened: Opened::default(), buffer: Vec::new(), output: Vec::new(), cache })
    }

    /// Does jobs until there are no more.
    pub fn run<'t>(mut self, jobs: &Mutex<Receiver<Job<'t>>>, done: &Sender<Done>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let outcome = match job {
                Err(_) => return,
                Ok(Job::Look(number, questions)) => {
                    Done::Looked(number, questions.iter().map(|question| self.look(question)).collect())
                }
                Ok(Job::Pack(number, block)) => Done::Packed(number, self.pack(block)),
            };
            if done.send(outcome).is_err() {
                return;
            }
        }
    }

    fn look(&mut self, question: &Question) -> Result<Answer> {
        let Question { file, content, whole, head, keep } = *question;
        if keep {
            let mut bytes = vec![0; content.len() as usize];
            content.read_at(&mut self.opened, 0, &mut bytes)?;
            return Ok(Answer { file, digest: Some(Digest::of(&bytes)), head: None, bytes: Some(bytes) });
        }
        let mut hasher = Hasher::default();
        let mut answer = Answer { file, digest: None, head: None, bytes: None };
        let mut at = 0;
        let end = if whole { content.len() } else { head };
        while at < end {
            // A step ends where the head does.
            let stop = if at < head { head } else { end };
            let count = STEP.min(stop - at);
            self.buffer.resize(count as usize, 0);
            content.read_at(&mut self.opened, at, &mut self.buffer)?;
            hasher.update(&self.buffer);
            at += count;
            if at == head {
                answer.head = Some(hasher.clone().finish());
            }
        }
        answer.digest = whole.then(|| hasher.finish());
        Ok(answer)
    }

    fn pack(&mut self, block: Block) -> Result<Packed> {
        let Some(cache) = self.cache else {
            self.gather(&block)?;
            return self.compress(block.may_be_hole);
        };
        // What the digests say is known without reading a byte.
        let known = self.key_of_digests(&block);
        if known.is_none() {
            self.gather(&block)?;
        }
        let key = known.unwrap_or_else(|| self.key("squashfs-bytes").with(Digest::of(&self.buffer).0).digest());
        if let Some(packed) = cache.get(&key).and_then(|value| Packed::from_value(value, &block)) {
            return Ok(packed);
        }
        if known.is_some() {
            self.gather(&block)?;
        }
        let packed = self.compress(block.may_be_hole)?;
        cache.put(&key, packed.to_value())?;
        Ok(packed)
    }

    fn key(&self, what: &'static str) -> Key {
        let level = if self.method.codec.levels().is_some() { self.method.level } else { 0 };
        Key::new(what, VERSION)
            .with(self.method.codec.name())
            .with(level.to_le_bytes())
            .with(self.method.block.to_le_bytes())
    }

    fn key_of_digests(&self, block: &Block) -> Option<Digest> {
        let mut key = self.key("squashfs-block").with([u8::from(block.may_be_hole)]);
        for piece in &block.pieces {
            key = key.with(piece.digest?.0).with(piece.offset.to_le_bytes()).with(piece.length.to_le_bytes());
        }
        Some(key.digest())
    }

    /// Brings the block's bytes into the buffer.
    fn gather(&mut self, block: &Block) -> Result<()> {
        self.buffer.resize(block.pieces.iter().map(|piece| piece.length as usize).sum(), 0);
        let mut rest = &mut self.buffer[..];
        for piece in &block.pieces {
            let (here, behind) = rest.split_at_mut(piece.length as usize);
            match &piece.bytes {
                Some(bytes) => here.copy_from_slice(bytes),
                None => piece.content.read_at(&mut self.opened, piece.offset, here)?,
            }
            rest = behind;
        }
        Ok(())
    }

    fn compress(&mut self, may_be_hole: bool) -> Result<Packed> {
        if may_be_hole && self.buffer.iter().all(|byte| *byte == 0) {
            return Ok(Packed::Hole);
        }
        self.output.clear();
        let smaller = match &mut self.compressor {
            Some(compressor) => compressor.compress(&self.buffer, &mut self.output)?,
            None => false,
        };
        Ok(if smaller { Packed::Small(self.output.clone()) } else { Packed::Plain(self.buffer.clone()) })
    }
}

impl Packed {
    /// The form in the cache: the bytes, then one that says which.
    fn to_value(&self) -> [&[u8]; 2] {
        match self {
            Packed::Hole => [b"", b"h"],
            Packed::Small(bytes) => [bytes, b"s"],
            Packed::Plain(bytes) => [bytes, b"p"],
        }
    }

    /// From that form; none where it cannot be of this block.
    fn from_value(mut value: Vec<u8>, block: &Block) -> Option<Self> {
        let length: usize = block.pieces.iter().map(|piece| piece.length as usize).sum();
        match value.pop()? {
            b'h' if value.is_empty() && block.may_be_hole => Some(Packed::Hole),
            b's' if !value.is_empty() && value.len() < length => Some(Packed::Small(value)),
            b'p' if value.len() == length => Some(Packed::Plain(value)),
            _ => None,
        }
    }
}
