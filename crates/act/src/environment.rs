//! What a started program finds around it: nothing but what is named here.

use std::path::PathBuf;

use crate::sandbox::Sandbox;

/// The language of everything started, so that output reads the same everywhere.
pub const LANG: &str = "C.UTF-8";

/// The variables that come from outside; the binary reads them once.  `PATH` and `LANG` are the
/// same for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `HOME`.
    pub home: PathBuf,
    /// `TZ`; none: the machine's own zone.
    pub tz: Option<String>,
    /// What it is kept in by; the gate sets it.
    pub sandbox: Sandbox,
}

impl Default for Environment {
    fn default() -> Self {
        Self { home: PathBuf::from("/"), tz: None, sandbox: Sandbox::off() }
    }
}
