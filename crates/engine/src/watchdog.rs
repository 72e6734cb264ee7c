//! Watchdogs: alerts that fire always, so that their silence means that the way here is broken.
//!
//! When each was last heard of is no fact: after a restart every one gets its whole time again,
//! because nobody could be heard while nobody listened.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::alert::{Alert, Source};
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{Target, WatchdogName};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::mute::Watchdog;
use nightcrew_model::severity::Severity;

use crate::Step;
use crate::settings::Settings;
use crate::state::State;

/// What is wrong when a watchdog is silent.
pub const SYMPTOM: &str = "watchdog_silent";

/// When each watchdog was last heard of, since the crew began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard(BTreeMap<WatchdogName, Timestamp>);

impl Settings {
    /// The watchdog whose heartbeat an alert with these labels is.  It opens no incident and
    /// nobody is told of it.
    #[must_use]
    pub fn watchdog(&self, labels: &Labels) -> Option<&Watchdog> {
        self.watchdogs.iter().find(|watchdog| watchdog.matchers.hold(labels))
    }
}

impl State {
    /// When a watchdog was last heard of, or the crew began; none: the crew has not looked yet.
    #[must_use]
    pub fn watchdog_heard(&self, name: &WatchdogName) -> Option<Timestamp> {
        self.heard.0.get(name).copied()
    }
}

impl Step<'_> {
    /// A watchdog is heard.
    pub(crate) fn watchdog_heard(&mut self, name: &WatchdogName) {
        self.state.heard.0.insert(name.clone(), self.now);
        let silent = labels_of(name).fingerprint();
        self.alert_ended(silent, Reason::WatchdogHeard, None);
    }

    /// Raises what has been silent for too long, and ends what nobody listens for any more.
    pub(crate) fn listen_for_watchdogs(&mut self) {
        let settings = self.settings;
        let configured =
            |name: &WatchdogName| settings.watchdogs.iter().any(|dog| dog.name == *name);
        self.state.heard.0.retain(|name, _| configured(name));
        for watchdog in &settings.watchdogs {
            let now = self.now;
            let last = self.state.heard.0.entry(watchdog.name.clone()).or_insert(now);
            // The clock was set back: what was heard in the future was heard by now.
            *last = (*last).min(now);
            if watchdog.timeout.after(*last) <= now {
                self.watchdog_silent(watchdog);
            }
        }
        let raised = self.state.alerts_of_watchdogs.clone();
        for fingerprint in raised {
            let of_one = |dog: &Watchdog| labels_of(&dog.name).fingerprint() == fingerprint;
            if !settings.watchdogs.iter().any(of_one) {
                let detail = "the watchdog is no longer configured".to_owned();
                self.alert_ended(fingerprint, Reason::Supervision { detail }, None);
            }
        }
    }

    fn watchdog_silent(&mut self, watchdog: &Watchdog) {
        let labels = labels_of(&watchdog.name);
        let fingerprint = labels.fingerprint();
        if self.state.alerts.contains_key(&fingerprint) {
            return;
        }
        let (name, timeout) = (&watchdog.name, watchdog.timeout);
        let summary = format!("{name} must always be heard of, and was not for {timeout}");
        let alert = Alert {
            fingerprint,
            annotations: [("summary", summary)].into_iter().collect(),
            labels,
            severity: Severity::Critical,
            source: Source::Watchdog,
            starts_at: self.now,
            ends_at: None,
            updated_at: self.now,
            generator_url: String::new(),
            target: Target::service(name.as_str().into()),
            symptom: SYMPTOM.into(),
            evidence: None,
            chart: None,
        };
        self.alert_fires(alert, Reason::WatchdogSilent { timeout });
    }
}

/// The labels of the alert about a silent watchdog.
fn labels_of(name: &WatchdogName) -> Labels {
    let labels = [
        ("alertname", "WatchdogSilent"),
        ("service", name.as_str()),
        ("severity", "critical"),
        ("symptom_type", SYMPTOM),
    ];
    labels.into_iter().collect()
}

/// Keeps the list of the alerts about silent watchdogs.
pub(crate) fn note(alerts: &mut std::collections::BTreeSet<Fingerprint>, fact: &Fact) {
    if let Fact::AlertFired { alert } = fact {
        if alert.source == Source::Watchdog {
            alerts.insert(alert.fingerprint);
        }
    } else if let Fact::AlertResolved { fingerprint, .. } = fact {
        alerts.remove(fingerprint);
    }
}
