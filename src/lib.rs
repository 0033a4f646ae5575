//! imagebuild: declarative, reproducible OS images for Kubernetes nodes.
//!
//! ```text
//! profile.toml -load-> Profile -resolve-> Lock -fetch-> Store -assemble-> Tree
//!              -pack-> Root -boot-> Boot -place-> Disk -write-> Artifact
//! ```
//!
//! Each arrow is one function from values to a value. Modules are listed in rank order:
//! a module names only modules above it.

pub mod error;
pub mod size;
pub mod digest;
pub mod guid;
pub mod epoch;
pub mod arch;
pub mod path;
pub mod report;
pub mod process;
pub mod temp;
pub mod tree;
pub mod store;
pub mod profile;
pub mod lock;
pub mod source;
pub mod system;
pub mod node;
pub mod squashfs;
pub mod verity;
pub mod root;
pub mod init;
pub mod disk;
pub mod boot;
pub mod output;
pub mod artifact;
pub mod manifest;
pub mod audit;
pub mod cli;

pub use error::{Error, Result};
