//! Spans of time as people type them: `30m`, `2h`, `1d 12h`.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use nightcrew_runtime::clock::Clock;

use crate::output::Failure;

/// How times are written.
const FORM: &str = "write it as 30m, 2h or 1d; it has to be longer than nothing";

/// The end of a span that begins now.
pub(crate) fn from_now(text: &str) -> anyhow::Result<Timestamp> {
    let bad = || Failure::usage(format!("`{text}` is not a time from now on"), FORM);
    let length = length(text).ok_or_else(bad)?;
    Clock::System.now().checked_add(length).map_err(|_| bad().into())
}

/// The beginning of a span that ends now.
pub(crate) fn until_now(text: &str) -> anyhow::Result<Timestamp> {
    let bad = || Failure::usage(format!("`{text}` is not a time until now"), FORM);
    let length = length(text).ok_or_else(bad)?;
    Clock::System.now().checked_sub(length).map_err(|_| bad().into())
}

fn length(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (length > SignedDuration::ZERO).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_type_and_refuses_the_rest() {
        for (text, seconds) in [("30m", 1_800), ("2h", 7_200), ("1d", 86_400), ("1h 30m", 5_400)] {
            let before = Clock::System.now();
            let end = from_now(text).unwrap();
            let length = end.duration_since(before).as_secs();
            assert!((seconds..seconds + 5).contains(&length), "{text}: {length}");
            let length = before.duration_since(until_now(text).unwrap()).as_secs();
            assert!((seconds - 5..=seconds).contains(&length), "{text}: {length}");
        }
        for text in ["", "soon", "-1h", "0s", "5", "1 parsec", "99999999999h"] {
            assert!(from_now(text).is_err() && until_now(text).is_err(), "{text}");
        }
    }
}
