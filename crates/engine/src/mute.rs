//! Muting: what keeps people from hearing of one alert.

use jiff::Timestamp;
use nightcrew_model::alert::Alert;
use nightcrew_model::id::ServiceName;
use nightcrew_model::interval::TimeInterval;
use nightcrew_model::labels::Labels;
use nightcrew_model::lock::Blocked;
use nightcrew_model::mute::MutedBy;
use nightcrew_model::route::{RouteRule, Routing};

use crate::settings::Settings;
use crate::state::State;

impl State {
    /// What keeps people from hearing of an alert now: silences, mute windows, inhibition, locks.
    /// Empty: nothing does.  The times at which a route is mute are the route's affair
    /// ([`State::why`]).
    #[must_use]
    pub fn muted_by(&self, settings: &Settings, alert: &Alert, now: Timestamp) -> Vec<MutedBy> {
        self.muting(settings, &alert.labels, &alert.target.service, now)
    }

    pub(crate) fn muting(
        &self,
        settings: &Settings,
        labels: &Labels,
        service: &ServiceName,
        now: Timestamp,
    ) -> Vec<MutedBy> {
        let silences = self.silences.muting(labels, now).into_iter().cloned();
        let windows = settings.mute_windows.iter().filter(|window| {
            // Reading the clock of a zone costs more than comparing labels.
            window.matchers.hold(labels) && window.mutes(labels, now)
        });
        let silences = silences.chain(windows.map(|window| window.id.clone()));
        let mut muting: Vec<MutedBy> =
            silences.map(|silence| MutedBy::Silence { silence }).collect();
        if let Some(routing) = &settings.routing {
            muting.extend(self.groups.inhibitors.muting(&routing.inhibit_rules, labels));
        }
        let lock = self.lock_on(Blocked::Notify, service, now);
        muting.extend(lock.map(|lock| MutedBy::Lock { lock: lock.name.clone() }));
        muting
    }
}

/// Why a route tells nobody now, if it does not (`TimeActiveStage` and `TimeMuteStage` of
/// Alertmanager's `notify/notify.go`).
pub(crate) fn route_is_mute(
    routing: &Routing,
    rule: &RouteRule,
    now: Timestamp,
) -> Option<MutedBy> {
    let holds = |name| {
        let times: &[TimeInterval] = routing.intervals.get(name).map_or(&[], Vec::as_slice);
        times.iter().any(|interval| interval.holds(now))
    };
    if !rule.active.is_empty() && !rule.active.iter().any(holds) {
        return Some(MutedBy::OutsideActive);
    }
    let mute = rule.mute.iter().find(|name| holds(name))?;
    Some(MutedBy::Interval { interval: mute.clone() })
}
