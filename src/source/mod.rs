//! Where inputs come from: one folder or file a kind of source.
//!
//! Whatever the kind, what leaves this module is verified against the lock.

mod package;

pub mod codec;
mod context;
pub mod tarball;
pub mod http;
pub mod download;
pub mod apt;
pub mod archive;
pub mod go;
pub mod resolve;
pub mod fetch;
pub mod corresponding;

pub use context::Context;
pub use fetch::{Fetched, fetch};
pub use package::{Member, MemberKind, Package, ScriptKind};
pub use resolve::{Update, resolve};
