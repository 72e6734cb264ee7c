//! Metrics: the data points of a request, before anything is made of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::id::Target;

use super::attribute::{Origin, attributes};
use super::crowd::Together;
use super::distribution::Distribution;
use super::limit::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, BUCKETS_MAX, METRIC_CHARS_MAX};
use super::walk::{has_room, messages, walk};
use super::wire::{Fields, Value};
use super::{Encoding, Malformed, Rejected, Taken, schema};

/// The longest thing that is put behind the name of a metric, in characters.
const ENDING_CHARS_MAX: usize = 8;

/// The quantiles that a summary may tell; further ones are left out.
const QUANTILES_MAX: usize = 32;

/// The bit of `flags` that says that there is no value.
const NO_RECORDED_VALUE: u64 = 1;

/// One data point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub(super) target: Target,
    pub(super) metric: String,
    /// As the sender writes it.
    pub(super) unit: String,
    /// Tells what one process says of one series apart from everything else.
    pub(super) identity: u64,
    /// Tells the process apart.
    pub(super) process: u64,
    /// Since when is counted.
    pub(super) start: Option<Timestamp>,
    /// When; none: it does not say.
    pub(super) at: Option<Timestamp>,
    pub(super) measured: Measured,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measured {
    /// The sender says that it has no value.
    Nothing,
    /// A level, and how several processes make one.
    Level(f64, Together),
    /// A sum that only grows.
    Counter { value: f64, since: Since },
    /// A histogram, exponential or not.
    Histogram { count: u64, seen: Distribution, min: Option<f64>, max: Option<f64>, since: Since },
    /// Quantiles that the sender computed, over a time that only it knows.
    Summary { count: u64, quantiles: Vec<(f64, f64)> },
}

/// From where a sum counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// From the last point.
    Last,
    /// From the start of the process.
    Start,
}

/// Reads the data points of an `ExportMetricsServiceRequest`.
///
/// # Errors
/// When the body is no such message.
pub fn read(body: &[u8], encoding: Encoding) -> Result<Taken<Point>, Malformed> {
    let mut items = Vec::new();
    let mut read = |origin: &Origin, metric: &[u8], rejected: &mut Rejected| {
        read_metric(origin, metric, &mut items, rejected)
    };
    let rejected = walk(body, encoding, schema::METRICS, n_points, &mut read)?;
    Ok(Taken { items, rejected })
}

/// The number of data points of a metric.
fn n_points(metric: &[u8]) -> Result<u64, Malformed> {
    let mut n = 0;
    for field in Fields::of(metric) {
        let field = field?;
        if Form::of(field.number).is_some() {
            n += messages(field.value.bytes()?, 1).count() as u64;
        }
    }
    Ok(n)
}

/// What kind of metric it is, by the number of the field that holds its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

impl Form {
    fn of(number: u32) -> Option<Self> {
        match number {
            5 => Some(Self::Gauge),
            7 => Some(Self::Sum),
            9 => Some(Self::Histogram),
            10 => Some(Self::Exponential),
            11 => Some(Self::Summary),
            _ => None,
        }
    }

    /// The field of a point that holds its attributes.
    fn attributes(self) -> u32 {
        match self {
            Self::Gauge | Self::Sum | Self::Summary => 7,
            Self::Histogram => 9,
            Self::Exponential => 1,
        }
    }

    /// The field of a point that holds its flags.
    fn flags(self) -> u32 {
        match self {
            Self::Gauge | Self::Sum | Self::Summary => 8,
            Self::Histogram | Self::Exponential => 10,
        }
    }
}

/// What holds for every point of a metric.
struct Metric<'a> {
    origin: &'a Origin,
    name: String,
    unit: String,
    form: Form,
    /// None: it does not say, so that nobody knows what its sums mean.
    since: Option<Since>,
    is_monotonic: bool,
}

