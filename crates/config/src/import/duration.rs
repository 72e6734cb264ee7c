//! Durations as Prometheus and Alertmanager write them: `30s`, `1h30m`, `1d`
//! (`prometheus/common`, `model/time.go`, `ParseDuration`).

use nightcrew_model::unit::Millis;

/// The units, the largest first, in milliseconds; each may stand once, in this order.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration; none if it is not one.
pub(crate) fn parse(text: &str) -> Option<Millis> {
    if text == "0" {
        return Some(Millis(0));
    }
    let (mut rest, mut total, mut units) = (text, 0_u64, &UNITS[..]);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, more) = rest.split_at_checked(end)?;
        let number: u64 = digits.parse().ok()?;
        let end = more.find(|c: char| c.is_ascii_digit()).unwrap_or(more.len());
        let (unit, more) = more.split_at_checked(end)?;
        let position = units.iter().position(|(known, _)| *known == unit)?;
        total = total.checked_add(number.checked_mul(units[position].1)?)?;
        units = units.get(position + 1..)?;
        rest = more;
    }
    (!text.is_empty()).then_some(Millis(total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_prometheus_reads() {
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("4h", Some(14_400_000)),
            ("1h30m", Some(5_400_000)),
            ("1d", Some(86_400_000)),
            ("1w2d", Some(9 * 86_400_000)),
            ("1m500ms", Some(60_500)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("m", None),
            ("1.5h", None),
            ("30m1h", None),
            ("1h1h", None),
            ("-5m", None),
            ("5 m", None),
            ("5분", None),
            ("99999999999999999999s", None),
            ("999999999999y", None),
        ] {
            assert_eq!(parse(text), expected.map(Millis), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_adds_up(hours in 0u64..100, minutes in 0u64..100, junk in "\\PC{0,12}") {
            let _ = parse(&junk);
            let text = format!("{hours}h{minutes}m");
            prop_assert_eq!(parse(&text), Some(Millis((hours * 60 + minutes) * 60_000)));
        }
    }
}
