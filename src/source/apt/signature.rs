//! The signed text of an `InRelease` file: what was signed, and by whom.
//!
//! Only the text between the armor lines counts; a file with anything before or after them is refused.

use pgp::composed::CleartextSignedMessage;
use pgp::packet::{Signature, SignatureType};

use super::keys::{Keys, lifetime, strong};
use crate::error::{Error, Result};

/// Clocks may differ by this much, in seconds.
pub const MAX_SKEW: u64 = 3600;

/// A text that keys of ours have signed.
#[derive(Debug)]
pub struct Signed {
    /// The text, lines ended by a line feed.
    pub text: String,
    /// Fingerprints of the keys whose signatures were accepted, sorted.
    pub by: Vec<String>,
}

/// Verifies a clearsigned message at the moment `now` (seconds since 1970).
///
/// At least one signature must be good by every rule; one by a key of ours that does not
/// verify refuses the whole, as then the text was changed.
pub fn verify(message: &str, keys: &Keys, now: u64) -> Result<Signed> {
    let (message, _) = CleartextSignedMessage::from_string(message)
        .map_err(|error| Error::source(format!("is not a clearsigned message: {error}")))?;
    let signed = message.signed_text();
    let mut by = Vec::new();
    let mut reasons = Vec::new();
    for signature in message.signatures() {
        let issuers = keys.issuers(signature);
        if issuers.is_empty() {
            reasons.push("one is by a key that is not in the keyring".to_owned());
        }
        for issuer in issuers {
            let name = issuer.fingerprint();
            match acceptable(signature, now).and_then(|()| issuer.may_sign(now).map_err(|why| format!("its key {why}")))
            {
                Err(why) => reasons.push(format!("the one by {name}: {why}")),
                Ok(()) if issuer.made(signature, signed.as_bytes()) => by.push(name),
                Ok(()) => return Err(Error::source(format!("the signature by {name} does not fit the text"))),
            }
        }
    }
    by.sort();
    by.dedup();
    if by.is_empty() {
        let reasons = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join("; ") };
        return Err(Error::source(format!("no signature is good: {reasons}"))
            .hint("the `keyring` of the source must hold the key that the archive signs with"));
    }
    Ok(Signed { text: signed.replace("\r\n", "\n"), by })
}

fn acceptable(signature: &Signature, now: u64) -> Result<(), String> {
    if !strong(signature) {
        return Err("its digest is not trusted".to_owned());
    }
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Err("it is not a signature of a text".to_owned());
    }
    let created = signature.created().map(|time| u64::from(time.as_secs())).ok_or("it has no date")?;
    if created > now.saturating_add(MAX_SKEW) {
        return Err("it was made in the future".to_owned());
    }
    match lifetime(created, signature.signature_expiration_time()) {
        Some(end) if now >= end => Err("it has expired".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
