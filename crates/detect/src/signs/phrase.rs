//! Phrases that mean something wherever they stand, found in one pass over a line.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::signs::kind::Kind;
use crate::signs::scan::{decimal, decimal_len, rest};

/// How many phrases of one line are looked at.
pub const MATCHES_MAX: usize = 8;

/// What a phrase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// It is a finding by itself.
    Event(Kind),
    /// It is ordinary now and then; many are a finding.
    Rate(Kind),
    /// A duration may follow.
    Duration,
    /// The line may be an error by its words.
    ErrorWord,
}

const PHRASES: &[(&str, Meaning)] = &[
    ("out of memory: kill", Meaning::Event(Kind::OutOfMemory)),
    ("memory cgroup out of memory", Meaning::Event(Kind::OutOfMemory)),
    ("invoked oom-killer", Meaning::Event(Kind::OutOfMemory)),
    ("oom-kill:", Meaning::Event(Kind::OutOfMemory)),
    ("oomkilled", Meaning::Event(Kind::OutOfMemory)),
    ("java.lang.outofmemoryerror", Meaning::Event(Kind::OutOfMemory)),
    ("cannot allocate memory", Meaning::Event(Kind::OutOfMemory)),
    ("i/o error, dev", Meaning::Event(Kind::DiskError)),
    ("buffer i/o error", Meaning::Event(Kind::DiskError)),
    ("input/output error", Meaning::Event(Kind::DiskError)),
    ("unrecovered read error", Meaning::Event(Kind::DiskError)),
    ("sense key : medium error", Meaning::Event(Kind::DiskError)),
    ("remounting filesystem read-only", Meaning::Event(Kind::ReadOnlyFileSystem)),
    ("read-only file system", Meaning::Event(Kind::ReadOnlyFileSystem)),
    ("no space left on device", Meaning::Event(Kind::NoSpace)),
    ("enospc", Meaning::Event(Kind::NoSpace)),
    ("disk quota exceeded", Meaning::Event(Kind::NoSpace)),
    ("segfault at", Meaning::Event(Kind::Segfault)),
    ("segmentation fault", Meaning::Event(Kind::Segfault)),
    ("general protection fault", Meaning::Event(Kind::Segfault)),
    ("blocked for more than", Meaning::Event(Kind::HungTask)),
    ("soft lockup", Meaning::Event(Kind::HungTask)),
    ("self-detected stall", Meaning::Event(Kind::HungTask)),
    ("kernel panic", Meaning::Event(Kind::Crash)),
    ("panicked at", Meaning::Event(Kind::Crash)),
    ("panic: runtime error", Meaning::Event(Kind::Crash)),
    ("exception in thread \"main\"", Meaning::Event(Kind::Crash)),
    ("unhandled exception", Meaning::Event(Kind::Crash)),
    ("uncaught exception", Meaning::Event(Kind::Crash)),
    ("core dumped", Meaning::Event(Kind::Crash)),
    ("timed out", Meaning::Rate(Kind::Timeouts)),
    ("timeout", Meaning::Rate(Kind::Timeouts)),
    ("deadline exceeded", Meaning::Rate(Kind::Timeouts)),
    ("retrying", Meaning::Rate(Kind::Retries)),
    ("will retry", Meaning::Rate(Kind::Retries)),
    ("retry attempt", Meaning::Rate(Kind::Retries)),
    ("connection refused", Meaning::Rate(Kind::ConnectionFailures)),
    ("connection reset by peer", Meaning::Rate(Kind::ConnectionFailures)),
    ("econnrefused", Meaning::Rate(Kind::ConnectionFailures)),
    ("econnreset", Meaning::Rate(Kind::ConnectionFailures)),
    ("no route to host", Meaning::Rate(Kind::ConnectionFailures)),
    ("broken pipe", Meaning::Rate(Kind::ConnectionFailures)),
    ("too many connections", Meaning::Rate(Kind::ConnectionFailures)),
    ("too many open files", Meaning::Rate(Kind::ConnectionFailures)),
    ("slow query", Meaning::Rate(Kind::SlowQueries)),
    ("query_time", Meaning::Duration),
    ("duration", Meaning::Duration),
    ("latency", Meaning::Duration),
    ("elapsed", Meaning::Duration),
    ("response_time", Meaning::Duration),
    ("request_time", Meaning::Duration),
    (" took ", Meaning::Duration),
    ("completed in ", Meaning::Duration),
    ("finished in ", Meaning::Duration),
    ("error", Meaning::ErrorWord),
    ("fail", Meaning::ErrorWord),
    ("exception", Meaning::ErrorWord),
    ("fatal", Meaning::ErrorWord),
    ("panic", Meaning::ErrorWord),
];

/// Finds the phrases of a line.
#[derive(Debug)]
pub(crate) struct Phrases {
    search: Option<AhoCorasick>,
}

/// What the phrases of a line say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) event: Option<Kind>,
    pub(crate) rate: Option<Kind>,
    pub(crate) seconds: Option<f64>,
    pub(crate) is_query: bool,
    pub(crate) has_error_word: bool,
}

impl Phrases {
    pub(crate) fn new() -> Self {
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(PHRASES.iter().map(|(phrase, _)| phrase));
        Self { search: search.ok() }
    }

