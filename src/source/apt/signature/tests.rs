//! Every rule about keys and signatures, by certificates made for it.

use std::sync::OnceLock;

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Notation, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, Tag, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

/// When the keys were made; signatures and the present follow a day apart.
const MADE: u32 = 1_700_000_000;
const SIGNED: u32 = MADE + 86_400;
const NOW: u64 = SIGNED as u64 + 86_400;
const TEXT: &str = "Suite: x\n- dash\n";

/// A primary key that certifies and signs, with a signing subkey; RSA, since it takes any digest.
fn secret() -> &'static SignedSecretKey {
    static KEY: OnceLock<SignedSecretKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let made = Timestamp::from_secs(MADE);
        let mut sub = SubkeyParamsBuilder::default();
        sub.key_type(KeyType::Rsa(2048)).can_sign(true).created_at(made);
        let mut builder = SecretKeyParamsBuilder::default();
        builder
            .key_type(KeyType::Rsa(2048))
            .can_certify(true)
            .can_sign(true)
            .created_at(made)
            .primary_user_id("A <a@example.test>".to_owned())
            .subkey(sub.build().unwrap());
        builder.build().unwrap().generate(StdRng::seed_from_u64(7)).unwrap()
    })
}

/// How a binding of a certificate is made.
#[derive(Clone)]
struct Binding {
    hash: HashAlgorithm,
    made: u32,
    /// Seconds after the key was made.
    expires: Option<u32>,
    sign: bool,
    back: Option<HashAlgorithm>,
    critical: bool,
}

impl Default for Binding {
    fn default() -> Self {
        let hash = HashAlgorithm::Sha512;
        Binding { hash, made: MADE, expires: None, sign: true, back: Some(hash), critical: false }
    }
}

fn config(typ: SignatureType, hash: HashAlgorithm, made: u32, issuer: &impl KeyDetails) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, issuer.algorithm(), hash);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::IssuerFingerprint(issuer.fingerprint())).unwrap(),
        Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(made))).unwrap(),
    ];
    config
}

impl Binding {
    fn config(&self, typ: SignatureType) -> SignatureConfig {
        let mut config = config(typ, self.hash, self.made, &secret().primary_key);
        let mut flags = KeyFlags::default();
        flags.set_sign(self.sign);
        let mut add = |data| config.hashed_subpackets.push(Subpacket::regular(data).unwrap());
        add(SubpacketData::KeyFlags(flags));
        if let Some(seconds) = self.expires {
            add(SubpacketData::KeyExpirationTime(Duration::from_secs(seconds)));
        }
        if self.critical {
            let notation = Notation { readable: true, name: "n@example.test".into(), value: "v".into() };
            config.hashed_subpackets.push(Subpacket::critical(SubpacketData::Notation(notation)).unwrap());
        }
        config
    }

    fn user(&self) -> Signature {
        let primary = &secret().primary_key;
        let user = &secret().details.users[0].id;
        let config = self.config(SignatureType::CertPositive);
        config.sign_certification(primary, primary.public_key(), &Password::empty(), Tag::UserId, user).unwrap()
    }

    fn subkey(&self) -> Signature {
        let (primary, sub) = (&secret().primary_key, &secret().secret_subkeys[0].key);
        let mut binding = self.config(SignatureType::SubkeyBinding);
        if let Some(hash) = self.back {
            let back = config(SignatureType::KeyBinding, hash, self.made, sub);
            let back =
                back.sign_primary_key_binding(sub, sub.public_key(), &Password::empty(), primary.public_key()).unwrap();
            let back = SubpacketData::EmbeddedSignature(Box::new(back));
            binding.hashed_subpackets.push(Subpacket::regular(back).unwrap());
        }
        binding.sign_subkey_binding(primary, primary.public_key(), &Password::empty(), sub.public_key()).unwrap()
    }
}

fn certificate(users: Vec<Signature>, subkeys: Vec<Signature>) -> SignedPublicKey {
    let mut certificate = secret().to_public_key();
    certificate.details.users[0].signatures = users;
    certificate.public_subkeys[0].signatures = subkeys;
    certificate
}

/// How the text is signed.
struct Signing {
    by_subkey: bool,
    hash: HashAlgorithm,
    made: u32,
    lasts: Option<u32>,
    typ: SignatureType,
}

impl Default for Signing {
    fn default() -> Self {
        Signing { by_subkey: false, hash: HashAlgorithm::Sha256, made: SIGNED, lasts: None, typ: SignatureType::Text }
    }
}

