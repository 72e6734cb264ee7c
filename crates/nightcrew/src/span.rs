//! Spans of time as people type them: `30m`, `2h`, `1d 12h`.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use nightcrew_runtime::clock::Clock;

use crate::output::Failure;

/// The end of a span that begins now.
pub(crate) fn from_now(text: &str) -> anyhow::Result<Timestamp> {
    let now = Clock::System.now();
    let bad = || {
        Failure::usage(
            format!("`{text}` is not a time from now on"),
            "write it as 30m, 2h or 1d; it has to be longer than nothing",
        )
    };
    let span: Span = text.trim().parse().map_err(|_| bad())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    if length <= SignedDuration::ZERO {
        return Err(bad().into());
    }
    now.checked_add(length).map_err(|_| bad().into())
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
        }
        for text in ["", "soon", "-1h", "0s", "5", "1 parsec", "99999999999h"] {
            assert!(from_now(text).is_err(), "{text}");
        }
    }
}
