//! What every command needs: the log, the TLS provider, the runtime, the configuration.

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, Loaded, Trial, load_at, load_trial};
use nightcrew_config::problem::{Problem, Severity};
use nightcrew_config::settings::Settings;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use tracing_subscriber::EnvFilter;

use crate::output::{self, Exit, Failure};
use crate::{cli, objections};

/// How long the end of the process waits for threads that are still at work.
const THREADS_END_MAX: Millis = Millis::from_secs(5);

/// Starts the log on the standard error.
pub(crate) fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("NIGHTCREW_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Runs a command that waits.
pub(crate) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(command);
    // A thread that hangs in a dead mount must not keep the process from ending.
    runtime.shutdown_timeout(THREADS_END_MAX.duration());
    result
}

/// The process's environment, read once.
pub(crate) fn env() -> Env {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads a configuration.
pub(crate) fn read(config: &cli::Config) -> Loaded {
    load_at(source(config), &env(), Clock::System.now())
}

/// Reads a configuration with files laid over it.
pub(crate) fn read_trial(config: &cli::Config, trials: &[Trial]) -> Loaded {
    load_trial(source(config), trials, &env(), Clock::System.now())
}

fn source(config: &cli::Config) -> ConfigSource {
    config.config.clone().map_or(ConfigSource::None, ConfigSource::Path)
}

/// Reads a configuration that has to be usable: prints its problems, and fails if one is an error.
/// A step that the gate would refuse is told and does not keep the crew from watching: it would
/// end with a person.
pub(crate) fn usable(config: &cli::Config) -> anyhow::Result<Settings> {
    let loaded = read(config);
    show(&loaded.problems);
    if let Some(settings) = &loaded.settings {
        show(&objections::problems(settings, &loaded.steps));
    }
    loaded.settings.ok_or_else(unusable)
}

/// What ends a command whose configuration has errors.
pub(crate) fn unusable() -> anyhow::Error {
    Failure::usage("the configuration has errors", "mend them, then see `nightcrew check`").into()
}

/// Prints problems, each on a line that editors understand.
pub(crate) fn show(problems: &[Problem]) {
    for problem in problems {
        let style = match problem.severity {
            Severity::Error => output::RED,
            Severity::Warning => output::YELLOW,
        };
        output::note(&output::coloured(style, &output::plain(&problem.to_string())));
    }
}

/// The data folder: the flag, else the configuration's.
pub(crate) fn data_dir(flag: Option<&PathBuf>) -> PathBuf {
    flag.map_or_else(|| Path::new(".nightcrew").to_owned(), Clone::clone)
}

/// The exit code of a yes-or-no answer.
pub(crate) fn answer(yes: bool) -> Exit {
    if yes { Exit::Done } else { Exit::No }
}
