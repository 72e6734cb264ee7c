//! The command line: names and exit codes are promises.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::approvals::Approvals;
use crate::metrics::args::Metrics;
use crate::playbooks::Playbooks;

/// An autonomous on-call crew: watches, heals what it may, proves it, and tells a person the rest.
#[derive(Debug, Parser)]
#[command(
    name = "nightcrew",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done or healthy, 1 the answer is \"no\", 2 usage or configuration error, \
                  3 the running crew cannot be reached."
)]
pub(crate) struct Cli {
    /// Log more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the crew.
    Up(Up),
    /// Break a throw-away service and a throw-away disk for real, and watch them being healed.
    Demo(Demo),
    /// The throw-away service of the demo.
    #[command(hide = true)]
    DemoService(DemoService),
    /// Read a configuration and name every mistake in it.
    Check(Check),
    /// Look at this machine: what works here, what does not, how to mend it.
    Doctor(Doctor),
    /// Say how the running crew is.
    Status(Ask),
    /// The members of the crew.
    Agents {
        #[command(subcommand)]
        command: Agents,
    },
    /// The alerts that the crew knows.
    Alerts {
        #[command(subcommand)]
        command: Alerts,
    },
    /// The incidents.
    Incidents {
        #[command(subcommand)]
        command: Incidents,
    },
    /// The plans that wait for a person.
    Approvals {
        #[command(subcommand)]
        command: Approvals,
    },
    /// Keep people from hearing of some alerts for some time.
    Silences {
        #[command(subcommand)]
        command: Silences,
    },
    /// Keep something from being done to some services for some time.
    Locks {
        #[command(subcommand)]
        command: Locks,
    },
    /// Who is on call.
    Oncall {
        #[command(subcommand)]
        command: Oncall,
    },
    /// The playbooks of a configuration: what the gate says of them, how they do.
    Playbooks {
        #[command(subcommand)]
        command: Playbooks,
    },
    /// The detectors, over files, and what they found.
    Detect {
        #[command(subcommand)]
        command: Detect,
    },
    /// What is promised about services, and what is left of it.
    Slo {
        #[command(subcommand)]
        command: crate::slo::Slo,
    },
    /// What is in log files.
    Logs {
        #[command(subcommand)]
        command: Logs,
    },
    /// What was measured.
    Metrics {
        #[command(subcommand)]
        command: Metrics,
    },
    /// The gate that every action passes.
    Gate {
        #[command(subcommand)]
        command: Gate,
    },
    /// What would have been found and done with other limits or playbooks.
    Backtest(Backtest),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Rebuild the tables of a journal from its log, while no crew runs on it.
    Rebuild(Rebuild),
}

