//! dm-verity: a hash tree over a device, byte for byte what `veritysetup format` writes.
//!
//! ```text
//! block 0      superblock, 512 bytes, zeros up to 4096
//! block 1 ...  the topmost level, then the next one, down to the hashes of data blocks
//! ```
//!
//! A hash is SHA-256 of salt and block; a hash block holds 128 of them, zeros behind the last
//! (kernel: `Documentation/admin-guide/device-mapper/verity.rst`; cryptsetup: `lib/verity`).
//! Blocks of data and of hashes are 4096 bytes, the one size that every kernel takes.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::bytes::{Bytes, le16, le32, le64};
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::guid::{Guid, hmac};

/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// Bytes of a hash.
const HASH: usize = 32;
/// Hashes in a block.
const FAN: u64 = (BLOCK / HASH) as u64;
/// "verity", NUL-padded.
const MAGIC: &[u8; 8] = b"verity\0\0";
/// Blocks that a thread takes at a time: their hashes fill two hash blocks.
const STEP: usize = 256;

/// What a hash tree depends on besides the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Put in front of every block.
    pub salt: [u8; 32],
    /// The superblock's id.
    pub uuid: Guid,
}

/// What was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verity {
    /// The hash that stands for all of the data.
    pub root_hash: Digest,
    /// Blocks of data.
    pub data_blocks: u64,
    /// Bytes of the hash device, the superblock's block included.
    pub bytes: u64,
}

/// What does not fit the root hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A block of the hash device, counted from its start.
    Tree(u64),
    /// A block of the data.
    Data(u64),
}

impl Parameters {
    /// The parameters of the image with this seed (systemd-repart's formulas).
    pub fn of_seed(seed: &Guid) -> Self {
        Parameters { salt: hmac(&seed.0, b"verity-salt"), uuid: seed.derive("verity-uuid") }
    }

    fn superblock(&self, data_blocks: u64) -> [u8; 512] {
        let mut out = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, MAGIC);
        put(8, &1u32.to_le_bytes()); // version of the superblock
        put(12, &1u32.to_le_bytes()); // hash type: salt first
        put(16, &self.uuid.0);
        put(32, b"sha256");
        put(64, &(BLOCK as u32).to_le_bytes());
        put(68, &(BLOCK as u32).to_le_bytes());
        put(72, &data_blocks.to_le_bytes());
        put(80, &(self.salt.len() as u16).to_le_bytes());
        put(88, &self.salt);
        out
    }
}

/// Bytes of the hash device of `length` bytes of data, the superblock's block included.
pub fn hash_size(length: u64) -> u64 {
    let blocks = length.div_ceil(BLOCK as u64);
    (1 + levels(blocks).iter().sum::<u64>()) * BLOCK as u64
}

/// Hashes `data` (a whole number of blocks, not empty) with `jobs` threads and writes the hash device to `out`.
pub fn format(data: &dyn Bytes, parameters: &Parameters, jobs: usize, out: &mut dyn Write) -> Result<Verity> {
    let length = data.length();
    let data_blocks = length / BLOCK as u64;
    if length == 0 || !length.is_multiple_of(BLOCK as u64) {
        return Err(Error::bug(format!("{length} bytes cannot be sealed: they are not whole blocks of {BLOCK}")));
    }
    let salted = salted(&parameters.salt);
    let mut below = hash_blocks(data, data_blocks, &salted, jobs)?;
    let mut tree = Vec::new();
    while below.len() > HASH {
        below.resize(below.len().next_multiple_of(BLOCK), 0);
        let above = hash_bytes(&below, &salted, jobs);
        tree.push(std::mem::replace(&mut below, above));
    }
    let mut root_hash = [0; HASH];
    root_hash.copy_from_slice(&below);
    let mut block = vec![0; BLOCK];
    block[..512].copy_from_slice(&parameters.superblock(data_blocks));
    let mut bytes = BLOCK as u64;
    out.write_all(&block)?;
    for level in tree.iter().rev() {
        out.write_all(level)?;
        bytes += level.len() as u64;
    }
    Ok(Verity { root_hash: Digest(root_hash), data_blocks, bytes })
}

