//! The variables of UEFI as a firmware's flash keeps them, and what the firmware starts next in them.
//!
//! ```text
//! firmware volume    header: GUID of what it holds, its length, `_FVH`, length of the header
//!   store            header of 28 bytes: GUID, bytes of the store, state
//!     variable       header of 60 bytes: 0x55aa, state, attributes .. name and data, to a multiple of 4
//!     ...
//!     free           0xff
//! ```
//!
//! Flash turns ones into zeros only: a variable is taken away by a bit of its state, a new one stands behind the others.
//!
//! Formats: UEFI PI, volume 3, section 3.2.1 (firmware volume); EDK II, MdeModulePkg, Guid/VariableFormat.h (store);
//! UEFI, sections 3.1.2 (a path that is a URI alone stands for any network card), 3.1.3, 3.3 and 10.3.4.

use crate::bytes::{le16, le32, le64};
use crate::error::{Error, Result};
use crate::guid::Guid;

/// As large as the flash of variables may be: what the machine of arm64 has room for.
pub const MAX: u64 = 64 << 20;

/// A firmware volume that keeps variables.
const VOLUME: Guid = Guid::literal(0xfff1_2b8d_7696_4c8b_a985_2747_075b_4f50);
/// A store whose variables have the fields of authentication, as every OVMF of today has it.
const STORE: Guid = Guid::literal(0xaaf3_2c78_947b_439a_a180_2e14_4ec3_7792);
/// Whose variables `BootNext` and `Boot####` are.
const GLOBAL: Guid = Guid::literal(0x8be4_df61_93ca_11d2_aa0d_00e0_9803_2b8c);

const VOLUME_HEADER: usize = 56;
const STORE_HEADER: usize = 28;
/// Format and health of a store in use.
const IN_USE: [u8; 2] = [0x5a, 0xfe];
const HEADER: usize = 60;
const BEGIN: u16 = 0x55aa;
const NOTHING: u16 = 0xffff;
/// All of a variable is written.
const ADDED: u8 = 0x3f;
/// The bit of the state that goes where a variable is taken away.
const NOT_DELETED: u8 = 0x02;
/// Kept over restarts, there while starting and while running.
const ATTRIBUTES: u32 = 7;

const NEXT: &str = "BootNext";
/// Far from the numbers that a firmware gives the options that it finds.
const OPTION: (&str, u16) = ("Boot8000", 0x8000);
const ACTIVE: u32 = 1;
/// Messaging, URI; and the end of a path.
const URI: [u8; 2] = [3, 0x18];
const END: [u8; 4] = [0x7f, 0xff, 4, 0];

/// Has the firmware fetch and start what is at `uri`, once, at its next start and before anything else; `flash` holds
/// its variables.
///
/// # Errors
/// Of the system, where `flash` holds no variables in a form that is known, or no room for two more.
pub fn start_next(flash: &mut [u8], uri: &str) -> Result<()> {
    let store = store(flash)?;
    let free = take_away(store, &[NEXT, OPTION.0])?;
    let mut added = variable(OPTION.0, &load_option(uri)?);
    added.extend(variable(NEXT, &OPTION.1.to_le_bytes()));
    let room = store.get_mut(free..).and_then(|room| room.get_mut(..added.len()));
    match room {
        Some(room) if room.iter().all(|byte| *byte == 0xff) => room.copy_from_slice(&added),
        _ => return Err(Error::system("there is no room for another variable")),
    }
    Ok(())
}

/// The store within the flash.
fn store(flash: &mut [u8]) -> Result<&mut [u8]> {
    let unknown = || {
        Error::system("it holds no variables of UEFI in a form that is known")
            .hint("expected those of an OVMF, such as OVMF_VARS_4M.fd; blank ones get their form when a machine starts")
    };
    let volume = flash.get(..VOLUME_HEADER).ok_or_else(unknown)?;
    if volume[16..32] != VOLUME.to_mixed() || volume[40..44] != *b"_FVH" {
        return Err(unknown());
    }
    let (length, header) = (le64(volume, 32), usize::from(le16(volume, 48)));
    let length = usize::try_from(length).map_err(|_| unknown())?;
    if !header.is_multiple_of(4) || header < VOLUME_HEADER {
        return Err(unknown());
    }
    let inside = flash.get_mut(header..length).filter(|inside| inside.len() >= STORE_HEADER).ok_or_else(unknown)?;
    if inside[..16] != STORE.to_mixed() || inside[20..22] != IN_USE {
        return Err(unknown());
    }
    let size = le32(inside, 16) as usize;
    inside.get_mut(..size).ok_or_else(unknown)
}

