//! The command line of imagebuild: parse, call one verb, print the error with its hints, exit.

use std::process::ExitCode;

use clap::Parser;
use imagebuild::cli::Cli;
use imagebuild::temp;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let report = cli.global.report();
    match temp::clean_on_signals().and_then(|()| cli.run(&report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}
