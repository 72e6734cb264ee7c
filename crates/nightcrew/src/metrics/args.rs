//! What `nightcrew metrics` is given.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Ask;

/// What was measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Metrics {
    /// Show some series over a range of time.
    Query(MetricsQuery),
    /// Show the latest value of every metric.
    Snapshot {
        /// Which, such as `disk_usage{service="host"}` [default: all].
        #[arg(default_value = "", hide_default_value = true)]
        selector: String,
        /// Read this data folder, while no crew runs on it, instead of asking a crew.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        #[command(flatten)]
        ask: Ask,
    },
}

/// `nightcrew metrics query`.
#[derive(Debug, Args)]
pub(crate) struct MetricsQuery {
    /// Which, such as `disk_usage{service="host",resource=~"/var.*"}`.
    pub(crate) selector: String,
    /// Where the range starts: a span before its end, such as 90m or 24h, or a moment.
    #[arg(long, value_name = "SPAN|TIME", default_value = "24h")]
    pub(crate) since: String,
    /// Where the range ends [default: now].
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// How far apart the points are: auto, raw, or a span such as 5m.
    #[arg(long, value_name = "STEP", default_value = "auto")]
    pub(crate) step: String,
    /// How it is printed; CSV has every sample.
    #[arg(long, value_enum, default_value_t = MetricsFormat::Table)]
    pub(crate) format: MetricsFormat,
    /// Read this data folder, while no crew runs on it, instead of asking a crew.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// How series are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MetricsFormat {
    /// One line for each series.
    Table,
    /// JSON.
    Json,
    /// One line for each sample.
    Csv,
    /// Blocks in the terminal.
    Plot,
}
