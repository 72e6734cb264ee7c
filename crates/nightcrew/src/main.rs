//! The binary: the command line, the wiring, named start and stop steps.  No logic.

mod agents;
mod alerts;
mod approvals;
mod backtest;
mod check;
mod child;
mod cli;
mod client;
mod csv_file;
mod demo;
mod detect;
mod doctor;
mod gate;
mod incidents;
mod locks;
mod logs;
mod metrics;
mod objections;
mod oncall;
mod output;
mod playbooks;
mod rebuild;
mod route_test;
mod schema;
mod silences;
mod slo;
mod span;
mod status;
mod up;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;
use nightcrew_act::sandbox::launch;

use crate::cli::{Cli, Command};
use crate::output::Exit;

fn main() -> ExitCode {
    // Before anything else is set up: what a started program waits for is this.
    if let Some(exit) = launch::serve(std::env::args_os()) {
        return exit;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` are answers, not errors.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            output::clap(&error);
            return exit.into();
        }
    };
    wiring::log(cli.verbose);
    let result = match cli.command {
        Command::Up(args) => wiring::block_on(up::run(args)),
        Command::Demo(args) => demo::run(&args),
        Command::DemoService(args) => wiring::block_on(demo::service::run(args)),
        Command::Check(args) => check::run(&args),
        Command::Doctor(args) => wiring::block_on(doctor::run(args)),
        Command::Status(args) => wiring::block_on(status::run(args)),
        Command::Agents { command } => wiring::block_on(agents::run(command)),
        Command::Alerts { command } => wiring::block_on(alerts::run(command)),
        Command::Incidents { command } => wiring::block_on(incidents::run(command)),
        Command::Approvals { command } => wiring::block_on(approvals::run(command)),
        Command::Silences { command } => wiring::block_on(silences::run(command)),
        Command::Locks { command } => wiring::block_on(locks::run(command)),
        Command::Oncall { command } => wiring::block_on(oncall::run(command)),
        Command::Playbooks { command } => playbooks::run(command),
        Command::Detect { command } => detect::run(command),
        Command::Slo { command } => wiring::block_on(slo::run(command)),
        Command::Logs { command } => logs::run(command),
        Command::Metrics { command } => wiring::block_on(metrics::run(command)),
        Command::Gate { command } => gate::run(command),
        Command::Backtest(args) => backtest::run(&args),
        Command::Schema => schema::run(),
        Command::Rebuild(args) => rebuild::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::error(&error);
            output::exit_of(&error).into()
        }
    }
}
