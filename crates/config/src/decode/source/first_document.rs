//! `prometheus` of the first source document: `{ enabled, endpoint, queries: { name: query } }`.
//!
//! Its queries do not say their unit.  Those whose meaning is sure are asked and converted; the
//! others are told of (`lint::query`) and not asked.

use nightcrew_model::id::SourceName;

use crate::decode::Context;
use crate::decode::source::{QUERIES_PER_MINUTE, SOURCE_INTERVAL, SOURCE_TIMEOUT, endpoint};
use crate::fields::{self, Fields};
use crate::lint::query;
use crate::settings::source::{
    Asked, Endpoint, Held, Prometheus, Query, ServiceOf, Source, SourceKind,
};
use crate::tree::At;

/// Reads the section; none where it is turned off or not understood.
pub(crate) fn prometheus(at: &At<'_>, cx: &mut Context<'_>) -> Option<Source> {
    let mut fields = Fields::open(at, "an object with `endpoint`", &mut cx.report)?;
    let enabled = fields.boolean("enabled", &mut cx.report).unwrap_or(true);
    let url_at = fields.take("endpoint");
    let url = url_at.as_ref().and_then(|at| endpoint::url(at, cx));
    let queries_at = fields.take("queries");
    if url_at.is_none() && enabled {
        cx.report.error(at, "`endpoint` is missing: where Prometheus is");
    }
    fields.finish(&mut cx.report);
    let mut queries = Vec::new();
    if let Some(at) = queries_at {
        for (name, at) in fields::named(&at, "an object of queries", &mut cx.report) {
            // What is no text is told of by the lint.
            queries.extend(at.node.text().and_then(|text| sure(name, text)));
        }
    }
    let endpoint = Endpoint { url: url?, headers: std::collections::BTreeMap::new() };
    let kind =
        Prometheus { endpoint, queries, backfill: nightcrew_model::unit::Millis(0), alerts: false };
    enabled.then(|| Source {
        name: SourceName::from("prometheus"),
        kind: SourceKind::Prometheus(kind),
        interval: SOURCE_INTERVAL,
        timeout: SOURCE_TIMEOUT,
        queries_per_minute: QUERIES_PER_MINUTE,
    })
}

/// The question, where it is sure what its answer means.
fn sure(name: &str, text: &str) -> Option<Query> {
    let meaning = query::meaning(name, text)?;
    let held = Held::of(meaning.given, &meaning.metric)?;
    let is_disk = meaning.metric.as_str() == nightcrew_model::catalogue::DISK_USAGE;
    let asked = Asked {
        metric: meaning.metric,
        given: meaning.given,
        held,
        service: ServiceOf::Label("instance".to_owned()),
        resource_label: is_disk.then(|| "mountpoint".to_owned()),
    };
    Some(Query { query: text.to_owned(), asked })
}
