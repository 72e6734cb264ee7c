//! A button, and what pressing it does.

use nightcrew_model::id::{IncidentId, PersonName};

use crate::api::incident_changes::{Change, change};
use crate::app::App;
use crate::limit::NAME_CHARS_MAX;
use crate::problem::Problem;

/// A button of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Button {
    pub(crate) change: Change,
    pub(crate) incident: IncidentId,
}

impl Button {
    /// Reads what a button carries; none where it is not one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (word, incident) = text.split_once(':')?;
        let change = match word {
            "ack" => Change::Acknowledge,
            "resolve" => Change::Resolve,
            _ => return None,
        };
        Some(Self { change, incident: incident.parse().ok()? })
    }

    /// Makes the change durable, and says in a sentence how it went.
    pub(crate) async fn press(self, app: &App, by: &str) -> Result<String, Problem> {
        let Self { change: wanted, incident } = self;
        let by = presser(by);
        let decisions = change(&app.handle, wanted, incident, by.clone()).await?;
        let word = match wanted {
            Change::Acknowledge => "acknowledged",
            Change::Resolve => "resolved",
            Change::Unacknowledge => "given back",
            Change::Escalate => "escalated",
        };
        if !decisions.is_empty() {
            return Ok(format!("{incident} is {word} by {by}"));
        }
        let row = app.handle.journal().incident(incident).await?;
        Ok(match row {
            Some(row) => {
                format!("{incident} is {} already: nothing was changed", row.state.as_str())
            }
            None => format!("there is no {incident}"),
        })
    }
}

/// The name under which somebody is kept.  The service has proven itself, so its user has a name,
/// but not necessarily one that fits on a line.
fn presser(name: &str) -> PersonName {
    let one_line: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    match one_line.trim() {
        "" => PersonName::from("somebody in the chat"),
        name => PersonName::from(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_its_own_buttons_and_no_others() {
        let button = |change| Some(Button { change, incident: IncidentId(7) });
        assert_eq!(Button::parse("ack:INC-7"), button(Change::Acknowledge));
        assert_eq!(Button::parse("resolve:INC-7"), button(Change::Resolve));
        for other in ["", "ack", "ack:", "ack:INC-x", "escalate:INC-7", "ACK:INC-7"] {
            assert_eq!(Button::parse(other), None, "{other}");
        }
        assert_eq!(presser("김\n철수").as_str(), "김철수");
        assert_eq!(presser(" \n").as_str(), "somebody in the chat");
        assert_eq!(presser(&"김".repeat(500)).as_str().chars().count(), NAME_CHARS_MAX);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Button::parse(&text);
        }
    }
}
