//! `/api/v1/approvals`: the plans that wait for a person, and what is approved for a while.
//!
//! An approval names the hash of the plan that was seen: a plan that is another one by now is not
//! approved by it.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nightcrew_crew::handle::Handle;
use nightcrew_engine::approval::{SHAPES_MAX, STANDING_TIME_MAX};
use nightcrew_model::approval::{PlanHash, Shape, ShapeWord, StandingApproval};
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::event::Event;
use nightcrew_model::id::{
    AttemptId, IncidentId, PersonName, PlaybookName, ServiceName, StandingName, Target,
};
use nightcrew_model::plan::Verify;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling};
use serde::{Deserialize, Serialize};

use super::command::{Asker, Command, line, person, reason};
use crate::app::App;
use crate::limit::NAME_CHARS_MAX;
use crate::parameters::Segment;
use crate::problem::{Kind, Problem};

/// How many words a shape may have.
const SHAPE_WORDS_MAX: usize = 64;

/// The plans that wait, and the standing approvals.
#[derive(Serialize)]
pub(crate) struct Approvals {
    items: Vec<Waiting>,
    standing: Vec<StandingApproval>,
}

/// A plan that waits for a person.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Waiting {
    /// `INC-42/1`.
    pub(crate) attempt: String,
    incident: IncidentId,
    target: Target,
    playbook: PlaybookName,
    /// The plan, and no other.
    pub(crate) hash: PlanHash,
    /// The highest risk among its steps.
    class: RiskClass,
    requested_at: Timestamp,
    expires_at: Timestamp,
    steps: Vec<StepView>,
    /// What proves it, in words.
    proof: String,
}

/// A step as a person has to judge it.
#[derive(Clone, Debug, Serialize)]
struct StepView {
    /// What is done.
    action: String,
    description: String,
    /// When it is done; none: always.
    when: Option<String>,
    /// What would run, word by word.
    argv: Vec<String>,
    class: RiskClass,
    verdict: Ruling,
    reason: String,
}

/// The plans that wait for a person.
async fn waiting(handle: &Handle) -> Result<Vec<Waiting>, Problem> {
    let look = handle.view(|engine, _, _| {
        let waiting = engine.awaiting().filter_map(|attempt| {
            let (plan, request) = (&attempt.plan, attempt.request.as_ref()?);
            let steps = plan.steps.iter().zip(&attempt.verdicts).map(|(step, verdict)| StepView {
                action: step.action.to_string(),
                description: step.description.clone(),
                when: step.when.as_ref().map(ToString::to_string),
                argv: verdict.argv.clone(),
                class: verdict.class,
                verdict: verdict.verdict,
                reason: verdict.reason.clone(),
            });
            Some(Waiting {
                attempt: attempt.id.to_string(),
                incident: attempt.id.incident,
                target: plan.target.clone(),
                playbook: plan.playbook.clone(),
                hash: request.hash,
                class: attempt.verdicts.iter().map(|verdict| verdict.class).max()?,
                requested_at: request.asked_at,
                expires_at: request.expires_at,
                steps: steps.collect(),
                proof: proof(&plan.verify),
            })
        });
        waiting.collect()
    });
    Ok(look.await?)
}

fn proof(verify: &Verify) -> String {
    let Verify { condition, needed, deadline, .. } = verify;
    format!("{condition}, {needed} looks in a row within {deadline}")
}

/// The plan of an attempt that waits; none: it does not wait.
pub(crate) async fn waits(handle: &Handle, id: AttemptId) -> Result<Option<Waiting>, Problem> {
    let id = id.to_string();
    Ok(waiting(handle).await?.into_iter().find(|waiting| waiting.attempt == id))
}

/// `GET /api/v1/approvals`.
pub(crate) async fn approvals(State(app): State<App>) -> Result<Json<Approvals>, Problem> {
    let items = waiting(&app.handle).await?;
    let look = app.handle.view(|engine, _, now| engine.standing_approvals(now).cloned().collect());
    Ok(Json(Approvals { items, standing: look.await? }))
}

/// What a person says about a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Approve(PlanHash),
    Deny,
}

/// Makes an answer durable.  Nothing is decided where the plan does not wait, or is another one.
pub(crate) async fn answer(
    handle: &Handle,
    attempt: AttemptId,
    answer: Answer,
    by: PersonName,
) -> Result<Vec<Decision>, Problem> {
    let event = match answer {
        Answer::Approve(hash) => Event::PlanApproved { attempt, hash, by },
        Answer::Deny => Event::PlanDenied { attempt, by },
    };
    Ok(handle.submit(vec![event]).await?)
}

/// What an approval is given with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approving {
    hash: String,
    by: Option<String>,
}

/// How an answer was taken.
#[derive(Serialize)]
pub(crate) struct Answered {
    attempt: String,
    answer: &'static str,
}

