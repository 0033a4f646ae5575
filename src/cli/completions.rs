//! `completions`: for the shell to read.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::error::Result;

/// `imagebuild completions bash > /etc/bash_completion.d/imagebuild`
#[derive(clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Prints them.
pub fn run(args: &Args) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "imagebuild", &mut text);
    super::print(&text)
}