    /// What the phrases of a text say; the first of each sort counts.
    pub(crate) fn read(&self, text: &[u8]) -> Said {
        let mut said = Said::default();
        let Some(search) = &self.search else { return said };
        for found in search.find_iter(text).take(MATCHES_MAX) {
            let Some((phrase, meaning)) = PHRASES.get(found.pattern().as_usize()) else { continue };
            let behind = rest(text, found.end());
            match *meaning {
                Meaning::Event(kind) => said.event = said.event.or(Some(kind)),
                Meaning::Rate(Kind::Timeouts) if is_setting(behind) => {}
                Meaning::Rate(kind) => said.rate = said.rate.or(Some(kind)),
                Meaning::Duration => {
                    let is_query = *phrase == "query_time";
                    said.seconds = said.seconds.or_else(|| seconds(behind, is_query));
                    said.is_query |= is_query;
                }
                Meaning::ErrorWord => said.has_error_word = true,
            }
        }
        said
    }
}

/// Whether a time-out is a setting and not an event: `timeout=30`, `timeout: 5s`, `timeout_ms`.
fn is_setting(behind: &[u8]) -> bool {
    let behind = behind.strip_prefix(b"\"").unwrap_or(behind);
    match behind.first() {
        Some(b'=' | b'_' | b'-') => true,
        Some(b':') => {
            let value = rest(behind, 1).trim_ascii_start();
            value.first().is_some_and(u8::is_ascii_digit)
        }
        Some(_) | None => false,
    }
}

/// The duration behind its word, in seconds: `=1.2s`, `_ms":12`, `: 0.5`, ` 123 ms`.  A number
/// without a unit is believed only where the word has one of its own (`is_seconds`).
fn seconds(behind: &[u8], is_seconds: bool) -> Option<f64> {
    let n = behind.iter().take(16).take_while(|byte| !byte.is_ascii_digit()).count();
    let (between, left) = behind.split_at_checked(n)?;
    let is_link = |byte: &u8| {
        byte.is_ascii_lowercase() || matches!(byte, b'_' | b'"' | b'\'' | b'=' | b':' | b' ' | b'(')
    };
    if !between.iter().all(is_link) {
        return None;
    }
    let n = decimal_len(left);
    let number = left.get(..n)?;
    let value = decimal(number.strip_suffix(b".").unwrap_or(number))?;
    let unit = rest(left, n).trim_ascii_start();
    let of_key = |part: &[u8]| memchr::memmem::find(between, part).is_some();
    let scale = if unit.starts_with(b"ms") || unit.starts_with(b"milli") || of_key(b"_ms") {
        0.001
    } else if unit.starts_with(b"us") || unit.starts_with("µs".as_bytes()) || of_key(b"_us") {
        0.000_001
    } else if unit.starts_with(b"ns") || of_key(b"_ns") {
        0.000_000_001
    } else if is_word(unit, b"s") || unit.starts_with(b"sec") || of_key(b"_s") || is_seconds {
        1.0
    } else if is_word(unit, b"m") || unit.starts_with(b"min") {
        60.0
    } else {
        return None;
    };
    Some(value * scale)
}

fn is_word(text: &[u8], word: &[u8]) -> bool {
    text.strip_prefix(word)
        .is_some_and(|behind| !behind.first().is_some_and(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    static PHRASES: LazyLock<Phrases> = LazyLock::new(Phrases::new);

    fn said(text: &str) -> Said {
        PHRASES.read(text.as_bytes())
    }

    #[test]
    fn events_and_rates_are_found_in_any_case() {
        let event = |text| said(text).event;
        assert_eq!(event("Out of memory: Killed process 1 (x)"), Some(Kind::OutOfMemory));
        assert_eq!(
            event("blk_update_request: I/O error, dev sda, sector 1"),
            Some(Kind::DiskError)
        );
        assert_eq!(
            event("EXT4-fs (sda1): Remounting filesystem read-only"),
            Some(Kind::ReadOnlyFileSystem)
        );
        assert_eq!(event("write: No space left on device"), Some(Kind::NoSpace));
        assert_eq!(event("x[1]: segfault at 0 ip 0"), Some(Kind::Segfault));
        assert_eq!(
            event("INFO: task jbd2:1 blocked for more than 120 seconds."),
            Some(Kind::HungTask)
        );
        assert_eq!(event("all is well"), None);
        assert_eq!(said("upstream timed out (110)").rate, Some(Kind::Timeouts));
        assert_eq!(said("timeout=30 set").rate, None);
        assert_eq!(said("\"timeout\": 30").rate, None);
        assert_eq!(
            said("connect() failed (111: Connection refused)").rate,
            Some(Kind::ConnectionFailures)
        );
    }

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, expected) in [
            ("job took 123 ms", Some(0.123)),
            ("duration=1.5s ok", Some(1.5)),
            (r#""duration_ms":250,"#, Some(0.25)),
            ("# Query_time: 12.5  Lock_time: 0", Some(12.5)),
            ("duration: 1500.000 ms  statement: x", Some(1.5)),
            ("elapsed=2m", Some(120.0)),
            ("latency 5", None),
            ("the duration of 3 songs", None),
        ] {
            let read = said(text).seconds;
            assert!(
                read.zip(expected).map_or(read == expected, |(a, b)| (a - b).abs() < 1e-9),
                "{text}: {read:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(took |duration|timeout)[ -~]{0,40}") {
            let _ = said(&text);
        }
    }
}
