//! Moments, in the forms in which other systems write them.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::{Offset, TimeZone};
use serde_json::Value;

/// Numbers from here on count milliseconds: as seconds they would lie after the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// The moment in an RFC 3339 text; none for no text and for Go's zero time.
pub(crate) fn rfc3339(text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let moment: Timestamp = text
        .parse()
        .map_err(|_| format!("{text:?} is not an RFC 3339 time such as 2026-11-21T03:00:00Z"))?;
    Ok((Some(moment) != go_zero_time()).then_some(moment))
}

/// The moment in a text with or without an offset (then it is UTC), or in a number of seconds or
/// milliseconds since 1970; none where it is none of that.
pub(crate) fn lenient(value: &Value) -> Option<Timestamp> {
    let counted = |count: i64| {
        if count.unsigned_abs() >= MILLISECONDS_FROM.unsigned_abs() {
            Timestamp::from_millisecond(count).ok()
        } else {
            Timestamp::from_second(count).ok()
        }
    };
    let moment = match value {
        Value::Number(number) => {
            number.as_i64().and_then(counted).or_else(|| fraction(number.as_f64()?))
        }
        Value::String(text) => {
            let text = text.trim();
            let instant = text.parse::<Timestamp>().ok();
            let civil = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
            instant
                .or_else(|| civil().map(|zoned| zoned.timestamp()))
                .or_else(|| text.parse().ok().and_then(counted))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    moment.filter(|moment| Some(*moment) != go_zero_time())
}

/// A number of seconds with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "checked to be in range before")]
fn fraction(seconds: f64) -> Option<Timestamp> {
    let millis = seconds * 1_000.0;
    (millis.abs() < 1e15).then(|| Timestamp::from_millisecond(millis as i64).ok())?
}

/// `0001-01-01T00:00:00Z`, which is how Go writes "not set".
fn go_zero_time() -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date(1, 1, 1).at(0, 0, 0, 0)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_other_systems_write() {
        let expected: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
        for value in [
            json!("2026-11-21T03:00:00Z"),
            json!("2026-11-21T03:00:00.000+0000"),
            json!("2026-11-21T12:00:00+09:00"),
            json!("2026-11-21 03:00:00.000"),
            json!("2026-11-21T03:00:00"),
            json!(1_795_230_000),
            json!(1_795_230_000_000_i64),
            json!("1795230000000"),
            json!(1_795_230_000.0),
        ] {
            assert_eq!(lenient(&value), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for value in [
            json!(null),
            json!(""),
            json!("어제"),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e300),
            json!(true),
            json!([]),
            json!("0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(lenient(&value), None, "{value}");
        }
        assert_eq!(rfc3339("0001-01-01T00:00:00Z"), Ok(None));
        assert_eq!(rfc3339(""), Ok(None));
        assert!(rfc3339("어제").is_err());
    }
}
