//! A disk as a value: a length and the extents that are not zero.

mod extent;

pub use extent::{Disk, Extent, Sink};
