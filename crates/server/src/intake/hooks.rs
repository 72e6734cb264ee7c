//! `/hooks/{door}` and the alert API of Opsgenie at `/v2/alerts`.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use nightcrew_config::settings::Inbound;
use nightcrew_intake::auth::{self, AuthError, Verification, Verified};
use nightcrew_intake::door::cloudwatch::Subscription;
use nightcrew_intake::door::opsgenie::Receipt;
use nightcrew_intake::parse::{Context, parse};
use nightcrew_model::unit::Millis;

use super::certificate;
use super::dead_letter::{keep, only};
use super::door::{Posted, bytes_max, named, of_opsgenie};
use super::take::take;
use crate::app::App;
use crate::body;
use crate::parameters::Segment;
use crate::problem::{Kind, Problem};

/// `POST` and `PUT /hooks/{door}`, and what lies below it.
pub(crate) async fn hook(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let below = parts.uri.path().strip_prefix("/hooks/").unwrap_or_default();
    let name = below.split('/').next().unwrap_or_default();
    let door = named(&app.handle.settings(), name).ok_or_else(|| {
        Problem::not_found(
            format!("door {name:?}"),
            "the doors are `sources` of the configuration, and the formats that have none there",
        )
    })?;
    enter(&app, vec![door], &parts, body).await
}

/// The alert API of Opsgenie, for whoever moves away from it and changes only the URL.
pub(crate) async fn opsgenie(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let doors = of_opsgenie(&app.handle.settings());
    enter(&app, doors, &parts, body).await
}

/// `GET /v2/alerts/requests/{id}`: what was accepted was stored.
pub(crate) async fn opsgenie_request(Segment(id): Segment) -> Response {
    Json(Receipt::state(&id, Millis(0))).into_response()
}

/// Checks, reads and takes a request that came through one of these doors: the first one whose
/// proof it has.
async fn enter(
    app: &App,
    doors: Vec<Inbound>,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let began = app.handle.clock().now();
    let largest = doors.iter().map(|door| bytes_max(door.source)).max().unwrap_or(0);
    let raw = body::read_raw(&app.bodies, &parts.headers, body, largest).await?;
    let posted = Posted::new(parts, &raw.bytes);
    let (door, verified) = verified(app, doors, &posted).await?;
    let context = Context { door: &door.name, mapping: door.mapping.as_ref(), now: began };
    let mut parsed = match parse(door.source, &posted.request(), &context) {
        Ok(parsed) => parsed,
        Err(why) => {
            app.counters.alerts_bad.fetch_add(1, Ordering::Relaxed);
            let why = why.to_string();
            let id = keep(app, &door, parts, &raw.bytes, &why).await?;
            return Err(Problem::bad_request(
                why,
                format!("it is kept as dead letter {id}; mend the door, then replay it"),
            )
            .about_letter(id));
        }
    };
    if let Some(subscription) = parsed.handshake.take() {
        return subscribed(app, &subscription, &verified).await;
    }
    for note in &parsed.notes {
        tracing::debug!("{}: {note}", door.name);
    }
    let complaint = parsed.complaint();
    let (bad, receipt) = (std::mem::take(&mut parsed.partial), parsed.receipt.take());
    take(app, door.source, parsed).await?;
    let outcome = match complaint {
        None => Ok(accepted(receipt, began, app.handle.clock().now())),
        Some(complaint) => {
            app.counters.alerts_bad.fetch_add(bad.len() as u64, Ordering::Relaxed);
            let kept = only(&door, &raw.bytes, &bad);
            let kept = kept.as_deref().unwrap_or(&raw.bytes);
            let id = keep(app, &door, parts, kept, &complaint).await?;
            let hint = format!(
                "the other alerts are stored, and these are dead letter {id}; look at the rules \
                 behind them"
            );
            Err(Problem::bad_request(complaint, hint).about_letter(id))
        }
    };
    if let Some(delivery) = &verified.delivery {
        app.doors.checks().seen.remember(delivery, app.handle.clock().now());
    }
    outcome
}

/// The first door that believes the request.
async fn verified(
    app: &App,
    doors: Vec<Inbound>,
    posted: &Posted<'_>,
) -> Result<(Inbound, Verified), Problem> {
    let mut refusal = None;
    for door in doors {
        match verify(app, &door, posted).await? {
            Ok(verified) => return Ok((door, verified)),
            Err(error) => {
                tracing::warn!("a request is not taken through {}: {error}", door.name);
                refusal = Some(error);
            }
        }
    }
    Err(refusal.map_or_else(
        || Problem::not_found("door for this", "add one to `sources` of the configuration"),
        |error| unbelieved(&error),
    ))
}

async fn verify(
    app: &App,
    door: &Inbound,
    posted: &Posted<'_>,
) -> Result<Result<Verified, AuthError>, Problem> {
    let check = || {
        let (checks, now) = (app.doors.checks(), app.handle.clock().now());
        let memory = auth::Memory { seen: &checks.seen, certificates: &checks.certificates };
        auth::verify(door, &posted.request(), &memory, now)
    };
    let url = match check() {
        Ok(Verification::Verified(verified)) => return Ok(Ok(verified)),
        Ok(Verification::NeedsCertificate(url)) => url,
        Err(error) => return Ok(Err(error)),
    };
    certificate::fetch(app, url).await?;
    match check() {
        Ok(Verification::Verified(verified)) => Ok(Ok(verified)),
        Ok(Verification::NeedsCertificate(_)) => Ok(Err(AuthError::Wrong("the certificate"))),
        Err(error) => Ok(Err(error)),
    }
}

fn unbelieved(error: &AuthError) -> Problem {
    let kind = if error.status() == 401 { Kind::Unauthorized } else { Kind::Unbelieved };
    Problem::new(kind, error.to_string(), "compare both ends: the secret of the door, the clocks")
}

/// Confirms a subscription whose message was proven to come from its topic.
async fn subscribed(
    app: &App,
    subscription: &Subscription,
    verified: &Verified,
) -> Result<Response, Problem> {
    let Some(url) = subscription.url(verified) else {
        return Err(Problem::new(
            Kind::Unbelieved,
            format!("nobody proved that {} asks for a subscription", subscription.topic()),
            "give the door `topics`, so that signatures of Amazon SNS are checked",
        ));
    };
    certificate::confirm(app, url).await?;
    tracing::info!("the subscription to {} is confirmed", subscription.topic());
    Ok(StatusCode::OK.into_response())
}

fn accepted(receipt: Option<Receipt>, began: Timestamp, ended: Timestamp) -> Response {
    match receipt {
        None => StatusCode::OK.into_response(),
        Some(receipt) => {
            let body = receipt.accepted(Millis::between(began, ended));
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
    }
}
