//! Secrets in files: private keys and tokens, by the marks that their issuers give them.
//!
//! Texts are looked through, programs are not: they hold the marks of what they read. Of other files those are told
//! that are a private key as a whole (DER: PKCS #8, RFC 5208; PKCS #1, RFC 8017; SEC 1, RFC 5915). Container images are
//! archives of their own and are not unpacked here.

use std::collections::BTreeSet;

use super::view::{Kind, View};
use super::{Breach, Verdict};
use crate::error::Result;

/// A text with a secret is small.
const MAX: u64 = 1 << 20;
/// What a file's first bytes are looked at for: a NUL is not in a text.
const HEAD: usize = 4096;
/// Characters of base64 that a key has at least.
const KEY: usize = 40;

/// What it is, how it begins, of which characters it goes on, and how many of them at least.
type Mark = (&'static str, &'static str, fn(u8) -> bool, usize);

/// Tokens by their marks.
const TOKENS: [Mark; 14] = [
    ("a key of AWS", "AKIA", upper, 16),
    ("a key of AWS", "ASIA", upper, 16),
    ("a token of GitHub", "ghp_", letter, 36),
    ("a token of GitHub", "gho_", letter, 36),
    ("a token of GitHub", "ghs_", letter, 36),
    ("a token of GitHub", "github_pat_", word, 40),
    ("a token of GitLab", "glpat-", word, 20),
    ("a token of Slack", "xoxb-", word, 20),
    ("a token of Slack", "xoxp-", word, 20),
    ("a key of Google", "AIza", word, 35),
    ("a token of npm", "npm_", letter, 36),
    ("a token of HashiCorp Vault", "hvs.", word, 40),
    ("a key of age", "AGE-SECRET-KEY-1", upper, 50),
    ("a private key of PuTTY", "PuTTY-User-Key-File-", letter, 1),
];

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Looks through every text of the root.
pub fn check(view: &View<'_>) -> Result<Verdict> {
    let mut breaches = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, node) in &view.nodes {
        let Kind::File(size, _) = node.kind else { continue };
        if size == 0 || size > MAX || !seen.insert(node.number) {
            continue;
        }
        let Some(bytes) = view.bytes(path, MAX)? else { continue };
        if is_der_key(&bytes) {
            breaches.push(Breach::at(path, "a private key"));
        } else if !bytes.iter().take(HEAD).any(|byte| *byte == 0) {
            breaches.extend(find(&bytes).into_iter().map(|what| Breach::at(path, what)));
        }
    }
    Ok(Verdict::of(breaches))
}

/// What a text holds.
fn find(text: &[u8]) -> BTreeSet<&'static str> {
    let mut out = BTreeSet::new();
    for (at, byte) in text.iter().enumerate() {
        // Most bytes begin nothing.
        if !matches!(byte, b'-' | b'A' | b'g' | b'x' | b'n' | b'h' | b'P' | b'e' | b'c' | b't') {
            continue;
        }
        let Some(rest) = text.get(at..) else { continue };
        let begins = at == 0 || text.get(at - 1).is_some_and(|before| !letter(*before));
        if rest.starts_with(b"-----BEGIN ") && is_private_key(rest) {
            out.insert("a private key");
        }
        if !begins {
            continue;
        }
        for (what, start, goes_on, least) in TOKENS {
            if let Some(rest) = rest.strip_prefix(start.as_bytes()) {
                let token = rest.iter().take_while(|byte| goes_on(**byte)).count();
                // The keys of examples say that they are.
                let example = rest.get(..token).is_some_and(|token| token.ends_with(b"EXAMPLE"));
                if token >= least && !example {
                    out.insert(what);
                }
            }
        }
        if rest.starts_with(b"eyJ") && is_web_token(rest) {
            out.insert("a JSON web token");
        }
        for (start, what) in [(&b"client-key-data:"[..], "a client's key"), (b"token:", "a token of a cluster")] {
            let value = rest.strip_prefix(start).map(<[u8]>::trim_ascii_start).unwrap_or_default();
            let length = value.iter().take_while(|byte| base64(**byte)).count();
            if start == b"token:" && is_bootstrap(value) || start != b"token:" && length >= KEY {
                out.insert(what);
            }
        }
    }
    out
}

/// `-----BEGIN RSA PRIVATE KEY-----` and a key behind it: a program that names the mark has none.
fn is_private_key(rest: &[u8]) -> bool {
    let head = rest.get(..80.min(rest.len())).unwrap_or_default();
    let Some(end) = head.windows(5).skip(11).position(|part| part == b"-----").map(|at| at + 11) else { return false };
    let name = head.get(11..end).unwrap_or_default();
    if !name.ends_with(b"PRIVATE KEY") && name != b"PGP PRIVATE KEY BLOCK" {
        return false;
    }
    let mut rest = rest.get(end + 5..).unwrap_or_default();
    // In JSON a line ends with two characters; OpenPGP and old PEM have headers, which end with an empty line.
    let text: Vec<u8> = rest.iter().take(4096).copied().collect();
    let text = String::from_utf8_lossy(&text).replace("\\n", "\n").replace('\r', "");
    if let Some((headers, body)) = text.split_once("\n\n")
        && headers.trim_start().lines().all(|line| line.contains(": "))
    {
        rest = body.as_bytes();
        return rest.iter().filter(|byte| **byte != b'\n').take_while(|byte| base64(**byte)).count() >= KEY;
    }
    text.bytes().filter(|byte| !byte.is_ascii_whitespace()).take_while(|byte| base64(*byte)).count() >= KEY
}

