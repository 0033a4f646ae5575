//! What PCR 11 will hold after a boot, computed without one.

use sha2::{Digest as _, Sha256};

use super::uki::Pe;
use crate::digest::Digest;
use crate::init::phase;

/// The order in which systemd-stub measures sections, whatever their order in the file.
const ORDER: [&str; 10] =
    [".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"];

/// How far a boot has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// The phases so far, joined by `:`; empty before the first.
    pub name: String,
    /// PCR 11 then, SHA-256 bank.
    pub value: [u8; 32],
}

/// PCR 11 of a UKI: right after the stub, then after each phase.
pub fn pcr11(uki: &Pe<'_>) -> Vec<Phase> {
    pcr11_of(&|name| uki.named(name).map(Digest::of))
}

/// The same, of the digests of its sections by their names.
pub fn pcr11_of(section: &dyn Fn(&str) -> Option<Digest>) -> Vec<Phase> {
    let mut pcr = [0; 32];
    for name in ORDER {
        let Some(digest) = section(name) else { continue };
        extend(&mut pcr, &Digest::of(format!("{name}\0").as_bytes()));
        extend(&mut pcr, &digest);
    }
    let mut out = vec![Phase { name: String::new(), value: pcr }];
    let mut path = String::new();
    for word in phase::WORDS {
        extend(&mut pcr, &Digest::of(word.as_bytes()));
        path = if path.is_empty() { word.to_owned() } else { format!("{path}:{word}") };
        out.push(Phase { name: path.clone(), value: pcr });
    }
    out
}

fn extend(pcr: &mut [u8; 32], measured: &Digest) {
    *pcr = Sha256::new().chain_update(*pcr).chain_update(measured.0).finalize().into();
}
