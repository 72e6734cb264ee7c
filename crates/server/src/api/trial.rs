//! Trying things out: the way of an alert through the routing tree, and whether a channel reaches
//! anybody.

use axum::Json;
use axum::extract::State;
use nightcrew_model::decision::Fact;
use nightcrew_model::event::Event;
use nightcrew_model::id::{ChannelName, GroupKey, IntervalName, ReceiverName};
use nightcrew_model::labels::Labels;
use serde::{Deserialize, Serialize};

use super::command::{Asker, Command};
use crate::app::App;
use crate::parameters::Segment;
use crate::problem::{Kind, Problem};

/// The labels of an alert that may never fire.
#[derive(Deserialize)]
pub(crate) struct Labelled {
    labels: Labels,
}

/// Where an alert would go.
#[derive(Serialize)]
pub(crate) struct Ways {
    /// Whether there is a routing tree; without one people hear of incidents only.
    routing: bool,
    /// The receivers, as the tree names them.
    receivers: Vec<ReceiverName>,
    routes: Vec<Way>,
}

#[derive(Serialize)]
struct Way {
    /// The matchers from the root down.
    route: String,
    receiver: ReceiverName,
    /// Through which people are told.
    channels: Vec<ChannelName>,
    group_key: GroupKey,
    group_labels: Labels,
    group_wait_ms: u64,
    group_interval_ms: u64,
    repeat_interval_ms: u64,
    mute_times: Vec<IntervalName>,
    active_times: Vec<IntervalName>,
}

/// `POST /api/v1/routes/test`.
pub(crate) async fn routes(
    State(app): State<App>,
    Command(asked): Command<Labelled>,
) -> Result<Json<Ways>, Problem> {
    let look = app.handle.view(move |_, settings, _| {
        let Some(routing) = &settings.routing else {
            return Ways { routing: false, receivers: Vec::new(), routes: Vec::new() };
        };
        let matching = routing.matching(&asked.labels).into_iter();
        let ways: Vec<Way> = matching
            .filter_map(|id| {
                let route = routing.route(id)?;
                let group_labels = route.group_labels(&asked.labels);
                let receiver = route.rule.receiver.clone();
                Some(Way {
                    route: route.key.clone(),
                    channels: routing.receiver(&receiver)?.channels.clone(),
                    receiver,
                    group_key: route.group_key(&group_labels),
                    group_labels,
                    group_wait_ms: route.rule.group_wait.0,
                    group_interval_ms: route.rule.group_interval.0,
                    repeat_interval_ms: route.rule.repeat_interval.0,
                    mute_times: route.rule.mute.clone(),
                    active_times: route.rule.active.clone(),
                })
            })
            .collect();
        let receivers = ways.iter().map(|way| way.receiver.clone()).collect();
        Ways { routing: true, receivers, routes: ways }
    });
    Ok(Json(look.await?))
}

/// A message that was asked for.
#[derive(Serialize)]
pub(crate) struct Queued {
    notification: String,
    channel: ChannelName,
}

/// `POST /api/v1/channels/{name}/test`: puts a message into the outbox that says that it is a
/// test.
pub(crate) async fn channel(
    State(app): State<App>,
    Segment(name): Segment,
    Command(asker): Command<Asker>,
) -> Result<Json<Queued>, Problem> {
    let channel = ChannelName::from(name);
    let by = asker.name()?;
    if !app.handle.settings().channels.iter().any(|known| known.name == channel) {
        return Err(Problem::not_found(
            format!("channel {channel}"),
            "name a key of `channels` in the configuration",
        ));
    }
    let event = Event::TestAsked { channel: channel.clone(), by };
    let decisions = app.handle.submit(vec![event]).await?;
    let queued = decisions.into_iter().find_map(|decision| match decision.fact {
        Fact::NotificationQueued { notification, .. } => Some(notification),
        _ => None,
    });
    match queued {
        Some(notification) => Ok(Json(Queued { notification: notification.to_string(), channel })),
        None => Err(Problem::new(
            Kind::Conflict,
            format!("no test is sent to {channel} now"),
            "a test may be under way already; `GET /api/v1/status` shows the outbox",
        )),
    }
}