/// Checks all of `data` against the hash device `hash` and the root hash; the first block that does not fit.
///
/// A superblock that cannot be is an error; one that lies about its salt shows as a fault of the tree.
pub fn verify(data: &dyn Bytes, hash: &dyn Bytes, root_hash: &Digest, jobs: usize) -> Result<Option<Fault>> {
    let (salt, data_blocks) = check_superblock(data, hash)?;
    let levels = levels(data_blocks);
    let salted = salted(&salt);
    let mut expected = root_hash.0.to_vec();
    let mut at = 1;
    for count in levels.iter().rev() {
        let mut level = vec![0; (*count as usize) * BLOCK];
        hash.read_at(&mut level, at * BLOCK as u64).context(|| "reading the hash tree".into())?;
        if let Some(bad) = first_difference(&hash_bytes(&level, &salted, jobs), &expected) {
            return Ok(Some(Fault::Tree(at + bad)));
        }
        at += count;
        expected = level;
    }
    let found = hash_blocks(data, data_blocks, &salted, jobs)?;
    Ok(first_difference(&found, &expected).map(Fault::Data))
}

/// Salt and number of data blocks out of the superblock of `hash`, which must be one that `data` can have.
pub fn check_superblock(data: &dyn Bytes, hash: &dyn Bytes) -> Result<(Vec<u8>, u64)> {
    let (salt, data_blocks) = read_superblock(hash)?;
    let length = data.length();
    if data_blocks == 0 || data_blocks > length / BLOCK as u64 {
        return Err(Error::source(format!("the hash tree is of {data_blocks} blocks, the data has {length} bytes")));
    }
    let needed = (1 + levels(data_blocks).iter().sum::<u64>()) * BLOCK as u64;
    let present = hash.length();
    if present < needed {
        return Err(Error::source(format!("the hash tree has {present} bytes")).hint(format!("expected {needed}")));
    }
    Ok((salt, data_blocks))
}

/// The salt and the number of data blocks, once the rest is what we can read.
fn read_superblock(hash: &dyn Bytes) -> Result<(Vec<u8>, u64)> {
    let mut bytes = [0; 512];
    hash.read_at(&mut bytes, 0).context(|| "reading the superblock of the hash tree".into())?;
    if &bytes[..8] != MAGIC {
        return Err(Error::source("it is no hash tree").hint("expected `verity` as its first bytes"));
    }
    let algorithm = bytes[32..64].split(|byte| *byte == 0).next().unwrap_or_default();
    let sizes = (le32(&bytes, 64) as usize, le32(&bytes, 68) as usize);
    if (le32(&bytes, 8), le32(&bytes, 12)) != (1, 1) || algorithm != b"sha256" || sizes != (BLOCK, BLOCK) {
        return Err(Error::source("a hash tree of a kind that is not read").hint("expected version 1, sha256, 4096"));
    }
    let data_blocks = le64(&bytes, 72);
    let salt = usize::from(le16(&bytes, 80));
    match bytes.get(88..88 + salt).filter(|_| salt <= 256) {
        Some(salt) => Ok((salt.to_vec(), data_blocks)),
        None => Err(Error::source(format!("a salt of {salt} bytes")).hint("expected at most 256")),
    }
}

/// Blocks of each level, from the hashes of data blocks up; none where one block is all the data.
fn levels(data_blocks: u64) -> Vec<u64> {
    let mut levels = Vec::new();
    let mut count = data_blocks;
    while count > 1 {
        count = count.div_ceil(FAN);
        levels.push(count);
    }
    levels
}

/// The place of the first hash that differs.
fn first_difference(found: &[u8], expected: &[u8]) -> Option<u64> {
    found.chunks(HASH).zip(expected.chunks(HASH)).position(|(one, other)| one != other).map(|at| at as u64)
}

fn salted(salt: &[u8]) -> Sha256 {
    Sha256::new_with_prefix(salt)
}

fn hash_block(salted: &Sha256, block: &[u8], out: &mut [u8]) {
    let mut hasher = salted.clone();
    hasher.update(block);
    out.copy_from_slice(&hasher.finalize());
}

/// The hashes of `blocks` blocks, read by each thread for itself.
fn hash_blocks(data: &dyn Bytes, blocks: u64, salted: &Sha256, jobs: usize) -> Result<Vec<u8>> {
    let mut hashes = vec![0; blocks as usize * HASH];
    let steps = Mutex::new(hashes.chunks_mut(STEP * HASH).enumerate());
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, 64) {
            scope.spawn(|| {
                let mut buffer = vec![0; STEP * BLOCK];
                loop {
                    let step = steps.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, out)) = step else { return };
                    let buffer = &mut buffer[..out.len() / HASH * BLOCK];
                    if let Err(error) = data.read_at(buffer, (number * STEP * BLOCK) as u64) {
                        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        return;
                    }
                    let blocks = buffer.chunks(BLOCK).zip(out.chunks_mut(HASH));
                    blocks.for_each(|(block, out)| hash_block(salted, block, out));
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error).context(|| "reading what is to be hashed".into()),
        None => Ok(hashes),
    }
}

