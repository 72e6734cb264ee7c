//! What the crew says of itself and of what it kept back, in words.

use nightcrew_model::decision::AgentState;
use nightcrew_model::id::{AgentName, IncidentId};
use nightcrew_model::mute::Scope;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::quote::one_line;
use crate::sentence::counted;
use crate::story::LINE_CHARS_MAX;

/// The largest number of things of one kind that are told one by one; the rest is counted.
pub const TOLD_MAX: usize = 10;

/// How things stand, for the daily word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many services are watched.
    pub services: usize,
    /// How many alerts fire.
    pub alerts: usize,
    /// The incidents that are open: what each is about, how bad and where it stands.
    pub incidents: Vec<(IncidentId, String)>,
    /// The silences that hold, each in a line.
    pub silences: Vec<String>,
    /// The locks that hold, each in a line.
    pub locks: Vec<String>,
    /// The members of the crew.
    pub agents: Vec<(AgentName, AgentState)>,
    /// The channels that do not take messages now, each in a line.
    pub channels: Vec<String>,
}

impl Standing {
    /// Whether there is nothing to do for anybody.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.incidents.is_empty() && self.unwell().is_empty() && self.channels.is_empty()
    }

    fn unwell(&self) -> Vec<String> {
        let unwell = self.agents.iter().filter(|(_, state)| *state != AgentState::Healthy);
        unwell.map(|(name, state)| format!("agent {name} is {state}")).collect()
    }
}

/// The daily word: its title, its paragraph and its lines.
#[must_use]
pub fn all_clear(standing: &Standing) -> (String, String, Vec<String>) {
    let incidents = counted(standing.incidents.len(), "incident");
    let services = counted(standing.services, "service");
    let title = if standing.is_clear() {
        format!("All clear: {services} watched, nothing open")
    } else {
        format!("Not all clear: {incidents} open, {services} watched")
    };
    let unwell = standing.unwell();
    let agents = match unwell.len() {
        0 => format!("{} healthy", counted(standing.agents.len(), "agent")),
        n_unwell => {
            format!("{n_unwell} of {} not healthy", counted(standing.agents.len(), "agent"))
        }
    };
    let summary = format!(
        "{incidents} open, {} firing, {} and {} hold, {agents}.",
        counted(standing.alerts, "alert"),
        counted(standing.silences.len(), "silence"),
        counted(standing.locks.len(), "lock"),
    );
    let mut lines = unwell;
    lines.extend(standing.channels.iter().map(|channel| format!("channel {channel}")));
    let open: Vec<String> =
        standing.incidents.iter().map(|(id, about)| format!("{id}: {about}")).collect();
    for (kind, of_kind) in
        [("open", &open), ("silence", &standing.silences), ("lock", &standing.locks)]
    {
        let told = of_kind.iter().take(TOLD_MAX);
        lines.extend(told.map(|line| one_line(&format!("{kind} {line}"), LINE_CHARS_MAX)));
        if of_kind.len() > TOLD_MAX {
            lines.push(format!("{kind}: +{} more", of_kind.len() - TOLD_MAX));
        }
    }
    (title, summary, lines)
}

/// How loud the daily word is.
#[must_use]
pub fn all_clear_severity(standing: &Standing) -> Severity {
    if standing.is_clear() { Severity::Info } else { Severity::Warning }
}

/// What was kept back in a storm: its title and its paragraph.
#[must_use]
pub fn digest(scope: &Scope, suppressed: u64, window: Millis) -> (String, String) {
    let about = match scope {
        Scope::Everything => String::new(),
        Scope::Service(service) => format!(" about {service}"),
    };
    let messages = counted(usize::try_from(suppressed).unwrap_or(usize::MAX), "message");
    let title = one_line(&format!("{suppressed} more suppressed{about}"), LINE_CHARS_MAX);
    let summary = one_line(
        &format!(
            "{messages}{about} kept back within {window}, because people cannot read that many. \
             All of it is in the list: nightcrew alerts list, nightcrew incidents list."
        ),
        LINE_CHARS_MAX * 2,
    );
    (title, summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        Standing {
            services: 3,
            agents: vec![("autoheal".into(), AgentState::Healthy)],
            ..Standing::default()
        }
    }

    #[test]
    fn a_quiet_day_is_all_clear() {
        let mut quiet = standing();
        quiet.locks = vec!["stress-test by 김 until noon".into()];
        let (title, summary, lines) = all_clear(&quiet);
        assert_eq!(title, "All clear: 3 services watched, nothing open");
        assert_eq!(
            summary,
            "0 incidents open, 0 alerts firing, 0 silences and 1 lock hold, 1 agent healthy."
        );
        assert_eq!(lines, ["lock stress-test by 김 until noon"]);
        assert_eq!(all_clear_severity(&quiet), Severity::Info);
    }

    #[test]
    fn what_is_open_or_unwell_is_not_all_clear() {
        let mut busy = standing();
        busy.agents.push(("reporter".into(), AgentState::Failed));
        busy.incidents =
            (1..=12).map(|n| (IncidentId(n), "결제 process_down (critical)".into())).collect();
        let (title, summary, lines) = all_clear(&busy);
        assert_eq!(title, "Not all clear: 12 incidents open, 3 services watched");
        assert!(summary.contains("1 of 2 agents not healthy"), "{summary}");
        assert_eq!(lines[0], "agent reporter is failed");
        assert_eq!(lines[1], "open INC-1: 결제 process_down (critical)");
        assert_eq!(lines.last().unwrap(), "open: +2 more");
        assert_eq!(all_clear_severity(&busy), Severity::Warning);
    }

    #[test]
    fn a_digest_counts_and_says_where_to_look() {
        let scope = Scope::Service("결제".into());
        let (title, summary) = digest(&scope, 4_990, Millis::from_secs(300));
        assert_eq!(title, "4990 more suppressed about 결제");
        assert!(summary.contains("4990 messages about 결제") && summary.contains("alerts list"));
    }
}