/// Takes the firmware's own variables with these names away; gives the place behind the last variable of all.
fn take_away(store: &mut [u8], names: &[&str]) -> Result<usize> {
    let damaged = |at: usize| Error::system(format!("the variables are damaged at byte {at} of their store"));
    let mut at = STORE_HEADER;
    // What remains is shorter than a header: there is no further variable.
    while let Some(head) = store.get(at..).and_then(|rest| rest.get(..HEADER)) {
        match le16(head, 0) {
            BEGIN => {}
            NOTHING => break,
            _ => return Err(damaged(at)),
        }
        let (name, data) = (le32(head, 36) as usize, le32(head, 40) as usize);
        let ours = head[44..60] == GLOBAL.to_mixed();
        let end = (at + HEADER).checked_add(name).and_then(|end| end.checked_add(data));
        let end = end.filter(|end| *end <= store.len()).ok_or_else(|| damaged(at))?;
        let name = store.get(at + HEADER..at + HEADER + name).unwrap_or_default();
        if ours && names.iter().any(|wanted| name == utf16(wanted)) {
            store[at + 2] &= !NOT_DELETED;
        }
        at = end.next_multiple_of(4);
    }
    Ok(at)
}

/// A variable, filled up to a multiple of 4 as the firmware leaves it.
fn variable(name: &str, data: &[u8]) -> Vec<u8> {
    let name = utf16(name);
    let mut bytes = Vec::with_capacity(HEADER + name.len() + data.len() + 3);
    bytes.extend(BEGIN.to_le_bytes());
    bytes.extend([ADDED, 0]);
    bytes.extend(ATTRIBUTES.to_le_bytes());
    // Count, time and key: of variables that are signed.
    bytes.extend([0; 8 + 16 + 4]);
    bytes.extend((name.len() as u32).to_le_bytes());
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(GLOBAL.to_mixed());
    bytes.extend(name);
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0xff);
    bytes
}

/// What `Boot####` holds.
fn load_option(uri: &str) -> Result<Vec<u8>> {
    let node = u16::try_from(4 + uri.len());
    let path = node.ok().and_then(|node| Some((node, node.checked_add(END.len() as u16)?)));
    let (node, path) = path.ok_or_else(|| Error::bug("a URI of more than 64 KiB"))?;
    let mut bytes = Vec::new();
    bytes.extend(ACTIVE.to_le_bytes());
    bytes.extend(path.to_le_bytes());
    bytes.extend(utf16("imagebuild boot"));
    bytes.extend(URI);
    bytes.extend(node.to_le_bytes());
    bytes.extend(uri.as_bytes());
    bytes.extend(END);
    Ok(bytes)
}

