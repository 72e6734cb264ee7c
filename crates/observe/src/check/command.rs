//! A program that says how a service is by the code with which it ends.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use nightcrew_model::sample::Status;
use nightcrew_model::unit::Millis;
use regex::Regex;
use tokio::time::Instant;

use crate::check::trouble::Trouble;
use crate::check::{BadCheck, Exchange, milliseconds_since};

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this code; none: a signal ended it.
    Exited(Option<i32>),
    /// It did not end in time, and was cut off.
    TimedOut,
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub ended: Ended,
    /// What it printed, cut to a limit.
    pub output: String,
}

/// What running a program comes back with; an error says why it was not started.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Ran, String>> + Send + 'a>>;

/// Starts the programs of checks.  This room may start none; whoever may (`act`, behind its gate)
/// stands behind this.
pub trait Programs: fmt::Debug + Send + Sync {
    /// Runs a program to its end, for `timeout` at most.
    fn run<'a>(&'a self, argv: &'a [String], timeout: Millis) -> Running<'a>;
}

/// What is run, and which end is right.
#[derive(Debug)]
pub(crate) struct CommandCheck {
    argv: Vec<String>,
    expect_exit: i32,
    expect_output: Option<Regex>,
    programs: Option<Arc<dyn Programs>>,
}

impl CommandCheck {
    pub(crate) fn new(
        argv: &[String],
        expect_exit: i32,
        expect_output: Option<&str>,
    ) -> Result<Self, BadCheck> {
        let expect_output = expect_output.map(Regex::new).transpose().map_err(BadCheck::Pattern)?;
        Ok(Self { argv: argv.to_vec(), expect_exit, expect_output, programs: None })
    }

    pub(crate) fn run_by(&mut self, programs: &Arc<dyn Programs>) {
        self.programs = Some(Arc::clone(programs));
    }

    /// The name of the program, without its arguments, which may hold a secret.
    pub(crate) fn program(&self) -> &str {
        let program = self.argv.first().map_or("", String::as_str);
        program.rsplit('/').next().unwrap_or(program)
    }

    pub(crate) async fn look(&self, timeout: Millis) -> Result<Exchange, Trouble> {
        let Some(programs) = &self.programs else {
            return Err(Trouble::Unknown("no program may be started here".to_owned()));
        };
        let began = Instant::now();
        let ran = programs.run(&self.argv, timeout).await.map_err(Trouble::Unknown)?;
        let latency_ms = milliseconds_since(began);
        let (status, detail) = self.judge(&ran, timeout);
        Ok(Exchange { status, detail, latency_ms })
    }

    fn judge(&self, ran: &Ran, timeout: Millis) -> (Status, String) {
        let said = ran.output.lines().map(str::trim).find(|line| !line.is_empty());
        let said = said.map(|line| format!(": {line}")).unwrap_or_default();
        let name = self.program();
        match ran.ended {
            Ended::TimedOut => (Status::Failing, format!("{name} did not end within {timeout}")),
            Ended::Exited(None) => (Status::Failing, format!("{name} was ended by a signal{said}")),
            Ended::Exited(Some(code)) if code != self.expect_exit => {
                (Status::Failing, format!("{name} ended with code {code}{said}"))
            }
            Ended::Exited(Some(code)) => match &self.expect_output {
                Some(pattern) if !pattern.is_match(ran.output.trim()) => {
                    (Status::Failing, format!("the output of {name} is not as expected{said}"))
                }
                Some(_) | None => (Status::Passing, format!("{name} ended with code {code}{said}")),
            },
        }
    }
}
