//! Fields of the structures at fixed places of a disk: where each is, what it is called, what decides it.

/// Bytes from the structure's start, the name, what a difference comes from.
pub type Field = (std::ops::Range<u64>, &'static str, &'static str);

const NAMED: &str = "the image's id";
const FORM: &str = "the tool's version";
const CONTENT: &str = "what is in the root";
const LAYOUT: &str = "`[layout]` or `[var]`";
const FOLLOWS: &str = "it follows from the rest of the table";
const DAMAGE: &str = "damage, or a change by hand: a build never writes this otherwise";

/// The first sector (UEFI 2.10, 5.2.3).
pub const MBR: [Field; 5] = [
    (0..440, "boot code", "`boot.firmware`, or the version of grub-pc-bin"),
    (440..444, "signature of the disk", DAMAGE),
    (444..446, "reserved", DAMAGE),
    (446..510, "partitions", LAYOUT),
    (510..512, "mark", DAMAGE),
];

/// A header of the partition table (UEFI 2.10, 5.3.2).
pub const GPT: [Field; 13] = [
    (0..8, "signature", DAMAGE),
    (8..12, "revision", DAMAGE),
    (12..16, "size of the header", DAMAGE),
    (16..20, "checksum of the header", FOLLOWS),
    (20..24, "reserved", DAMAGE),
    (24..32, "own sector", LAYOUT),
    (32..40, "sector of the other copy", LAYOUT),
    (40..48, "first usable sector", FORM),
    (48..56, "last usable sector", LAYOUT),
    (56..72, "id of the disk", NAMED),
    (72..80, "sector of the entries", FORM),
    (80..88, "number and size of the entries", FORM),
    (88..92, "checksum of the entries", FOLLOWS),
];

/// An entry of it.
pub const ENTRY: [Field; 6] = [
    (0..16, "type", "the architecture"),
    (16..32, "id", "the root hash, so what is in the root; else the image's id"),
    (32..40, "first sector", LAYOUT),
    (40..48, "last sector", LAYOUT),
    (48..56, "attributes", FORM),
    (56..128, "name", "the image's id and version"),
];

/// The boot sector of a FAT32 (Microsoft's specification of 2000).
pub const FAT: [Field; 11] = [
    (0..3, "jump", DAMAGE),
    (3..11, "name of the maker", DAMAGE),
    (11..36, "geometry", "`layout.esp`"),
    (36..40, "sectors of a table", "`layout.esp`"),
    (40..48, "version, root folder", FORM),
    (48..52, "places of FSInfo and of the copy", FORM),
    (52..67, "reserved, drive", DAMAGE),
    (67..71, "serial number", NAMED),
    (71..90, "label and type", FORM),
    (90..510, "boot code", DAMAGE),
    (510..512, "mark", DAMAGE),
];

/// The superblock of a squashfs (Linux: fs/squashfs/squashfs_fs.h).
pub const SQUASHFS: [Field; 17] = [
    (0..4, "magic", DAMAGE),
    (4..8, "inodes", CONTENT),
    (8..12, "time", "the lock's moment (SOURCE_DATE_EPOCH when locking)"),
    (12..16, "size of a block", "`pack.block`"),
    (16..20, "fragments", CONTENT),
    (20..22, "codec", "`pack.codec`"),
    (22..24, "size of a block, as a power", "`pack.block`"),
    (24..26, "flags", "`pack.codec`, or what is in the root"),
    (26..28, "number of owners", CONTENT),
    (28..32, "version", FORM),
    (32..40, "root folder", CONTENT),
    (40..48, "bytes used", CONTENT),
    (48..56, "place of the owners", CONTENT),
    (56..64, "place of the attributes", CONTENT),
    (64..72, "place of the inodes", CONTENT),
    (72..80, "place of the folders", CONTENT),
    (80..96, "places of fragments and exports", CONTENT),
];

/// The superblock of a hash tree (cryptsetup: lib/verity/verity.c).
pub const VERITY: [Field; 10] = [
    (0..8, "signature", DAMAGE),
    (8..16, "version and type", FORM),
    (16..32, "id", NAMED),
    (32..64, "name of the hash", FORM),
    (64..72, "sizes of blocks", FORM),
    (72..80, "blocks of data", CONTENT),
    (80..82, "size of the salt", FORM),
    (82..88, "reserved", DAMAGE),
    (88..120, "salt", NAMED),
    (120..512, "reserved", DAMAGE),
];

/// Bytes as people read them: text where it is that, a number where it can be one, else hexadecimal.
pub fn shown(bytes: &[u8]) -> String {
    let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if text.len() >= 4 && text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return format!("`{}`", text.escape_ascii());
    }
    let number = match *bytes {
        [a] => Some(u64::from(a)),
        [a, b] => Some(u64::from(u16::from_le_bytes([a, b]))),
        [a, b, c, d] => Some(u64::from(u32::from_le_bytes([a, b, c, d]))),
        _ => <[u8; 8]>::try_from(bytes).ok().map(u64::from_le_bytes),
    };
    number.map_or_else(|| hex::encode(bytes), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_follow_each_other_without_a_gap() {
        for (fields, size) in [(&MBR[..], 512), (&GPT, 92), (&ENTRY, 128), (&FAT, 512), (&SQUASHFS, 96), (&VERITY, 512)]
        {
            let mut at = 0;
            for (range, name, _) in fields {
                assert_eq!(range.start, at, "{name}");
                at = range.end;
            }
            assert_eq!(at, size);
        }
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        assert_eq!(shown(b"hsqs"), "`hsqs`");
        assert_eq!(shown(&[1, 0, 0, 0]), "1");
        assert_eq!(shown(&[1, 2, 3]), "010203");
        assert_eq!(shown(&7u64.to_le_bytes()), "7");
    }
}