/// `POST /api/v1/approvals/{incident}/{number}/approve`.
pub(crate) async fn approve(
    State(app): State<App>,
    Segment((incident, number)): Segment<(String, String)>,
    Command(asked): Command<Approving>,
) -> Result<Json<Answered>, Problem> {
    let attempt = attempt_id(&incident, &number)?;
    let by = person("by", asked.by.as_deref().unwrap_or("api"))?;
    let hash: PlanHash =
        asked.hash.parse().map_err(|error: nightcrew_model::approval::BadPlanHash| {
            Problem::bad_request(
                error.to_string(),
                "GET /api/v1/approvals tells the hash of each plan",
            )
        })?;
    let decisions = answer(&app.handle, attempt, Answer::Approve(hash), by).await?;
    told(&app, attempt, &decisions, "approved").await
}

/// `POST /api/v1/approvals/{incident}/{number}/deny`.
pub(crate) async fn deny(
    State(app): State<App>,
    Segment((incident, number)): Segment<(String, String)>,
    Command(asker): Command<Asker>,
) -> Result<Json<Answered>, Problem> {
    let attempt = attempt_id(&incident, &number)?;
    let by = asker.name()?;
    let decisions = answer(&app.handle, attempt, Answer::Deny, by).await?;
    told(&app, attempt, &decisions, "denied").await
}

async fn told(
    app: &App,
    attempt: AttemptId,
    decisions: &[Decision],
    word: &'static str,
) -> Result<Json<Answered>, Problem> {
    if !decisions.is_empty() {
        return Ok(Json(Answered { attempt: attempt.to_string(), answer: word }));
    }
    let (detail, hint) = match waits(&app.handle, attempt).await? {
        Some(_) => (
            format!("{attempt} waits for approval, but it is not the plan of that hash"),
            "GET /api/v1/approvals tells what it is; look at it again",
        ),
        None => (
            format!("{attempt} does not wait for approval"),
            "it was answered, expired or withdrawn; GET /api/v1/incidents/{id} tells which",
        ),
    };
    Err(Problem::new(Kind::Conflict, detail, hint))
}

fn attempt_id(incident: &str, number: &str) -> Result<AttemptId, Problem> {
    format!("{incident}/{number}").parse().map_err(|error: nightcrew_model::id::BadAttemptId| {
        Problem::bad_request(error.to_string(), "GET /api/v1/approvals lists the plans that wait")
    })
}

/// What a standing approval is asked for with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    name: String,
    playbook: String,
    service: Option<String>,
    /// Command lines in which `{service}`, `{number}` and `{path:/below}` stand for a kind of word.
    shapes: Vec<String>,
    #[serde(default = "disruptive")]
    class_max: RiskClass,
    by: String,
    reason: String,
    /// One of the two, at most [`STANDING_TIME_MAX`] ahead.
    until: Option<Timestamp>,
    for_seconds: Option<u64>,
}

fn disruptive() -> RiskClass {
    RiskClass::Disruptive
}

impl Wanted {
    fn approval(self, now: Timestamp) -> Result<StandingApproval, Problem> {
        let until = match (self.until, self.for_seconds) {
            (Some(at), None) => at,
            (None, Some(seconds)) => Millis(seconds.saturating_mul(1_000)).after(now),
            _ => {
                return Err(Problem::bad_request(
                    "a standing approval needs one end",
                    "give until (RFC 3339) or for_seconds",
                ));
            }
        };
        if until <= now || until > STANDING_TIME_MAX.after(now) {
            return Err(Problem::bad_request(
                "the end of the standing approval is not valid",
                format!("give an end that is ahead, at most {STANDING_TIME_MAX}"),
            ));
        }
        if self.shapes.is_empty() || self.shapes.len() > SHAPES_MAX {
            return Err(Problem::bad_request(
                "a standing approval is of some shapes",
                format!("give 1 to {SHAPES_MAX} shapes, such as \"systemctl restart {{service}}\""),
            ));
        }
        let named =
            |member: &str, text: &str| line(member, text, NAME_CHARS_MAX).map(str::to_owned);
        Ok(StandingApproval {
            name: StandingName::from(named("name", &self.name)?),
            playbook: PlaybookName::from(named("playbook", &self.playbook)?),
            service: match &self.service {
                Some(service) => Some(ServiceName::from(named("service", service)?)),
                None => None,
            },
            shapes: self.shapes.iter().map(|shape| read_shape(shape)).collect::<Result<_, _>>()?,
            class_max: self.class_max,
            by: person("by", &self.by)?,
            reason: reason(&self.reason)?,
            until,
        })
    }
}

