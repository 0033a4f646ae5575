//! Whether a statement is of an image, and of whoever holds a key.

use std::path::Path;

use serde_json::Value;

use super::dsse::{Envelope, IN_TOTO};
use super::key::Public;
use super::{PREDICATE, STATEMENT, subjects};
use crate::bytes::limited;
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};

/// No statement is larger: one of 10,000 inputs has some 5 MB.
const LIMIT: u64 = 256 << 20;

/// Everything that does not fit: the statement in `file` (bare, or in an envelope) against the image at `path`, and
/// against `key` where one is given.
///
/// # Errors
/// What is no statement at all.
pub fn check(file: &Path, key: Option<&Public>, image: &Path) -> Result<Vec<String>> {
    let doing = || format!("reading `{}`", file.display());
    let bytes = limited(std::fs::File::open(file).context(doing)?, LIMIT, Kind::User).context(doing)?;
    let (statement, mut faults) = open(&bytes, key).context(doing)?;
    for (what, expected) in [("_type", STATEMENT), ("predicateType", PREDICATE)] {
        let found = statement[what].as_str().unwrap_or_default();
        if found != expected {
            faults.push(format!("the statement's `{what}` is `{}`, not `{expected}`", found.escape_debug()));
        }
    }
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let reading = || format!("reading `{}`", image.display());
    let (digest, _) = Digest::of_reader(std::fs::File::open(image).context(reading)?).context(reading)?;
    let digest = digest.to_string();
    let subjects = subjects(&statement);
    if !subjects.values().any(|subject| *subject == digest) {
        faults.push(match subjects.get(&*name) {
            Some(other) => format!("the statement is of a `{name}` with the sha256 {}", other.escape_debug()),
            None => format!("the statement is not of `{name}`, nor of any file with the sha256 {digest}"),
        });
    }
    Ok(faults)
}

/// The statement, and what is wrong with its signature.
fn open(bytes: &[u8], key: Option<&Public>) -> Result<(Value, Vec<String>)> {
    let broken = |error: serde_json::Error| Error::user(format!("it is no statement in JSON: {error}"));
    let value: Value = serde_json::from_slice(bytes).map_err(broken)?;
    if value.get("payloadType").is_none() {
        let unsigned = key.map(|_| "the statement is not signed".to_owned());
        return Ok((value, unsigned.into_iter().collect()));
    }
    let envelope: Envelope = serde_json::from_value(value).map_err(broken)?;
    let mut faults = Vec::new();
    if envelope.payload_type != IN_TOTO {
        let kind = envelope.payload_type.escape_debug();
        faults.push(format!("the envelope holds `{kind}`, not `{IN_TOTO}`"));
    }
    if let Some(key) = key
        && !envelope.verifies(key)?
    {
        faults.push("no signature of the statement is of this key".to_owned());
    }
    Ok((serde_json::from_slice(&envelope.payload()?).map_err(broken)?, faults))
}
