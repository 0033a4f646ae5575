//! Writes an image: data first, then what describes it, the superblock last.
//!
//! ```text
//! superblock | compressor's options | data and fragment blocks | inodes | directories |
//! fragment table | export table | id table | attribute table | zeros up to 4096
//! ```

use std::io::{Seek, SeekFrom, Write};

use super::codec::Codec;
use super::metadata::PLAIN;
use super::nodes::{self, Written};
use super::plan::Plan;
use super::superblock::{self, NONE, Superblock, flag};
use super::{Options, Summary, data, table};
use crate::error::{Context, Result};
use crate::store::Packs;
use crate::tree::Tree;

/// Images end on a multiple of this, as block devices want it.
const PADDING: u64 = 4096;

/// Writes `tree` as an image from the start of `out` on.
///
/// `progress` is told the bytes of files that are done, their sum being that of all files.
pub fn write<W: Write + Seek>(
    tree: &Tree,
    options: &Options,
    mut out: W,
    cache: Option<&Packs>,
    progress: &dyn Fn(u64),
) -> Result<Summary> {
    options.check()?;
    let writing = || "writing the image".to_owned();
    let method = options.method();
    let plan = Plan::new(tree, options.block_size.into())?;
    let mut head = vec![0; superblock::SIZE];
    let mut flags = flag::EXPORTABLE | flag::ALWAYS_FRAGMENTS | flag::DUPLICATES;
    if let Some(options) = method.options() {
        flags |= flag::COMPRESSOR_OPTIONS;
        head.extend_from_slice(&(options.len() as u16 | PLAIN).to_le_bytes());
        head.extend_from_slice(&options);
    }
    if method.codec == Codec::None {
        flags |= flag::PLAIN_INODES | flag::PLAIN_DATA | flag::PLAIN_FRAGMENTS | flag::PLAIN_XATTRS | flag::PLAIN_IDS;
    }
    out.write_all(&head).context(writing)?;
    let start = head.len() as u64;
    let placement = data::write(&plan, (method, options.jobs), (start, &mut out), cache, progress)?;

    let inode_table = placement.end;
    let Written { inode_bytes, listings, ids, sets, references, root } =
        nodes::write(tree, &plan, &placement, &method, &mut out)?;
    let directory_table = inode_table + inode_bytes;
    let mut end = directory_table;
    let mut put = |bytes: &[u8]| -> Result<u64> {
        out.write_all(bytes).context(writing)?;
        end += bytes.len() as u64;
        Ok(end)
    };
    let at = put(&listings)?;
    let mut lookup = |entries: &[u8], at: u64| -> Result<(u64, u64)> {
        let table = table::lay_out(entries, at, &method)?;
        Ok((at + table.index, put(&table.bytes)?))
    };
    let (fragment_table, at) = lookup(&placement.fragments, at)?;
    let references: Vec<u8> = references.iter().flat_map(|reference| reference.to_le_bytes()).collect();
    let (export_table, at) = lookup(&references, at)?;
    let (id_table, at) = lookup(ids.entries(), at)?;
    let xattr_table = if sets.is_empty() {
        flags |= flag::NO_XATTRS;
        NONE
    } else {
        let (bytes, header) = sets.lay_out(at, &method)?;
        put(&bytes)?;
        at + header
    };
    let bytes_used = put(&[])?;
    let padding = bytes_used.next_multiple_of(PADDING) - bytes_used;
    put(&vec![0; padding as usize])?;
    let superblock = Superblock {
        inodes: plan.inodes,
        mtime: options.epoch,
        block_size: options.block_size,
        fragments: (placement.fragments.len() / 16) as u32,
        compressor: method.codec.id(),
        flags,
        ids: ids.len(),
        root: root.packed(),
        bytes_used,
        id_table,
        xattr_table,
        inode_table,
        directory_table,
        fragment_table,
        export_table,
    };
    out.seek(SeekFrom::Start(0)).context(writing)?;
    out.write_all(&superblock.to_bytes()).context(writing)?;
    out.flush().context(writing)?;
    Ok(Summary {
        bytes: bytes_used + padding,
        inodes: plan.inodes,
        content: plan.bytes,
        duplicates: placement.duplicates,
        fragments: superblock.fragments,
    })
}
