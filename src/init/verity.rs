//! The verity superblock, the table for the kernel, and a first look at the tree.
//!
//! Every field of the superblock is checked against what we write and against the sizes of
//! the partitions. Before the kernel takes over, the path from the root hash to the first
//! data block is verified here: with `restart_on_corruption` the kernel would only restart,
//! and a wrong root hash could not be told from a broken disk.

use super::cmdline::RootHash;
use super::gpt::Disk;
use super::guid::Guid;
use super::sha256::Sha256;
use super::text::{Hex, Text};

/// Bytes of a data block and of a hash block.
pub const BLOCK: usize = 4096;

/// Digests in a hash block.
const FAN: u64 = BLOCK as u64 / 32;

/// Bytes of salt that the superblock has room for.
const MOST_SALT: usize = 256;

/// Data blocks that a tree may have: 2^40 blocks are 4 PiB, and six levels.
const MOST_BLOCKS: u64 = 1 << 40;

/// What the superblock of a hash partition states, checked.
#[derive(Clone, Copy)]
pub struct Superblock {
    /// The id of the tree.
    pub id: Guid,
    /// Data blocks that it covers, at least one.
    pub blocks: u64,
    salt: [u8; MOST_SALT],
    salted: usize,
}

/// The parameters of a device-mapper table.
pub type Table = Text<1024>;

impl Superblock {
    /// Reads the first 512 bytes of a hash partition; sizes are of the partitions, in bytes.
    pub fn parse(block: &[u8; 512], data_size: u64, hash_size: u64) -> Result<Self, &'static str> {
        let u32_at = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        if !block.starts_with(b"verity\0\0") {
            return Err("there is no verity superblock");
        }
        if (u32_at(8), u32_at(12)) != (1, 1) {
            return Err("its verity superblock has an unknown version or hash type");
        }
        let algorithm = &block[32..64];
        if !algorithm.starts_with(b"sha256\0") {
            return Err("its verity superblock asks for a hash other than sha256");
        }
        if (u32_at(64), u32_at(68)) != (BLOCK as u32, BLOCK as u32) {
            return Err("its verity superblock asks for blocks of other than 4096 bytes");
        }
        let salted = usize::from(u16::from_le_bytes([block[80], block[81]]));
        if salted > MOST_SALT {
            return Err("its verity superblock has more than 256 bytes of salt");
        }
        let (mut id, mut blocks, mut salt) = ([0; 16], [0; 8], [0; MOST_SALT]);
        id.copy_from_slice(&block[16..32]);
        blocks.copy_from_slice(&block[72..80]);
        salt.copy_from_slice(&block[88..88 + MOST_SALT]);
        let this = Superblock { id: Guid(id), blocks: u64::from_le_bytes(blocks), salt, salted };
        if this.blocks == 0 || this.blocks > MOST_BLOCKS || this.blocks > data_size / BLOCK as u64 {
            return Err("its verity superblock covers more than the data partition");
        }
        let (tree, _) = this.tree();
        if tree > hash_size / BLOCK as u64 {
            return Err("its verity tree is larger than the hash partition");
        }
        Ok(this)
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        self.salt.get(..self.salted).unwrap_or(&[])
    }

    /// The block after the last one of the tree, and how many levels it has.
    fn tree(&self) -> (u64, u32) {
        // Block 0 holds the superblock. Bounded by MOST_BLOCKS, so nothing overflows.
        let (mut end, mut level, mut levels) = (1, self.blocks, 0);
        while level > 1 {
            level = level.div_ceil(FAN);
            end += level;
            levels += 1;
        }
        (end, levels)
    }

    /// Parameters of a `verity` target over two devices given as `major:minor`.
    ///
    /// A corrupt block restarts the machine: it must never be an error that a node lives with.
    pub fn table(&self, data: (u32, u32), hash: (u32, u32), root: &RootHash) -> Table {
        let mut table = Table::of(format_args!(
            "1 {}:{} {}:{} {BLOCK} {BLOCK} {} 1 sha256 {} ",
            data.0,
            data.1,
            hash.0,
            hash.1,
            self.blocks,
            Hex(&root.0)
        ));
        match self.salt() {
            [] => table.put(format_args!("-")),
            salt => table.put(format_args!("{}", Hex(salt))),
        }
        table.put(format_args!(" 1 restart_on_corruption"));
        table
    }

    /// Verifies the path from the root hash down to data block 0.
    pub fn check(&self, root: &RootHash, data: &mut dyn Disk, hash: &mut dyn Disk) -> Result<(), Corrupt> {
        let (_, levels) = self.tree();
        let mut expected = root.0;
        let mut block = [0u8; BLOCK];
        // The top level comes first on disk, and every level's first block leads to data block 0.
        let mut at = 1u64;
        for level in (0..levels).rev() {
            if !hash.read(at * BLOCK as u64, &mut block) {
                return Err(Corrupt::Unreadable);
            }
            if self.digest(&block) != expected {
                return Err(if level + 1 == levels { Corrupt::Root } else { Corrupt::Hash(at) });
            }
            expected.copy_from_slice(&block[..32]);
            at += (0..=level).fold(self.blocks, |blocks, _| blocks.div_ceil(FAN));
        }
        if !data.read(0, &mut block) {
            return Err(Corrupt::Unreadable);
        }
        match self.digest(&block) == expected {
            true => Ok(()),
            false if levels == 0 => Err(Corrupt::Root),
            false => Err(Corrupt::Data),
        }
    }

    fn digest(&self, block: &[u8]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.salt());
        hasher.update(block);
        hasher.finish()
    }
}

