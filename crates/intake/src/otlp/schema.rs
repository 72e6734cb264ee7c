//! The JSON encoding of OTLP, turned into the binary one, so that one reader serves both.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding> and the `.proto` files
//! of opentelemetry-proto 1.x.  Names are lowerCamelCase (the original names are accepted too, as
//! every reader of Protocol Buffers in JSON must), ids of traces and spans are hexadecimal, 64-bit
//! numbers may be texts, enumerations are numbers, and what is not known is ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json};

use super::Malformed;
use super::wire::Writer;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Type {
    Text,
    Bool,
    Double,
    Fixed64,
    Fixed32,
    Int,
    Zigzag,
    /// An id, in hexadecimal digits.
    Hex,
    Base64,
    Message(&'static [Known]),
    /// Any value, which nests.
    Any,
}

/// A field that is read; the others are skipped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    name: &'static str,
    number: u32,
    kind: Type,
    repeated: bool,
}

const fn one(name: &'static str, number: u32, kind: Type) -> Known {
    Known { name, number, kind, repeated: false }
}

const fn many(name: &'static str, number: u32, kind: Type) -> Known {
    Known { name, number, kind, repeated: true }
}

const ANY: &[Known] = &[
    one("stringValue", 1, Type::Text),
    one("boolValue", 2, Type::Bool),
    one("intValue", 3, Type::Int),
    one("doubleValue", 4, Type::Double),
    one("arrayValue", 5, Type::Message(&[many("values", 1, Type::Any)])),
    one("kvlistValue", 6, Type::Message(&[many("values", 1, Type::Message(PAIR))])),
    one("bytesValue", 7, Type::Base64),
];
const PAIR: &[Known] = &[one("key", 1, Type::Text), one("value", 2, Type::Any)];
const ATTRIBUTES: Type = Type::Message(PAIR);
const RESOURCE: Type = Type::Message(&[many("attributes", 1, ATTRIBUTES)]);

const NUMBER_POINT: Type = Type::Message(&[
    many("attributes", 7, ATTRIBUTES),
    one("startTimeUnixNano", 2, Type::Fixed64),
    one("timeUnixNano", 3, Type::Fixed64),
    one("asDouble", 4, Type::Double),
    one("asInt", 6, Type::Fixed64),
    one("flags", 8, Type::Int),
]);
const HISTOGRAM_POINT: Type = Type::Message(&[
    many("attributes", 9, ATTRIBUTES),
    one("startTimeUnixNano", 2, Type::Fixed64),
    one("timeUnixNano", 3, Type::Fixed64),
    one("count", 4, Type::Fixed64),
    one("sum", 5, Type::Double),
    many("bucketCounts", 6, Type::Fixed64),
    many("explicitBounds", 7, Type::Double),
    one("flags", 10, Type::Int),
    one("min", 11, Type::Double),
    one("max", 12, Type::Double),
]);
const BUCKETS: Type =
    Type::Message(&[one("offset", 1, Type::Zigzag), many("bucketCounts", 2, Type::Int)]);
