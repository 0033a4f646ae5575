//! Detached signatures as minisign and signify read them: Ed25519 over the bytes themselves.
//!
//! ```text
//! untrusted comment: ...                          signify's begin and end with these two lines
//! base64 of `Ed`, 8 bytes of key id, signature
//! trusted comment: ...                            minisign signs this, too
//! base64 of the signature over signature and comment
//! ```
//!
//! A public key is a comment and `Ed`, key id, key. minisign makes keys with random ids; here the id is the beginning of the
//! key's sha256.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;

use super::key::Private;
use crate::digest::Digest;

/// The signature's ending, as minisign looks for it.
pub const SIGNATURE: &str = "minisig";
/// The public key's ending.
pub const PUBLIC: &str = "pub";
/// The algorithm: Ed25519 without a hash before it.
const ALGORITHM: &[u8] = b"Ed";

/// A signature and the key that verifies it, each as the text of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detached {
    /// The four lines.
    pub signature: String,
    /// Two lines; whoever verifies must have it from elsewhere.
    pub public: String,
}

impl Detached {
    /// Signs `message`, and `comment`, one line. None where the key is of another kind than Ed25519.
    pub fn sign(message: &[u8], comment: &str, key: &Private) -> Option<Self> {
        let Private::Ed25519(key) = key else { return None };
        let comment = comment.replace(['\n', '\r'], " ");
        let public = key.verifying_key().to_bytes();
        let Digest(hash) = Digest::of(&public);
        let id = &hash[..8];
        // minisign shows ids as numbers, the least byte first in the file.
        let shown: String = id.iter().rev().map(|byte| format!("{byte:02X}")).collect();
        let signature = key.sign(message).to_bytes();
        let global = key.sign(&[&signature[..], comment.as_bytes()].concat()).to_bytes();
        let base64 = |parts: &[&[u8]]| STANDARD.encode(parts.concat());
        Some(Detached {
            signature: format!(
                "untrusted comment: verify with the key {shown}\n{}\ntrusted comment: {comment}\n{}\n",
                base64(&[ALGORITHM, id, &signature]),
                base64(&[&global]),
            ),
            public: format!("untrusted comment: minisign public key {shown}\n{}\n", base64(&[ALGORITHM, id, &public])),
        })
    }
}
