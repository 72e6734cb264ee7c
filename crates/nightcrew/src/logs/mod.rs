//! `nightcrew logs`: what is in log files.

mod analyze;
mod blocks;
mod lines;
mod templates;

use crate::cli;
use crate::output::Exit;

pub(crate) fn run(command: cli::Logs) -> anyhow::Result<Exit> {
    match command {
        cli::Logs::Analyze(args) => analyze::run(&args),
        cli::Logs::Templates(args) => templates::run(&args),
    }
}
