//! How a look becomes samples, within bounds.

use jiff::Timestamp;
use nightcrew_model::id::{MetricName, Target};
use nightcrew_model::sample::{Observation, Reading, Sample, Unknown};
use nightcrew_model::unit::{Quantity, Unit};

/// The largest number of samples of one round of one collector.
pub const SAMPLES_PER_ROUND_MAX: usize = 256;

/// The longest text for people in a sample, in characters.
pub const DETAIL_CHARS_MAX: usize = 200;

/// One sample; texts are cut to [`DETAIL_CHARS_MAX`] and freed of control characters, because they
/// may come from outside.
pub(crate) fn sample(
    at: Timestamp,
    target: &Target,
    metric: &str,
    seen: Result<Reading, Unknown>,
    detail: Option<String>,
) -> Sample {
    let observation = match seen {
        Ok(reading) => Observation::Read(reading),
        Err(Unknown::Failed(why)) => Observation::Unknown(Unknown::Failed(bounded(&why))),
        Err(Unknown::NotPlausible(raw)) => {
            Observation::Unknown(Unknown::NotPlausible(bounded(&raw)))
        }
        Err(why) => Observation::Unknown(why),
    };
    Sample {
        target: target.clone(),
        metric: MetricName::from(metric),
        at,
        observation,
        detail: detail.map(|detail| bounded(&detail)),
    }
}

/// At most [`SAMPLES_PER_ROUND_MAX`] samples; that some were left out is logged.
pub(crate) fn capped(mut samples: Vec<Sample>) -> Vec<Sample> {
    if samples.len() > SAMPLES_PER_ROUND_MAX {
        tracing::warn!(
            samples = samples.len(),
            samples_max = SAMPLES_PER_ROUND_MAX,
            "a round gave more samples than are kept; the last ones are left out"
        );
        samples.truncate(SAMPLES_PER_ROUND_MAX);
    }
    samples
}

/// A number as a reading; none that is infinite or not a number.
pub(crate) fn number(value: f64, unit: Unit) -> Result<Reading, Unknown> {
    match Quantity::new(value, unit) {
        Some(quantity) => Ok(Reading::Quantity(quantity)),
        None => Err(Unknown::NotPlausible(format!("{value}{}", unit.sign()))),
    }
}

/// A part of a whole as a reading in percent; none outside 0 to 100.
pub(crate) fn percent(value: f64) -> Result<Reading, Unknown> {
    if (0.0..=100.0).contains(&value) {
        number(value, Unit::Percent)
    } else {
        Err(Unknown::NotPlausible(format!("{value} %")))
    }
}

/// `part` of `whole` in percent; none where the whole is nothing.
pub(crate) fn share(part: u64, whole: u64) -> Result<f64, Unknown> {
    if whole == 0 {
        return Err(Unknown::NotPlausible(format!("{part} of {whole}")));
    }
    Ok(float(part) / float(whole) * 100.0)
}

/// The number as a float; exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rounding in the 16th digit of a measurement is below its noise"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// A number of bytes as people say it: `73.1 GB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = float(bytes) / 1_000.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 999.95 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

fn bounded(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().nth(DETAIL_CHARS_MAX).is_none() {
        return plain.collect();
    }
    let mut cut: String = plain.take(DETAIL_CHARS_MAX - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::ServiceName;
    use proptest::prelude::*;

    use super::*;

    fn host() -> Target {
        Target::service(ServiceName::host())
    }

    #[test]
    fn a_round_is_capped() {
        let one = sample(Timestamp::UNIX_EPOCH, &host(), "load_1m", percent(1.0), None);
        let kept = capped(vec![one; SAMPLES_PER_ROUND_MAX + 1]);
        assert_eq!(kept.len(), SAMPLES_PER_ROUND_MAX);
    }

    #[test]
    fn percentages_outside_their_range_are_unknown() {
        for value in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(percent(value), Err(Unknown::NotPlausible(_))), "{value}");
        }
        assert!(percent(0.0).is_ok() && percent(100.0).is_ok());
    }

    #[test]
    fn sizes_read_as_people_say_them() {
        let said = [0, 999, 1_000, 999_949, 999_950, 73_100_000_000, u64::MAX].map(size);
        let expected = ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "73.1 GB", "18446.7 PB"];
        assert_eq!(said, expected);
    }

    proptest! {
        #[test]
        fn details_are_cut_between_characters(text in ".{0,400}") {
            let kept = bounded(&text);
            prop_assert!(kept.chars().count() <= DETAIL_CHARS_MAX);
            prop_assert!(!kept.chars().any(char::is_control));
            if text.chars().count() <= DETAIL_CHARS_MAX {
                prop_assert_eq!(kept.chars().count(), text.chars().count());
            }
        }
    }

    #[test]
    fn korean_details_are_cut_at_two_hundred_characters() {
        let kept = bounded(&"디스크 공간 부족 ".repeat(40));
        assert_eq!(kept.chars().count(), DETAIL_CHARS_MAX);
        assert!(kept.ends_with('…'));
    }
}