fn read_metric(
    origin: &Origin,
    metric: &[u8],
    items: &mut Vec<Point>,
    rejected: &mut Rejected,
) -> Result<(), Malformed> {
    let (mut name, mut unit, mut found) = (String::new(), String::new(), None);
    for field in Fields::of(metric) {
        let field = field?;
        match field.number {
            1 => name = field.value.text()?,
            3 => unit = field.value.text()?,
            number => {
                if let Some(form) = Form::of(number) {
                    found = Some((form, field.value.bytes()?));
                }
            }
        }
    }
    let Some((form, body)) = found else { return Ok(()) };
    let (mut since, mut is_monotonic) = (None, false);
    for field in Fields::of(body) {
        let field = field?;
        match (field.number, form) {
            (2, Form::Sum | Form::Histogram | Form::Exponential) => {
                since = match field.value.integer()? {
                    1 => Some(Since::Last),
                    2 => Some(Since::Start),
                    _ => None,
                };
            }
            (3, Form::Sum) => is_monotonic = field.value.integer()? != 0,
            _ => {}
        }
    }
    let name = match known_name(&name) {
        Ok(name) => name,
        Err(why) => {
            rejected.add(messages(body, 1).count() as u64, &why);
            return Ok(());
        }
    };
    let metric = Metric { origin, name, unit, form, since, is_monotonic };
    for point in messages(body, 1) {
        if !has_room(items.len(), rejected) {
            continue;
        }
        match metric.point(point?)? {
            Ok(point) => items.push(point),
            Err(why) => rejected.add(1, &format!("{}: {why}", metric.name)),
        }
    }
    Ok(())
}

/// The name as conditions of the configuration can write it.
fn known_name(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    let known: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if known.is_empty() {
        return Err("a metric has no name".to_owned());
    }
    if known.chars().count() > METRIC_CHARS_MAX - ENDING_CHARS_MAX {
        return Err(format!(
            "the name of a metric is longer than {} characters",
            METRIC_CHARS_MAX - ENDING_CHARS_MAX
        ));
    }
    Ok(known)
}

/// The fields that points of several forms share.
#[derive(Default)]
struct Raw {
    start: u64,
    at: u64,
    flags: u64,
    number: Option<f64>,
    count: u64,
    counts: Vec<u64>,
    bounds: Vec<u64>,
    min: Option<f64>,
    max: Option<f64>,
    scale: i64,
    zero: u64,
    positive: (i64, Vec<u64>),
    negative: (i64, Vec<u64>),
    quantiles: Vec<(f64, f64)>,
}

