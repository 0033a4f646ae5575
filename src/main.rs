//! The command line of imagebuild.

fn main() {}
