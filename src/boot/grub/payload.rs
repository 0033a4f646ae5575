//! What GRUB's kernel finds behind itself: modules, configuration, prefix (`include/grub/kernel.h`).

use super::bad;
use crate::error::Result;

/// `mimg`.
const MAGIC: u32 = 0x676d_696d;
/// Bytes of the area's header.
const HEADER: u32 = 12;
/// Kinds of objects.
const MODULE: u32 = 0;
const CONFIG: u32 = 2;
const PREFIX: u32 = 3;

/// The area: header, then each object with its kind and its length, all a multiple of 4 bytes long.
pub fn area(modules: &[Vec<u8>], config: &str, prefix: &str) -> Result<Vec<u8>> {
    let mut objects = Vec::new();
    for module in modules {
        object(&mut objects, MODULE, module)?;
    }
    if !config.is_empty() {
        object(&mut objects, CONFIG, &terminated(config))?;
    }
    object(&mut objects, PREFIX, &terminated(prefix))?;
    let length = u32::try_from(objects.len()).ok().and_then(|length| length.checked_add(HEADER));
    let length = length.ok_or_else(|| bad("its modules are too large"))?;
    let mut out: Vec<u8> = [MAGIC, HEADER, length].into_iter().flat_map(u32::to_le_bytes).collect();
    out.extend(objects);
    Ok(out)
}

fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn object(out: &mut Vec<u8>, kind: u32, bytes: &[u8]) -> Result<()> {
    let padded = bytes.len().next_multiple_of(4);
    let length = u32::try_from(padded + 8).map_err(|_| bad("a module of it is too large"))?;
    out.extend(kind.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(bytes);
    out.resize(out.len() + padded - bytes.len(), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::le32;

    #[test]
    fn objects_are_padded_and_counted() {
        let area = area(&[b"12345".to_vec()], "abc", "").unwrap();
        let word = |at: usize| le32(&area, at);
        assert_eq!((word(0), word(4), word(8)), (MAGIC, 12, 12 + 16 + 12 + 12));
        assert_eq!((word(12), word(16)), (MODULE, 16));
        assert_eq!(&area[20..28], b"12345\0\0\0");
        assert_eq!((word(28), word(32)), (CONFIG, 12));
        assert_eq!(&area[36..40], b"abc\0");
        assert_eq!((word(40), word(44), word(48)), (PREFIX, 12, 0));
        assert_eq!(area.len(), 52);
    }
}