impl Metric<'_> {
    /// Reads a point; the inner error says why it is not taken.
    fn point(&self, point: &[u8]) -> Result<Result<Point, String>, Malformed> {
        let attributes = attributes(point, self.form.attributes())?;
        let mut raw = Raw::default();
        for field in Fields::of(point) {
            let field = field?;
            match field.number {
                2 => raw.start = field.value.integer()?,
                3 => raw.at = field.value.integer()?,
                number if number == self.form.attributes() => {}
                number if number == self.form.flags() => raw.flags = field.value.integer()?,
                number => self.read_value(&mut raw, number, field.value)?,
            }
        }
        Ok(self.made(raw, &attributes))
    }

    fn read_value(&self, raw: &mut Raw, number: u32, value: Value<'_>) -> Result<(), Malformed> {
        match (self.form, number) {
            (Form::Gauge | Form::Sum, 4) => raw.number = Some(value.double()?),
            (Form::Gauge | Form::Sum, 6) => raw.number = Some(signed(value.signed()?)),
            (Form::Histogram | Form::Exponential | Form::Summary, 4) => {
                raw.count = value.integer()?;
            }
            (Form::Histogram, 6) => value.fixed64s(&mut raw.counts, BUCKETS_MAX + 1)?,
            (Form::Histogram, 7) => value.fixed64s(&mut raw.bounds, BUCKETS_MAX)?,
            (Form::Histogram, 11) | (Form::Exponential, 12) => raw.min = Some(value.double()?),
            (Form::Histogram, 12) | (Form::Exponential, 13) => raw.max = Some(value.double()?),
            (Form::Exponential, 6) => raw.scale = value.zigzag()?,
            (Form::Exponential, 7) => raw.zero = value.integer()?,
            (Form::Exponential, 8) => raw.positive = buckets(value.bytes()?)?,
            (Form::Exponential, 9) => raw.negative = buckets(value.bytes()?)?,
            (Form::Summary, 6) if raw.quantiles.len() < QUANTILES_MAX => {
                raw.quantiles.push(quantile(value.bytes()?)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn made(&self, raw: Raw, attributes: &BTreeMap<String, String>) -> Result<Point, String> {
        let Some((target, identity)) = self.origin.series(&self.name, attributes) else {
            return Err(format!(
                "a point has more than {ATTRIBUTES_MAX} attributes, or of more than \
                 {ATTRIBUTES_BYTES_MAX} bytes"
            ));
        };
        let (start, at) = (moment(raw.start), moment(raw.at));
        Ok(Point {
            target,
            metric: self.name.clone(),
            unit: self.unit.clone(),
            identity,
            process: self.origin.identity,
            start,
            at,
            measured: self.measured(raw)?,
        })
    }

    fn measured(&self, raw: Raw) -> Result<Measured, &'static str> {
        const NO_TEMPORALITY: &str = "it does not say whether it counts from its start or its last";
        if raw.flags & NO_RECORDED_VALUE != 0 {
            return Ok(Measured::Nothing);
        }
        let (min, max) = (raw.min.filter(|min| min.is_finite()), raw.max.filter(|m| m.is_finite()));
        match self.form {
            Form::Gauge => {
                let value = raw.number.ok_or("a point has no value")?;
                Ok(Measured::Level(value, Together::Largest))
            }
            Form::Sum => {
                let value = raw.number.ok_or("a point has no value")?;
                match (self.is_monotonic, self.since.ok_or(NO_TEMPORALITY)?) {
                    (true, since) => Ok(Measured::Counter { value, since }),
                    (false, Since::Start) => Ok(Measured::Level(value, Together::Sum)),
                    (false, Since::Last) => {
                        Err("the change of a sum that may fall tells no level; send it cumulative")
                    }
                }
            }
            Form::Histogram => {
                let bounds = raw.bounds.into_iter().map(f64::from_bits).collect();
                let seen = Distribution::explicit(bounds, raw.counts)?;
                let since = self.since.ok_or(NO_TEMPORALITY)?;
                Ok(Measured::Histogram { count: raw.count, seen, min, max, since })
            }
            Form::Exponential => {
                let (positive, negative) = (&raw.positive, &raw.negative);
                let seen = Distribution::exponential(
                    raw.scale,
                    raw.zero,
                    (positive.0, &positive.1),
                    (negative.0, &negative.1),
                )?;
                let since = self.since.ok_or(NO_TEMPORALITY)?;
                Ok(Measured::Histogram { count: raw.count, seen, min, max, since })
            }
            Form::Summary => Ok(Measured::Summary { count: raw.count, quantiles: raw.quantiles }),
        }
    }
}

fn buckets(message: &[u8]) -> Result<(i64, Vec<u64>), Malformed> {
    let (mut offset, mut counts) = (0, Vec::new());
    for field in Fields::of(message) {
        let field = field?;
        match field.number {
            1 => offset = field.value.zigzag()?,
            2 => field.value.varints(&mut counts, BUCKETS_MAX)?,
            _ => {}
        }
    }
    Ok((offset, counts))
}

fn quantile(message: &[u8]) -> Result<(f64, f64), Malformed> {
    let (mut share, mut value) = (0.0, 0.0);
    for field in Fields::of(message) {
        let field = field?;
        match field.number {
            1 => share = field.value.double()?,
            2 => value = field.value.double()?,
            _ => {}
        }
    }
    Ok((share, value))
}

/// A moment in nanoseconds since 1970; 0 says nothing.
pub(super) fn moment(nanoseconds: u64) -> Option<Timestamp> {
    (nanoseconds != 0).then(|| Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()).flatten()
}

#[expect(clippy::cast_precision_loss, reason = "a rounding in the 16th digit of a measurement")]
fn signed(value: i64) -> f64 {
    value as f64
}