/// The hashes of whole blocks in memory.
fn hash_bytes(bytes: &[u8], salted: &Sha256, jobs: usize) -> Vec<u8> {
    let mut hashes = vec![0; bytes.len() / BLOCK * HASH];
    let steps = Mutex::new(bytes.chunks(STEP * BLOCK).zip(hashes.chunks_mut(STEP * HASH)));
    let threads = jobs.clamp(1, 64).min(bytes.len() / (STEP * BLOCK) + 1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let step = steps.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((blocks, out)) = step else { return };
                    let blocks = blocks.chunks(BLOCK).zip(out.chunks_mut(HASH));
                    blocks.for_each(|(block, out)| hash_block(salted, block, out));
                }
            });
        }
    });
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Whole;
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom};
    use std::os::unix::fs::FileExt;

    fn whole(file: &File) -> Whole {
        Whole::of(file.try_clone().unwrap()).unwrap()
    }

    const PARAMETERS: Parameters = Parameters { salt: [7; 32], uuid: Guid::literal(1) };

    fn sealed(blocks: usize, jobs: usize) -> (File, File, Verity) {
        let mut data = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..blocks * BLOCK).map(|at| (at / BLOCK * 31 + at) as u8).collect();
        data.write_all(&bytes).unwrap();
        let mut hash = tempfile::tempfile().unwrap();
        let verity = format(&whole(&data), &PARAMETERS, jobs, &mut hash).unwrap();
        (data, hash, verity)
    }

    #[test]
    fn the_first_bad_block_is_found_in_data_and_tree() {
        for blocks in [1, 2, 128, 129, 16_385] {
            let (data, hash, verity) = sealed(blocks, 3);
            assert_eq!(verity.data_blocks, blocks as u64);
            assert_eq!(verity.bytes, hash_size((blocks * BLOCK) as u64));
            assert_eq!(hash.metadata().unwrap().len(), verity.bytes);
            let check = || verify(&whole(&data), &whole(&hash), &verity.root_hash, 2).unwrap();
            assert_eq!(check(), None);
            let bad = (blocks as u64 - 1) * 2 / 3;
            let mut byte = [0];
            data.read_exact_at(&mut byte, bad * BLOCK as u64 + 5).unwrap();
            data.write_all_at(&[byte[0] ^ 1], bad * BLOCK as u64 + 5).unwrap();
            assert_eq!(check(), Some(Fault::Data(bad)));
            data.write_all_at(&byte, bad * BLOCK as u64 + 5).unwrap();
            assert_eq!(check(), None);
            if blocks > 1 {
                let last = verity.bytes / BLOCK as u64 - 1;
                hash.write_all_at(&[0xaa; 3], last * BLOCK as u64).unwrap();
                assert_eq!(check(), Some(Fault::Tree(last)));
            }
        }
    }

    #[test]
    fn threads_do_not_show() {
        let (_, mut one, verity) = sealed(1000, 1);
        let (_, mut many, same) = sealed(1000, 8);
        assert_eq!(verity, same);
        let mut bytes = [Vec::new(), Vec::new()];
        one.seek(SeekFrom::Start(0)).unwrap();
        many.seek(SeekFrom::Start(0)).unwrap();
        one.read_to_end(&mut bytes[0]).unwrap();
        many.read_to_end(&mut bytes[1]).unwrap();
        assert!(bytes[0] == bytes[1]);
    }

    #[test]
    fn superblocks_that_lie_are_refused() {
        let (data, hash, verity) = sealed(4, 1);
        for (at, value) in
            [(0, 0), (8, 2), (12, 0), (32, b'm'), (65, 0), (69, 0x20), (72, 5), (73, 1), (79, 1), (81, 2)]
        {
            let mut byte = [0];
            hash.read_exact_at(&mut byte, at).unwrap();
            hash.write_all_at(&[value], at).unwrap();
            assert!(verify(&whole(&data), &whole(&hash), &verity.root_hash, 1).is_err(), "{at}");
            hash.write_all_at(&byte, at).unwrap();
        }
        assert!(format(&whole(&tempfile::tempfile().unwrap()), &PARAMETERS, 1, &mut Vec::new()).is_err());
    }
}
