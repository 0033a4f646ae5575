//! Requests to the device mapper (uapi/linux/dm-ioctl.h), as bytes.
//!
//! Only what makes one read-only device of one target: create, load, resume, remove.

use super::text::Text;

/// Bytes of `struct dm_ioctl`, the same on every architecture.
pub const HEADER: usize = 312;

/// Bytes of `struct dm_target_spec`.
const SPEC: usize = 40;

/// Bytes of the largest request.
pub const LARGEST: usize = HEADER + SPEC + 1024;

/// DM_READONLY_FLAG.
const READ_ONLY: u32 = 1;

/// One command; the value is its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// DM_DEV_CREATE: a device without a table.
    Create = 3,
    /// DM_DEV_REMOVE.
    Remove = 4,
    /// DM_DEV_SUSPEND without its flag: the loaded table becomes the live one.
    Resume = 6,
    /// DM_TABLE_LOAD.
    Load = 9,
}

impl Command {
    /// The request of ioctl(2): `_IOWR(0xfd, number, struct dm_ioctl)`.
    pub fn request(self) -> usize {
        0xc138_fd00 | self as usize
    }
}

/// The one target of a device.
pub struct Target<'a> {
    /// Its type, at most 15 bytes.
    pub kind: &'a str,
    /// Its length in sectors of 512 bytes.
    pub sectors: u64,
    /// Its parameters.
    pub parameters: &'a [u8],
}

/// A request, and after the call the answer.
pub struct Request {
    bytes: [u8; LARGEST],
    len: usize,
}

impl Request {
    /// A request about the device `name`; none where a part is too long for its field.
    pub fn new(name: &str, id: &str, target: Option<&Target<'_>>) -> Option<Self> {
        let mut this = Request { bytes: [0; LARGEST], len: HEADER };
        if let Some(target) = target {
            // The parameters end in NUL, and the next target would start at a multiple of 8.
            let size = (SPEC + 1).checked_add(target.parameters.len())?.checked_next_multiple_of(8)?;
            this.len = HEADER.checked_add(size)?;
            this.put(20, &1u32.to_ne_bytes())?;
            this.put(HEADER + 8, &target.sectors.to_ne_bytes())?;
            this.put(HEADER + 20, &u32::try_from(size).ok()?.to_ne_bytes())?;
            this.text(HEADER + 24, 16, target.kind.as_bytes())?;
            this.text(HEADER + SPEC, size - SPEC, target.parameters)?;
        }
        this.put(0, &4u32.to_ne_bytes())?;
        this.put(12, &u32::try_from(this.len).ok()?.to_ne_bytes())?;
        this.put(16, &(HEADER as u32).to_ne_bytes())?;
        this.put(28, &READ_ONLY.to_ne_bytes())?;
        this.text(48, 128, name.as_bytes())?;
        this.text(176, 129, id.as_bytes())?;
        (this.len <= LARGEST).then_some(this)
    }

    /// What the kernel reads and writes.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or(&mut [])
    }

    /// The minor number of the device in an answer.
    pub fn minor(&self) -> u32 {
        let mut dev = [0u8; 8];
        dev.copy_from_slice(&self.bytes[40..48]);
        let dev = u64::from_ne_bytes(dev);
        // huge_encode_dev: the low 8 bits, then those above the 12 of the major number.
        ((dev & 0xff) | ((dev >> 12) & 0xfff_ff00)) as u32
    }

    fn put(&mut self, at: usize, value: &[u8]) -> Option<()> {
        self.bytes.get_mut(at..at.checked_add(value.len())?)?.copy_from_slice(value);
        Some(())
    }

    /// Puts text into a field that must have room for a NUL after it.
    fn text(&mut self, at: usize, room: usize, value: &[u8]) -> Option<()> {
        if value.len() >= room || value.contains(&0) { None } else { self.put(at, value) }
    }
}

/// Makes a read-only device of one target and returns its minor number.
///
/// A device that could not be completed is removed again.
pub fn make(
    name: &str,
    id: &str,
    target: &Target<'_>,
    mut call: impl FnMut(Command, &mut [u8]) -> Result<(), i32>,
) -> Result<u32, Text<96>> {
    let mut step = |command, target| {
        let long = || Text::of(format_args!("device mapper: a request is too long"));
        // An existing device is named by its name or by its id, never by both.
        let id = if command == Command::Create { id } else { "" };
        let mut request = Request::new(name, id, target).ok_or_else(long)?;
        match call(command, request.bytes()) {
            Ok(()) => Ok(request.minor()),
            Err(errno) => Err(Text::of(format_args!("device mapper: {command:?} failed with errno {errno}"))),
        }
    };
    let minor = step(Command::Create, None)?;
    for (command, target) in [(Command::Load, Some(target)), (Command::Resume, None)] {
        if let Err(error) = step(command, target) {
            let _ = step(Command::Remove, None);
            return Err(error);
        }
    }
    Ok(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target { kind: "verity", sectors: 24, parameters: b"1 a b" };

    #[test]
    fn lays_out_a_table() {
        let mut request = Request::new("root", "CRYPT-VERITY-x-root", Some(&TARGET)).unwrap();
        let bytes = request.bytes();
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(bytes.len(), 312 + 48);
        assert_eq!([word(0), word(4), word(8)], [4, 0, 0]);
        assert_eq!([word(12), word(16), word(20), word(28)], [360, 312, 1, 1]);
        assert_eq!(&bytes[48..53], b"root\0");
        assert_eq!(&bytes[176..196], b"CRYPT-VERITY-x-root\0");
        assert_eq!([word(312), word(320), word(332)], [0, 24, 48]);
        assert_eq!(&bytes[336..343], b"verity\0");
        assert_eq!(&bytes[352..360], b"1 a b\0\0\0");
    }

    #[test]
    fn a_part_that_does_not_fit_makes_no_request() {
        assert!(Request::new(&"n".repeat(127), &"u".repeat(128), None).is_some());
        assert!(Request::new(&"n".repeat(128), "u", None).is_none());
        assert!(Request::new("n", &"u".repeat(129), None).is_none());
        assert!(Request::new("n", "u", Some(&Target { parameters: &[b'x'; 1024], ..TARGET })).is_none());
        assert!(Request::new("n", "u", Some(&Target { parameters: b"a\0b", ..TARGET })).is_none());
        assert!(Request::new("n", "u", Some(&Target { kind: "sixteen-letters!", ..TARGET })).is_none());
    }

    #[test]
    fn creates_loads_resumes() {
        let mut calls = vec![];
        let minor = make("root", "u", &TARGET, |command, bytes| {
            calls.push(command);
            assert_eq!(bytes[176] != 0, command == Command::Create, "the id names a new device only");
            bytes[40..48].copy_from_slice(&0x0010_fe07u64.to_ne_bytes());
            Ok(())
        });
        assert_eq!(minor.unwrap(), 0x107);
        assert_eq!(calls, [Command::Create, Command::Load, Command::Resume]);
        assert_eq!(Command::Load.request(), 0xc138_fd09);
    }

    #[test]
    fn leaves_nothing_half_made() {
        let mut calls = vec![];
        let result = make("root", "u", &TARGET, |command, _| {
            calls.push(command);
            if command == Command::Load { Err(22) } else { Ok(()) }
        });
        assert_eq!(result.unwrap_err().str(), "device mapper: Load failed with errno 22");
        assert_eq!(calls, [Command::Create, Command::Load, Command::Remove]);
    }
}