/// Whether the whole of a file is a private key in DER.
fn is_der_key(file: &[u8]) -> bool {
    const INTEGER: u8 = 2;
    const OCTETS: u8 = 4;
    const SEQUENCE: u8 = 0x30;
    let Some((SEQUENCE, mut inner, [])) = element(file) else { return false };
    let mut parts = Vec::new();
    while let Some((tag, value, rest)) = element(inner).filter(|_| parts.len() < 3) {
        parts.push((tag, value));
        inner = rest;
    }
    match parts[..] {
        // PKCS #8: version, algorithm, key.
        [(INTEGER, [0 | 1]), (SEQUENCE, algorithm), (OCTETS, key)] => algorithm.first() == Some(&6) && key.len() >= 32,
        // PKCS #1: version, modulus, public exponent, and more.
        [(INTEGER, [0]), (INTEGER, modulus), (INTEGER, _)] => modulus.len() >= 64 && !inner.is_empty(),
        // SEC 1: version, key, and the curve or not.
        [(INTEGER, [1]), (OCTETS, key), ..] => key.len() >= 20,
        _ => false,
    }
}

/// The first element of DER: its tag, what is in it and what follows (ITU-T X.690, 8.1).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

/// Three parts of base64, the first two of which are JSON.
fn is_web_token(rest: &[u8]) -> bool {
    let end = rest.iter().position(|byte| !word(*byte) && *byte != b'.').unwrap_or(rest.len());
    let parts: Vec<&[u8]> = rest.get(..end).unwrap_or_default().split(|byte| *byte == b'.').collect();
    matches!(parts[..], [head, body, sign] if head.len() >= 15 && body.starts_with(b"eyJ") && sign.len() >= 20)
}

/// `abcdef.0123456789abcdef`, quoted or not.
fn is_bootstrap(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let small = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let end = value.iter().position(|byte| !small(byte) && *byte != b'.').unwrap_or(value.len());
    let parts: Vec<&[u8]> = value.get(..end).unwrap_or_default().split(|byte| *byte == b'.').collect();
    matches!(parts[..], [id, secret] if id.len() == 6 && secret.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_der_are_found_and_certificates_are_not() {
        let wrap = |tag: u8, parts: &[Vec<u8>]| {
            let value = parts.concat();
            let mut out = match value.len() {
                length @ 0..=0x7f => vec![tag, length as u8],
                length => vec![tag, 0x82, (length >> 8) as u8, length as u8],
            };
            out.extend(value);
            out
        };
        let integer = |bytes: &[u8]| wrap(2, &[bytes.to_vec()]);
        let octets = |count: usize| wrap(4, &[vec![0xa5; count]]);
        let algorithm = wrap(0x30, &[wrap(6, &[vec![0x2b, 0x65, 0x70]])]);
        let eight = wrap(0x30, &[integer(&[0]), algorithm.clone(), octets(34)]);
        let one = wrap(0x30, &[integer(&[0]), integer(&[0xb1; 257]), integer(&[1, 0, 1]), integer(&[7; 256])]);
        let curve = wrap(0x30, &[integer(&[1]), octets(32), wrap(0xa0, &[wrap(6, &[vec![0x2a]])])]);
        for key in [&eight, &one, &curve] {
            assert!(is_der_key(key), "{key:02x?}");
            // One byte more or less is no such file, whatever begins so.
            assert!(!is_der_key(&[&key[..], &[0]].concat()) && !is_der_key(&key[..key.len() - 1]));
        }
        let public = wrap(0x30, &[algorithm.clone(), wrap(3, &[vec![0; 33]])]);
        let certificate = wrap(0x30, &[wrap(0x30, &[integer(&[2])]), algorithm, wrap(3, &[vec![0; 65]])]);
        for other in [&public[..], &certificate, b"", b"0", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0]] {
            assert!(!is_der_key(other), "{other:02x?}");
        }
    }

    #[test]
    fn secrets_are_found_and_their_marks_alone_are_not() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7";
        // Taken apart, so that no scanner of this source finds a token in it.
        let token = |start: &str, count: usize| format!("{start}{}", "a1B2".repeat(count / 4 + 1));
        let found = [
            format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
            format!("{{\"private_key\": \"-----BEGIN RSA PRIVATE KEY-----\\n{body}\\n\"}}"),
            format!("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{body}\n"),
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{body}\n"),
            token("x = ghp_", 36),
            token("glpat-", 20),
            format!("key: {}{}", "AKIA", "ABCDEFGH12345678"),
            format!("    client-key-data: {body}"),
            "  token: \"abcdef.0123456789abcdef\"".to_owned(),
            format!("{}.{}.{}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "c2lnbmF0dXJlc2lnbmF0dXJl"),
        ];
        for text in found {
            assert_eq!(find(text.as_bytes()).len(), 1, "{text}");
        }
        let clean = [
            "if line == \"-----BEGIN PRIVATE KEY-----\" {".to_owned(),
            format!("-----BEGIN CERTIFICATE-----\n{body}\n"),
            format!("-----BEGIN PUBLIC KEY-----\n{body}\n"),
            format!("{}{}", "AKIA", "IOSFODNN7EXAMPLE"),
            "ghp_short".to_owned(),
            "token: see the manual".to_owned(),
            format!("prefix{}", token("ghp_", 36)),
        ];
        for text in clean {
            assert!(find(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
