//! Series straight from a data folder, while no crew stores there.  Nothing in it is changed.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{Span, SpanRelativeTo, Timestamp};
use nightcrew_config::settings::MetricsRetention;
use nightcrew_crew::recording;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_series::answer::{Question, Rows, Step};
use nightcrew_series::config::Config;
use nightcrew_series::error::StoreError;
use nightcrew_series::sample::Moment;
use nightcrew_series::store::Store;
use nightcrew_series::view::{AnswerView, SeriesView};
use nightcrew_series::{export, selector};
use serde_json::{Value, json};

use super::args::MetricsQuery;
use super::bad_range;
use crate::output::{Exit, Failure, note, plain};
use crate::{cli, wiring};

/// How far back a value may lie that still counts as the latest.
const LATEST: Millis = Millis::from_secs(24 * 3_600);

/// The data folder of this place, where no crew could be asked.
pub(super) fn default_folder(ask: &cli::Ask) -> anyhow::Result<PathBuf> {
    let data = wiring::env().get("NIGHTCREW_DATA").map(PathBuf::from);
    let data = wiring::data_dir(data.as_ref());
    if !recording::folder(&data).is_dir() {
        return Err(Failure {
            exit: Exit::Unreachable,
            message: format!("cannot reach the crew at {}", ask.url),
            hint: Some(
                "start it with `nightcrew up`, name its address with --url, or a data folder with \
                 --data"
                    .to_owned(),
            ),
        }
        .into());
    }
    note(&format!("no crew at {}; reading {}", ask.url, data.display()));
    Ok(data)
}

fn open(data: &Path) -> anyhow::Result<Store> {
    let kept = MetricsRetention::default();
    // The crew's own settings of ages are not known here: what is there is shown.
    let forever = Millis::from_secs(100 * 366 * 86_400);
    let config = Config {
        raw_age_max: kept.raw,
        five_minutes_age_max: kept.five_minutes,
        hour_age_max: forever,
        ..recording::config(&kept)
    };
    let opened = Store::open_to_read(&recording::folder(data), config);
    let (store, opened) = opened.map_err(|error| match error {
        StoreError::Locked { .. } => anyhow::Error::new(Failure {
            exit: Exit::No,
            message: format!("a crew stores its series in {}", data.display()),
            hint: Some("ask that crew: leave --data out, or name its address with --url".into()),
        }),
        StoreError::Absent { .. } => Failure::usage(
            format!("there are no series in {}", data.display()),
            "name the data folder of a crew",
        )
        .into(),
        other => anyhow::Error::new(other).context("reading the series"),
    })?;
    for damage in &opened.damage {
        note(&plain(&damage.to_string()));
    }
    Ok(store)
}

fn question(args: &MetricsQuery, now: Timestamp) -> anyhow::Result<Question> {
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    let until = match args.until.as_deref() {
        None => now,
        Some(text) => moment(text).ok_or_else(|| bad_range(text))?,
    };
    let span = |text: &str| -> Option<Timestamp> {
        let span: Span = text.trim().parse().ok()?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        if length.is_zero() || length.is_negative() {
            return None;
        }
        Some(until.checked_sub(length).unwrap_or(Timestamp::UNIX_EPOCH))
    };
    let from = moment(&args.since).or_else(|| span(&args.since));
    let from = from.ok_or_else(|| bad_range(&args.since))?.max(Timestamp::UNIX_EPOCH);
    let step: Step = args.step.parse().map_err(|error: nightcrew_series::answer::BadStep| {
        Failure::usage(error.to_string(), "leave --step out for a fitting one")
    })?;
    let matchers = selector::parse(&args.selector).map_err(|bad| {
        Failure::usage(bad.to_string(), "write it like disk_usage{service=\"host\"}")
    })?;
    Ok(Question { matchers, from: Moment::from(from), until: Moment::from(until), step })
}

/// The answer to a question, as a crew would give it.
pub(super) fn answer(data: &Path, args: &MetricsQuery) -> anyhow::Result<Value> {
    let now = Clock::System.now();
    let question = question(args, now)?;
    let answer = open(data)?.answer(Moment::from(now), &question);
    Ok(serde_json::to_value(AnswerView::of(&answer.context("reading the series")?))?)
}

/// Every sample of a range.
pub(super) fn csv(data: &Path, args: &MetricsQuery) -> anyhow::Result<String> {
    let now = Clock::System.now();
    let question = Question { step: Step::Raw, ..question(args, now)? };
    match open(data)?.answer(Moment::from(now), &question).context("reading the series")?.rows {
        Rows::Samples(lines) => Ok(export::csv(&lines)),
        Rows::Buckets { .. } => Ok(String::new()),
    }
}

/// The latest value of every series of the last day that the folder knows.
pub(super) fn latest(data: &Path, selector: &str) -> anyhow::Result<Value> {
    let matchers = selector::parse(selector).map_err(|bad| {
        Failure::usage(bad.to_string(), "write it like disk_usage{service=\"host\"}")
    })?;
    let store = open(data)?;
    let now = Moment::from(Clock::System.now());
    let (from, until) = (now.minus(LATEST), now.plus(Millis::from_secs(3_600)));
    let selection = nightcrew_series::query::Selection { matchers, from, until };
    let lines = store.select(&selection).context("reading the series")?;
    let items: Vec<Value> = lines
        .filter_map(|line| {
            let last = *line.rows.last()?;
            let view = SeriesView::of(&line.labels, Vec::new());
            let label = |name: &str| view.labels.get(name).cloned();
            Some(json!({
                "metric": view.metric,
                "service": label("service"),
                "resource": label("resource"),
                "unit": view.unit,
                "value": last.value,
                "at": last.at.to_string(),
            }))
        })
        .collect();
    Ok(json!({ "now": now.to_string(), "items": items, "more": false }))
}
