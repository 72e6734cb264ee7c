//! `nightcrew detect explain`: a finding with its reason, its numbers, its window and a picture.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use nightcrew_detect::judge::Judge;
use nightcrew_detect::judge::rules::{Detection, RESOLUTION, Rules};
use nightcrew_detect::threshold::Threshold;
use nightcrew_model::catalogue;
use nightcrew_model::chart::Chart;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::id::Target;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample};
use nightcrew_model::unit::{Millis, Quantity, Unit};
use nightcrew_report::picture;
use serde_json::Value;

use crate::cli::Ask;
use crate::client::{found, text};
use crate::csv_file::Csv;
use crate::output::{self, Exit, Failure};

/// How wide a picture in the terminal is, in columns.
const WIDTH: usize = 100;

/// The largest number of findings of a file that are shown.
const SHOWN_MAX: usize = 50;

/// `nightcrew detect explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An alert of the running crew [default: list those that can be explained].
    #[arg(value_name = "FINGERPRINT", conflicts_with = "file")]
    fingerprint: Option<String>,
    /// Judge a CSV file with the columns timestamp and value instead.
    #[arg(long, value_name = "CSV")]
    file: Option<PathBuf>,
    /// What the file measures: the name of a metric, which also says what its unit is.
    #[arg(long, value_name = "NAME", default_value = "value", requires = "file")]
    metric: String,
    /// The critical limit, above which trouble begins.
    #[arg(long, value_name = "NUMBER", requires = "file")]
    limit: Option<f64>,
    /// Write the picture of the last finding to this file, as SVG.
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) async fn run(args: &Explain) -> anyhow::Result<Exit> {
    match (&args.fingerprint, &args.file) {
        (_, Some(_)) => explain_file(args),
        (Some(fingerprint), None) => explain_alert(args, fingerprint).await,
        (None, None) => list(&args.ask).await,
    }
}

async fn list(ask: &Ask) -> anyhow::Result<Exit> {
    let alerts = found(ask, "/api/v1/alerts").await?;
    let items = alerts.get("items").and_then(Value::as_array).into_iter().flatten();
    let own: Vec<&Value> = items.filter(|alert| text(alert, "/source") == "detector").collect();
    if ask.json {
        output::json(&own)?;
        return Ok(Exit::Done);
    }
    let rows = own.into_iter().map(|alert| {
        let of = |pointer| text(alert, pointer);
        vec![of("/fingerprint"), of("/severity"), of("/starts_at"), of("/annotations/summary")]
    });
    output::table(&["fingerprint", "severity", "since", "what"], rows.collect());
    Ok(Exit::Done)
}

async fn explain_alert(args: &Explain, fingerprint: &str) -> anyhow::Result<Exit> {
    let fingerprint: Fingerprint = fingerprint.parse().map_err(|error| {
        Failure::usage(format!("{error}"), "`nightcrew detect explain` lists the fingerprints")
    })?;
    let story = found(&args.ask, &format!("/api/v1/alerts/{fingerprint}")).await?;
    let chart: Option<Chart> = match story.get("chart") {
        None | Some(Value::Null) => None,
        Some(chart) => Some(serde_json::from_value(chart.clone()).context("reading the chart")?),
    };
    if args.ask.json {
        output::json(&story)?;
    } else {
        let of = |pointer| text(&story, pointer);
        output::line(&format!("{}  {}  {}", of("/service"), of("/symptom"), of("/severity")));
        output::line(&format!("since  {}", of("/starts_at")));
        output::line(&format!("why    {}", of("/annotations/summary")));
        match &chart {
            Some(chart) => draw(chart),
            None => output::line("numbers: only the sample itself; a limit was crossed"),
        }
    }
    write_svg(args, chart.as_ref())?;
    Ok(Exit::Done)
}

