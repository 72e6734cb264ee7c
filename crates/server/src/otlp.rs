//! `POST /v1/metrics`, `/v1/logs` and `/v1/traces`: what OpenTelemetry SDKs and collectors send.
//!
//! | answer | when | what exporters do |
//! |---|---|---|
//! | 200 | everything, or with a partial success all but what it counts, is taken | they are done |
//! | 400, 413, 415 | the body cannot be read | they give up |
//! | 503 with `Retry-After` | too much is waiting; nothing was taken | they send it again |
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.  What is taken is not
//! stored before the answer: samples are looks, and a look that is lost is followed by the next.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use nightcrew_crew::handle::Refusal;
use nightcrew_intake::otlp::{
    Encoding, Malformed, Rejected, Signal, failure, log, metric, span, success,
};

use crate::app::App;
use crate::body::{self, Raw};
use crate::limit::{SAMPLES_PER_POINT_MAX, TELEMETRY_BODY_BYTES_MAX, TELEMETRY_JSON_BYTES_MAX};
use crate::problem::{Kind, Problem};

/// `POST /v1/metrics`.
pub(crate) async fn metrics(State(app): State<App>, request: Request) -> Response {
    let (encoding, body) = match received(&app, request).await {
        Ok(received) => received,
        Err(response) => return *response,
    };
    let outcome = async {
        let read = metric::read(&body.bytes, encoding)?;
        app.handle.has_room_for_samples(read.items.len() * SAMPLES_PER_POINT_MAX)?;
        let now = app.handle.clock().now();
        let told = app.meter.lock().unwrap_or_else(PoisonError::into_inner).take(read.items, now);
        let mut rejected = read.rejected;
        rejected.merge(told.rejected);
        let n_left_out = app.handle.take_samples(told.items).await;
        if n_left_out > 0 {
            rejected.add(
                n_left_out as u64,
                "there are too many series already; send fewer attributes or metrics",
            );
        }
        Ok(rejected)
    };
    answer(&app, Signal::Metrics, encoding, outcome.await)
}

/// `POST /v1/logs`.
pub(crate) async fn logs(State(app): State<App>, request: Request) -> Response {
    let (encoding, body) = match received(&app, request).await {
        Ok(received) => received,
        Err(response) => return *response,
    };
    let take = || {
        let read = log::read(&body.bytes, encoding, app.handle.clock().now())?;
        app.handle.take_log_lines(read.items)?;
        Ok(read.rejected)
    };
    answer(&app, Signal::Logs, encoding, take())
}

/// `POST /v1/traces`.
pub(crate) async fn traces(State(app): State<App>, request: Request) -> Response {
    let (encoding, body) = match received(&app, request).await {
        Ok(received) => received,
        Err(response) => return *response,
    };
    let take = || {
        let read = span::read(&body.bytes, encoding)?;
        app.handle.take_spans(&read.items);
        Ok(read.rejected)
    };
    answer(&app, Signal::Traces, encoding, take())
}

/// Why a request is not taken.
enum Trouble {
    Malformed(Malformed),
    Refused(Refusal),
}

impl From<Malformed> for Trouble {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

impl From<Refusal> for Trouble {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

/// The body, without its compression, and how it is written; or the answer to it.
async fn received(app: &App, request: Request) -> Result<(Encoding, Raw), Box<Response>> {
    let (parts, body) = request.into_parts();
    let Some(encoding) = encoding(&parts) else {
        let why = "OTLP is `application/x-protobuf` or `application/json`; set the exporter to \
                   `http/protobuf` or `http/json`";
        let response = (StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into_response();
        return Err(Box::new(response));
    };
    let bytes_max = match encoding {
        Encoding::Protobuf => TELEMETRY_BODY_BYTES_MAX,
        Encoding::Json => TELEMETRY_JSON_BYTES_MAX,
    };
    let raw = body::read_raw(&app.bodies, &parts.headers, body, bytes_max).await;
    let unpacked = raw.and_then(|raw| match compression(&parts) {
        Compression::None => Ok(raw),
        Compression::Gzip => body::inflate(&app.bodies, raw, bytes_max),
        Compression::Other => Err(Problem::new(
            Kind::UnsupportedEncoding,
            "the body is compressed by something else than gzip",
            "set the exporter to `gzip` or to no compression",
        )),
    });
    match unpacked {
        Ok(raw) => Ok((encoding, raw)),
        Err(problem) => Err(Box::new(failed(encoding, problem))),
    }
}

fn encoding(parts: &Parts) -> Option<Encoding> {
    Encoding::of(parts.headers.get(CONTENT_TYPE)?.to_str().ok()?)
}

enum Compression {
    None,
    Gzip,
    Other,
}

fn compression(parts: &Parts) -> Compression {
    let named = parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match named.map(<[u8]>::trim_ascii) {
        None | Some(b"") => Compression::None,
        Some(name) if name.eq_ignore_ascii_case(b"identity") => Compression::None,
        Some(name) if name.eq_ignore_ascii_case(b"gzip") => Compression::Gzip,
        Some(_) => Compression::Other,
    }
}

fn answer(
    app: &App,
    signal: Signal,
    encoding: Encoding,
    outcome: Result<Rejected, Trouble>,
) -> Response {
    match outcome {
        Ok(rejected) => {
            if rejected.n > 0 {
                app.counters.telemetry_rejected.fetch_add(rejected.n, Ordering::Relaxed);
                tracing::debug!("{} of {signal:?} rejected: {}", rejected.n, rejected.message());
            }
            let body = success(signal, encoding, &rejected);
            ([(CONTENT_TYPE, encoding.content_type())], body).into_response()
        }
        Err(Trouble::Malformed(why)) => {
            let problem = Problem::bad_request(why.to_string(), "check the exporter's version");
            failed(encoding, problem)
        }
        Err(Trouble::Refused(refusal)) => failed(encoding, refusal.into()),
    }
}

/// A problem as an exporter reads it: its status and headers, with a `Status` for a body.
fn failed(encoding: Encoding, problem: Problem) -> Response {
    let body = failure(encoding, problem.detail());
    let (mut parts, _) = problem.into_response().into_parts();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, body.into())
}