/// Which configuration.
#[derive(Debug, Args)]
pub(crate) struct Config {
    /// A configuration file, or a folder that holds nightcrew.json5, openclaw.json or config/*.json.
    #[arg(long, value_name = "PATH", env = "NIGHTCREW_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) config: Config,
    /// The folder of the journal and of everything that the crew writes [default: ./.nightcrew].
    #[arg(long, value_name = "DIR", env = "NIGHTCREW_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Where HTTP is served; a loopback address [default: 127.0.0.1:7979].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Judge and record every plan, and execute nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backtest {
    #[command(flatten)]
    pub(crate) config: Config,
    /// The data folder whose records are replayed; a crew may run on it [default: ./.nightcrew].
    #[arg(long, value_name = "DIR", env = "NIGHTCREW_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// How far back the records go: `12h`, `30d`.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    pub(crate) since: String,
    /// A file of thresholds that is laid over the configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) thresholds: Option<PathBuf>,
    /// A file of playbooks that is laid over the configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) playbooks: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the files of the demo.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Do not serve the page.
    #[arg(long)]
    pub(crate) no_ui: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoService {
    /// The port to listen on, at 127.0.0.1.
    #[arg(long)]
    pub(crate) port: u16,
    /// A file without which the service answers 500.
    #[arg(long)]
    pub(crate) needs: Option<PathBuf>,
    /// A log to write, opened anew at SIGUSR1; with it the service can be told to have a trouble.
    #[arg(long)]
    pub(crate) log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Run the rule tests of a file: alerts at times, and the messages that have to follow.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Vec<PathBuf>,
    /// Print the problems as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) config: Config,
    /// The folder of the journal [default: ./.nightcrew].
    #[arg(long, value_name = "DIR", env = "NIGHTCREW_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which running crew, and how to print its answer.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// Where the crew listens.
    #[arg(
        long,
        value_name = "URL",
        env = "NIGHTCREW_URL",
        default_value = "http://127.0.0.1:7979"
    )]
    pub(crate) url: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List them with their heartbeats.
    List(Ask),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// List the firing alerts.
    List(Ask),
    /// Show one: what was decided about it, by which rule, and who was told or why nobody was.
    Show {
        /// Its fingerprint: 16 hexadecimal digits.
        fingerprint: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Send one, as a monitoring system would.
    Send {
        /// Its labels, such as alertname=Down service=web severity=critical.
        #[arg(required = true, value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// An annotation; may be given several times.
        #[arg(long = "annotation", value_name = "NAME=VALUE")]
        annotations: Vec<String>,
        /// Say that it is over.
        #[arg(long)]
        resolved: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// The way of an alert through the routing tree.
    RouteTest {
        /// The labels of the alert, such as severity=critical team=db.
        #[arg(required = true, value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// Fail unless the alert goes to these receivers, separated by commas.
        #[arg(long, value_name = "RECEIVERS")]
        expect: Option<String>,
        #[command(flatten)]
        config: Config,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// What came through a door and could not be read.
    DeadLetters(Ask),
    /// Read a dead letter again, after its door was mended.
    Replay {
        /// Its number; without one, every dead letter that was not replayed.
        id: Option<u64>,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Silences {
    /// List those that are not over.
    List {
        /// Those that are over too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Make one.
    Add {
        /// What the alerts must have: service=web, severity=~"warning|info".
        #[arg(required = true, value_name = "MATCHER")]
        matchers: Vec<String>,
        /// For how long, such as 2h or 30m.
        #[arg(long = "for", value_name = "TIME")]
        duration: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
    /// End one.
    Expire {
        /// Its id.
        id: String,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Locks {
    /// List those that are held.
    List(Ask),
    /// Take or prolong one.
    Add {
        /// Its name, such as stress-test.
        name: String,
        /// What must not be done meanwhile: `auto_restart`, `auto_scale`, `notify`.
        #[arg(long, value_delimiter = ',', required = true)]
        blocks: Vec<String>,
        /// The services under it; without any, every one.
        #[arg(long = "service", value_name = "SERVICE")]
        services: Vec<String>,
        /// When it ends by itself, such as 30m from now.
        #[arg(long = "for", value_name = "TIME")]
        duration: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
    /// Give one back.
    Release {
        /// Its name.
        name: String,
        /// Only this holding of it.
        #[arg(long)]
        fence: Option<u64>,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Oncall {
    /// Say who is on call now, in every calendar.
    Show(Ask),
    /// Print the shifts of a calendar.
    Schedule {
        /// Its name.
        name: String,
        /// Print an iCalendar feed.
        #[arg(long)]
        ics: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Stand in for whoever is on call, from now on.
    Override {
        /// The calendar.
        name: String,
        /// Who is on call instead.
        #[arg(long)]
        person: String,
        /// For how long, such as 8h.
        #[arg(long = "for", value_name = "TIME")]
        duration: String,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
    /// Send a message that says that it is a test.
    TestPage {
        /// Through which channel.
        channel: String,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
}

/// Who asks.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Your name.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator")]
    pub(crate) by: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Incidents {
    /// List them, newest first.
    List {
        /// Only those with which somebody or something still has to do.
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Show one with its timeline.
    Show {
        /// Its id: INC-42 or 42.
        id: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Print the timeline of one.
    Timeline {
        /// Its id: INC-42 or 42.
        id: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Take care of one: nobody else is told.
    Ack(Change),
    /// Give one back: whoever is next is told.
    Unack(Change),
    /// Say that one is over.
    Resolve(Change),
    /// Hand one to people now.
    Escalate(Change),
}

/// A change to an incident.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Its id: INC-42 or 42.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Gate {
    /// What the gate would decide about a command, and why.
    Explain {
        #[command(flatten)]
        config: Config,
        /// Judge one command a line from the standard input: a command line, or a JSON array of
        /// words.
        #[arg(long, conflicts_with = "command")]
        stdin: bool,
        /// Print the verdict as JSON.
        #[arg(long)]
        json: bool,
        /// The program and its arguments; one word is read as a whole command line.
        #[arg(trailing_var_arg = true, required_unless_present = "stdin")]
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// The folder of the journal [default: ./.nightcrew].
    #[arg(long, value_name = "DIR", env = "NIGHTCREW_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Only check the log and the tables.
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The detectors over files.
#[derive(Debug, Subcommand)]
pub(crate) enum Detect {
    /// Score series as a stream, with the default parameters.
    Score(Score),
    /// Say where an incident is likely to have begun.
    Rank(Rank),
    /// Show a finding with its reason, its numbers and a picture.
    Explain(crate::detect::explain::Explain),
}

/// `nightcrew detect score`.
#[derive(Debug, Args)]
pub(crate) struct Score {
    /// A CSV file with the columns timestamp and value, or a folder of them.
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// Write files of the same names below this folder, with the columns timestamp, value,
    /// `anomaly_score` (0 to 1) and alarm (0 or 1) [default for a file: the standard output].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `nightcrew detect rank`.
#[derive(Debug, Args)]
pub(crate) struct Rank {
    /// A CSV file with the columns time, component, metric and value.
    #[arg(long, value_name = "F.csv")]
    pub(crate) series: PathBuf,
    /// A CSV file with the columns caller and callee.
    #[arg(long, value_name = "E.csv")]
    pub(crate) edges: Option<PathBuf>,
    /// When the incident began, as far as is known; without a zone in UTC.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is in log files.
#[derive(Debug, Subcommand)]
pub(crate) enum Logs {
    /// Say what stands out: attacks, errors, slowness, and which messages there are.
    Analyze(Analyze),
    /// Find the templates of log messages: the text that is always the same, and `<*>` for what
    /// differs.
    Templates(Templates),
}

/// `nightcrew logs analyze`.
#[derive(Debug, Args)]
pub(crate) struct Analyze {
    /// The log files.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only lines that are not older, such as 90m, 1h or 24h.
    #[arg(long, value_name = "SPAN")]
    pub(crate) since: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Md)]
    pub(crate) format: Format,
    /// Print JSON, as `--format json` does.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Markdown.
    Md,
    /// JSON.
    Json,
}

/// `nightcrew logs templates`.
#[derive(Debug, Args)]
pub(crate) struct Templates {
    /// The log file.
    pub(crate) path: PathBuf,
    /// Where the CSV with `LineId`, `EventId` and `EventTemplate` goes [default: the standard
    /// output].
    #[arg(long, value_name = "F.csv")]
    pub(crate) out: Option<PathBuf>,
    /// The file is CSV, and the message is in this column.
    #[arg(long, value_name = "NAME")]
    pub(crate) content_column: Option<String>,
    /// Print how many lines and templates there are as JSON; needs --out.
    #[arg(long, requires = "out")]
    pub(crate) json: bool,
}
