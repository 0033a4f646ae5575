//! Every profile, example and template: its resolved form.
//!
//! A new test of what a sound profile means goes here; one of what a bad profile is told,
//! into `tests/mistakes/`.

use std::path::Path;

use imagebuild::profile::{LoadOptions, load_text};

const SKETCH: &str = include_str!("sketch.toml");

#[test]
fn the_sketch_loads() {
    let loaded = load_text(Path::new("tests/sketch.toml"), Some(SKETCH.to_owned()), &LoadOptions::default());
    let (profile, _) = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(profile.image.name(), "node_1.0.0");
}
