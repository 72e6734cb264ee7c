//! Escalation policies: who is told of an incident that needs a person, and who next when nobody
//! answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ChannelName, LevelIndex, PersonName, PolicyName, ScheduleName};
use crate::interval::TimeInterval;
use crate::matcher::Matchers;
use crate::severity::Severity;
use crate::unit::Millis;

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// The incidents it is for, by the labels of the alert that began them; the first policy that
    /// fits is taken.
    pub matchers: Matchers,
    /// Incidents of a lower severity are not escalated by it.
    pub severity_min: Severity,
    /// How long the crew may try by itself before people are told all the same (L1 of the source
    /// documents); none: as long as it takes.
    pub automatic: Option<Millis>,
    /// The levels, the first one told first.
    pub levels: Vec<Level>,
    /// How often the levels are gone through again when nobody acknowledged; 0: once.
    pub repeat: u32,
    /// How long an acknowledged incident may stay open until it escalates again; none: for ever.
    pub acknowledge_timeout: Option<Millis>,
}

/// One level of a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Level {
    /// What people call it, such as `engineer`.
    pub name: String,
    /// Who is told.
    pub notify: Vec<Told>,
    /// How long is waited for an acknowledgement until the next level is told.
    pub timeout: Millis,
    /// The times at which this level works; outside of them it is passed over at once.  Empty:
    /// always.
    pub hours: Vec<TimeInterval>,
}

/// Who is told by a level.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Whoever reads a channel.
    Channel(ChannelName),
    /// One person, through that person's channels.
    Person(PersonName),
    /// Whoever is on call.
    Schedule(ScheduleName),
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => write!(f, "channel {channel}"),
            Self::Person(person) => write!(f, "{person}"),
            Self::Schedule(schedule) => write!(f, "on call of {schedule}"),
        }
    }
}

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The name.
    pub name: PersonName,
    /// The channels through which this person is told.
    pub channels: Vec<Contact>,
}

/// One way to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// The channel.
    pub channel: ChannelName,
    /// How the person is called there, such as `<@123>` at Discord; none: not by name.
    pub mention: Option<String>,
}

impl Policy {
    /// A level.
    #[must_use]
    pub fn level(&self, index: LevelIndex) -> Option<&Level> {
        self.levels.get(usize::from(index.0))
    }
}
