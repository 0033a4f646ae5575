//! What others may want to know of an image: what it holds, and whether it is what it says.

pub mod browse;
pub mod carried;
mod contents;
pub mod diff;
pub mod dpkg;
pub mod explain;
pub mod facts;
pub(crate) mod image;
pub mod inventory;
pub mod opened;
pub mod page;
pub mod posture;
pub mod provenance;
pub mod report;
pub mod reproduce;
pub mod sbom;
mod verify;

pub use contents::{line, listing, root};
pub use image::{Esp, Image, Slot, Uki};
pub use opened::Opened;
pub use verify::verify;
