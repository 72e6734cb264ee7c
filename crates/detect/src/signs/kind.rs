//! The kinds of findings, how bad each is by itself, and how long it is quiet before it is over.

use std::fmt;

use nightcrew_model::severity::Severity;
use serde::Serialize;

/// What a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One address guesses passwords over SSH.
    SshBruteForce,
    /// Many addresses guess a few passwords each over SSH.
    SshBruteForceSpread,
    /// One address guesses passwords at a web login.
    LoginBruteForce,
    /// Many addresses, or one with many user names, try logins at a web login.
    CredentialStuffing,
    /// A login that succeeded after many that failed.
    BreachSuspected,
    /// One address looks for what may be there.
    Scanner,
    /// Many addresses look for the same well-known weak places, a few requests each.
    ProbeSpread,
    /// Requests that climb out of a folder or ask for a system file.
    PathTraversal,
    /// Requests that carry SQL.
    SqlInjection,
    /// Requests that carry a script for a browser.
    CrossSiteScripting,
    /// Requests that carry a command or code for the server.
    CommandInjection,
    /// Requests that make the server ask an inner address.
    RequestForgery,
    /// Requests that carry a Log4j lookup.
    Log4Shell,
    /// Sudo refused a user.
    SudoRefused,
    /// Su refused a user.
    SuRefused,
    /// A user became root who had not before.
    RootGained,
    /// A user was added to a group that may become root.
    AdministratorAdded,
    /// An account with the user id 0 was made.
    RootAccountAdded,
    /// More answers are server errors than before.
    ErrorRatio,
    /// Answers are slower than before.
    SlowResponses,
    /// Queries were logged as slow, more than before.
    SlowQueries,
    /// More lines are errors than before.
    ErrorLines,
    /// More time-outs than before.
    Timeouts,
    /// More retries than before.
    Retries,
    /// More connections refused, reset or exhausted than before.
    ConnectionFailures,
    /// The kernel or a runtime ran out of memory.
    OutOfMemory,
    /// A disk answered with an error.
    DiskError,
    /// A file system became read-only.
    ReadOnlyFileSystem,
    /// A file system is full.
    NoSpace,
    /// A program was stopped by a memory fault.
    Segfault,
    /// A kernel task hangs.
    HungTask,
    /// A program ended by a panic or an unhandled error.
    Crash,
    /// An error message that was never heard before.
    NewError,
}

