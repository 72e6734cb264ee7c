//! `nightcrew metrics`: what was measured, asked of the running crew, or read from its data folder
//! while no crew runs there.

pub(crate) mod args;
mod offline;
mod plot;

use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli;
use crate::client::{body, found, text};
use crate::metrics::args::{Metrics, MetricsFormat, MetricsQuery};
use crate::output::{self, Exit, Failure};

/// How many series are plotted.
const PLOTS_MAX: usize = 8;

/// How wide a small plot is, in columns.
const SPARK_COLUMNS: usize = 24;

pub(crate) async fn run(command: Metrics) -> anyhow::Result<Exit> {
    match command {
        Metrics::Query(args) => query(&args).await,
        Metrics::Snapshot { selector, data, ask } => {
            snapshot(&selector, data.as_deref(), &ask).await
        }
    }
}

async fn query(args: &MetricsQuery) -> anyhow::Result<Exit> {
    let format = if args.ask.json { MetricsFormat::Json } else { args.format };
    if format == MetricsFormat::Csv {
        output::line(csv(args).await?.trim_end());
        return Ok(Exit::Done);
    }
    let answer = answer(args).await?;
    let damage = answer.get("damage").and_then(Value::as_array);
    for damage in damage.into_iter().flatten().filter_map(Value::as_str) {
        output::note(&output::plain(damage));
    }
    let series = series(&answer);
    match format {
        MetricsFormat::Json => output::json(&answer)?,
        MetricsFormat::Plot => {
            for one in series.iter().take(PLOTS_MAX) {
                output::line(&plot::plot(&name(one), &unit(one), &points(one)));
            }
            if series.len() > PLOTS_MAX {
                output::note(&format!("{} more series; add a matcher", series.len() - PLOTS_MAX));
            }
        }
        MetricsFormat::Table | MetricsFormat::Csv => {
            let header = ["series", "unit", "points", "min", "mean", "max", "last", "at", "shape"];
            output::table(&header, series.iter().map(|one| row(one)).collect());
        }
    }
    Ok(if series.is_empty() { Exit::No } else { Exit::Done })
}

/// What the crew answers; what lies in the data folder where none runs.
async fn answer(args: &MetricsQuery) -> anyhow::Result<Value> {
    if let Some(data) = &args.data {
        return offline::answer(data, args);
    }
    let asked = found(&args.ask, &path("/api/v1/metrics/query", args, &[])).await;
    match reached(asked)? {
        Some(answer) => Ok(answer),
        None => offline::answer(&offline::default_folder(&args.ask)?, args),
    }
}

async fn csv(args: &MetricsQuery) -> anyhow::Result<String> {
    if let Some(data) = &args.data {
        return offline::csv(data, args);
    }
    let asked = body(&args.ask, &path("/api/v1/metrics/export", args, &[("format", "csv")])).await;
    match reached(asked)? {
        Some(text) => Ok(text),
        None => offline::csv(&offline::default_folder(&args.ask)?, args),
    }
}

/// The answer; none where there is no crew to ask.
fn reached<T>(asked: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if output::exit_of(&error) == Exit::Unreachable => Ok(None),
        Err(error) => Err(error),
    }
}

fn path(path: &str, args: &MetricsQuery, more: &[(&str, &str)]) -> String {
    let mut pairs = Serializer::new(format!("{path}?"));
    pairs.append_pair("selector", &args.selector).append_pair("since", &args.since);
    pairs.append_pair("step", &args.step);
    if let Some(until) = &args.until {
        pairs.append_pair("until", until);
    }
    pairs.extend_pairs(more);
    pairs.finish()
}

