//! Signed envelopes (DSSE 1.0.2): a payload, its type, and signatures over both.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use super::key::{Private, Public};
use crate::error::{Error, Result};

/// The type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// More signatures than anyone needs.
const MAX_SIGNATURES: usize = 64;

/// An envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What is signed, in base64.
    pub payload: String,
    /// What it is.
    pub payload_type: String,
    /// Any of them will do.
    pub signatures: Vec<Signature>,
}

/// A signature and a hint whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// A hint; nothing is believed of it.
    #[serde(default)]
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

/// What is signed in the place of the payload: both parts, each behind its length.
pub fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Envelope {
    /// Signs a payload.
    pub fn sign(payload: &[u8], kind: &str, key: &Private) -> Result<Self> {
        let signature =
            Signature { keyid: key.public().id()?, sig: STANDARD.encode(key.sign(&encoded(kind, payload))) };
        Ok(Envelope { payload: STANDARD.encode(payload), payload_type: kind.to_owned(), signatures: vec![signature] })
    }

    /// The payload, whoever signed it.
    pub fn payload(&self) -> Result<Vec<u8>> {
        decoded(&self.payload).ok_or_else(|| Error::user("the payload is not in base64"))
    }

    /// Whether any of the signatures is of this key.
    pub fn verifies(&self, key: &Public) -> Result<bool> {
        let message = encoded(&self.payload_type, &self.payload()?);
        let signatures = self.signatures.iter().take(MAX_SIGNATURES);
        Ok(signatures.filter_map(|signature| decoded(&signature.sig)).any(|bytes| key.verifies(&message, &bytes)))
    }
}

/// Both alphabets are allowed.
fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let message = encoded("http://example.com/HelloWorld", b"hello world");
        assert_eq!(message, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
