//! Loki, Elasticsearch and `CloudWatch`.

use std::collections::BTreeMap;

use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::source::endpoint::{self, Proof};
use crate::decode::source::signoz::word;
use crate::decode::source::{asked, listed, nothing_asked, queries, required};
use crate::fields::{self, Fields};
use crate::settings::Secret;
use crate::settings::source::{
    Aggregation, Cloudwatch, CloudwatchQuery, Elasticsearch, Given, LineQuery, Loki, SearchQuery,
    ServiceOf,
};
use crate::tree::At;

/// Over how long a span is searched, where nothing is said.
const WINDOW: Millis = Millis::from_secs(300);

/// How long a span may be.
const WINDOWS: std::ops::RangeInclusive<Millis> =
    Millis::from_secs(10)..=Millis::from_secs(7 * 86_400);

/// How many lines one question of Loki may bring (its own `max_entries_limit_per_query`).
const LINES_MAX: u32 = 5_000;

pub(super) fn loki(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Loki> {
    let endpoint = endpoint::endpoint(fields, Proof::Bearer, cx);
    let tenant_at = fields.take("tenant");
    let tenant = tenant_at.and_then(|at| fields::text(&at, &mut cx.report));
    let queries = queries(fields, cx);
    let lines = listed(fields, "lines", cx);
    let lines: Vec<LineQuery> = lines.iter().filter_map(|at| line_query(at, cx)).collect();
    if !fields.has("queries") && !fields.has("lines") {
        nothing_asked(fields, "`queries` or `lines`", cx);
    }
    let mut endpoint = endpoint?;
    if let Some(tenant) = tenant {
        endpoint.headers.insert("x-scope-orgid".to_owned(), Secret::new(tenant));
    }
    Some(Loki { endpoint, queries, lines })
}

fn line_query(at: &At<'_>, cx: &mut Context<'_>) -> Option<LineQuery> {
    let mut fields = Fields::open(at, "an object with `metric` and `query`", &mut cx.report)?;
    let query = required(&mut fields, "query", cx);
    let window = fields.duration("window", WINDOWS, &mut cx.report).unwrap_or(WINDOW);
    let limit = fields.integer("limit", 1..=LINES_MAX, &mut cx.report).unwrap_or(LINES_MAX);
    let asked = asked::asked(&mut fields, cx);
    fields.finish(&mut cx.report);
    let asked = asked?;
    if asked.given != Given::Count {
        cx.report.error(at, "lines are counted").hint("write `unit: \"count\"`");
        return None;
    }
    Some(LineQuery { query: query?, window, limit, asked })
}

pub(super) fn elasticsearch(
    fields: &mut Fields<'_>,
    cx: &mut Context<'_>,
) -> Option<Elasticsearch> {
    let endpoint = endpoint::endpoint(fields, Proof::ApiKey, cx);
    let queries = listed(fields, "queries", cx);
    let queries = queries.iter().filter_map(|at| search_query(at, cx)).collect();
    if !fields.has("queries") {
        nothing_asked(fields, "`queries`", cx);
    }
    Some(Elasticsearch { endpoint: endpoint?, queries })
}

fn search_query(at: &At<'_>, cx: &mut Context<'_>) -> Option<SearchQuery> {
    let mut fields = Fields::open(at, "an object with `metric` and `index`", &mut cx.report)?;
    let index = required(&mut fields, "index", cx);
    let query = fields.text("query", &mut cx.report).unwrap_or_default().to_owned();
    let time_field = fields.text("time_field", &mut cx.report).unwrap_or("@timestamp").to_owned();
    let window = fields.duration("window", WINDOWS, &mut cx.report).unwrap_or(WINDOW);
    let aggregation = aggregation(&mut fields, cx);
    let asked = asked::asked(&mut fields, cx);
    fields.finish(&mut cx.report);
    let index = index?;
    if index.contains(['/', '?', '#', '%', ' ', '"']) {
        cx.report.error(at, "expected the name of an index").hint("such as \"logs-*\"");
        return None;
    }
    let (aggregation, asked) = (aggregation?, asked?);
    Some(SearchQuery { index, query, time_field, window, aggregation, asked })
}

/// `aggregation: "count" | "average" | "maximum" | "sum" | "percentile"` and its `field`.
fn aggregation(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Aggregation> {
    const WORDS: [(&str, u8); 5] =
        [("count", 0), ("average", 1), ("maximum", 2), ("sum", 3), ("percentile", 4)];
    let which = match fields.take("aggregation") {
        Some(_) => word(fields, "aggregation", &WORDS, cx)?,
        None => 0,
    };
    let percent = fields.number("percent", &mut cx.report);
    let field = fields.text("field", &mut cx.report).map(str::to_owned);
    if which == 0 {
        return Some(Aggregation::Count);
    }
    let Some(field) = field else {
        cx.report.error(fields.at(), "`field` is missing: what is counted");
        return None;
    };
    Some(match which {
        1 => Aggregation::Average(field),
        2 => Aggregation::Maximum(field),
        3 => Aggregation::Sum(field),
        _ => {
            let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
            let Some(percent) = percent else {
                cx.report.error(fields.at(), "`percent` is missing: which percentile, 0 to 100");
                return None;
            };
            Aggregation::Percentile { field, percent }
        }
    })
}

pub(super) fn cloudwatch(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Cloudwatch> {
    let region = required(fields, "region", cx);
    let url = fields.take("url").and_then(|at| endpoint::url(&at, cx));
    let id = required(fields, "access_key_id", cx);
    let key = required(fields, "secret_access_key", cx);
    let session_token = fields.text("session_token", &mut cx.report).map(Secret::new);
    let queries = listed(fields, "queries", cx);
    let queries = queries.iter().filter_map(|at| cloudwatch_query(at, cx)).collect();
    if !fields.has("queries") {
        nothing_asked(fields, "`queries`", cx);
    }
    let region = region?;
    if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        cx.report
            .error(fields.at(), "expected the name of a region")
            .hint("such as \"ap-northeast-2\"");
        return None;
    }
    Some(Cloudwatch {
        region,
        url,
        access_key_id: Secret::new(id?),
        secret_access_key: Secret::new(key?),
        session_token,
        queries,
    })
}

fn cloudwatch_query(at: &At<'_>, cx: &mut Context<'_>) -> Option<CloudwatchQuery> {
    let mut fields = Fields::open(at, "an object with `namespace` and `name`", &mut cx.report)?;
    let namespace = required(&mut fields, "namespace", cx);
    let name = required(&mut fields, "name", cx);
    let mut dimensions = BTreeMap::new();
    if let Some(at) = fields.take("dimensions") {
        for (name, at) in fields::named(&at, "an object of dimensions", &mut cx.report) {
            if let Some(value) = fields::text(&at, &mut cx.report) {
                dimensions.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    let statistic = fields.text("statistic", &mut cx.report).unwrap_or("Average").to_owned();
    let range = Millis::from_secs(60)..=Millis::from_secs(86_400);
    let period = fields.duration("period", range, &mut cx.report);
    let asked = asked::asked(&mut fields, cx);
    fields.finish(&mut cx.report);
    let asked = asked?;
    if let ServiceOf::Label(_) = asked.service {
        cx.report
            .error(at, "an answer of CloudWatch carries no labels")
            .hint("write `service`, one question for each service");
        return None;
    }
    let period = period.unwrap_or(Millis::from_secs(60));
    // `Period` is whole minutes.
    let period = Millis(period.0 / 60_000 * 60_000);
    let (namespace, name) = (namespace?, name?);
    Some(CloudwatchQuery { namespace, name, dimensions, statistic, period, asked })
}
