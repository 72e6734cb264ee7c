//! Latencies that are a mistake of units until proven otherwise.

use crate::fields::as_number;
use crate::problem::{Place, Report};
use crate::tree::At;

/// Ten minutes, in milliseconds: no request that anybody waits for takes as long.
const LATENCY_MS_MAX: f64 = 600_000.0;

/// Looks at numbers of keys such as `latency_p99_ms`.
pub(crate) fn visit(at: &At<'_>, key: &str, report: &mut Report) {
    if !key.contains("latency") || !key.ends_with("_ms") {
        return;
    }
    if let Some(number) = as_number(at) {
        plausible(number, at, report);
    }
}

/// Warns of a latency in milliseconds that looks like microseconds.
pub(crate) fn plausible(number: f64, place: impl Into<Place>, report: &mut Report) {
    if number >= LATENCY_MS_MAX {
        report
            .warning(
                place,
                format!("{number} ms are ten minutes or more, which looks like a mistake of units"),
            )
            .hint(format!("microseconds read as milliseconds? then write {}", number / 1_000.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::problems_of;

    #[test]
    fn ten_minutes_are_a_mistake_of_units() {
        let cases = [
            ("{ services: { 추천: { latency_p99_ms: 600000 } } }", true),
            ("{ absolute: { latency_p99_ms: 599999 } }", false),
            ("{ window_ms: 600000 }", false),
        ];
        for (text, is_bad) in cases {
            let said = problems_of(text, visit);
            assert_eq!(!said.is_empty(), is_bad, "{text}: {said:?}");
        }
        let said = problems_of(cases[0].0, visit);
        assert!(said[0].ends_with("(microseconds read as milliseconds? then write 600)"));
    }
}