fn explain_file(args: &Explain) -> anyhow::Result<Exit> {
    let rows = rows(args)?;
    let mut judge = Judge::new(rules(args, &rows));
    let unit = match catalogue::metric(&args.metric).map(|known| known.kind) {
        Some(catalogue::Kind::Number(unit)) => unit,
        Some(catalogue::Kind::States(_)) | None => Unit::Count,
    };
    let mut began: Vec<Finding> = Vec::new();
    for (at, value) in rows {
        let Some(quantity) = Quantity::new(value, unit) else { continue };
        let sample = Sample {
            target: Target::service("file".into()),
            metric: args.metric.as_str().into(),
            at,
            observation: Observation::Read(Reading::Quantity(quantity)),
            detail: None,
        };
        let new = judge.observe(&sample).into_iter().filter(|finding| {
            let is_known = began.iter().rev().find(|known| known.symptom == finding.symptom);
            let fires = matches!(finding.level, Level::Firing(_));
            fires
                && finding.sample.at == at
                && is_known.is_none_or(|it| it.level != finding.level || it.chart.is_some())
        });
        let new: Vec<Finding> = new.collect();
        began.extend(new);
    }
    if args.ask.json {
        output::json(&began)?;
    } else {
        for finding in began.iter().take(SHOWN_MAX) {
            let Level::Firing(severity) = finding.level else { continue };
            output::line(&format!("{}  {}  {severity}", finding.sample.at, finding.symptom));
            output::line(&format!("why    {}", output::plain(&finding.rule)));
            finding.chart.as_deref().into_iter().for_each(draw);
        }
        let more = began.len().saturating_sub(SHOWN_MAX);
        if more > 0 {
            output::line(&format!("… and {more} more"));
        }
        if began.is_empty() {
            output::line("nothing was found");
        }
    }
    write_svg(args, began.iter().rev().find_map(|finding| finding.chart.as_deref()))?;
    Ok(Exit::Done)
}

/// The rows that have a time and a number.
fn rows(args: &Explain) -> anyhow::Result<Vec<(Timestamp, f64)>> {
    let path = args.file.as_deref().context("a file was asked for")?;
    let mut csv = Csv::open(path)?;
    let (time, value) = csv.time_and_value();
    let mut rows = Vec::new();
    while let Some(row) = csv.next()? {
        let number = row.value(value);
        if let Some(at) = row.time(time).filter(|_| number.is_finite()) {
            rows.push((at, number));
        }
    }
    if rows.is_empty() {
        let why = format!("{} has no row with a time and a number", path.display());
        return Err(Failure::usage(why, "the columns are timestamp and value").into());
    }
    Ok(rows)
}

/// The rules for a file: cells no finer than its rows, and the limit that is asked for.
fn rules(args: &Explain, rows: &[(Timestamp, f64)]) -> Rules {
    let mut intervals: Vec<Millis> = rows
        .iter()
        .zip(rows.iter().skip(1))
        .map(|(one, next)| Millis::between(one.0, next.0))
        .collect();
    intervals.sort_unstable();
    let usual = intervals.get(intervals.len() / 2).copied().unwrap_or(RESOLUTION);
    let condition = |at| Condition {
        metric: args.metric.as_str().into(),
        operator: Operator::Greater,
        operand: Operand::Number(at),
    };
    let threshold = args.limit.map(|at| Threshold {
        metric: args.metric.as_str().into(),
        service: None,
        symptom: catalogue::symptom_of(&args.metric.as_str().into()),
        warning: None,
        critical: Some(condition(at)),
        needed: 1,
        of: 1,
        hysteresis: 0.0,
        lasting: Millis(0),
        min_requests: None,
    });
    Rules {
        thresholds: threshold.into_iter().collect(),
        detection: Detection { resolution: usual.max(RESOLUTION), ..Detection::default() },
        ..Rules::default()
    }
}

/// The numbers and the window of a chart, and its picture.
fn draw(chart: &Chart) {
    if let (Some(first), Some(last)) = (chart.points.first(), chart.points.last()) {
        let n_points = chart.points.len();
        output::line(&format!("window {} to {}, {n_points} points", first.at, last.at));
    }
    if let Some(band) = chart.expected {
        let sign = chart.unit.sign();
        output::line(&format!("usual  {:.2}{sign} to {:.2}{sign}", band.low, band.high));
    }
    if let Some(limit) = chart.limit {
        output::line(&format!("limit  {limit}{}", chart.unit.sign()));
    }
    output::line(picture::blocks(chart, WIDTH).trim_end());
}

fn write_svg(args: &Explain, chart: Option<&Chart>) -> anyhow::Result<()> {
    let (Some(path), Some(chart)) = (&args.svg, chart) else { return Ok(()) };
    std::fs::write(path, picture::svg(chart))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}