const EXPONENTIAL_POINT: Type = Type::Message(&[
    many("attributes", 1, ATTRIBUTES),
    one("startTimeUnixNano", 2, Type::Fixed64),
    one("timeUnixNano", 3, Type::Fixed64),
    one("count", 4, Type::Fixed64),
    one("sum", 5, Type::Double),
    one("scale", 6, Type::Zigzag),
    one("zeroCount", 7, Type::Fixed64),
    one("positive", 8, BUCKETS),
    one("negative", 9, BUCKETS),
    one("flags", 10, Type::Int),
    one("min", 12, Type::Double),
    one("max", 13, Type::Double),
]);
const SUMMARY_POINT: Type = Type::Message(&[
    many("attributes", 7, ATTRIBUTES),
    one("startTimeUnixNano", 2, Type::Fixed64),
    one("timeUnixNano", 3, Type::Fixed64),
    one("count", 4, Type::Fixed64),
    one("sum", 5, Type::Double),
    many(
        "quantileValues",
        6,
        Type::Message(&[one("quantile", 1, Type::Double), one("value", 2, Type::Double)]),
    ),
    one("flags", 8, Type::Int),
]);
const TEMPORALITY: Known = one("aggregationTemporality", 2, Type::Int);
const METRIC: Type = Type::Message(&[
    one("name", 1, Type::Text),
    one("unit", 3, Type::Text),
    one("gauge", 5, Type::Message(&[many("dataPoints", 1, NUMBER_POINT)])),
    one(
        "sum",
        7,
        Type::Message(&[
            many("dataPoints", 1, NUMBER_POINT),
            TEMPORALITY,
            one("isMonotonic", 3, Type::Bool),
        ]),
    ),
    one("histogram", 9, Type::Message(&[many("dataPoints", 1, HISTOGRAM_POINT), TEMPORALITY])),
    one(
        "exponentialHistogram",
        10,
        Type::Message(&[many("dataPoints", 1, EXPONENTIAL_POINT), TEMPORALITY]),
    ),
    one("summary", 11, Type::Message(&[many("dataPoints", 1, SUMMARY_POINT)])),
]);
const LOG_RECORD: Type = Type::Message(&[
    one("timeUnixNano", 1, Type::Fixed64),
    one("severityNumber", 2, Type::Int),
    one("severityText", 3, Type::Text),
    one("body", 5, Type::Any),
    many("attributes", 6, ATTRIBUTES),
    one("observedTimeUnixNano", 11, Type::Fixed64),
    one("eventName", 12, Type::Text),
]);
const SPAN: Type = Type::Message(&[
    one("traceId", 1, Type::Hex),
    one("spanId", 2, Type::Hex),
    one("parentSpanId", 4, Type::Hex),
    one("name", 5, Type::Text),
    one("kind", 6, Type::Int),
    one("startTimeUnixNano", 7, Type::Fixed64),
    one("endTimeUnixNano", 8, Type::Fixed64),
    many("attributes", 9, ATTRIBUTES),
    one("status", 15, Type::Message(&[one("code", 3, Type::Int)])),
    one("flags", 16, Type::Fixed32),
]);

