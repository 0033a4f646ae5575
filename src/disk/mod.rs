//! A disk as a value: a length and the extents that are not zero.
//!
//! Each format of it (partition table, FAT) is a function from a value to extents, and has a
//! reader of its own that takes nothing on trust.

mod chunks;
mod emit;
mod extent;
pub mod fat;
pub mod gpt;
mod hybrid;
pub mod iso9660;
mod layout;
mod place;
mod zeros;

pub use emit::{Direct, Sink, Target, write_filled};
pub use extent::{Disk, Extent, Unwritten};
pub use gpt::BOOT_CODE;
pub use hybrid::{CdBoot, Hybrid};
pub use layout::{
    ALIGNMENT, BIOS_ESP, BIOS_TYPE, ESP_MINIMUM, ESP_TYPE, Layout, NO_AUTO, Partition, READ_ONLY, Role, Sizes,
    check_root, repart_definitions, tree_bytes,
};
use place::volume_id;
pub use place::{BootCode, Pieces, esp, place};
pub use zeros::is_zero;
