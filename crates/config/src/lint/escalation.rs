//! Escalation levels (`levels: { L1: { timeout_minutes } }`) that nobody can reach.
//!
//! Nothing in this version escalates by levels, so all of this is a warning.

use crate::fields::as_number;
use crate::problem::Report;
use crate::tree::At;

/// Judges the levels in the order of their names: their times count from the beginning of the
/// incident, so each must be later than the one before.
pub(crate) fn check(root: &At<'_>, report: &mut Report) {
    let Some(levels) = root.get("levels") else {
        return;
    };
    let Some(object) = levels.node.object() else {
        return;
    };
    let mut levels: Vec<(&str, At<'_>)> =
        object.entries.iter().map(|entry| (entry.key.as_str(), levels.entry(entry))).collect();
    levels.sort_by_key(|(name, _)| *name);
    let mut latest: Option<(&str, f64)> = None;
    for (name, level) in &levels {
        let Some(at) = level.get("timeout_minutes") else {
            continue;
        };
        let Some(minutes) = as_number(&at) else {
            let found = at.describe();
            report.warning(&at, format!("expected a number of minutes, found {found}"));
            continue;
        };
        if minutes <= 0.0 {
            report
                .warning(
                    &at,
                    format!("{name} is over before it begins: its timeout is {minutes} min"),
                )
                .hint("give it more than 0 minutes");
            continue;
        }
        match latest {
            Some((earlier, before)) if minutes <= before => {
                report
                    .warning(
                        &at,
                        format!(
                            "the timeout of {name} is never reached: {earlier} still waits until \
                             {before} min"
                        ),
                    )
                    .hint(format!("give {name} more than {before} minutes"));
            }
            _ => latest = Some((name, minutes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn each_level_comes_later_than_the_one_before() {
        let cases = [
            ("{ levels: { L1: { timeout_minutes: 10 }, L2: { timeout_minutes: 30 } } }", ""),
            (
                "{ levels: { L2: { timeout_minutes: 10 }, L1: { timeout_minutes: 30 } } }",
                "f:1:36: warning: levels.L2.timeout_minutes: the timeout of L2 is never reached: L1 still waits until 30 min",
            ),
            ("{ levels: { L1: { timeout_minutes: 0 } } }", "L1 is over before it begins"),
            ("{ levels: { L1: { timeout_minutes: '10분' } } }", "expected a number of minutes"),
        ];
        for (text, expected) in cases {
            let (_, problems) = decode_one(text, |at, cx| check(at, &mut cx.report));
            let said = problems.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{text}: {said}");
        }
    }
}
