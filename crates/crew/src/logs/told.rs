//! Lines that services send themselves (OTLP), as lines of the log of each service.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_detect::signs::level::Level;
use nightcrew_detect::signs::line::{self, Body, Line, Message};
use nightcrew_model::telemetry::{LogLine, LogSeverity};
use nightcrew_model::unit::Millis;

/// How long an error rate is told of a service that sends no line.
pub(crate) const SILENCE_MAX: Millis = Millis::from_secs(3_600);

/// The services that send lines, and when each sent its last.
#[derive(Debug, Default)]
pub(crate) struct Senders(BTreeMap<String, Timestamp>);

impl Senders {
    pub(crate) fn heard(&mut self, name: String, now: Timestamp) {
        self.0.insert(name, now);
    }

    /// The names of those that sent a line lately.
    pub(crate) fn names(&mut self, now: Timestamp) -> impl Iterator<Item = &String> {
        self.0.retain(|_, heard| SILENCE_MAX.after(*heard) > now);
        self.0.keys()
    }
}

/// What a record says, as a line does; the severity that its sender gives wins.
pub(crate) fn line_of(told: &LogLine) -> Line<'_> {
    let text = told.body.as_bytes();
    let text = text.get(..line::LINE_BYTES_MAX).unwrap_or(text);
    let inner = line::parse(text, told.at);
    let body = match inner.body {
        Body::Request(request) => Body::Request(request),
        Body::Message(message) => Body::Message(Message {
            program: told.service.as_str().as_bytes(),
            level: told.severity.map(level_of).or(message.level),
            text: message.text,
        }),
    };
    Line { raw: text, time: told.at, body }
}

fn level_of(severity: LogSeverity) -> Level {
    match severity {
        LogSeverity::Trace | LogSeverity::Debug | LogSeverity::Info => Level::Quiet,
        LogSeverity::Warn => Level::Warning,
        LogSeverity::Error => Level::Error,
        LogSeverity::Fatal => Level::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_severity_of_the_sender_wins_over_the_words() {
        let at = Timestamp::from_second(1_000_000).unwrap();
        let told = |severity, body: &str| LogLine {
            at,
            service: "결제".into(),
            severity,
            body: body.to_owned(),
        };
        let level = |told: &LogLine| match line_of(told).body {
            Body::Message(message) => message.level,
            Body::Request(_) => None,
        };
        assert_eq!(level(&told(Some(LogSeverity::Fatal), "INFO ok")), Some(Level::Fatal));
        assert_eq!(level(&told(None, "ERROR 실패")), Some(Level::Error));
        let line = told(Some(LogSeverity::Info), "연결이 끊겼습니다");
        assert_eq!((level(&line), line_of(&line).time), (Some(Level::Quiet), at));
    }

    #[test]
    fn a_silent_service_is_forgotten() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let mut senders = Senders::default();
        senders.heard("a".to_owned(), at(0));
        assert_eq!(senders.names(at(3_599)).count(), 1);
        assert_eq!(senders.names(at(3_600)).count(), 0);
    }
}