impl Signing {
    fn message(&self) -> String {
        let (primary, sub) = (&secret().primary_key, &secret().secret_subkeys[0].key);
        let message = CleartextSignedMessage::new_many(TEXT, |text| {
            let mut config = match self.by_subkey {
                true => config(self.typ, self.hash, self.made, sub),
                false => config(self.typ, self.hash, self.made, primary),
            };
            if let Some(seconds) = self.lasts {
                let data = SubpacketData::SignatureExpirationTime(Duration::from_secs(seconds));
                config.hashed_subpackets.push(Subpacket::regular(data)?);
            }
            let signature = match self.by_subkey {
                true => config.sign(sub, &Password::empty(), text.as_bytes())?,
                false => config.sign(primary, &Password::empty(), text.as_bytes())?,
            };
            Ok(vec![signature])
        });
        message.unwrap().to_armored_string(ArmorOptions::default()).unwrap()
    }
}

fn judge(certificate: &SignedPublicKey, message: &str, now: u64) -> Result<Signed> {
    verify(message, &Keys::parse(&certificate.to_bytes().unwrap()).unwrap(), now)
}

fn good() -> SignedPublicKey {
    certificate(vec![Binding::default().user()], vec![Binding::default().subkey()])
}

#[track_caller]
fn refused(certificate: &SignedPublicKey, message: &str, now: u64, word: &str) {
    let error = judge(certificate, message, now).expect_err(word);
    assert_eq!(error.kind(), crate::error::Kind::Source);
    assert!(error.message().contains(word), "expected `{word}`: {error}");
}

#[test]
fn primary_keys_and_subkeys_sign() {
    for by_subkey in [false, true] {
        for typ in [SignatureType::Text, SignatureType::Binary] {
            let signing = Signing { by_subkey, typ, ..Signing::default() };
            let signed = judge(&good(), &signing.message(), NOW).unwrap();
            assert_eq!(signed.text.trim_end(), TEXT.trim_end());
            assert_eq!(signed.by.len(), 1);
            assert_eq!(signed.by[0].len(), 40);
        }
    }
}

#[test]
fn weak_digests_are_refused_wherever_they_are() {
    let sha1 = HashAlgorithm::Sha1;
    let weak = Binding { hash: sha1, ..Binding::default() };
    let (primary, sub) = (Signing::default(), Signing { by_subkey: true, ..Signing::default() });
    refused(&good(), &Signing { hash: sha1, ..Signing::default() }.message(), NOW, "digest is not trusted");
    let weak_user = certificate(vec![weak.user()], vec![Binding::default().subkey()]);
    refused(&weak_user, &primary.message(), NOW, "no sound signature of its own");
    refused(&weak_user, &sub.message(), NOW, "no sound signature of its own");
    let weak_sub = certificate(vec![Binding::default().user()], vec![weak.subkey()]);
    refused(&weak_sub, &sub.message(), NOW, "not bound");
    let weak_back = Binding { back: Some(sha1), ..Binding::default() };
    refused(&certificate(vec![Binding::default().user()], vec![weak_back.subkey()]), &sub.message(), NOW, "in turn");
}

#[test]
fn expiry_of_keys_and_signatures() {
    let day = 86_400;
    let short = Binding { expires: Some(2 * day), ..Binding::default() };
    let (primary, sub) = (Signing::default(), Signing { by_subkey: true, ..Signing::default() });
    let expiring = certificate(vec![short.user()], vec![Binding::default().subkey()]);
    judge(&expiring, &primary.message(), NOW - 1).unwrap();
    refused(&expiring, &primary.message(), NOW, "has expired");
    refused(&expiring, &sub.message(), NOW, "has expired");
    let expiring = certificate(vec![Binding::default().user()], vec![short.subkey()]);
    refused(&expiring, &sub.message(), NOW, "has expired");
    judge(&expiring, &primary.message(), NOW).unwrap();
    // The newest self-signature counts, whichever stands first.
    let renewed = Binding { made: MADE + 10, ..Binding::default() };
    judge(&certificate(vec![renewed.user(), short.user()], vec![]), &primary.message(), NOW).unwrap();
    let shortened = Binding { made: MADE + 10, ..short.clone() };
    refused(
        &certificate(vec![Binding::default().user(), shortened.user()], vec![]),
        &primary.message(),
        NOW,
        "expired",
    );

    refused(&good(), &Signing { lasts: Some(day), ..Signing::default() }.message(), NOW, "it has expired");
    judge(&good(), &Signing { lasts: Some(day + 1), ..Signing::default() }.message(), NOW).unwrap();
    let late = Signing { made: NOW as u32 + MAX_SKEW as u32 + 1, ..Signing::default() };
    refused(&good(), &late.message(), NOW, "in the future");
    refused(&good(), &primary.message(), u64::from(MADE) - MAX_SKEW, "future");
}

