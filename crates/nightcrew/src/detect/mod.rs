//! `nightcrew detect`: the detectors over files.

mod rank;
mod score;

use crate::cli;
use crate::output::Exit;

pub(crate) fn run(command: cli::Detect) -> anyhow::Result<Exit> {
    match command {
        cli::Detect::Score(args) => score::run(&args),
        cli::Detect::Rank(args) => rank::run(&args),
    }
}
