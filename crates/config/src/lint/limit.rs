//! Limits: in the range of their unit, and the warning before the critical one.

use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::unit::Unit;

use crate::decode::cover;
use crate::lint::latency;
use crate::problem::{Place, Report};
use crate::tree::At;

/// Judges one limit by the unit of its metric.
pub(crate) fn plausible(limit: &Condition, place: impl Into<Place>, report: &mut Report) {
    let Operand::Number(number) = limit.operand else {
        return;
    };
    let metric = limit.metric.as_str();
    let known = catalogue::metric(metric).map(|known| known.kind);
    match known {
        // A process may use several cores.
        Some(Kind::Number(Unit::Percent)) if metric != catalogue::PROCESS_CPU => {
            percent(metric, limit.operator, number, place.into(), report);
        }
        Some(Kind::Number(Unit::Milliseconds)) => latency::plausible(number, place, report),
        Some(Kind::Number(_) | Kind::States(_)) | None => {}
    }
}

fn percent(metric: &str, operator: Operator, number: f64, place: Place, report: &mut Report) {
    if !(0.0..=100.0).contains(&number) {
        report
            .error(
                place,
                format!(
                    "{metric} is a percentage from 0 to 100, and is never compared with {number}"
                ),
            )
            .hint("give a percentage");
    } else if number > 0.0 && number <= 1.0 {
        report
            .warning(place, format!("{metric} is a percentage, and {number} looks like a ratio"))
            .hint(format!("for a ratio of {number} write {}", number * 100.0));
    } else if operator == Operator::Greater && number >= 100.0 {
        report
            .warning(place, format!("{metric} is never above 100, so this never fires"))
            .hint("write `>= 100`, or a lower limit");
    }
}

/// Judges a pair of limits: where the critical one is crossed, the warning must be crossed too.
pub(crate) fn ordered(warning: &Condition, critical: &Condition, at: &At<'_>, report: &mut Report) {
    if cover::implies(critical, warning) && critical != warning {
        return;
    }
    // Without the key of its own where the limit is inherited.
    let place = at.get("warning").or_else(|| at.get("critical"));
    let place = place.as_ref().unwrap_or(at);
    let message = if cover::implies(warning, critical) {
        format!("the warning `{warning}` is never seen: `{critical}` is critical already")
    } else {
        format!("the warning `{warning}` and the critical limit `{critical}` exclude each other")
    };
    report.warning(place, message).hint("let the warning begin before the critical limit");
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::decode_one;

    /// Thresholds are decoded by their own module, which asks this one.
    fn said(text: &str) -> String {
        let limits = |at: &crate::tree::At<'_>, cx: &mut crate::decode::Context<'_>| {
            crate::decode::threshold::thresholds(at, &[], cx);
        };
        decode_one(text, limits).1.join("\n")
    }

    #[test]
    fn limits_are_judged_by_their_unit() {
        let cases = [
            (
                "{ disk_usage: { critical: 120 } }",
                "f:1:27: error: disk_usage.critical: disk_usage is a percentage from 0 to 100",
            ),
            ("{ disk_usage: { critical: -1 } }", "error: disk_usage.critical"),
            (
                "{ disk_usage: { critical: 0.9 } }",
                "warning: disk_usage.critical: disk_usage is a percentage, and 0.9 looks like a ratio (for a ratio of 0.9 write 90)",
            ),
            ("{ cpu_usage: { critical: 100 } }", "never above 100"),
            ("{ api_latency_ms: { critical: 600000 } }", "mistake of units"),
            ("{ cpu_usage: { critical: '>= 100' } }", ""),
            ("{ process_cpu: { critical: 350 } }", ""),
        ];
        for (text, expected) in cases {
            let said = said(text);
            assert!(said.contains(expected), "{text}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{text}: {said}");
        }
    }

    #[test]
    fn the_warning_comes_before_the_critical_limit() {
        let cases = [
            (
                "{ disk_usage: { warning: 95, critical: 90 } }",
                "f:1:26: warning: disk_usage.warning: the warning `disk_usage > 95` is never seen",
            ),
            ("{ disk_usage: { warning: 90, critical: 90 } }", "is never seen"),
            ("{ ssl_expires_in_days: { warning: 3, critical: 14 } }", "is never seen"),
            ("{ disk_usage: { warning: '< 10', critical: 90 } }", "exclude each other"),
            ("{ ssl_expires_in_days: { warning: 14, critical: 3 } }", ""),
        ];
        for (text, expected) in cases {
            let said = said(text);
            assert!(said.contains(expected), "{text}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{text}: {said}");
        }
    }
}
