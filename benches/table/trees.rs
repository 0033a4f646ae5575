//! Trees that are made up, the same in every run.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::row::Fallible;

/// 100,000 files of some 2 KB each, text that no two files share, in 1,000 folders.
pub fn small_files(root: &Path) -> Fallible<()> {
    let words = ["unit", "service", "after", "wants", "exec", "start", "kernel", "module", "path", "mount", "="];
    let mut state = 1u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for number in 0..100_000u32 {
        let folder = root.join(format!("{:03}/{}", number / 1000, number / 100 % 10));
        if number.is_multiple_of(100) {
            fs::create_dir_all(&folder)?;
        }
        let mut text = String::new();
        let length = 100 + random(4000) as usize;
        while text.len() < length {
            text += words[random(words.len() as u64) as usize];
            text += if random(8) == 0 { "\n" } else { " " };
            if random(6) == 0 {
                text += &random(1_000_000).to_string();
            }
        }
        let kind = ["conf", "txt", "py", "h"][random(4) as usize];
        fs::write(folder.join(format!("file-{number:06}.{kind}")), text)?;
    }
    Ok(())
}

/// An archive of `count` files of a few bytes, no two the same, a thousand in a folder; how many inodes that is.
pub fn tiny_files(archive: &Path, count: u32) -> Fallible<u64> {
    let mut out = tar::Builder::new(BufWriter::new(File::create(archive)?));
    for number in 0..count {
        let folder = format!("{:04}", number / 1000);
        if number.is_multiple_of(1000) {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            out.append_data(&mut header, &folder, std::io::empty())?;
        }
        let text = format!("file number {number} of many\n");
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        out.append_data(&mut header, format!("{folder}/file-{number:07}.txt"), text.as_bytes())?;
    }
    out.into_inner()?.flush()?;
    Ok(u64::from(count) + u64::from(count.div_ceil(1000)) + 1)
}
