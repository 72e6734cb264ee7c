//! One thing to do, and what becomes of it when names are put in.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::argv::{Argv, Word};
use crate::binding::{Bindings, NotRendered};
use crate::id::ServiceName;
use crate::unit::Millis;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Action {
    /// Removes regular files below `root` that have not changed for `older_than`.
    CleanFiles {
        /// The folder; it must lie in an allowed root.
        root: PathBuf,
        /// Only files whose name matches this glob; none: every file.
        name: Option<String>,
        /// Only files not modified for this long.
        older_than: Millis,
    },
    /// Ends the process of a service, if it lives, and starts it as its `start` says.
    RestartProcess {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Restarts a service through whatever supervises it.
    RestartService {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Starts a program without a shell.
    Run {
        /// The program and its arguments.
        argv: Argv,
    },
    /// Lets a service read its configuration anew, as its `reload` says.
    ReloadService {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Sends one HTTP request to a URL that the service's `http_actions` names.
    Request {
        /// The method.
        method: Method,
        /// The URL, exactly as it is declared.
        url: String,
    },
    /// Moves a log file aside, lets its writer open a new one, and compresses the old one once
    /// nobody writes to it any more; no line is lost.
    RotateLog {
        /// The file; one of the service's `log_files`.
        path: PathBuf,
    },
    /// Counts what the logs of a service say.  Results: `lines`, `matches` (of the pattern; without
    /// one, of errors), `first`, `last` and `newest_match` (texts).
    CheckLogs {
        /// The service, or a placeholder.
        service: ServiceName,
        /// A regular expression; none: whatever reads as an error.
        pattern: Option<String>,
        /// How far back.
        within: Millis,
    },
    /// Looks at the services that a service needs.  Results: `failing` and `unknown` (numbers),
    /// `names` (the failing ones).
    CheckDependencies {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Looks at the machine and the process of a service.  Results: `cpu_usage`, `memory_usage`,
    /// `process_cpu`, `process_memory_mb`, `pressed` (whether CPU or memory is above 90 %).
    CheckResources {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Keeps how the process of a service uses its memory.  Results: `rss_mb`, `swap_mb`,
    /// `anonymous_mb`, `limit_mb`.
    CollectMemory {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Raises the memory limit of a service's container or control group, never above its
    /// `memory_limit_max_mb`.  Results: `before_mb`, `after_mb`.
    RaiseMemoryLimit {
        /// The service, or a placeholder.
        service: ServiceName,
        /// By so much of the present limit.
        by_percent: u16,
    },
    /// Waits.
    Wait {
        /// How long.
        duration: Millis,
    },
}

/// The method of an HTTP request that has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST, with an empty body.
    Post,
    /// PUT, with an empty body.
    Put,
    /// DELETE.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

impl Action {
    /// The service whose process it ends, starts or changes; none: it does none of that.
    #[must_use]
    pub fn service_acted_on(&self) -> Option<&ServiceName> {
        match self {
            Self::RestartProcess { service }
            | Self::RestartService { service }
            | Self::ReloadService { service }
            | Self::RaiseMemoryLimit { service, .. } => Some(service),
            Self::CleanFiles { .. }
            | Self::Run { .. }
            | Self::Request { .. }
            | Self::RotateLog { .. }
            | Self::CheckLogs { .. }
            | Self::CheckDependencies { .. }
            | Self::CheckResources { .. }
            | Self::CollectMemory { .. }
            | Self::Wait { .. } => None,
        }
    }

    /// Whether doing it twice is the same as doing it once, where the operator does not say.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        match self {
            Self::CleanFiles { .. }
            | Self::CheckLogs { .. }
            | Self::CheckDependencies { .. }
            | Self::CheckResources { .. }
            | Self::CollectMemory { .. }
            | Self::Wait { .. } => true,
            Self::RestartProcess { .. }
            | Self::RestartService { .. }
            | Self::ReloadService { .. }
            | Self::Request { .. }
            | Self::RotateLog { .. }
            | Self::RaiseMemoryLimit { .. }
            | Self::Run { .. } => false,
        }
    }

    /// The action with everything put in.  What is put in replaces text inside words: it can never
    /// add a word, never change the program, and never make an option of a word.
    ///
    /// # Errors
    /// When a word would become an option.
    pub fn render(&self, bindings: &Bindings) -> Result<Self, NotRendered> {
        let name = |service: &ServiceName| {
            bindings.fill(service.as_str()).map(|name| ServiceName::from(name.as_ref()))
        };
        Ok(match self {
            Self::CleanFiles { root, name, older_than } => Self::CleanFiles {
                root: bindings.path(root)?,
                name: name.clone(),
                older_than: *older_than,
            },
            Self::RestartProcess { service } => Self::RestartProcess { service: name(service)? },
            Self::RestartService { service } => Self::RestartService { service: name(service)? },
            Self::ReloadService { service } => Self::ReloadService { service: name(service)? },
            Self::CheckDependencies { service } => {
                Self::CheckDependencies { service: name(service)? }
            }
            Self::CheckResources { service } => Self::CheckResources { service: name(service)? },
            Self::CollectMemory { service } => Self::CollectMemory { service: name(service)? },
            Self::RaiseMemoryLimit { service, by_percent } => {
                Self::RaiseMemoryLimit { service: name(service)?, by_percent: *by_percent }
            }
            Self::CheckLogs { service, pattern, within } => Self::CheckLogs {
                service: name(service)?,
                pattern: pattern.clone(),
                within: *within,
            },
            Self::Request { method, url } => {
                Self::Request { method: *method, url: bindings.fill(url)?.into_owned() }
            }
            Self::RotateLog { path } => Self::RotateLog { path: bindings.path(path)? },
            Self::Wait { duration } => Self::Wait { duration: *duration },
            Self::Run { argv } => {
                let words = argv.0.iter().enumerate().map(|(n, word)| match word {
                    _ if n == 0 => Ok(word.clone()),
                    Word::Literal(text) => bindings.word(text).map(Word::Literal),
                    Word::Glob(text) => Ok(Word::Glob(text.clone())),
                });
                Self::Run { argv: Argv(words.collect::<Result<_, _>>()?) }
            }
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CleanFiles { root, name, older_than } => {
                write!(f, "clean_files {}", root.display())?;
                if let Some(name) = name {
                    write!(f, " named '{name}'")?;
                }
                write!(f, " older than {older_than}")
            }
            Self::RestartProcess { service } => write!(f, "restart_process {service}"),
            Self::RestartService { service } => write!(f, "restart_service {service}"),
            Self::Run { argv } => argv.fmt(f),
            Self::ReloadService { service } => write!(f, "reload_service {service}"),
            Self::Request { method, url } => write!(f, "request {method} {url}"),
            Self::RotateLog { path } => write!(f, "rotate_log {}", path.display()),
            Self::CheckLogs { service, pattern, within } => {
                write!(f, "check_logs {service} of the last {within}")?;
                pattern.iter().try_for_each(|pattern| write!(f, " for '{pattern}'"))
            }
            Self::CheckDependencies { service } => write!(f, "check_dependencies {service}"),
            Self::CheckResources { service } => write!(f, "check_resources {service}"),
            Self::CollectMemory { service } => write!(f, "collect_memory {service}"),
            Self::RaiseMemoryLimit { service, by_percent } => {
                write!(f, "raise_memory_limit {service} by {by_percent} %")
            }
            Self::Wait { duration } => write!(f, "wait {duration}"),
        }
    }
}
