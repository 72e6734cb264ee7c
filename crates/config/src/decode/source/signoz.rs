//! A `SigNoz`.

use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::source::endpoint::{self, Proof};
use crate::decode::source::{asked, listed, required};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::settings::source::{ServicesApi, Signoz, SignozQuery, SignozQuestion, SignozSignal};
use crate::tree::At;

/// Over how long a span numbers are taken, where nothing is said: the span of its own page.
const WINDOW: Millis = Millis::from_secs(300);

const APIS: [(&str, ServicesApi); 4] = [
    ("off", ServicesApi::Off),
    ("v1", ServicesApi::V1),
    ("v2", ServicesApi::V2),
    ("newest", ServicesApi::Newest),
];

const SIGNALS: [(&str, SignozSignal); 3] = [
    ("traces", SignozSignal::Traces),
    ("logs", SignozSignal::Logs),
    ("metrics", SignozSignal::Metrics),
];

pub(super) fn signoz(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Signoz> {
    let endpoint = endpoint::endpoint(fields, Proof::Header("SIGNOZ-API-KEY"), cx);
    let services = word(fields, "services", &APIS, cx).unwrap_or(ServicesApi::Newest);
    let range = Millis::from_secs(30)..=Millis::from_secs(86_400);
    let window = fields.duration("window", range, &mut cx.report).unwrap_or(WINDOW);
    let expected = match fields.take("expected") {
        Some(at) => {
            let texts = fields::texts(&at, &mut cx.report);
            texts.into_iter().map(|(_, name)| name.into()).collect()
        }
        None => Vec::new(),
    };
    let queries = listed(fields, "queries", cx);
    let queries = queries.iter().filter_map(|at| query(at, cx)).collect();
    let exemplars = fields.boolean("exemplars", &mut cx.report).unwrap_or(false);
    let alerts = fields.boolean("alerts", &mut cx.report).unwrap_or(false);
    let mut endpoint = endpoint?;
    // The second source document writes the URL with the path of the API.
    if let Some(root) = endpoint.url.strip_suffix("/api") {
        endpoint.url = root.to_owned();
    }
    Some(Signoz { endpoint, services, window, expected, queries, exemplars, alerts })
}

fn query(at: &At<'_>, cx: &mut Context<'_>) -> Option<SignozQuery> {
    let mut fields =
        Fields::open(at, "an object with `query`, or `signal` and `aggregation`", &mut cx.report)?;
    let question = if fields.has("signal") || fields.has("aggregation") {
        builder(&mut fields, cx)
    } else {
        required(&mut fields, "query", cx).map(SignozQuestion::Promql)
    };
    let asked = asked::asked(&mut fields, cx);
    fields.finish(&mut cx.report);
    Some(SignozQuery { question: question?, asked: asked? })
}

fn builder(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<SignozQuestion> {
    let signal = word(fields, "signal", &SIGNALS, cx);
    if !fields.has("signal") {
        cx.report
            .error(fields.at(), "`signal` is missing: what is looked at")
            .hint("one of \"traces\", \"logs\", \"metrics\"");
    }
    let filter = fields.text("filter", &mut cx.report).unwrap_or_default().to_owned();
    let aggregation = required(fields, "aggregation", cx);
    let group_by = match fields.take("group_by") {
        Some(at) => {
            let texts = fields::texts(&at, &mut cx.report);
            texts.into_iter().map(|(_, name)| name.to_owned()).collect()
        }
        None => Vec::new(),
    };
    let (signal, aggregation) = (signal?, aggregation?);
    Some(SignozQuestion::Builder { signal, filter, aggregation, group_by })
}

/// One of some words.
pub(super) fn word<T: Copy>(
    fields: &mut Fields<'_>,
    key: &str,
    words: &[(&'static str, T)],
    cx: &mut Context<'_>,
) -> Option<T> {
    let at = fields.take(key)?;
    let text = fields::text(&at, &mut cx.report)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let hint = suggestion(text, words.iter().map(|(word, _)| *word));
        cx.report.expected(&at, "a known word").hint(hint);
    }
    found
}
