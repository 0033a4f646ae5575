//! GUIDs, and how every id of an image is derived from its seed.
//!
//! The formulas are those of systemd-repart (`src/repart/repart.c`), so that a partition
//! that repart adds on the running node gets the id that we would have given it.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use crate::digest::Digest;
use crate::error::Error;

/// A GUID; bytes in textual (big-endian) order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

/// HMAC-SHA256 of `message` under `key`.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so there is no error to speak of.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

impl Guid {
    /// The seed of an image: a pure function of its id, so that two releases of one image
    /// share the ids that must stay (disk, ESP), whatever their content.
    pub fn seed(image_id: &str) -> Self {
        Guid::version_4(&Digest::of(format!("imagebuild-seed:{image_id}").as_bytes()).0)
    }

    /// `v4(HMAC-SHA256(seed, label))`; no NUL at the end of the label.
    pub fn derive(&self, label: &str) -> Self {
        Guid::version_4(&hmac(&self.0, label.as_bytes()))
    }

    /// The id of the `nth` (from 0) partition of a type.
    pub fn partition(&self, kind: &Guid, nth: u64) -> Self {
        let mut message = kind.0.to_vec();
        if nth > 0 {
            message.extend_from_slice(&nth.to_le_bytes());
        }
        Guid::version_4(&hmac(&self.0, &message))
    }

    /// The ids of the data and the hash partition that a root hash demands: its first and
    /// last 128 bits (Discoverable Partitions Specification).
    pub fn of_root_hash(root: &Digest) -> (Self, Self) {
        let (mut data, mut hash) = ([0; 16], [0; 16]);
        data.copy_from_slice(&root.0[..16]);
        hash.copy_from_slice(&root.0[16..]);
        (Guid(data), Guid(hash))
    }

    /// The bytes as GPT and EFI store them: the first three fields little-endian.
    pub fn to_mixed(&self) -> [u8; 16] {
        let b = self.0;
        [b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]
    }

    /// The GUID that GPT stores as `bytes`.
    pub fn from_mixed(bytes: [u8; 16]) -> Self {
        Guid(Guid(bytes).to_mixed())
    }

    fn version_4(bytes: &[u8; 32]) -> Self {
        let mut out = [0; 16];
        out.copy_from_slice(&bytes[..16]);
        out[6] = (out[6] & 0x0f) | 0x40;
        out[8] = (out[8] & 0x3f) | 0x80;
        Guid(out)
    }

    /// The GUID of a literal in the source; for constants only.
    pub const fn literal(value: u128) -> Self {
        Guid(value.to_be_bytes())
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = hex::encode(self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl schemars::JsonSchema for Guid {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Guid".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" })
    }
}

impl FromStr for Guid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::user(format!("`{text}` is not a GUID")).hint("expected 8-4-4-4-12 hexadecimal digits");
        let groups: Vec<&str> = text.split('-').collect();
        if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
            return Err(bad());
        }
        let mut bytes = [0; 16];
        hex::decode_to_slice(groups.concat(), &mut bytes).map_err(|_| bad())?;
        Ok(Guid(bytes))
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repart_vectors() {
        let seed: Guid = "12345678-1234-5678-1234-567812345678".parse().unwrap();
        let esp: Guid = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b".parse().unwrap();
        let var: Guid = "4d21b016-b534-45c2-a9fb-5c16e091fd2d".parse().unwrap();
        assert_eq!(seed.partition(&esp, 0).to_string(), "db1d598a-0260-4fc2-a179-09275f68caaf");
        assert_eq!(seed.partition(&var, 0).to_string(), "f8631c07-52f2-495e-88cd-75f3db116bfa");
        assert_eq!(seed.partition(&var, 1).to_string(), "01385999-e2ea-4f12-a44c-f8a530fb3804");
        assert_eq!(seed.derive("disk-uuid").to_string(), "2a8425e7-c723-4506-a367-ffc93d2d296e");
    }

    #[test]
    fn mixed_order_is_its_own_inverse() {
        let guid: Guid = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b".parse().unwrap();
        assert_eq!(guid.to_mixed()[..4], [0x28, 0x73, 0x2a, 0xc1]);
        assert_eq!(Guid::from_mixed(guid.to_mixed()), guid);
        assert!("c12a7328f81f11d2ba4b00a0c93ec93b".parse::<Guid>().is_err());
    }
}
