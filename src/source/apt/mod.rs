//! Signed archives of Debian packages: from a suite's name to packages by digest.
//!
//! Trust goes one way: keys -> signature of the release file -> its sha256 of an index -> the
//! index's sha256 of a package. Mirrors are never trusted, clocks and dates only when locking.

mod ar;
pub mod archive;
pub mod deb;
pub mod deb822;
pub mod index;
pub mod keys;
pub mod mirror;
pub(crate) mod package;
pub mod proxy;
pub mod relation;
pub mod release;
mod seen;
pub mod signature;
pub mod solve;
pub mod version;
