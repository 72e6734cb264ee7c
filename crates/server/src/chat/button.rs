//! A button, and what pressing it does.

use nightcrew_model::id::{AttemptId, IncidentId, PersonName};

use crate::api::approvals::{self, Answer, waits};
use crate::api::incident_changes::{Change, change};
use crate::app::App;
use crate::limit::NAME_CHARS_MAX;
use crate::problem::Problem;

/// How many digits of a plan's hash a button carries at least.
const HASH_DIGITS_MIN: usize = 12;

/// A button of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    /// Changes how an incident stands.
    Change {
        /// How.
        change: Change,
        /// Which.
        incident: IncidentId,
    },
    /// Lets a plan run.
    Approve {
        /// Which.
        attempt: AttemptId,
        /// How the hash of the plan that was shown begins.
        hash: String,
    },
    /// Keeps a plan from running.
    Deny {
        /// Which.
        attempt: AttemptId,
    },
}

impl Button {
    /// Reads what a button carries; none where it is not one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(':')?;
        let change = match word {
            "ack" => Change::Acknowledge,
            "resolve" => Change::Resolve,
            "approve" => {
                let (attempt, hash) = rest.split_once(':')?;
                let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
                let fits = hash.len() >= HASH_DIGITS_MIN && hash.chars().all(hex);
                let attempt = attempt.parse().ok()?;
                return fits.then(|| Self::Approve { attempt, hash: hash.to_owned() });
            }
            "deny" => return Some(Self::Deny { attempt: rest.parse().ok()? }),
            _ => return None,
        };
        Some(Self::Change { change, incident: rest.parse().ok()? })
    }

    /// Makes the change durable, and says in a sentence how it went.
    pub(crate) async fn press(self, app: &App, by: &str) -> Result<String, Problem> {
        let by = presser(by);
        match self {
            Self::Change { change, incident } => press_change(app, change, incident, by).await,
            Self::Approve { attempt, hash } => {
                let shown = waits(&app.handle, attempt).await?.map(|waiting| waiting.hash);
                let shown = shown.filter(|known| known.to_string().starts_with(&hash));
                match shown {
                    Some(hash) => press_answer(app, attempt, Answer::Approve(hash), by).await,
                    None => Ok(format!("{attempt} does not wait with that plan: nothing was done")),
                }
            }
            Self::Deny { attempt } => press_answer(app, attempt, Answer::Deny, by).await,
        }
    }
}

async fn press_answer(
    app: &App,
    attempt: AttemptId,
    answer: Answer,
    by: PersonName,
) -> Result<String, Problem> {
    let word = match answer {
        Answer::Approve(_) => "approved",
        Answer::Deny => "denied",
    };
    let decisions = approvals::answer(&app.handle, attempt, answer, by.clone()).await?;
    if decisions.is_empty() {
        return Ok(format!("{attempt} does not wait for approval: nothing was done"));
    }
    Ok(format!("{attempt} is {word} by {by}"))
}

async fn press_change(
    app: &App,
    wanted: Change,
    incident: IncidentId,
    by: PersonName,
) -> Result<String, Problem> {
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
        let button = |change| Some(Button::Change { change, incident: IncidentId(7) });
        assert_eq!(Button::parse("ack:INC-7"), button(Change::Acknowledge));
        assert_eq!(Button::parse("resolve:INC-7"), button(Change::Resolve));
        for other in ["", "ack", "ack:", "ack:INC-x", "escalate:INC-7", "ACK:INC-7"] {
            assert_eq!(Button::parse(other), None, "{other}");
        }
        let attempt = AttemptId { incident: IncidentId(7), number: 2 };
        let hash = "0123456789ab".to_owned();
        let approve = Button::parse("approve:INC-7/2:0123456789ab");
        assert_eq!(approve, Some(Button::Approve { attempt, hash }));
        assert_eq!(Button::parse("deny:INC-7/2"), Some(Button::Deny { attempt }));
        for other in ["approve:INC-7/2", "approve:INC-7/2:", "approve:INC-7/2:0", "deny:INC-7"] {
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
