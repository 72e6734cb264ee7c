//! `GET /api/v2/alerts`: the alerts that fire, by fingerprint.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State as Engine;
use nightcrew_model::alert::Alert;
use nightcrew_model::id::ReceiverName;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::route::Routing;

use super::answer::{Answer, Refused};
use super::routing::routing;
use super::shown::{GettableAlert, Seen};
use super::wanted::Wanted;
use crate::app::App;
use crate::limit::ALERTS_PER_LOOK_MAX;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /api/v2/alerts`.
pub(crate) async fn alerts(
    State(app): State<App>,
    Parameters(query): Parameters<Vec<(String, String)>>,
) -> Result<Answer<Vec<GettableAlert>>, Refused> {
    let wanted = Arc::new(Wanted::of(&query)?);
    let of_wanted = Arc::clone(&wanted);
    let mut seen = look(&app, wanted, move |look, alert| {
        let routes = look.routing.matching(&alert.labels);
        let names = routes.into_iter().filter_map(|id| look.routing.route(id));
        let receivers: Vec<ReceiverName> = names.map(|route| route.rule.receiver.clone()).collect();
        if !receivers.iter().any(|receiver| of_wanted.hears(receiver)) {
            return None;
        }
        let muted = look.engine.muted_by(look.settings, alert, look.now);
        let shown = of_wanted.shows(&muted);
        shown.then(|| Seen { alert: alert.clone(), muted, receivers })
    })
    .await?;
    let timeout = app.handle.settings().healing.resolve_timeout;
    let now = app.handle.clock().now();
    seen.sort_by_key(|seen| seen.alert.fingerprint);
    let shown = seen.into_iter().map(|seen| seen.shown(timeout, now)).collect();
    Ok(Answer(StatusCode::OK, shown))
}

/// What there is to look at.
pub(crate) struct Look<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) settings: &'a Settings,
    pub(crate) routing: &'a Routing,
    pub(crate) now: Timestamp,
}

/// What `each` makes of every firing alert that fits.  The core is held up by a portion at a time
/// only, so an alert that begins or ends meanwhile may or may not be there.
pub(crate) async fn look<R: Send + 'static>(
    app: &App,
    wanted: Arc<Wanted>,
    each: impl Fn(&Look<'_>, &Alert) -> Option<R> + Clone + Send + 'static,
) -> Result<Vec<R>, Problem> {
    let fits = move |engine: &Engine, _: &Settings, _: Timestamp| -> Vec<Fingerprint> {
        let fitting = engine.alerts().filter(|alert| wanted.fits(alert));
        fitting.map(|alert| alert.fingerprint).collect()
    };
    let fitting = app.handle.view(fits).await?;
    let mut found = Vec::with_capacity(fitting.len());
    for portion in fitting.chunks(ALERTS_PER_LOOK_MAX) {
        let (portion, each) = (portion.to_vec(), each.clone());
        let part = app.handle.view(move |engine, settings, now| {
            let routing = routing(settings);
            let look = Look { engine, settings, routing: &routing, now };
            let alerts = portion.into_iter().filter_map(|fingerprint| engine.alert(fingerprint));
            alerts.filter_map(|alert| each(&look, alert)).collect::<Vec<_>>()
        });
        found.extend(part.await?);
    }
    Ok(found)
}
