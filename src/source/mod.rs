//! Where inputs come from: one folder or file a kind of source.
//!
//! Whatever the kind, what leaves this module is verified against the lock.

mod context;
pub mod go;
mod package;

pub use context::Context;
pub use package::{Member, MemberKind, Package, ScriptKind};
