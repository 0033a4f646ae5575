//! EFI variables that say what the firmware booted.
//!
//! A variable of efivarfs is four bytes of attributes and the value. One that survives a
//! power cycle could have been planted by whoever ran before, and is no answer of this
//! boot's loader: it is ignored.

use super::guid::{Guid, TEXT};

/// The vendor of the variables of systemd-boot and systemd-stub (Boot Loader Interface).
pub const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// The vendor of the variables that the UEFI specification defines.
pub const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// EFI_VARIABLE_NON_VOLATILE.
const NON_VOLATILE: u32 = 1;

/// The value of a variable that is of this boot.
pub fn volatile(variable: &[u8]) -> Option<&[u8]> {
    let (attributes, value) = variable.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*attributes) & NON_VOLATILE == 0).then_some(value)
}

/// The value of a variable, whatever its attributes.
pub fn any(variable: &[u8]) -> Option<&[u8]> {
    variable.get(4..)
}

/// The GUID that a UTF-16 string writes out: `LoaderDevicePartUUID`, the ESP's partition id.
pub fn partition_id(value: &[u8]) -> Option<Guid> {
    let mut text = [0u8; TEXT];
    narrow(value, &mut text).and_then(Guid::parse)
}

/// Whether `StubPcrKernelImage` says that the stub measured into `pcr`.
pub fn measured(value: &[u8], pcr: u8) -> bool {
    let mut text = [0u8; 4];
    let number = narrow(value, &mut text).and_then(|text| core::str::from_utf8(text).ok());
    number.and_then(|text| text.parse::<u8>().ok()) == Some(pcr)
}

/// The number of the load option that was booted: `BootCurrent`.
pub fn boot_current(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_le_bytes)
}

/// A UTF-16 string of ASCII characters, up to its NUL, as bytes.
fn narrow<'a>(value: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut len = 0usize;
    for unit in value.chunks(2) {
        match *unit {
            [0, 0] => break,
            [character, 0] if character.is_ascii() => *out.get_mut(len)? = character,
            _ => return None,
        }
        len += 1;
    }
    out.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn reads_the_loaders_answers() {
        for text in [ID.to_owned(), ID.to_uppercase(), format!("{ID}\0")] {
            let variable = [&[6, 0, 0, 0], &wide(&text)[..]].concat();
            let id = volatile(&variable).and_then(partition_id);
            assert_eq!(id, Guid::parse(ID.as_bytes()), "{text}");
        }
        assert!(measured(&wide("11\0"), 11));
        assert!(measured(&wide("11"), 11));
        assert!(!measured(&wide("12\0"), 11));
        assert_eq!(boot_current(&[3, 1]), Some(0x103));
    }

    #[test]
    fn a_planted_variable_is_no_answer() {
        assert_eq!(volatile(&[7, 0, 0, 0, 1]), None);
        assert_eq!(volatile(&[6, 0, 0, 0, 1]), Some(&[1][..]));
        assert_eq!(any(&[7, 0, 0, 0, 1]), Some(&[1][..]));
    }

    #[test]
    fn refuses_what_is_no_answer() {
        for value in [vec![], wide(&ID[1..]), wide(&format!("{ID}0")), ID.into(), wide("ü")] {
            assert_eq!(partition_id(&value), None);
        }
        for value in [vec![], wide("-11"), wide("267"), wide("11111"), vec![b'1']] {
            assert!(!measured(&value, 11));
        }
        for value in [&[][..], &[1], &[1, 2, 3]] {
            assert_eq!(volatile(value), None);
            assert_eq!(boot_current(value), None);
        }
    }
}
