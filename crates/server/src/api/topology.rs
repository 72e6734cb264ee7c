//! `/api/v1/topology`: who calls whom, as the configuration and the spans of traces tell it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nightcrew_model::id::ServiceName;
use serde::Serialize;

use crate::app::App;

/// Every call between services, in the order of their names.
#[derive(Serialize)]
pub(crate) struct Topology {
    items: Vec<Call>,
}

/// One service calls another.
#[derive(Serialize)]
struct Call {
    caller: ServiceName,
    callee: ServiceName,
    /// Whether `depends_on` of the configuration says so.
    configured: bool,
    /// What spans say of it; none: no span was seen.
    seen: Option<Seen>,
}

/// What the spans of traces say of a call.
#[derive(Clone, Copy, Serialize)]
struct Seen {
    /// How often, a call of an hour ago counting half.
    calls: f64,
    first: Timestamp,
    last: Timestamp,
}

/// `GET /api/v1/topology`.
pub(crate) async fn topology(State(app): State<App>) -> Json<Topology> {
    let mut calls: BTreeMap<(ServiceName, ServiceName), (bool, Option<Seen>)> = BTreeMap::new();
    for learned in app.handle.learned_calls() {
        let seen = Seen { calls: learned.calls, first: learned.first, last: learned.last };
        calls.insert((learned.edge.caller, learned.edge.callee), (false, Some(seen)));
    }
    for (caller, needed) in &app.handle.settings().triage.dependencies.needs {
        for callee in needed {
            calls.entry((caller.clone(), callee.clone())).or_default().0 = true;
        }
    }
    let call = |((caller, callee), (configured, seen))| Call { caller, callee, configured, seen };
    Json(Topology { items: calls.into_iter().map(call).collect() })
}