/// Reads a shape: words between spaces.  The program and every option are written out.
fn read_shape(text: &str) -> Result<Shape, Problem> {
    let bad = |why: &str| {
        Problem::bad_request(
            format!("the shape {text:?} cannot be used: {why}"),
            "write the program and its options out; {service}, {number} and {path:/below} stand \
             for whole words",
        )
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() || words.len() > SHAPE_WORDS_MAX {
        return Err(bad("it has no words, or too many"));
    }
    let mut shape = Vec::with_capacity(words.len());
    for (n, word) in words.into_iter().enumerate() {
        let word = match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(_) if n == 0 => return Err(bad("the program is not written out")),
            Some("service") => ShapeWord::Service,
            Some("number") => ShapeWord::Number,
            Some(kind) => match kind.strip_prefix("path:").map(PathBuf::from) {
                Some(below) if below.is_absolute() && below.components().count() > 1 => {
                    ShapeWord::Path { below }
                }
                _ => return Err(bad("it has a placeholder that is not known")),
            },
            None if word.contains(['{', '}', '*']) => {
                return Err(bad("a placeholder stands for a whole word"));
            }
            None => ShapeWord::Literal { word: word.to_owned() },
        };
        shape.push(word);
    }
    Ok(Shape(shape))
}

/// `POST /api/v1/standing-approvals`.
pub(crate) async fn stand(
    State(app): State<App>,
    Command(wanted): Command<Wanted>,
) -> Result<Json<StandingApproval>, Problem> {
    let approval = wanted.approval(app.handle.clock().now())?;
    let event = Event::StandingApprovalAsked { approval: Box::new(approval) };
    let decisions = app.handle.submit(vec![event]).await?;
    let set = decisions.into_iter().find_map(|decision| match decision.fact {
        Fact::StandingApprovalSet { approval } => Some(Json(*approval)),
        _ => None,
    });
    set.ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "the standing approval was not taken",
            "there are as many as are kept, or its end is not valid",
        )
    })
}

/// `POST /api/v1/standing-approvals/{name}/end`.
pub(crate) async fn end(
    State(app): State<App>,
    Segment(name): Segment,
    Command(asker): Command<Asker>,
) -> Result<Json<StandingEnded>, Problem> {
    let approval = StandingName::from(name);
    let by = asker.name()?;
    let event = Event::StandingApprovalEndAsked { approval: approval.clone(), by };
    let decisions = app.handle.submit(vec![event]).await?;
    if decisions.is_empty() {
        return Err(Problem::not_found(
            format!("standing approval {approval}"),
            "GET /api/v1/approvals lists them",
        ));
    }
    Ok(Json(StandingEnded { name: approval }))
}

/// A standing approval that was taken back.
#[derive(Serialize)]
pub(crate) struct StandingEnded {
    name: StandingName,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wanted(change: &[(&str, Value)]) -> Result<StandingApproval, String> {
        let mut wanted = json!({
            "name": "nightly-restarts", "playbook": "process_down", "by": "kim",
            "shapes": ["systemctl restart {service}"], "reason": "야간", "for_seconds": 3600,
        });
        for (key, value) in change {
            wanted[*key] = value.clone();
        }
        let wanted: Wanted = serde_json::from_value(wanted).map_err(|error| error.to_string())?;
        let now = "2026-11-21T03:00:00Z".parse().unwrap();
        wanted.approval(now).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_standing_approval_has_an_owner_a_reason_an_end_and_shapes() {
        let good = wanted(&[]).unwrap();
        assert_eq!(good.until.to_string(), "2026-11-21T04:00:00Z");
        assert_eq!(good.class_max, RiskClass::Disruptive);
        assert!(wanted(&[("until", json!("2026-11-22T03:00:00Z"))]).is_err(), "two ends");
        assert!(wanted(&[("for_seconds", json!(0))]).is_err());
        assert!(wanted(&[("for_seconds", json!(STANDING_TIME_MAX.0 / 1_000 + 1))]).is_err());
        assert!(wanted(&[("for_seconds", json!(STANDING_TIME_MAX.0 / 1_000))]).is_ok());
        assert!(wanted(&[("shapes", json!([]))]).is_err());
        assert!(wanted(&[("shapes", json!(vec!["df"; SHAPES_MAX + 1]))]).is_err());
        assert!(wanted(&[("reason", json!(""))]).is_err());
    }

    #[test]
    fn placeholders_are_whole_words_and_never_the_program() {
        let shape = read_shape("gzip -9 {path:/var/log}").unwrap();
        assert_eq!(shape.0[2], ShapeWord::Path { below: "/var/log".into() });
        for bad in [
            "",
            "{service} restart",
            "gzip {path:/}",
            "gzip {path:log}",
            "rm x{number}",
            "systemctl restart *",
            "kill {pid}",
        ] {
            assert!(read_shape(bad).is_err(), "{bad}");
        }
    }
}
