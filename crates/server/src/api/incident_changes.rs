//! `POST /api/v1/incidents/{id}/…`: a person takes care of an incident, gives it back, ends it or
//! hands it to people.

use axum::Json;
use axum::extract::State;
use nightcrew_crew::handle::Handle;
use nightcrew_model::decision::Decision;
use nightcrew_model::event::Event;
use nightcrew_model::id::{BadIncidentId, IncidentId, PersonName};

use super::command::{Asker, Command};
use crate::app::App;
use crate::parameters::Segment;
use crate::problem::{Kind, Problem};
use crate::view::incident::IncidentView;

/// What a person wants with an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Acknowledge,
    Unacknowledge,
    Resolve,
    Escalate,
}

impl Change {
    fn event(self, incident: IncidentId, by: PersonName) -> Event {
        match self {
            Self::Acknowledge => Event::Acknowledged { incident, by },
            Self::Unacknowledge => Event::Unacknowledged { incident, by },
            Self::Resolve => Event::ResolveAsked { incident, by },
            Self::Escalate => Event::EscalateAsked { incident, by },
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledged",
            Self::Unacknowledge => "given back",
            Self::Resolve => "resolved",
            Self::Escalate => "escalated",
        }
    }

    pub(crate) async fn post(
        self,
        State(app): State<App>,
        Segment(id): Segment,
        Command(asker): Command<Asker>,
    ) -> Result<Json<IncidentView>, Problem> {
        let id = incident_id(&id)?;
        let by = asker.name()?;
        let changed = change(&app.handle, self, id, by).await?;
        let row = app.handle.journal().incident(id).await?.ok_or_else(|| unknown(id))?;
        if changed.is_empty() {
            return Err(Problem::new(
                Kind::Conflict,
                format!("{id} is {} and cannot be {} now", row.state.as_str(), self.as_str()),
                format!("GET /api/v1/incidents/{id} tells how it stands"),
            ));
        }
        Ok(Json(row.into()))
    }
}

/// Makes a change, durably.  Nothing is decided where an incident does not stand so.
pub(crate) async fn change(
    handle: &Handle,
    change: Change,
    incident: IncidentId,
    by: PersonName,
) -> Result<Vec<Decision>, Problem> {
    Ok(handle.submit(vec![change.event(incident, by)]).await?)
}

/// The incident of a path.
pub(crate) fn incident_id(text: &str) -> Result<IncidentId, Problem> {
    text.parse().map_err(|error: BadIncidentId| {
        Problem::bad_request(error.to_string(), "GET /api/v1/incidents lists the ids")
    })
}

fn unknown(id: IncidentId) -> Problem {
    Problem::not_found(format!("incident {id}"), "GET /api/v1/incidents lists the ids")
}
