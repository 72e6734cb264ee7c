//! What services tell of themselves: lines of their logs, and spans of their traces.

use jiff::Timestamp;

use crate::id::ServiceName;

/// How bad the writer of a log line takes it to be, in the six ranges of OpenTelemetry
/// (`SeverityNumber` 1 to 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogSeverity {
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    Info,
    /// 13 to 16.
    Warn,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

impl LogSeverity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// The severity of this number; none for 0 and what is no number of a severity.
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        let range = usize::try_from(number.checked_sub(1)? / 4).ok()?;
        Self::ALL.get(range).copied()
    }

    /// The word that lines carry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// One line that a service logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, or came in where it does not say.
    pub at: Timestamp,
    /// Who wrote it.
    pub service: ServiceName,
    /// What its writer takes it to be; none: it does not say.
    pub severity: Option<LogSeverity>,
    /// What it says; one record, which may have several lines.
    pub body: String,
}

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Work inside a service, or a sender that does not say.
    Internal,
    /// A service answers a call.
    Server,
    /// A service calls another one and waits.
    Client,
    /// A service puts a message into a queue.
    Producer,
    /// A service takes a message out of a queue.
    Consumer,
}

/// One span: a piece of work of one service, with its place in a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanSeen {
    /// Whose work it is.
    pub service: ServiceName,
    /// The trace, 16 bytes.
    pub trace: u128,
    /// The span, 8 bytes; unique inside its trace.
    pub span: u64,
    /// The span that caused it; none: it began the trace.
    pub parent: Option<u64>,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// Whether it ended in an error.
    pub failed: bool,
    /// How long it took, in milliseconds; none where its ends make no sense.
    pub duration_ms: Option<f64>,
    /// What it calls, where it says so: a service, or a database without spans of its own.
    pub peer: Option<ServiceName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ranges_of_numbers() {
        let of = LogSeverity::of_number;
        assert_eq!(
            (of(0), of(1), of(4)),
            (None, Some(LogSeverity::Trace), Some(LogSeverity::Trace))
        );
        assert_eq!(
            (of(17), of(24), of(25)),
            (Some(LogSeverity::Error), Some(LogSeverity::Fatal), None)
        );
    }
}