#[test]
fn flags_and_back_signatures() {
    let mute = Binding { sign: false, ..Binding::default() };
    let sub = Signing { by_subkey: true, ..Signing::default() };
    refused(&certificate(vec![mute.user()], vec![]), &Signing::default().message(), NOW, "not meant for signing");
    let user = || vec![Binding::default().user()];
    refused(&certificate(user(), vec![mute.subkey()]), &sub.message(), NOW, "not meant for signing");
    let adopted = Binding { back: None, ..Binding::default() };
    refused(&certificate(user(), vec![adopted.subkey()]), &sub.message(), NOW, "in turn");
    // A certifying primary key that does not sign has a subkey that does: that is how archives work.
    judge(&certificate(vec![mute.user()], vec![Binding::default().subkey()]), &sub.message(), NOW).unwrap();
    let critical = Binding { critical: true, ..Binding::default() };
    refused(&certificate(vec![critical.user()], vec![]), &Signing::default().message(), NOW, "no sound signature");
}

#[test]
fn revocations() {
    let (primary, key) = (&secret().primary_key, secret());
    let sub = &key.secret_subkeys[0].key;
    for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha1] {
        let revocation = config(SignatureType::KeyRevocation, hash, SIGNED, primary);
        let revocation = revocation.sign_key(primary, &Password::empty(), primary.public_key()).unwrap();
        let mut revoked = good();
        revoked.details.revocation_signatures.push(revocation);
        for by_subkey in [false, true] {
            refused(&revoked, &Signing { by_subkey, ..Signing::default() }.message(), NOW, "is revoked");
        }
        let revocation = config(SignatureType::SubkeyRevocation, hash, SIGNED, primary);
        let revocation = revocation
            .sign_subkey_binding(primary, primary.public_key(), &Password::empty(), sub.public_key())
            .unwrap();
        let mut revoked = good();
        revoked.public_subkeys[0].signatures.push(revocation);
        refused(&revoked, &Signing { by_subkey: true, ..Signing::default() }.message(), NOW, "is revoked");
        judge(&revoked, &Signing::default().message(), NOW).unwrap();
    }
    let revocation = config(SignatureType::CertRevocation, HashAlgorithm::Sha256, SIGNED, primary);
    let user = &key.details.users[0].id;
    let revocation =
        revocation.sign_certification(primary, primary.public_key(), &Password::empty(), Tag::UserId, user).unwrap();
    let revoked = certificate(vec![Binding::default().user(), revocation], vec![]);
    refused(&revoked, &Signing::default().message(), NOW, "no sound signature of its own");
}

#[test]
fn only_the_signed_text_counts() {
    let message = Signing::default().message();
    refused(&good(), &message.replacen("Suite: x", "Suite: y", 1), NOW, "does not fit the text");
    refused(&good(), &format!("Suite: y\n{message}"), NOW, "clearsigned");
    refused(&good(), &format!("{message}\nSuite: y\n"), NOW, "clearsigned");
    refused(&good(), TEXT, NOW, "clearsigned");
    let cut = message.find("-----BEGIN PGP SIGNATURE").unwrap();
    refused(&good(), &message[..cut], NOW, "clearsigned");
    // Signed by a key that nobody knows.
    let mut builder = SecretKeyParamsBuilder::default();
    builder.key_type(KeyType::Ed25519Legacy).can_sign(true).primary_user_id("B".to_owned());
    let other = builder.build().unwrap().generate(StdRng::seed_from_u64(8)).unwrap().to_public_key();
    refused(&other, &message, NOW, "not in the keyring");
}

#[test]
fn short_rsa_keys_are_refused() {
    use pgp::packet::{PubKeyInner, PublicKey, SecretKey};
    let made = Timestamp::from_secs(MADE);
    let (public, private) = KeyType::Rsa(1024).generate(StdRng::seed_from_u64(9)).unwrap();
    let inner = PubKeyInner::new(Default::default(), KeyType::Rsa(1024).to_alg(), made, None, public).unwrap();
    let key = SecretKey::new(PublicKey::from_inner(inner).unwrap(), private).unwrap();
    let user = &secret().details.users[0].id;
    let mut binding = config(SignatureType::CertPositive, HashAlgorithm::Sha256, MADE, &key);
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    binding.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyFlags(flags)).unwrap());
    let binding = binding.sign_certification(&key, key.public_key(), &Password::empty(), Tag::UserId, user).unwrap();
    let mut certificate = certificate(vec![binding], vec![]);
    certificate.primary_key = key.public_key().clone();
    certificate.public_subkeys.clear();
    let message = CleartextSignedMessage::new_many(TEXT, |text| {
        let config = config(SignatureType::Text, HashAlgorithm::Sha256, SIGNED, &key);
        Ok(vec![config.sign(&key, &Password::empty(), text.as_bytes())?])
    });
    let message = message.unwrap().to_armored_string(ArmorOptions::default()).unwrap();
    refused(&certificate, &message, NOW, "less than 2048 bits");
}

#[test]
fn debian_s_keys_are_sound_and_meant_for_signing() {
    let keys = Keys::load(&crate::profile::Keyring::Debian).unwrap();
    // The day on which the newest of them was made is past, none has expired: 2026-01-01.
    assert_eq!(keys.may_sign(1_767_225_600), 6);
}
