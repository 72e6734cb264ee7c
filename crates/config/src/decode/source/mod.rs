//! `sources` with a `kind`: the systems that are asked for numbers.
//!
//! The same section names the doors for systems that tell of alerts by themselves (`type`); those
//! are read by `decode::inbound`.

mod asked;
mod endpoint;
mod first_document;
mod search;
mod signoz;
mod text_page;

use nightcrew_model::id::SourceName;
use nightcrew_model::unit::Millis;

pub(crate) use first_document::prometheus as first_document;

use crate::decode::Context;
use crate::decode::service::{INTERVAL, TIMEOUT};
use crate::decode::source::endpoint::Proof;
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::settings::source::{Docker, Prometheus, Query, Source, SourceKind};
use crate::tree::At;

/// How often a source is asked, where nothing is said.
pub(crate) const SOURCE_INTERVAL: Millis = Millis::from_secs(30);

/// How long an answer may take, where nothing is said.
pub(crate) const SOURCE_TIMEOUT: Millis = Millis::from_secs(10);

/// How many questions a source is asked in a minute, where nothing is said.
pub(crate) const QUERIES_PER_MINUTE: u32 = 600;

/// The same for a `SigNoz`, whose queries are dear.
const SIGNOZ_QUERIES_PER_MINUTE: u32 = 30;

/// How many questions one look may ask.
pub(super) const QUERIES_MAX: usize = 256;

/// The longest question, in bytes.
const QUERY_BYTES_MAX: usize = 16 << 10;

/// The longest name of a source, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Whether an entry of `sources` is a system that is asked, and not a door.
pub(crate) fn is_asked(at: &At<'_>) -> bool {
    let has = |key| at.get(key).is_some();
    let is_door = has("type");
    has("kind") || (!is_door && ["url", "queries", "series", "socket"].into_iter().any(has))
}

/// Reads the entries of `sources` that are asked.  `signoz_per_minute` is what the guardrails say
/// of how often a `SigNoz` may be asked.
pub(crate) fn sources(
    at: &At<'_>,
    signoz_per_minute: Option<u32>,
    cx: &mut Context<'_>,
) -> Vec<Source> {
    let Some(object) = at.node.object() else { return Vec::new() };
    let entries = object.entries.iter().map(|entry| (entry.key.as_str(), at.entry(entry)));
    let asked: Vec<_> = entries.filter(|(_, at)| is_asked(at)).collect();
    asked.into_iter().filter_map(|(name, at)| source(name, &at, signoz_per_minute, cx)).collect()
}

fn source(
    name: &str,
    at: &At<'_>,
    signoz_per_minute: Option<u32>,
    cx: &mut Context<'_>,
) -> Option<Source> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) || name.chars().count() > NAME_CHARS_MAX {
        cx.report
            .error(Place::new(at.key_span, at.path.clone()), "expected the name of a source")
            .hint(format!("at most {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.`"));
        return None;
    }
    let mut fields = Fields::open(at, "an object with `kind`", &mut cx.report)?;
    if let Some(at) = fields.take_unlisted("type") {
        cx.report
            .error(&at, "a source is asked (`kind`) or tells by itself (`type`), not both")
            .hint("write two entries of `sources`");
    }
    let interval = fields.duration("interval", INTERVAL, &mut cx.report);
    let timeout = fields.duration("timeout", TIMEOUT, &mut cx.report);
    let rate = fields.integer("queries_per_minute", 1..=100_000, &mut cx.report);
    let word = word(name, &mut fields, cx)?;
    let name = SourceName::from(name);
    let kind = kind(word, &name, &mut fields, cx);
    fields.finish(&mut cx.report);
    let default_rate = match word {
        "signoz" => signoz_per_minute.unwrap_or(SIGNOZ_QUERIES_PER_MINUTE),
        _ => QUERIES_PER_MINUTE,
    };
    let source = Source {
        name,
        kind: kind?,
        interval: interval.unwrap_or(SOURCE_INTERVAL),
        timeout: timeout.unwrap_or(SOURCE_TIMEOUT),
        queries_per_minute: rate.unwrap_or(default_rate),
    };
    judge_pace(&source, at, cx);
    Some(source)
}

/// The kind, which may be left out where the name is one.
fn word(name: &str, fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<&'static str> {
    let known = |word: &str| SourceKind::WORDS.into_iter().find(|known| *known == word);
    let Some(at) = fields.take("kind") else {
        let found = known(name);
        if found.is_none() {
            cx.report
                .error(fields.at(), "the source has no `kind`")
                .hint(suggestion(name, SourceKind::WORDS));
        }
        return found;
    };
    let word = fields::text(&at, &mut cx.report)?;
    let found = known(word);
    if found.is_none() {
        cx.report.expected(&at, "the kind of a source").hint(suggestion(word, SourceKind::WORDS));
    }
    found
}

