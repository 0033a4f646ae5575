//! Credentials as systemd-stub finds them on the ESP: encrypted, here with the key of those who have none.
//!
//! Form: systemd, src/shared/creds-util.c, "encrypted_credential_header" and
//! "metadata_credential_header"; what follows the header is AES-256-GCM, the header is authenticated with it.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use sha2::{Digest, Sha256};

/// Names the key that is the digest of nothing ("null", once "tpm2-absent").
const NULL_KEY: u128 = 0x0584_69da_f6f5_4324_8005_49da_0f8e_a2fb;

/// The file `NAME.cred` for `name` with the value `value`.
pub fn encrypted(name: &str, value: &[u8]) -> Vec<u8> {
    // Never twice the same for one key and two texts; the key protects nothing, but a tool might look.
    let iv = &Sha256::digest([name.as_bytes(), value].concat())[..12];
    let mut head = NULL_KEY.to_be_bytes().to_vec();
    for size in [32u32, 1, 12, 16] {
        head.extend(size.to_le_bytes());
    }
    head.extend(iv);
    head.resize(head.len().next_multiple_of(8), 0);

    // Made in the first microsecond of 1970, good for ever.
    let mut text = 1u64.to_le_bytes().to_vec();
    text.extend(u64::MAX.to_le_bytes());
    text.extend((name.len() as u32).to_le_bytes());
    text.extend(name.as_bytes());
    text.resize(text.len().next_multiple_of(8), 0);
    text.extend(value);

    let key: [u8; 32] = Sha256::digest([]).into();
    let cipher = Aes256Gcm::new(&key.into());
    let sealed = cipher.encrypt(iv.into(), Payload { msg: &text, aad: &head }).expect("a text that fits");
    head.extend(sealed);
    BASE64.encode(&head).into_bytes()
}
