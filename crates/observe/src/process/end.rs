//! How a process ended, and why its end may not be seen at once.

use std::fmt;
use std::io;

use rustix::process::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was our child and returned this code.
    Exited(i32),
    /// It was our child and this signal ended it.
    Signalled(i32),
    /// It was not our child, or whoever started it was faster to collect it.
    Unseen,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with exit code {code}"),
            Self::Signalled(number) => match signal_name(*number) {
                Some(name) => write!(f, "was ended by signal {number} ({name})"),
                None => write!(f, "was ended by signal {number}"),
            },
            Self::Unseen => f.write_str("is gone"),
        }
    }
}

/// Why an end cannot be watched for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    /// As many processes are watched as one may.
    #[error("more than {0} processes are watched already")]
    Full(usize),
    /// The kernel refuses.
    #[error("{0}")]
    Refused(#[from] io::Error),
}

fn signal_name(number: i32) -> Option<&'static str> {
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::SYS, "SIGSYS"),
    ];
    let found = names.iter().find(|(signal, _)| signal.as_raw() == number);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_read_as_sentences() {
        let said = [End::Signalled(9), End::Signalled(50), End::Exited(3), End::Unseen]
            .map(|end| format!("pid 4711 {end}"));
        assert_eq!(
            said,
            [
                "pid 4711 was ended by signal 9 (SIGKILL)",
                "pid 4711 was ended by signal 50",
                "pid 4711 ended with exit code 3",
                "pid 4711 is gone"
            ]
        );
    }
}