/// A text with its end.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHERE: &str = "http://10.0.2.2:8080/netboot.efi";

    /// An empty store of `size` bytes in a flash, put down in numbers.
    fn empty(size: u32) -> Vec<u8> {
        let mut flash = vec![0; 16];
        flash.extend(hex::decode("8d2bf1ff96768b4ca9852747075b4f50").unwrap());
        flash.extend((72 + u64::from(size) + 4096).to_le_bytes());
        flash.extend(b"_FVH");
        flash.extend(hex::decode("fffe04004800afb80000000284000000001000000000000000000000").unwrap());
        assert_eq!(flash.len(), 72);
        flash.extend(hex::decode("782cf3aa7b949a43a1802e144ec37792").unwrap());
        flash.extend(size.to_le_bytes());
        flash.extend([0x5a, 0xfe, 0, 0, 0, 0, 0, 0]);
        flash.resize(72 + size as usize + 4096 + 100, 0xff);
        flash
    }

    /// What a firmware finds: names and data of all that is not taken away.
    fn read(flash: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut rest = &flash[100..];
        let mut found = Vec::new();
        while rest[..2] == [0xaa, 0x55] {
            let size = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
            assert_eq!(size(4), 7);
            assert_eq!(hex::encode(&rest[44..60]), "61dfe48bca93d211aa0d00e098032b8c");
            let (name, data) = rest[60..60 + size(36) + size(40)].split_at(size(36));
            let units: Vec<u16> = name.chunks(2).map(|unit| u16::from_le_bytes(unit.try_into().unwrap())).collect();
            if rest[2] == 0x3f {
                found.push((String::from_utf16(&units).unwrap(), data.to_vec()));
            } else {
                assert_eq!(rest[2], 0x3d);
            }
            let length = 60 + name.len() + data.len();
            rest = &rest[length + (4 - length % 4) % 4..];
        }
        assert!(rest.iter().all(|byte| *byte == 0xff));
        found
    }

    fn option(uri: &str) -> Vec<u8> {
        let mut data = vec![1, 0, 0, 0, (uri.len() + 8) as u8, 0];
        data.extend("imagebuild boot\0".bytes().flat_map(|letter| [letter, 0]));
        data.extend([3, 0x18, (uri.len() + 4) as u8, 0]);
        data.extend(uri.bytes());
        data.extend([0x7f, 0xff, 4, 0]);
        data
    }

    #[test]
    fn what_starts_next_stands_behind_the_others_and_takes_their_place() {
        let mut flash = empty(1024);
        let other = variable("BootOrder", &[1, 0, 2]);
        flash[100..100 + other.len()].copy_from_slice(&other);
        start_next(&mut flash, "http://10.0.2.2:1/netboot.efi").unwrap();
        start_next(&mut flash, WHERE).unwrap();
        let named = |name: &str, data: &[u8]| (format!("{name}\0"), data.to_vec());
        let expected =
            [named("BootOrder", &[1, 0, 2]), named("Boot8000", &option(WHERE)), named("BootNext", &[0, 0x80])];
        assert_eq!(read(&flash), expected);
    }

    #[test]
    fn a_full_store_is_left_as_it_is() {
        for size in (28..300).step_by(4) {
            let mut flash = empty(size);
            let before = flash.clone();
            let needed = (variable("Boot8000", &option(WHERE)).len() + variable("BootNext", &[0, 0]).len()) as u32;
            match size >= 28 + needed {
                true => start_next(&mut flash, WHERE).unwrap(),
                false => {
                    start_next(&mut flash, WHERE).unwrap_err();
                    assert_eq!(flash, before);
                }
            }
            let end = 72 + size as usize;
            assert_eq!(flash[end..], before[end..], "{size}");
        }
    }

    #[test]
    fn what_is_no_store_is_refused_and_nothing_panics() {
        for flash in [vec![], vec![0; 4096], vec![0xff; 4096], b"#!ipxe".to_vec()] {
            let error = start_next(&mut flash.clone(), WHERE).unwrap_err();
            assert!(error.to_string().contains("no variables of UEFI"), "{error}");
        }
        let mut sound = empty(512);
        start_next(&mut sound, WHERE).unwrap();
        for length in 0..sound.len() {
            drop(start_next(&mut sound[..length].to_vec(), WHERE));
        }
        let mut refused = 0;
        for at in 0..300 {
            for byte in [0, 1, 0x7f, 0x80, 0xfe, 0xff] {
                let mut flash = sound.clone();
                flash[at] = byte;
                refused += usize::from(start_next(&mut flash, WHERE).is_err());
            }
        }
        assert!(refused > 200, "{refused}");
    }

    #[test]
    fn a_uri_has_an_end() {
        assert!(load_option(&"x".repeat(65_527)).is_ok());
        assert!(load_option(&"x".repeat(65_528)).is_err());
        assert!(load_option(&"x".repeat(100_000)).is_err());
    }
}
