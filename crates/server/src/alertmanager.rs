//! What an Alertmanager answers (`api/v2/openapi.yaml` of version 0.25), so that `amtool`,
//! Prometheus and Grafana talk to the crew as to one.
//!
//! There are no silences, inhibitions or groups here: an alert that fires is active.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use nightcrew_journal::row::AlertRow;
use nightcrew_model::alert::Alert;
use serde::Serialize;

use crate::app::{App, VERSION};
use crate::limit::MATCHERS_MAX;
use crate::matcher::{Matcher, whole};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::view::alert::pairs;

/// An alert as clients of an Alertmanager read it (`gettableAlert`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GettableAlert {
    annotations: BTreeMap<String, String>,
    ends_at: Timestamp,
    fingerprint: String,
    receivers: Vec<Receiver>,
    starts_at: Timestamp,
    status: AlertStatus,
    updated_at: Timestamp,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Receiver {
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertStatus {
    state: &'static str,
    silenced_by: [&'static str; 0],
    inhibited_by: [&'static str; 0],
    muted_by: [&'static str; 0],
}

/// What a request wants to see.
#[derive(Debug)]
struct Wanted {
    active: bool,
    matchers: Vec<Matcher>,
    receiver: Option<regex::Regex>,
}

impl Wanted {
    fn of(query: &[(String, String)]) -> Result<Self, String> {
        let mut wanted = Self { active: true, matchers: Vec::new(), receiver: None };
        for (name, value) in query {
            match name.as_str() {
                "active" => wanted.active = is_true(name, value)?,
                // Nothing of ours is silenced, inhibited or unprocessed, so these change nothing.
                "silenced" | "inhibited" | "unprocessed" | "muted" => drop(is_true(name, value)?),
                "filter" if wanted.matchers.len() >= MATCHERS_MAX => {
                    return Err(format!("more than {MATCHERS_MAX} filters"));
                }
                "filter" => {
                    let matcher = Matcher::parse(value).map_err(|bad| bad.to_string())?;
                    wanted.matchers.push(matcher);
                }
                "receiver" if !value.is_empty() => {
                    let regex = whole(value).map_err(|why| format!("receiver: {why}"))?;
                    wanted.receiver = Some(regex);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

/// The words that Alertmanager's own server takes for a truth value (`go-openapi/swag`).
fn is_true(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "ok" | "y" | "on" | "t" => Ok(true),
        "false" | "0" | "no" | "n" | "off" | "f" => Ok(false),
        _ => Err(format!("{name} must be true or false, not {value:?}")),
    }
}

/// `GET /api/v2/alerts`: the alerts that fire, those that changed last first.
pub(crate) async fn alerts(
    State(app): State<App>,
    Parameters(query): Parameters<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let wanted = match Wanted::of(&query) {
        Ok(wanted) => wanted,
        Err(why) => return Ok((StatusCode::BAD_REQUEST, Json(why)).into_response()),
    };
    let receivers = receiver_list(&app);
    let received = wanted
        .receiver
        .as_ref()
        .is_none_or(|regex| receivers.iter().any(|receiver| regex.is_match(&receiver.name)));
    if !wanted.active || !received {
        return Ok(Json(Vec::<GettableAlert>::new()).into_response());
    }
    let rows = app.handle.journal().firing().await?;
    let timeout = app.handle.settings().healing.resolve_timeout;
    let now = app.handle.clock().now();
    let alerts: Vec<GettableAlert> = rows
        .into_iter()
        .filter(|row| wanted.matchers.iter().all(|matcher| matcher.holds(&row.alert.labels)))
        .map(|row| gettable(row, &receivers, timeout.after(now), now))
        .collect();
    Ok(Json(alerts).into_response())
}

/// Clients require an end, so what has none ends when a source that falls silent would end it.
fn gettable(
    row: AlertRow,
    receivers: &[Receiver],
    by_default: Timestamp,
    now: Timestamp,
) -> GettableAlert {
    let AlertRow { alert, .. } = row;
    let Alert { fingerprint, labels, annotations, starts_at, ends_at, updated_at, .. } = alert;
    GettableAlert {
        annotations: pairs(&annotations),
        // A source that repeats an alert moves its end, which alone is no news to the journal.
        ends_at: ends_at.filter(|end| *end > now).unwrap_or(by_default),
        fingerprint: fingerprint.to_string(),
        receivers: receivers.to_vec(),
        starts_at,
        status: AlertStatus { state: "active", silenced_by: [], inhibited_by: [], muted_by: [] },
        updated_at,
        generator_url: alert.generator_url,
        labels: pairs(&labels),
    }
}

fn receiver_list(app: &App) -> Vec<Receiver> {
    let channels = app.handle.settings().channels.iter();
    channels.map(|channel| Receiver { name: channel.name.to_string() }).collect()
}

/// `GET /api/v2/receivers`: the channels.
pub(crate) async fn receivers(State(app): State<App>) -> Json<Vec<Receiver>> {
    Json(receiver_list(&app))
}

/// The answer to `GET /api/v2/status` (`alertmanagerStatus`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertmanagerStatus {
    cluster: Cluster,
    version_info: VersionInfo,
    config: Config,
    /// When serving began, as Alertmanager has it.
    uptime: Timestamp,
}

#[derive(Serialize)]
struct Cluster {
    status: &'static str,
    peers: [&'static str; 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

#[derive(Serialize)]
struct Config {
    original: &'static str,
}

/// `GET /api/v2/status`.
pub(crate) async fn status(State(app): State<App>) -> Json<AlertmanagerStatus> {
    Json(AlertmanagerStatus {
        cluster: Cluster { status: "disabled", peers: [] },
        version_info: VersionInfo {
            version: VERSION,
            revision: "",
            branch: "",
            build_user: "",
            build_date: "",
            go_version: "",
        },
        config: Config { original: "" },
        uptime: app.started_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &[(&str, &str)]) -> Result<Wanted, String> {
        let owned: Vec<_> = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Wanted::of(&owned)
    }

    #[test]
    fn filters_have_a_limit_and_say_what_is_wrong() {
        let many = vec![("filter", "a=b"); MATCHERS_MAX];
        assert_eq!(wanted(&many).unwrap().matchers.len(), MATCHERS_MAX);
        let more = vec![("filter", "a=b"); MATCHERS_MAX + 1];
        assert_eq!(wanted(&more).unwrap_err(), "more than 64 filters");
        assert!(wanted(&[("filter", "결제")]).unwrap_err().contains("\"결제\" is not a matcher"));
        assert!(wanted(&[("active", "maybe")]).unwrap_err().contains("true or false"));
        assert!(wanted(&[("receiver", "(")]).unwrap_err().starts_with("receiver: "));
        assert!(wanted(&[("unknown", "x")]).unwrap().active);
    }
}
