//! Disks in tar archives: an OVA, and the archive with a `disk.raw` that Google imports.
//!
//! Written are ustar, and of GNU's old format the sparse member; read is what others write as well.

mod read;
mod write;

pub use read::{Found, Member, find, is_archive, members};
pub use write::{Head, RECORD, archive, sparse};

/// Bytes of a header, and what members are padded to.
pub const BLOCK: u64 = 512;
/// Where the sparse map of GNU's old format is in a header; an entry is two numbers of 12 bytes.
const MAP: usize = 386;
const MAP_ENTRIES: usize = 4;
const ENTRY: usize = 24;
/// Whether more of the map follows, and how long the file is.
const MORE: usize = 482;
const REAL_SIZE: usize = 483;
/// Entries of a block that goes on with the map, and where it tells whether there is one more.
const FURTHER_ENTRIES: usize = 21;
const FURTHER_MORE: usize = 504;
