//! Pages of metrics: any program that shows its metrics as Prometheus reads them.
//!
//! Values are taken as they are; counters become rates, and histograms quantiles, over the time
//! between two looks.  So the first look at a counter gives nothing yet.

mod growth;
mod node;
mod quantile;
mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::{Preset, Selection, Take};
use nightcrew_model::id::Target;
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::{Http, Response};
use reqwest::header::CONTENT_TYPE;
use tokio::time::Instant;

use crate::source::exchange::{Exchange, Heard};
use crate::source::expected::{Expected, Point, nothing_counted};
use crate::source::reading::float;
use crate::source::scrape::growth::Growth;
use crate::source::scrape::node::Node;
use crate::source::scrape::text::{Form, Line};

/// How old a number may be that carries its own time, in milliseconds: as Prometheus has it.
const STALE_AFTER_MS: f64 = 300_000.0;

/// The largest number of series of a page that one selection may take in.
const SELECTED_MAX: usize = 20_000;

/// Looks at one page.
#[derive(Debug)]
pub(crate) struct Scrape {
    exchange: Exchange,
    selections: Vec<Selected>,
    node: Option<Node>,
    /// When the last whole page was read.
    last: Option<Instant>,
}

#[derive(Debug)]
struct Selected {
    selection: Selection,
    /// The name of the lines on the page.
    name: String,
    expected: Expected,
    growth: Growth,
}

/// One selected line of a page.
#[derive(Clone, Debug)]
struct Row {
    labels: Labels,
    value: f64,
}

impl Scrape {
    pub(crate) fn new(source: &settings::source::Source, it: &settings::source::Scrape) -> Self {
        let selected = |selection: &Selection| Selected {
            name: match selection.take {
                Take::Quantile(_) => format!("{}_bucket", selection.name),
                Take::Value | Take::Rate => selection.name.clone(),
            },
            expected: Expected::new(&source.name, &selection.asked),
            growth: Growth::default(),
            selection: selection.clone(),
        };
        let node = |preset| match preset {
            Preset::NodeExporter => Node::new(Target::service(it.service.clone())),
        };
        Self {
            exchange: Exchange::new(&it.endpoint, source.timeout),
            selections: it.series.iter().map(selected).collect(),
            node: it.preset.map(node),
            last: None,
        }
    }

    pub(crate) fn take_heard(&mut self) -> Heard {
        self.exchange.take_heard()
    }

    pub(crate) async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let (at, now) = (clock.now(), Instant::now());
        let answer = self.exchange.get(http, "").await;
        let read = answer.and_then(|response| self.read(&response, at));
        let rows = match read {
            Ok(rows) => rows,
            Err(why) => return self.none(at, &why),
        };
        // Where a page is missing in between, growth is over the longer time.
        let seconds = self.last.map(|last| (now - last).as_secs_f64()).filter(|s| *s > 0.0);
        self.last = Some(now);
        let mut samples = Vec::new();
        for (selected, rows) in self.selections.iter_mut().zip(rows) {
            samples.extend(selected.samples(at, seconds, rows));
        }
        if let Some(node) = &mut self.node {
            samples.extend(node.samples(at, seconds));
        }
        samples
    }

    fn none(&mut self, at: Timestamp, why: &Unknown) -> Vec<Sample> {
        let selections = self.selections.iter_mut();
        let mut samples: Vec<Sample> = selections
            .flat_map(|selected| selected.expected.samples(at, Err(why.clone())))
            .collect();
        if let Some(node) = &self.node {
            samples.extend(node.none(at, why));
        }
        samples
    }

    /// The selected lines of a page, by selection.
    fn read(&mut self, response: &Response, at: Timestamp) -> Result<Vec<Vec<Row>>, Unknown> {
        let form = form(response);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our days are below 2^53")]
        let now_ms = at.as_millisecond() as f64;
        let mut rows: Vec<Vec<Row>> = self.selections.iter().map(|_| Vec::new()).collect();
        let Self { selections, node, .. } = self;
        if let Some(node) = node {
            node.begin();
        }
        let read = text::read(&response.body, form, |line| {
            let stamp_ms = line.stamp.map(|stamp| match form {
                Form::Plain => stamp,
                Form::Open => stamp * 1_000.0,
            });
            if stamp_ms.is_some_and(|stamp| now_ms - stamp > STALE_AFTER_MS) {
                return;
            }
            for (selected, rows) in selections.iter().zip(&mut rows) {
                if rows.len() <= SELECTED_MAX {
                    rows.extend(selected.row(&line));
                }
            }
            if let Some(node) = node {
                node.line(&line);
            }
        });
        read.map_err(|bad| Unknown::Failed(format!("the page is not believed: {bad}")))?;
        if rows.iter().any(|rows| rows.len() > SELECTED_MAX) {
            return Err(Unknown::Failed(format!("more than {SELECTED_MAX} series are selected")));
        }
        Ok(rows)
    }
}

fn form(response: &Response) -> Form {
    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_open = kind.is_some_and(|kind| kind.starts_with("application/openmetrics-text"));
    if is_open { Form::Open } else { Form::Plain }
}

impl Selected {
    /// The line, where it is one of those.
    fn row(&self, line: &Line<'_>) -> Option<Row> {
        if line.name != self.name {
            return None;
        }
        let labels: Labels = line.labels.iter().map(|(name, value)| (name, value)).collect();
        self.selection.matchers.hold(&labels).then_some(Row { labels, value: line.value })
    }

    /// The samples of the selected lines; `seconds` is the time since the page before.
    fn samples(&mut self, at: Timestamp, seconds: Option<f64>, rows: Vec<Row>) -> Vec<Sample> {
        let Take::Value = self.selection.take else {
            return self.grown(at, seconds, rows);
        };
        let points = rows.into_iter().map(|row| Point::new(row.labels, row.value));
        self.expected.samples(at, Ok(points.collect()))
    }

    /// The samples of counters: what they grew since the page before, by target.  Where nothing
    /// can be said yet there are none.
    fn grown(&mut self, at: Timestamp, seconds: Option<f64>, rows: Vec<Row>) -> Vec<Sample> {
        if rows.is_empty() {
            return self.expected.samples(at, Ok(Vec::new()));
        }
        let grown = self.growth.of(rows);
        let Some(seconds) = seconds.filter(|_| !grown.is_empty()) else { return Vec::new() };
        let mut sums: BTreeMap<Option<Target>, Sum> = BTreeMap::new();
        for (labels, growth) in grown {
            let le = labels.get("le").and_then(float);
            let target = self.expected.target(&labels).ok();
            let sum = sums.entry(target).or_insert_with(|| Sum::of(labels));
            sum.rate += growth / seconds;
            sum.buckets.extend(le.map(|le| (le, growth)));
        }
        let points = sums.into_values().map(|sum| match self.selection.take {
            Take::Quantile(q) => sum.quantile(q),
            Take::Rate | Take::Value => Point::new(sum.labels, sum.rate),
        });
        self.expected.samples(at, Ok(points.collect()))
    }
}

/// The series of one target, added up.
struct Sum {
    /// Those of the first one.
    labels: Labels,
    /// In a second.
    rate: f64,
    /// Upper bounds and what was counted below each.
    buckets: Vec<(f64, f64)>,
}

impl Sum {
    fn of(labels: Labels) -> Self {
        Self { labels, rate: 0.0, buckets: Vec::new() }
    }

    fn quantile(self, q: f64) -> Point {
        let value = quantile::of(q, self.buckets).ok_or_else(nothing_counted);
        Point { labels: self.labels, value, detail: None }
    }
}
