//! A page of metrics, as Prometheus scrapes it.

use nightcrew_model::id::{ServiceName, SourceName};
use nightcrew_model::matcher::Matchers;

use crate::decode::Context;
use crate::decode::source::endpoint::{self, Proof};
use crate::decode::source::signoz::word;
use crate::decode::source::{asked, listed, nothing_asked, required};
use crate::fields::Fields;
use crate::settings::source::{Preset, Scrape, Selection, Take};
use crate::tree::At;

pub(super) fn scrape(
    name: &SourceName,
    fields: &mut Fields<'_>,
    cx: &mut Context<'_>,
) -> Option<Scrape> {
    let endpoint = endpoint::endpoint(fields, Proof::Bearer, cx);
    let preset = word(fields, "preset", &[("node_exporter", Preset::NodeExporter)], cx);
    let service = fields.take("service").and_then(|at| asked::fixed(&at, cx));
    let service = service.unwrap_or_else(|| ServiceName::from(name.as_str()));
    if preset.is_some() && service == ServiceName::host() {
        cx.report
            .error(fields.at(), "this machine is measured here already")
            .hint("give the machine of the page another name: `service: \"db-1\"`");
    }
    let items = listed(fields, "series", cx);
    let series: Vec<Selection> = items.iter().filter_map(|at| selection(at, cx)).collect();
    if preset.is_none() && !fields.has("series") {
        nothing_asked(fields, "`series`, or `preset: \"node_exporter\"`", cx);
    }
    Some(Scrape { endpoint: endpoint?, preset, service, series })
}

fn selection(at: &At<'_>, cx: &mut Context<'_>) -> Option<Selection> {
    let mut fields = Fields::open(at, "an object with `metric` and `series`", &mut cx.report)?;
    let series_at = fields.take("series");
    let series = required(&mut fields, "series", cx);
    let chosen = series.and_then(|series| selector(&series, &series_at?, cx));
    let quantile = fields.number("quantile", &mut cx.report);
    let words = [("value", Take::Value), ("rate", Take::Rate)];
    let plain = word(&mut fields, "take", &words, cx);
    let take = match (plain, quantile) {
        (Some(_), Some(_)) => {
            cx.report
                .error(at, "`take` and `quantile` both say what is taken")
                .hint("keep one of the two");
            None
        }
        (None, Some(q)) if (0.0..=1.0).contains(&q) => Some(Take::Quantile(q)),
        (None, Some(_)) => {
            cx.report.error(at, "expected a quantile from 0 to 1").hint("such as 0.99");
            None
        }
        (plain, None) => Some(plain.unwrap_or(Take::Value)),
    };
    let asked = asked::asked(&mut fields, cx);
    fields.finish(&mut cx.report);
    let (name, matchers) = chosen?;
    Some(Selection { name, matchers, take: take?, asked: asked? })
}

/// `name`, or `name{label="value", …}`.
fn selector(text: &str, at: &At<'_>, cx: &mut Context<'_>) -> Option<(String, Matchers)> {
    let (name, rest) = text.split_at_checked(text.find('{').unwrap_or(text.len()))?;
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if name.is_empty() || !name.chars().all(is_name) {
        cx.report
            .expected(at, "the name of a metric, and matchers in braces")
            .hint("such as `http_requests_total{code=~\"5..\"}`");
        return None;
    }
    match Matchers::parse(rest) {
        Ok(matchers) => Some((name.to_owned(), matchers)),
        Err(bad) => {
            cx.report.error(at, bad.to_string());
            None
        }
    }
}