async fn snapshot(
    selector: &str,
    data: Option<&std::path::Path>,
    ask: &cli::Ask,
) -> anyhow::Result<Exit> {
    let latest = match data {
        Some(data) => offline::latest(data, selector)?,
        None => {
            let mut pairs = Serializer::new("/api/v1/metrics?".to_owned());
            let path = pairs.append_pair("selector", selector).append_pair("limit", "10000");
            match reached(found(ask, &path.finish()).await)? {
                Some(latest) => latest,
                None => offline::latest(&offline::default_folder(ask)?, selector)?,
            }
        }
    };
    if ask.json {
        output::json(&latest)?;
        return Ok(Exit::Done);
    }
    let items = latest.get("items").and_then(Value::as_array);
    let rows = items.into_iter().flatten().map(|item| {
        let value = item.get("value").and_then(Value::as_f64);
        let seen = match value {
            Some(value) => number(value),
            None => match text(item, "/unknown") {
                why if why.is_empty() => text(item, "/status"),
                why => format!("unknown: {why}"),
            },
        };
        let of = |pointer| text(item, pointer);
        vec![of("/service"), of("/resource"), of("/metric"), seen, of("/unit"), of("/at")]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let any = !rows.is_empty();
    output::table(&["service", "resource", "metric", "value", "unit", "at"], rows);
    Ok(if any { Exit::Done } else { Exit::No })
}

fn series(answer: &Value) -> Vec<&Value> {
    answer.get("series").and_then(Value::as_array).into_iter().flatten().collect()
}

fn unit(series: &Value) -> String {
    text(series, "/unit")
}

/// The series as a selector has it.
fn name(series: &Value) -> String {
    let labels = series.get("labels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={:?}", value.as_str().unwrap_or_default()))
        .collect();
    let metric = text(series, "/metric");
    if pairs.is_empty() { metric } else { format!("{metric}{{{}}}", pairs.join(",")) }
}

/// A point: its moment in milliseconds, its value or mean, the smallest and the largest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at: i64,
    mean: f64,
    min: f64,
    max: f64,
    last: f64,
}

fn points(series: &Value) -> Vec<Point> {
    let points = series.get("points").and_then(Value::as_array).into_iter().flatten();
    let point = |point: &Value| {
        let of = |n: usize| point.get(n).and_then(Value::as_f64);
        let at = point.get(0)?.as_i64()?;
        let value = of(1)?;
        let (min, max) = (of(2).unwrap_or(value), of(3).unwrap_or(value));
        Some(Point { at, mean: value, min, max, last: of(4).unwrap_or(value) })
    };
    points.filter_map(point).collect()
}

fn row(series: &Value) -> Vec<String> {
    let points = points(series);
    let fold = |of: fn(&Point) -> f64, pick: fn(f64, f64) -> f64| {
        points.iter().map(of).reduce(pick).map(number).unwrap_or_default()
    };
    #[expect(clippy::cast_precision_loss, reason = "an answer has a limit far below 2^53")]
    let count = points.len() as f64;
    let mean = points.iter().map(|point| point.mean / count).sum::<f64>();
    let last = points.last();
    let at = last.and_then(|point| Timestamp::from_millisecond(point.at).ok());
    vec![
        name(series),
        unit(series),
        points.len().to_string(),
        fold(|point| point.min, f64::min),
        number(mean),
        fold(|point| point.max, f64::max),
        last.map(|point| number(point.last)).unwrap_or_default(),
        at.map(|at| at.to_string()).unwrap_or_default(),
        plot::spark(&points, SPARK_COLUMNS),
    ]
}

/// A number that a person can read: four digits that count.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let size = value.abs();
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the logarithm of a number of that size is between -4 and 15"
    )]
    let places = (3.0 - size.log10().floor()).clamp(0.0, 8.0) as usize;
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A range that cannot be read.
fn bad_range(text: &str) -> Failure {
    Failure::usage(
        format!("`{text}` is no part of a range"),
        "write a span such as 90m or 24h, or a moment such as 2026-11-21T03:00:00Z",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_whole_ones_stay_whole() {
        let shown = [0.0, 93.456_78, 0.001_234_5, 1_234_567.8, -2.5, 1e20, 100.0, f64::INFINITY];
        let shown: Vec<String> = shown.into_iter().map(number).collect();
        assert_eq!(shown, ["0", "93.46", "0.001234", "1234568", "-2.5", "1.000e20", "100", "inf"]);
    }

    #[test]
    fn points_are_samples_or_buckets() {
        let series = serde_json::json!({
            "metric": "a", "labels": {"b": "c\"d"}, "unit": null,
            "points": [[5, 1.5], [6, 2.0, 1.0, 3.0, 2.5, 4], [7, null], ["x"]],
        });
        let read = points(&series);
        assert_eq!(read[0], Point { at: 5, mean: 1.5, min: 1.5, max: 1.5, last: 1.5 });
        assert_eq!(read[1], Point { at: 6, mean: 2.0, min: 1.0, max: 3.0, last: 2.5 });
        assert_eq!((read.len(), name(&series)), (2, "a{b=\"c\\\"d\"}".to_owned()));
    }
}
