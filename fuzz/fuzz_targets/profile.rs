//! Any text as a profile: an answer, never a panic; what is sound means the same in canonical form.
#![no_main]

use std::path::Path;

use imagebuild::profile::{LoadOptions, load_text, show};

libfuzzer_sys::fuzz_target!(|text: String| {
    let path = Path::new("profile.toml");
    let options = LoadOptions::default();
    if let Ok((profile, _)) = load_text(path, Some(text), &options) {
        let canonical = show(&profile, None);
        match load_text(path, Some(canonical), &options) {
            Ok((again, _)) => assert_eq!(again, profile),
            Err(error) => panic!("the canonical form is refused: {error}"),
        }
    }
});
