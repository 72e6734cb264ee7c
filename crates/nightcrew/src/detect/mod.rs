//! `nightcrew detect`: the detectors over files, and what those of the running crew found.

pub(crate) mod explain;
mod rank;
mod score;

use crate::cli;
use crate::output::Exit;
use crate::wiring;

pub(crate) fn run(command: cli::Detect) -> anyhow::Result<Exit> {
    match command {
        cli::Detect::Score(args) => score::run(&args),
        cli::Detect::Rank(args) => rank::run(&args),
        cli::Detect::Explain(args) => wiring::block_on(explain::run(&args)),
    }
}
