//! `GET /api/v2/status` and `GET /api/v2/receivers`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::answer::{Answer, Moment, Refused};
use super::routing::routing;
use super::shown::Receiver;
use super::written::written;
use crate::app::{App, VERSION};

/// The answer to `GET /api/v2/status` (`alertmanagerStatus`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertmanagerStatus {
    cluster: Cluster,
    config: Config,
    /// When serving began, as Alertmanager has it.
    uptime: Moment,
    version_info: VersionInfo,
}

#[derive(Serialize)]
struct Cluster {
    peers: [&'static str; 0],
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionInfo {
    branch: &'static str,
    build_date: &'static str,
    build_user: &'static str,
    go_version: &'static str,
    revision: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Config {
    original: String,
}

/// `GET /api/v2/status`.  The configuration is the routing tree in Alertmanager's words, which is
/// what `amtool config` reads.
pub(crate) async fn status(State(app): State<App>) -> Result<Answer<AlertmanagerStatus>, Refused> {
    let timeout = app.handle.settings().healing.resolve_timeout;
    let original =
        app.handle.view(move |_, settings, _| written(&routing(settings), timeout)).await?;
    Ok(Answer(
        StatusCode::OK,
        AlertmanagerStatus {
            cluster: Cluster { peers: [], status: "disabled" },
            config: Config { original },
            uptime: Moment(app.started_at),
            version_info: VersionInfo {
                branch: "",
                build_date: "",
                build_user: "",
                go_version: "",
                revision: "",
                version: VERSION,
            },
        },
    ))
}

/// `GET /api/v2/receivers`.
pub(crate) async fn receivers(State(app): State<App>) -> Result<Answer<Vec<Receiver>>, Refused> {
    let receivers = app.handle.view(|_, settings, _| {
        let names = routing(settings).receivers.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
        names.into_iter().map(|name| Receiver { name }).collect()
    });
    Ok(Answer(StatusCode::OK, receivers.await?))
}
