//! How alerts become messages.

use std::collections::BTreeMap;

use nightcrew_model::escalation::{Person, Policy};
use nightcrew_model::id::{ChannelName, PersonName, ScheduleName};
use nightcrew_model::interval::Zone;
use nightcrew_model::mute::{Dependencies, FlapRule, StormRule, Watchdog};
use nightcrew_model::oncall::Schedule;
use nightcrew_model::route::Routing;
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use super::{Chat, Inbound, Secret};

/// How alerts become messages.
#[derive(Clone, Debug, Serialize)]
pub struct Triage {
    /// The labels that make two alerts the same incident; `service` and `symptom_type` stand for
    /// whatever label names the service and the symptom.
    pub dedup_fields: Vec<String>,
    /// Where alerts go; none: people hear of incidents only.
    pub routing: Option<Routing>,
    /// The silences of the configuration.
    pub mute_windows: Vec<Silence>,
    /// How incidents climb, the first that fits is taken.
    pub policies: Vec<Policy>,
    /// Who is on call.
    pub schedules: BTreeMap<ScheduleName, Schedule>,
    /// Who can be told.
    pub people: BTreeMap<PersonName, Person>,
    /// Which services need which.
    pub dependencies: Dependencies,
    /// When an incident is flapping; none: never.
    pub flap: Option<FlapRule>,
    /// When there are too many messages; none: never.
    pub storm: Option<StormRule>,
    /// The heartbeats that must always be heard.
    pub watchdogs: Vec<Watchdog>,
    /// The daily word that all is well; none: no such word.
    pub all_clear: Option<AllClear>,
    /// The URL that is called while all is well.
    pub heartbeat: Option<Heartbeat>,
    /// The doors for other systems, beside those that are always open on loopback.
    pub inbound: Vec<Inbound>,
    /// The services of chats whose buttons are believed.
    pub chat: Chat,
}

impl Default for Triage {
    fn default() -> Self {
        Self {
            dedup_fields: vec!["service".to_owned(), "symptom_type".to_owned()],
            routing: None,
            mute_windows: Vec::new(),
            policies: Vec::new(),
            schedules: BTreeMap::new(),
            people: BTreeMap::new(),
            dependencies: Dependencies { needs: BTreeMap::new(), window: Millis::from_secs(300) },
            flap: Some(FlapRule { changes: 5, window: Millis::from_secs(3_600) }),
            storm: Some(StormRule { per_service: 10, global: 30, window: Millis::from_secs(300) }),
            watchdogs: Vec::new(),
            all_clear: None,
            heartbeat: None,
            inbound: Vec::new(),
            chat: Chat::default(),
        }
    }
}

/// The daily word that all is well.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllClear {
    /// The time of the day.
    pub at: jiff::civil::Time,
    /// On which clock.
    pub zone: Zone,
    /// To which channels.
    pub channels: Vec<ChannelName>,
}

/// A URL that is called while the audit of the crew passes.
#[derive(Clone, Debug, Serialize)]
pub struct Heartbeat {
    /// Where.
    pub url: Secret,
    /// How often.
    pub interval: Millis,
}
