//! The profile and the lock in the root, so that what runs can say what it is.

use super::scripts::Account;
use super::{Inputs, Place};
use crate::error::Result;
use crate::record::{FOLDER, LOCK, PROFILE};
use crate::tree::Tree;

/// Lays both; nobody may write them, not even where the root is copied to.
pub fn record(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let mut place = Place::new(tree, inputs, "record");
    place.missing_directory(FOLDER, 0o755)?;
    place.file(&format!("{FOLDER}/{PROFILE}"), 0o444, inputs.record.profile.as_bytes())?;
    place.file(&format!("{FOLDER}/{LOCK}"), 0o444, inputs.record.lock.as_bytes())
}
