//! Keys in PEM files that sign and verify: Ed25519, and ECDSA on P-256.
//!
//! Both sign alike every time: Ed25519 by its nature, ECDSA by RFC 6979. Signatures of ECDSA are in DER over SHA-256.

use std::path::Path;

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signer as _, Verifier as _};

use crate::bytes::limited;
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};

/// A key in PEM has some hundred bytes.
const LIMIT: u64 = 1 << 16;

/// What signs.
pub enum Private {
    /// PKCS#8.
    Ed25519(ed25519_dalek::SigningKey),
    /// PKCS#8 or SEC 1.
    P256(p256::ecdsa::SigningKey),
}

/// What verifies.
pub enum Public {
    /// SubjectPublicKeyInfo.
    Ed25519(ed25519_dalek::VerifyingKey),
    /// SubjectPublicKeyInfo.
    P256(p256::ecdsa::VerifyingKey),
}

fn read(path: &Path) -> Result<String> {
    let bytes = limited(std::fs::File::open(path)?, LIMIT, Kind::User)?;
    String::from_utf8(bytes).map_err(|_| Error::user("it is no text").hint("expected a key in PEM"))
}

impl Private {
    /// Reads one.
    ///
    /// # Errors
    /// Where the file is none, or protected by a password.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading the key `{}`", path.display());
        Self::parse(&read(path).context(doing)?).context(doing)
    }

    /// Takes the PEM apart.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains("ENCRYPTED") {
            return Err(Error::user("the key is protected by a password").hint("openssl pkey -in KEY -out PLAIN"));
        }
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(text) {
            return Ok(Private::Ed25519(key));
        }
        let key = p256::SecretKey::from_pkcs8_pem(text).ok().or_else(|| {
            // `openssl ecparam` writes the curve before the key.
            let at = text.find("-----BEGIN EC PRIVATE KEY-----")?;
            p256::SecretKey::from_sec1_pem(text.get(at..)?).ok()
        });
        match key {
            Some(key) => Ok(Private::P256(key.into())),
            None => Err(Error::user("it is no private key in PEM of Ed25519 or ECDSA P-256")
                .hint("openssl genpkey -algorithm ed25519 -out KEY")),
        }
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Private::Ed25519(key) => key.sign(message).to_vec(),
            Private::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }

    /// What others verify with.
    pub fn public(&self) -> Public {
        match self {
            Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
            Private::P256(key) => Public::P256(*key.verifying_key()),
        }
    }
}

impl Public {
    /// Reads one.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading the key `{}`", path.display());
        Self::parse(&read(path).context(doing)?).context(doing)
    }

    /// Takes the PEM apart.
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(text) {
            return Ok(Public::Ed25519(key));
        }
        match p256::ecdsa::VerifyingKey::from_public_key_pem(text) {
            Ok(key) => Ok(Public::P256(key)),
            Err(_) => Err(Error::user("it is no public key in PEM of Ed25519 or ECDSA P-256")
                .hint("openssl pkey -in KEY -pubout -out PUB")),
        }
    }

    /// Whether the signature is of the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Public::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature);
                signature.is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
            Public::P256(key) => {
                let signature = p256::ecdsa::Signature::from_der(signature);
                signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }

    /// The sha256 of the key in DER, hex: what a signature names it by.
    pub fn id(&self) -> Result<String> {
        let der = match self {
            Public::Ed25519(key) => key.to_public_key_der(),
            Public::P256(key) => key.to_public_key_der(),
        };
        der.map(|der| Digest::of(der.as_bytes()).to_string())
            .map_err(|error| Error::bug(format!("writing a key: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

    #[test]
    fn the_first_vector_of_rfc_8032() {
        let key = Private::parse(ED25519).unwrap();
        let signature = key.sign(b"");
        assert!(hex::encode(&signature).starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065"));
        assert!(key.public().verifies(b"", &signature));
        assert!(!key.public().verifies(b"x", &signature));
        assert!(!key.public().verifies(b"", &signature[1..]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "ssh-ed25519 AAAA"] {
            assert!(Private::parse(text).is_err() && Public::parse(text).is_err());
        }
        assert!(Private::parse("-----BEGIN ENCRYPTED PRIVATE KEY-----").err().unwrap().message().contains("password"));
    }
}
