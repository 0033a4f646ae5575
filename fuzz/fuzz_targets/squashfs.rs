//! Any bytes as an image: names, attributes and files, or an error; never a panic, never without bounds.
#![no_main]

use imagebuild::error::Error;
use imagebuild::squashfs::Image;

libfuzzer_sys::fuzz_target!(|bytes: Vec<u8>| {
    let Ok(image) = Image::from_bytes(bytes) else { return };
    let mut nodes = Vec::new();
    let _ = image.walk(&mut |node| {
        nodes.push(node);
        if nodes.len() > 1000 { Err(Error::source("enough")) } else { Ok(()) }
    });
    for node in nodes.iter().take(50) {
        let _ = image.read_file(node, 1 << 20);
        let _ = image.stored(node);
    }
});