macro_rules! request {
    ($(#[$doc:meta])* $name:ident, $resources:literal, $scopes:literal, $items:literal, $item:ident) => {
        $(#[$doc])*
        pub(super) const $name: &[Known] = &[many(
            $resources,
            1,
            Type::Message(&[
                one("resource", 1, RESOURCE),
                many($scopes, 2, Type::Message(&[many($items, 2, $item)])),
            ]),
        )];
    };
}

request!(
    /// `ExportMetricsServiceRequest`.
    METRICS, "resourceMetrics", "scopeMetrics", "metrics", METRIC
);
request!(
    /// `ExportLogsServiceRequest`.
    LOGS, "resourceLogs", "scopeLogs", "logRecords", LOG_RECORD
);
request!(
    /// `ExportTraceServiceRequest`.
    TRACES, "resourceSpans", "scopeSpans", "spans", SPAN
);

/// The binary form of a body in JSON.
pub(super) fn binary(body: &[u8], schema: &[Known]) -> Result<Vec<u8>, Malformed> {
    let json: Json =
        serde_json::from_slice(body).map_err(|error| Malformed::Json(error.to_string()))?;
    let Json::Object(members) = json else { return Err(Malformed::Member("the body")) };
    message(&members, schema)
}

fn message(members: &Map<String, Json>, schema: &[Known]) -> Result<Vec<u8>, Malformed> {
    let mut writer = Writer::default();
    for (name, value) in members {
        let Some(known) = schema.iter().find(|known| is_named(known.name, name)) else { continue };
        match value {
            Json::Null => {}
            Json::Array(items) if known.repeated => {
                for item in items {
                    field(&mut writer, known, item)?;
                }
            }
            Json::Bool(_)
            | Json::Number(_)
            | Json::String(_)
            | Json::Array(_)
            | Json::Object(_) => field(&mut writer, known, value)?,
        }
    }
    Ok(writer.into_bytes())
}

/// Whether a member has this name, in lowerCamelCase or with underscores.
fn is_named(camel: &str, name: &str) -> bool {
    let mut wanted = camel.chars();
    let mut raise = false;
    for c in name.chars() {
        if c == '_' {
            raise = true;
            continue;
        }
        let c = if std::mem::take(&mut raise) { c.to_ascii_uppercase() } else { c };
        if wanted.next() != Some(c) {
            return false;
        }
    }
    wanted.next().is_none()
}

fn field(writer: &mut Writer, known: &Known, value: &Json) -> Result<(), Malformed> {
    let bad = || Malformed::Member(known.name);
    let number = known.number;
    match known.kind {
        Type::Text => writer.bytes(number, value.as_str().ok_or_else(bad)?.as_bytes()),
        Type::Bool => writer.varint(number, u64::from(value.as_bool().ok_or_else(bad)?)),
        Type::Double => writer.fixed64(number, double(value).ok_or_else(bad)?.to_bits()),
        Type::Fixed64 => writer.fixed64(number, integer(value).ok_or_else(bad)?),
        Type::Fixed32 => {
            let value = integer(value).and_then(|value| u32::try_from(value).ok());
            writer.fixed32(number, value.ok_or_else(bad)?);
        }
        Type::Int => writer.varint(number, integer(value).ok_or_else(bad)?),
        Type::Zigzag => {
            let value = integer(value).ok_or_else(bad)?.cast_signed();
            writer.varint(number, (value << 1 ^ value >> 63).cast_unsigned());
        }
        Type::Hex => {
            let bytes = value.as_str().and_then(hex).ok_or_else(bad)?;
            writer.bytes(number, &bytes);
        }
        Type::Base64 => {
            let text = value.as_str().ok_or_else(bad)?;
            writer.bytes(number, &BASE64.decode(text).map_err(|_| bad())?);
        }
        Type::Message(schema) => {
            let members = value.as_object().ok_or_else(bad)?;
            writer.bytes(number, &message(members, schema)?);
        }
        Type::Any => {
            let members = value.as_object().ok_or_else(bad)?;
            writer.bytes(number, &message(members, ANY)?);
        }
    }
    Ok(())
}

/// A whole number, or the text of one; a negative one as two's complement.
fn integer(value: &Json) -> Option<u64> {
    match value {
        Json::Number(number) => number.as_u64().or_else(|| number.as_i64().map(i64::cast_unsigned)),
        Json::String(text) => {
            text.parse().ok().or_else(|| text.parse().ok().map(i64::cast_unsigned))
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A number, or the text of one: `NaN`, `Infinity` and `-Infinity` have no other form in JSON.
fn double(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_both_forms() {
        assert!(is_named("timeUnixNano", "timeUnixNano"));
        assert!(is_named("timeUnixNano", "time_unix_nano"));
        assert!(!is_named("timeUnixNano", "timeUnixNanos") && !is_named("timeUnixNano", "time"));
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        assert_eq!(integer(&Json::from("18446744073709551615")), Some(u64::MAX));
        assert_eq!(integer(&Json::from(-2)), Some(u64::MAX - 1));
        assert_eq!(integer(&Json::from("-2")), Some(u64::MAX - 1));
        assert_eq!(integer(&Json::from(1.5)), None);
        assert_eq!(double(&Json::from("-Infinity")), Some(f64::NEG_INFINITY));
        assert_eq!(hex("00fF"), Some(vec![0, 255]));
        assert_eq!((hex("0"), hex("+1"), hex("한")), (None, None, None));
    }
}
