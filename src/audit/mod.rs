//! What others may want to know of an image: what it holds, and whether it is what it says.

mod contents;
pub mod diff;
pub(crate) mod image;
mod verify;

pub use contents::{Package, listing, packages, root};
pub use image::{Esp, Image, Slot, Uki};
pub use verify::verify;
