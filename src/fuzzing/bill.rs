//! What a bill of materials is drawn from: programs of Go's, licences, container images.

use crate::audit::sbom;

/// A program; what it says of modules is no longer than itself.
pub fn buildinfo(bytes: &[u8]) {
    if let Some(info) = sbom::read_buildinfo(&bytes.to_vec()) {
        assert!(!info.go.is_empty() && info.modules.len() <= bytes.len());
    }
}

/// A copyright file; every `LicenseRef` of the expression has a text.
pub fn copyright(bytes: &[u8]) {
    let Some(licence) = sbom::read_copyright(bytes) else { return };
    let words = licence.expression.split([' ', '(', ')']).filter(|word| word.starts_with("LicenseRef-"));
    words.for_each(|word| assert!(licence.texts.contains_key(word), "`{word}` has no text"));
}

/// A container image in an archive.
pub fn oci(bytes: &[u8]) {
    let mut left = 1 << 20;
    let _ = sbom::read_container(&bytes.to_vec(), &mut left);
}