/// What the first look at a tree found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Corrupt {
    /// A block could not be read.
    Unreadable,
    /// The top of the tree does not have the root hash.
    Root,
    /// This block of the hash partition is corrupt.
    Hash(u64),
    /// Block 0 of the data partition is corrupt.
    Data,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A superblock with the given number of data blocks and salt.
    fn raw(blocks: u64, salt: &[u8]) -> [u8; 512] {
        let mut block = [0u8; 512];
        block[..8].copy_from_slice(b"verity\0\0");
        block[8] = 1;
        block[12] = 1;
        block[16..32].fill(0xab);
        block[32..38].copy_from_slice(b"sha256");
        block[64..68].copy_from_slice(&4096u32.to_le_bytes());
        block[68..72].copy_from_slice(&4096u32.to_le_bytes());
        block[72..80].copy_from_slice(&blocks.to_le_bytes());
        block[80..82].copy_from_slice(&(salt.len() as u16).to_le_bytes());
        block[88..88 + salt.len()].copy_from_slice(salt);
        block
    }

    fn digest(salt: &[u8], block: &[u8]) -> [u8; 32] {
        crate::digest::Digest::of(&[salt, block].concat()).0
    }

    /// A tree over data blocks that are all different: the hash partition and the root.
    fn tree(data: &[u8], salt: &[u8]) -> (Vec<u8>, RootHash) {
        let mut level: Vec<u8> = data.chunks(BLOCK).flat_map(|block| digest(salt, block)).collect();
        let mut levels = vec![];
        while level.len() > 32 {
            level.resize(level.len().next_multiple_of(BLOCK), 0);
            let above = level.chunks(BLOCK).flat_map(|block| digest(salt, block)).collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        let mut hash = raw((data.len() / BLOCK) as u64, salt).to_vec();
        hash.resize(BLOCK, 0);
        levels.iter().rev().for_each(|level| hash.extend(level));
        (hash, RootHash(level.try_into().unwrap()))
    }

    fn disk(bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> bool + '_ {
        |offset, buffer| {
            let range = offset as usize..offset as usize + buffer.len();
            bytes.get(range).map(|from| buffer.copy_from_slice(from)).is_some()
        }
    }

    fn data(blocks: usize) -> Vec<u8> {
        (0..blocks).flat_map(|n| [n as u8, (n >> 8) as u8, 7, 9].repeat(BLOCK / 4)).collect()
    }

    fn check(data: &[u8], hash: &[u8], root: &RootHash) -> Result<(), Corrupt> {
        let head: &[u8; 512] = hash[..512].try_into().unwrap();
        let superblock = Superblock::parse(head, data.len() as u64, hash.len() as u64).unwrap();
        superblock.check(root, &mut disk(data), &mut disk(hash))
    }

    #[test]
    fn checks_the_path_to_the_first_block() {
        for blocks in [1, 2, 128, 129, 300] {
            let data = data(blocks);
            let (hash, root) = tree(&data, b"salt");
            assert_eq!(check(&data, &hash, &root), Ok(()), "{blocks}");

            let mut bad = data.clone();
            bad[100] ^= 1;
            let expected = if blocks == 1 { Corrupt::Root } else { Corrupt::Data };
            assert_eq!(check(&bad, &hash, &root), Err(expected), "{blocks}");

            assert_eq!(check(&data, &hash, &RootHash([0; 32])), Err(Corrupt::Root), "{blocks}");
        }
        let data = data(300);
        let (mut hash, root) = tree(&data, b"salt");
        hash[2 * BLOCK + 4000] ^= 1;
        assert_eq!(check(&data, &hash, &root), Err(Corrupt::Hash(2)));
        hash[BLOCK] ^= 1;
        assert_eq!(check(&data, &hash, &root), Err(Corrupt::Root));
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_told_apart() {
        let data = data(200);
        let (hash, root) = tree(&data, b"");
        let head = hash[..512].try_into().unwrap();
        let superblock = Superblock::parse(head, data.len() as u64, hash.len() as u64).unwrap();
        let mut dead = |_: u64, _: &mut [u8]| false;
        assert_eq!(superblock.check(&root, &mut dead, &mut disk(&hash)), Err(Corrupt::Unreadable));
        assert_eq!(superblock.check(&root, &mut disk(&data), &mut dead), Err(Corrupt::Unreadable));
    }

    #[test]
    fn writes_the_kernels_table() {
        let superblock = Superblock::parse(&raw(3, &[0xab, 0xcd]), 1 << 20, 1 << 20).unwrap();
        let root = RootHash([0x11; 32]);
        let hash = "11".repeat(32);
        assert_eq!(
            superblock.table((254, 2), (254, 3), &root).str(),
            format!("1 254:2 254:3 4096 4096 3 1 sha256 {hash} abcd 1 restart_on_corruption")
        );
        let plain = Superblock::parse(&raw(3, &[]), 1 << 20, 1 << 20).unwrap();
        assert!(plain.table((1, 2), (3, 4), &root).str().ends_with(" - 1 restart_on_corruption"));
        let long = Superblock::parse(&raw(MOST_BLOCKS, &[1; 256]), u64::MAX, u64::MAX).unwrap();
        assert!(long.table((4095, 1 << 19), (4095, 1 << 19), &root).whole());
    }

    #[test]
    fn refuses_superblocks_made_to_harm() {
        let refuse = |at: usize, value: &[u8]| {
            let mut block = raw(16, b"salt");
            block[at..at + value.len()].copy_from_slice(value);
            assert!(Superblock::parse(&block, 64 << 10, 64 << 10).is_err(), "{at}");
        };
        assert!(Superblock::parse(&raw(16, b"salt"), 64 << 10, 64 << 10).is_ok());
        refuse(0, b"V");
        refuse(8, &[2]);
        refuse(12, &[0]);
        refuse(32, b"sha512\0");
        refuse(32, b"sha2567");
        refuse(64, &512u32.to_le_bytes());
        refuse(68, &0u32.to_le_bytes());
        for blocks in [0, 17, MOST_BLOCKS + 1, u64::MAX] {
            refuse(72, &blocks.to_le_bytes());
        }
        refuse(80, &257u16.to_le_bytes());
        refuse(80, &u16::MAX.to_le_bytes());
        // 16 blocks need the superblock and one hash block.
        assert!(Superblock::parse(&raw(16, b""), 64 << 10, 8 << 10).is_ok());
        assert!(Superblock::parse(&raw(16, b""), 64 << 10, 8191).is_err());
        assert!(Superblock::parse(&[0; 512], u64::MAX, u64::MAX).is_err());
    }
    proptest::proptest! {
        #[test]
        fn survives_any_superblock(at in 0usize..512, value: u8, other in 0usize..512, byte: u8, data: u64, hash: u64) {
            let mut block = raw(1 << 20, &[3; 32]);
            (block[at], block[other]) = (value, byte);
            if let Ok(superblock) = Superblock::parse(&block, data, hash) {
                assert!(superblock.blocks <= data / 4096);
                assert!(superblock.table((1, 2), (3, 4), &RootHash([0; 32])).whole());
                let mut zeros = |_: u64, buffer: &mut [u8]| { buffer.fill(0); true };
                let mut dead = |_: u64, _: &mut [u8]| false;
                assert!(superblock.check(&RootHash([0; 32]), &mut dead, &mut zeros).is_err());
            }
        }
    }
}
