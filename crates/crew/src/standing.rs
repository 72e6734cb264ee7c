//! How things stand, for the daily word.

use nightcrew_channels::message::{About, Message};
use nightcrew_journal::row::OutboxRow;
use nightcrew_model::decision::CrewTopic;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::lock::Lock;
use nightcrew_model::silence::{Silence, SilenceState};
use nightcrew_report::crew_word::{self, Standing};

use crate::handle::Handle;
use crate::oversee::agents;

/// The daily word as of now.
pub(crate) async fn message(handle: &Handle, row: &OutboxRow) -> Result<Message, String> {
    let mut standing = handle
        .view(|state, rules, now| {
            let open = |state: IncidentState| state.is_open();
            let incidents = state.incidents().filter(|(_, incident)| open(incident.state));
            Standing {
                alerts: state.n_alerts(),
                incidents: incidents
                    .map(|(id, found)| {
                        (id, format!("{} ({}), {}", found.key, found.severity, found.state))
                    })
                    .collect(),
                silences: state
                    .silences()
                    .chain(&rules.mute_windows)
                    .filter(|silence| silence.state(now) == SilenceState::Active)
                    .map(|silence| {
                        let Silence { id, matchers, created_by, ends_at, .. } = silence;
                        format!("{id} {matchers} by {created_by} until {ends_at:.0}")
                    })
                    .collect(),
                locks: state
                    .locks()
                    .filter(|lock| lock.is_held(now))
                    .map(|lock| {
                        let Lock { name, owner, reason, expires_at, .. } = lock;
                        format!("{name} by {owner} until {expires_at:.0}: {reason}")
                    })
                    .collect(),
                ..Standing::default()
            }
        })
        .await
        .map_err(|refusal| refusal.to_string())?;
    standing.services = handle.settings().services.len();
    let now = handle.clock().now();
    let known = agents(handle.board(), now);
    standing.agents = known.into_iter().map(|agent| (agent.name, agent.state)).collect();
    for lane in handle.lanes() {
        let failing = lane.failed_in_a_row > 0;
        if let Some((at, error)) = lane.last_error.filter(|_| failing) {
            standing.channels.push(format!("{} takes nothing: {error} ({at:.0})", lane.channel));
        }
    }
    let (title, summary, story) = crew_word::all_clear(&standing);
    let about = About::Crew(CrewTopic::AllClear);
    let mut message = Message::new(row.notification, row.kind, about, row.queued_at);
    message.severity = crew_word::all_clear_severity(&standing);
    (message.title, message.summary, message.story) = (title, summary, story);
    Ok(message)
}
