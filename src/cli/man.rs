//! `man`: the manual, generated from the same text as `--help`.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::error::{Context, Result};
use crate::temp;

/// `imagebuild man > imagebuild.1`
#[derive(clap::Args)]
pub struct Args {
    /// Write one page a verb into this folder instead of the main page to standard output.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Prints the main page or writes all.
pub fn run(args: &Args) -> Result<()> {
    let mut command = super::Cli::command();
    // Gives the subcommands their full names.
    command.build();
    match &args.output {
        None => super::print(&page(&command)?),
        Some(folder) => {
            std::fs::create_dir_all(folder).context(|| format!("making `{}`", folder.display()))?;
            write_all(&command, folder)
        }
    }
}

fn write_all(command: &Command, folder: &Path) -> Result<()> {
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        write_all(verb, folder)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    temp::write_file(&folder.join(format!("{}.1", name.replace(' ', "-"))), &page(command)?)
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    // Without a date: the page is the same whenever it is made.
    let man = Man::new(command.clone()).date("").manual("imagebuild");
    man.render(&mut page).context(|| "rendering the manual".into())?;
    Ok(page)
}