fn kind(
    word: &str,
    name: &SourceName,
    fields: &mut Fields<'_>,
    cx: &mut Context<'_>,
) -> Option<SourceKind> {
    match word {
        "prometheus" => prometheus(fields, cx).map(SourceKind::Prometheus),
        "victoriametrics" => prometheus(fields, cx).map(SourceKind::Victoriametrics),
        "signoz" => signoz::signoz(fields, cx).map(SourceKind::Signoz),
        "loki" => search::loki(fields, cx).map(SourceKind::Loki),
        "elasticsearch" => search::elasticsearch(fields, cx).map(SourceKind::Elasticsearch),
        "cloudwatch" => search::cloudwatch(fields, cx).map(SourceKind::Cloudwatch),
        "scrape" => text_page::scrape(name, fields, cx).map(SourceKind::Scrape),
        _ => docker(fields, cx).map(SourceKind::Docker),
    }
}

fn prometheus(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Prometheus> {
    let endpoint = endpoint::endpoint(fields, Proof::Bearer, cx);
    let queries = queries(fields, cx);
    let range = Millis(0)..=Millis::from_secs(30 * 86_400);
    let backfill = fields.duration("backfill", range, &mut cx.report);
    let alerts = fields.boolean("alerts", &mut cx.report).unwrap_or(false);
    if queries.is_empty() && !alerts && !fields.has("queries") {
        nothing_asked(fields, "`queries`, or `alerts: true`", cx);
    }
    let backfill = backfill.unwrap_or_default();
    Some(Prometheus { endpoint: endpoint?, queries, backfill, alerts })
}

/// Warns that a source is asked nothing.
pub(super) fn nothing_asked(fields: &Fields<'_>, what: &str, cx: &mut Context<'_>) {
    let at = fields.at();
    cx.report
        .warning(Place::new(at.key_span, at.path.clone()), "nothing is asked of this source")
        .hint(format!("add {what}"));
}

/// The list of questions, bounded.
pub(super) fn listed<'a>(fields: &mut Fields<'a>, key: &str, cx: &mut Context<'_>) -> Vec<At<'a>> {
    let Some(at) = fields.take(key) else { return Vec::new() };
    let items = fields::items(&at, &mut cx.report);
    if items.len() > QUERIES_MAX {
        let found = items.len();
        cx.report
            .error(&at, format!("one source is asked at most {QUERIES_MAX} things, found {found}"));
        return Vec::new();
    }
    items
}

/// `queries` in the language of the source.
pub(super) fn queries(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Vec<Query> {
    let items = listed(fields, "queries", cx);
    items.iter().filter_map(|at| query(at, cx)).collect()
}

fn query(at: &At<'_>, cx: &mut Context<'_>) -> Option<Query> {
    let mut fields = Fields::open(at, "an object with `metric` and `query`", &mut cx.report)?;
    let query = required(&mut fields, "query", cx);
    let asked = asked::asked(&mut fields, cx);
    fields.finish(&mut cx.report);
    Some(Query { query: query?, asked: asked? })
}

/// A text that has to be there, of bounded length.
pub(super) fn required(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> Option<String> {
    let Some(at) = fields.take(key) else {
        cx.report.error(fields.at(), format!("`{key}` is missing"));
        return None;
    };
    let text = fields::text(&at, &mut cx.report)?;
    if text.len() > QUERY_BYTES_MAX {
        cx.report.error(&at, format!("expected at most {QUERY_BYTES_MAX} bytes"));
        return None;
    }
    Some(text.to_owned())
}

fn docker(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Docker> {
    let socket = super::service::path(fields, "socket", cx);
    let label = fields.text("service_label", &mut cx.report);
    Some(Docker {
        socket: socket.unwrap_or_else(|| "/var/run/docker.sock".into()),
        service_label: label.unwrap_or("com.docker.compose.service").to_owned(),
    })
}

/// Tells of answers that may take longer than the interval, and of more questions than the limit
/// lets through.
fn judge_pace(source: &Source, at: &At<'_>, cx: &mut Context<'_>) {
    let place = || Place::new(at.key_span, at.path.clone());
    if source.timeout > source.interval {
        cx.report
            .warning(
                place(),
                format!(
                    "an answer may take {}, but the next question comes after {}",
                    source.timeout, source.interval
                ),
            )
            .hint("make `timeout_ms` shorter than the interval");
    }
    let per_look = source.kind.questions() as u64;
    let per_minute = per_look.saturating_mul(60_000) / source.interval.0.max(1);
    let limit = u64::from(source.queries_per_minute);
    if per_minute > limit {
        let slowest = Millis(per_look.saturating_mul(60_000).div_ceil(limit));
        cx.report
            .warning(
                place(),
                format!(
                    "{per_minute} questions a minute are wanted, but only {limit} may be asked, \
                     so a look comes every {slowest}"
                ),
            )
            .hint("ask less often (`interval_seconds`), or raise `queries_per_minute`");
    }
}

#[cfg(test)]
mod tests;
