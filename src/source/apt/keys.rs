//! Keys that archives sign with, and which of their parts may sign at a moment.
//!
//! The `pgp` crate checks the mathematics; the policy is here:
//! - certificates are bound together by signatures of SHA-2 or SHA-3 only,
//! - the newest self-signature counts: its flags, its expiry,
//! - a revocation that verifies counts, however weak its digest,
//! - a signing subkey must have signed the primary key in turn,
//! - RSA of 2048 bits at least, ECDSA and EdDSA; no DSA.

use std::path::Path;

use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, PublicParams, Tag, VerifyingKey};

use crate::bytes::limited;
use crate::error::{Context, Error, Kind, Result};
use crate::profile::Keyring;

/// The largest key file that is read.
const MAX_KEYRING: u64 = 16 << 20;
/// The shortest RSA key that may sign.
const MIN_RSA_BITS: u16 = 2048;

/// Debian's keys of two releases: of the archive, of its security archive, of the release itself.
const DEBIAN: [&[u8]; 6] = [
    include_bytes!("keys/debian-archive-bookworm-automatic.gpg"),
    include_bytes!("keys/debian-archive-bookworm-security-automatic.gpg"),
    include_bytes!("keys/debian-archive-bookworm-stable.gpg"),
    include_bytes!("keys/debian-archive-trixie-automatic.gpg"),
    include_bytes!("keys/debian-archive-trixie-security-automatic.gpg"),
    include_bytes!("keys/debian-archive-trixie-stable.gpg"),
];

/// Certificates.
pub struct Keys {
    certificates: Vec<SignedPublicKey>,
}

/// A key that may have made a signature: a certificate's primary key or one of its subkeys.
pub enum Signer<'a> {
    /// The primary key.
    Primary(&'a SignedPublicKey),
    /// A subkey.
    Sub(&'a SignedPublicKey, &'a SignedPublicSubKey),
}

impl Keys {
    /// The keys that a profile names.
    pub fn load(keyring: &Keyring) -> Result<Self> {
        match keyring {
            Keyring::Debian => {
                let mut certificates = Vec::new();
                for bytes in DEBIAN {
                    certificates.extend(Self::parse(bytes)?.certificates);
                }
                Ok(Keys { certificates })
            }
            Keyring::File(path) => Self::read(path).context(|| format!("reading keyring `{}`", path.display())),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        Self::parse(&limited(std::fs::File::open(path)?, MAX_KEYRING, Kind::User)?)
    }

    /// Certificates one after the other, armored or binary.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bad = |error: pgp::errors::Error| {
            Error::user(format!("the keyring cannot be read: {error}")).hint("expected OpenPGP public keys")
        };
        let parsed = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            SignedPublicKey::from_bytes_many(bytes).map_err(bad)?.collect::<Result<Vec<_>, _>>()
        } else {
            SignedPublicKey::from_armor_many(bytes).map_err(bad)?.0.collect::<Result<Vec<_>, _>>()
        };
        let certificates = parsed.map_err(bad)?;
        match certificates.is_empty() {
            true => Err(Error::user("the keyring holds no key")),
            false => Ok(Keys { certificates }),
        }
    }

    /// How many certificates have a key that may sign at the moment `now`.
    pub fn may_sign(&self, now: u64) -> usize {
        let able = |certificate: &&SignedPublicKey| {
            let subs = certificate.public_subkeys.iter().map(|sub| Signer::Sub(certificate, sub));
            std::iter::once(Signer::Primary(certificate)).chain(subs).any(|signer| signer.may_sign(now).is_ok())
        };
        self.certificates.iter().filter(able).count()
    }

    /// Every key that a signature says may have made it.
    pub fn issuers<'a>(&'a self, signature: &Signature) -> Vec<Signer<'a>> {
        let fingerprints = signature.issuer_fingerprint();
        let ids = signature.issuer_key_id();
        let made = |key: &dyn KeyDetails| match fingerprints.is_empty() {
            true => ids.contains(&&key.legacy_key_id()),
            false => fingerprints.contains(&&key.fingerprint()),
        };
        let mut found = Vec::new();
        for certificate in &self.certificates {
            if made(&certificate.primary_key) {
                found.push(Signer::Primary(certificate));
            }
            found.extend(
                certificate.public_subkeys.iter().filter(|sub| made(&sub.key)).map(|sub| Signer::Sub(certificate, sub)),
            );
        }
        found
    }
}

impl Signer<'_> {
    /// The key's fingerprint in upper-case hex.
    pub fn fingerprint(&self) -> String {
        let fingerprint = match self {
            Signer::Primary(certificate) => certificate.primary_key.fingerprint(),
            Signer::Sub(_, sub) => sub.key.fingerprint(),
        };
        fingerprint.to_string().to_uppercase()
    }

    /// Whether the signature over `data` is this key's.
    pub fn made(&self, signature: &Signature, data: &[u8]) -> bool {
        match self {
            Signer::Primary(certificate) => signature.verify(&certificate.primary_key, data).is_ok(),
            Signer::Sub(_, sub) => signature.verify(&sub.key, data).is_ok(),
        }
    }

    /// Refuses a key that may not sign at the moment `now` (seconds since 1970), with the reason.
    pub fn may_sign(&self, now: u64) -> Result<(), String> {
        match self {
            Signer::Primary(certificate) => {
                let flags = primary(certificate, now)?;
                strong_key(&certificate.primary_key)?;
                flags.then_some(()).ok_or_else(|| "is not meant for signing".to_owned())
            }
            Signer::Sub(certificate, sub) => {
                primary(certificate, now)?;
                strong_key(&sub.key)?;
                subkey(certificate, sub, now)
            }
        }
    }
}

