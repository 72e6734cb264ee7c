//! `nightcrew playbooks`: what may be done, what the gate says of it, how it does in shadow, and
//! whether it heals a throw-away target.

mod list;
mod rehearsal;
mod review;

use clap::Subcommand;

use crate::output::Exit;
use crate::playbooks::rehearsal::Test;
use crate::playbooks::review::Review;
use crate::{cli, wiring};

#[derive(Debug, Subcommand)]
pub(crate) enum Playbooks {
    /// List them, with what the gate says of their steps.
    List {
        #[command(flatten)]
        config: cli::Config,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        config: cli::Config,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare those in shadow with what people did instead, and say which are fit to run.
    Review(Review),
    /// Break a throw-away service for real and see whether one heals it and proves it.
    Test(Test),
}

pub(crate) fn run(command: Playbooks) -> anyhow::Result<Exit> {
    match command {
        Playbooks::List { config, json } => list::list(&config, json),
        Playbooks::Show { name, config, json } => list::show(&name, &config, json),
        Playbooks::Review(args) => wiring::block_on(review::run(&args)),
        Playbooks::Test(args) => rehearsal::run(&args),
    }
}
