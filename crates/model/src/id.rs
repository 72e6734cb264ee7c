//! Names and ids.  Two ids of different kinds never mix, because each is its own type.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::intern::intern;

/// Declares a name: an immutable string that is cheap to clone.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(from = "Cow<'_, str>")]
        pub struct $name(Arc<str>);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl From<Cow<'_, str>> for $name {
            fn from(name: Cow<'_, str>) -> Self {
                Self(intern(&name))
            }
        }

        impl $name {
            /// The name as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(intern(name))
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(intern(&name))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A service as the operator calls it: a key of `services` in the configuration, or the
    /// `service` label of an alert.
    ServiceName
);
name!(
    /// What is wrong with a service, such as `process_down` or an alert's name.
    Symptom
);
name!(
    /// A metric, such as `disk_usage`; [`crate::catalogue`] lists those with a known unit.
    MetricName
);
name!(
    /// A playbook: a key of the playbook file.
    PlaybookName
);
name!(
    /// A step of a playbook, by which later steps speak of what it found.
    StepName
);
name!(
    /// A parameter of a playbook, such as `max_age`.
    ParameterName
);
name!(
    /// A configured system that keeps tickets, such as `jira`.
    TrackerName
);
name!(
    /// A ticket as its tracker calls it, such as `OPS-12` or `owner/name#7`.
    TicketKey
);
name!(
    /// A standing approval, as whoever gave it calls it.
    StandingName
);
name!(
    /// A member of the crew, such as `autoheal`.
    AgentName
);
name!(
    /// A part of a service, such as the mount point `/var` of the host.
    Resource
);
name!(
    /// A configured system that is asked for metrics, logs or alerts, such as `prometheus`.
    SourceName
);
name!(
    /// A service level objective, such as `checkout-availability`.
    SloName
);
name!(
    /// A configured way to tell people, such as `discord`.
    ChannelName
);
name!(
    /// A receiver of the routing tree: some channels under one name.
    ReceiverName
);
name!(
    /// A named list of recurring times, such as `weekends`.
    IntervalName
);
name!(
    /// A silence: a random UUID, as Alertmanager has it, or the name of a configured mute window.
    SilenceId
);
name!(
    /// A lock, such as `stress-test`.
    LockName
);
name!(
    /// A way in which an incident climbs from person to person.
    PolicyName
);
name!(
    /// A calendar of who is on call.
    ScheduleName
);
name!(
    /// Somebody who can be told, acknowledge and own: a key of `people`, or whoever called.
    PersonName
);
name!(
    /// A watched heartbeat, such as the always-firing alert of a Prometheus.
    WatchdogName
);
name!(
    /// The identity of a group of alerts, as Alertmanager writes it:
    /// `{}/{team="db"}:{alertname="Down"}`.
    GroupKey
);

impl ServiceName {
    /// The service that stands for this machine.
    pub const HOST: &'static str = "host";

    /// The machine itself, to which CPU, memory and disks belong.
    #[must_use]
    pub fn host() -> Self {
        Self::from(Self::HOST)
    }
}

/// What an incident is about: a service and, where it has parts, the part (a mount point, say).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The service.
    pub service: ServiceName,
    /// The part of it, such as `/var`; none where the service is one thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
}

impl Target {
    /// A service as a whole.
    #[must_use]
    pub fn service(service: ServiceName) -> Self {
        Self { service, resource: None }
    }

    /// One part of a service.
    #[must_use]
    pub fn part(service: ServiceName, resource: &str) -> Self {
        Self { service, resource: Some(Resource::from(resource)) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.resource {
            None => write!(f, "{}", self.service),
            Some(resource) => write!(f, "{}:{resource}", self.service),
        }
    }
}

/// The number of an incident, unique and rising within one deployment; written `INC-42`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{}", self.0)
    }
}

/// The text is not an incident's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadIncidentId(pub String);

impl fmt::Display for BadIncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an incident id; expected a form such as INC-42 or 42", self.0)
    }
}

impl std::error::Error for BadIncidentId {}

impl FromStr for IncidentId {
    type Err = BadIncidentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("INC-").or_else(|| text.strip_prefix("inc-"));
        digits.unwrap_or(text).parse().map(Self).map_err(|_| BadIncidentId(text.to_owned()))
    }
}

/// One try at healing one incident: the incident and the number of the try, from 1; written
/// `INC-42/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The incident.
    pub incident: IncidentId,
    /// The number of the try, from 1.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.incident, self.number)
    }
}

/// The text is not an attempt's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAttemptId(pub String);

impl fmt::Display for BadAttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an attempt's id; expected a form such as INC-42/1", self.0)
    }
}

impl std::error::Error for BadAttemptId {}

impl FromStr for AttemptId {
    type Err = BadAttemptId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (incident, number) = text.split_once('/')?;
            let number = number.parse().ok().filter(|number| *number > 0)?;
            Some(Self { incident: incident.parse().ok()?, number })
        };
        read().ok_or_else(|| BadAttemptId(text.to_owned()))
    }
}

/// The position of a step in its plan, from 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct StepIndex(pub u16);

impl StepIndex {
    /// The step after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for StepIndex {
    /// As people count: the first step is 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", u32::from(self.0) + 1)
    }
}

/// The number of a level in an escalation policy, from 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct LevelIndex(pub u16);

impl fmt::Display for LevelIndex {
    /// As people count: the first level is L1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", u32::from(self.0) + 1)
    }
}

/// A number that rises with every holder of a lock, so that one who lost it is known to be late.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number of a message to people, unique and rising within one deployment.  It is the key by
/// which a receiver can recognise a repeat.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct NotificationId(pub u64);

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N-{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incident_ids_read_back_what_they_print() {
        let id = IncidentId(42);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("42".parse(), Ok(id));
        assert_eq!(
            "INC-x".parse::<IncidentId>().unwrap_err().to_string(),
            "`INC-x` is not an incident id; expected a form such as INC-42 or 42"
        );
    }

    #[test]
    fn attempt_ids_read_back_what_they_print() {
        let id = AttemptId { incident: IncidentId(42), number: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["INC-42", "INC-42/", "INC-42/0", "/1", "INC-42/1/2", "INC-42/-1"] {
            assert!(bad.parse::<AttemptId>().is_err(), "{bad}");
        }
    }
}