/// Refuses a primary key that is revoked or expired; tells whether it may sign.
fn primary(certificate: &SignedPublicKey, now: u64) -> Result<bool, String> {
    let key = &certificate.primary_key;
    if certificate.details.revocation_signatures.iter().any(|signature| signature.verify_key(key).is_ok()) {
        return Err("is revoked".to_owned());
    }
    let mut bindings: Vec<&Signature> = Vec::new();
    let direct = certificate.details.direct_signatures.iter();
    bindings.extend(direct.filter(|signature| strong(signature) && signature.verify_key(key).is_ok()));
    for user in &certificate.details.users {
        let own = |signature: &&Signature| signature.verify_certification(key, Tag::UserId, &user.id).is_ok();
        let (certifying, revoking): (Vec<_>, Vec<_>) =
            user.signatures.iter().partition(|signature| signature.typ() != Some(SignatureType::CertRevocation));
        if revoking.into_iter().any(|signature| own(&signature)) {
            continue;
        }
        bindings.extend(certifying.into_iter().filter(|signature| strong(signature)).filter(own));
    }
    let newest = newest(bindings, now).ok_or("has no sound signature of its own")?;
    alive(key, newest, now)?;
    Ok(newest.key_flags().sign())
}

/// Refuses a subkey that is not bound, not meant for signing, revoked or expired.
fn subkey(certificate: &SignedPublicKey, sub: &SignedPublicSubKey, now: u64) -> Result<(), String> {
    let key = &certificate.primary_key;
    let verifies = |signature: &&Signature| signature.verify_subkey_binding(key, &sub.key).is_ok();
    let (revoking, binding): (Vec<_>, Vec<_>) =
        sub.signatures.iter().partition(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
    if revoking.iter().any(verifies) {
        return Err("is revoked".to_owned());
    }
    let bindings = binding.into_iter().filter(|signature| strong(signature)).filter(verifies).collect();
    let newest = newest(bindings, now).ok_or("is not bound to its primary key by a sound signature")?;
    alive(&sub.key, newest, now)?;
    if !newest.key_flags().sign() {
        return Err("is not meant for signing".to_owned());
    }
    // Else anybody could adopt the signing key of another (RFC 9580, 5.2.1.9).
    let back = newest.embedded_signature().filter(|back| strong(back));
    match back.is_some_and(|back| back.verify_primary_key_binding(&sub.key, key).is_ok()) {
        true => Ok(()),
        false => Err("has not signed its primary key in turn".to_owned()),
    }
}

/// The newest that was made by `now` and has not expired.
fn newest(signatures: Vec<&Signature>, now: u64) -> Option<&Signature> {
    let made = |signature: &Signature| signature.created().map(|time| u64::from(time.as_secs()));
    let valid = signatures.into_iter().filter(|signature| made(signature).is_some_and(|time| time <= now));
    let newest = valid.max_by_key(|signature| made(signature))?;
    let end = lifetime(made(newest)?, newest.signature_expiration_time());
    end.is_none_or(|end| now < end).then_some(newest)
}

fn alive(key: &impl KeyDetails, binding: &Signature, now: u64) -> Result<(), String> {
    let created = u64::from(key.created_at().as_secs());
    if created > now {
        return Err("was made in the future".to_owned());
    }
    match lifetime(created, binding.key_expiration_time()) {
        Some(end) if now >= end => Err("has expired".to_owned()),
        _ => Ok(()),
    }
}

/// The moment at which something of that start and duration ends; 0 means never.
pub fn lifetime(start: u64, duration: Option<Duration>) -> Option<u64> {
    duration
        .map(|duration| u64::from(duration.as_secs()))
        .filter(|seconds| *seconds != 0)
        .map(|seconds| start.saturating_add(seconds))
}

/// Whether a signature's digest is one that nobody can forge, and all that it demands is understood.
pub fn strong(signature: &Signature) -> bool {
    let Some(config) = signature.config() else { return false };
    let digest = matches!(
        config.hash_alg,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    );
    let unknown = |data: &SubpacketData| {
        matches!(data, SubpacketData::Notation(_) | SubpacketData::Experimental(..) | SubpacketData::Other(..))
    };
    let understood = !config.hashed_subpackets.iter().any(|packet| packet.is_critical && unknown(&packet.data));
    let version = matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6);
    digest && understood && version
}

fn strong_key<K: VerifyingKey + Serialize>(key: &K) -> Result<(), String> {
    match key.public_params() {
        PublicParams::RSA(parameters) => {
            // The modulus comes first, its length in bits before it (RFC 9580, 3.2).
            let bytes = parameters.to_bytes().unwrap_or_default();
            match bytes.first_chunk() {
                Some(length) if u16::from_be_bytes(*length) >= MIN_RSA_BITS => Ok(()),
                _ => Err(format!("is an RSA key of less than {MIN_RSA_BITS} bits")),
            }
        }
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => {
            Ok(())
        }
        _ => Err("is of a kind that is not trusted to sign".to_owned()),
    }
}