impl Kind {
    /// How bad it is by itself.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::RootGained | Self::ProbeSpread | Self::SshBruteForceSpread => Severity::Info,
            Self::BreachSuspected
            | Self::RootAccountAdded
            | Self::OutOfMemory
            | Self::DiskError
            | Self::ReadOnlyFileSystem
            | Self::NoSpace => Severity::Critical,
            Self::SshBruteForce
            | Self::LoginBruteForce
            | Self::CredentialStuffing
            | Self::Scanner
            | Self::PathTraversal
            | Self::SqlInjection
            | Self::CrossSiteScripting
            | Self::CommandInjection
            | Self::RequestForgery
            | Self::Log4Shell
            | Self::SudoRefused
            | Self::SuRefused
            | Self::AdministratorAdded
            | Self::ErrorRatio
            | Self::SlowResponses
            | Self::SlowQueries
            | Self::ErrorLines
            | Self::Timeouts
            | Self::Retries
            | Self::ConnectionFailures
            | Self::Segfault
            | Self::HungTask
            | Self::Crash
            | Self::NewError => Severity::Warning,
        }
    }

    /// How long it is quiet before it is over, in seconds.
    #[must_use]
    pub fn quiet_seconds(self) -> i64 {
        match self {
            Self::SshBruteForceSpread | Self::ProbeSpread => 172_800,
            Self::ErrorRatio
            | Self::SlowResponses
            | Self::SlowQueries
            | Self::ErrorLines
            | Self::Timeouts
            | Self::Retries
            | Self::ConnectionFailures => 1_200,
            Self::SshBruteForce
            | Self::LoginBruteForce
            | Self::CredentialStuffing
            | Self::BreachSuspected
            | Self::Scanner
            | Self::PathTraversal
            | Self::SqlInjection
            | Self::CrossSiteScripting
            | Self::CommandInjection
            | Self::RequestForgery
            | Self::Log4Shell
            | Self::SudoRefused
            | Self::SuRefused
            | Self::RootGained
            | Self::AdministratorAdded
            | Self::RootAccountAdded
            | Self::OutOfMemory
            | Self::DiskError
            | Self::ReadOnlyFileSystem
            | Self::NoSpace
            | Self::Segfault
            | Self::HungTask
            | Self::Crash
            | Self::NewError => 3_600,
        }
    }

    /// Its name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SshBruteForce => "SSH brute force",
            Self::SshBruteForceSpread => "SSH brute force from many addresses",
            Self::LoginBruteForce => "web login brute force",
            Self::CredentialStuffing => "credential stuffing",
            Self::BreachSuspected => "login after many failures",
            Self::Scanner => "scanner",
            Self::ProbeSpread => "probes from many addresses",
            Self::PathTraversal => "path traversal",
            Self::SqlInjection => "SQL injection",
            Self::CrossSiteScripting => "cross-site scripting",
            Self::CommandInjection => "command injection",
            Self::RequestForgery => "server-side request forgery",
            Self::Log4Shell => "Log4j lookup",
            Self::SudoRefused => "sudo refused",
            Self::SuRefused => "su refused",
            Self::RootGained => "new user became root",
            Self::AdministratorAdded => "administrator added",
            Self::RootAccountAdded => "second root account",
            Self::ErrorRatio => "server error ratio rose",
            Self::SlowResponses => "responses became slow",
            Self::SlowQueries => "slow queries",
            Self::ErrorLines => "error lines rose",
            Self::Timeouts => "time-outs",
            Self::Retries => "retries",
            Self::ConnectionFailures => "connection failures",
            Self::OutOfMemory => "out of memory",
            Self::DiskError => "disk error",
            Self::ReadOnlyFileSystem => "file system became read-only",
            Self::NoSpace => "no space left",
            Self::Segfault => "segmentation fault",
            Self::HungTask => "kernel task hangs",
            Self::Crash => "crash",
            Self::NewError => "new error message",
        }
    }

    /// The word that alerts and records use, as it is serialised.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SshBruteForce => "ssh_brute_force",
            Self::SshBruteForceSpread => "ssh_brute_force_spread",
            Self::LoginBruteForce => "login_brute_force",
            Self::CredentialStuffing => "credential_stuffing",
            Self::BreachSuspected => "breach_suspected",
            Self::Scanner => "scanner",
            Self::ProbeSpread => "probe_spread",
            Self::PathTraversal => "path_traversal",
            Self::SqlInjection => "sql_injection",
            Self::CrossSiteScripting => "cross_site_scripting",
            Self::CommandInjection => "command_injection",
            Self::RequestForgery => "request_forgery",
            Self::Log4Shell => "log4_shell",
            Self::SudoRefused => "sudo_refused",
            Self::SuRefused => "su_refused",
            Self::RootGained => "root_gained",
            Self::AdministratorAdded => "administrator_added",
            Self::RootAccountAdded => "root_account_added",
            Self::ErrorRatio => "error_ratio",
            Self::SlowResponses => "slow_responses",
            Self::SlowQueries => "slow_queries",
            Self::ErrorLines => "error_lines",
            Self::Timeouts => "timeouts",
            Self::Retries => "retries",
            Self::ConnectionFailures => "connection_failures",
            Self::OutOfMemory => "out_of_memory",
            Self::DiskError => "disk_error",
            Self::ReadOnlyFileSystem => "read_only_file_system",
            Self::NoSpace => "no_space",
            Self::Segfault => "segfault",
            Self::HungTask => "hung_task",
            Self::Crash => "crash",
            Self::NewError => "new_error",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
