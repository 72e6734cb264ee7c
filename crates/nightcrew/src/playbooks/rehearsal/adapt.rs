//! A playbook as it is rehearsed: every step keeps its kind, and is about a throw-away object.

use std::path::PathBuf;

use nightcrew_model::catalogue::{API_LATENCY_MS, DISK_USAGE, HEALTH_STATUS, PROCESS_STATUS};
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::expression::Expression;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::{
    Action, Bindings, NotRendered, Playbook, Stage, Step, Trigger, Verify,
};
use nightcrew_model::sample::Status;
use nightcrew_model::unit::Millis;

use crate::playbooks::rehearsal::trouble::{Break, Trouble, proof_of};

/// How often the proof looks at least.
const INTERVAL_MAX: Millis = Millis(250);

/// How long the proof waits before its first look at most.
const WAIT_AFTER_MAX: Millis = Millis::from_secs(1);

/// How long the proof may take at most: nothing on a throw-away service needs longer.
const DEADLINE_MAX: Millis = Millis::from_secs(60);

/// What is seen of a throw-away service.
const SEEN: [&str; 3] = [PROCESS_STATUS, HEALTH_STATUS, API_LATENCY_MS];

/// What the steps are about.
pub(super) struct Props {
    pub(super) service: ServiceName,
    /// Where files are cleaned.
    pub(super) disk: PathBuf,
    /// What the throw-away service writes.
    pub(super) log: PathBuf,
    /// Where it takes requests.
    pub(super) url: String,
}

/// What becomes of a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// It runs, with this action.
    Runs(Action),
    /// The gate judges it, and nothing else happens.
    Shown,
}

/// What has to be seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Proof {
    /// What the playbook itself calls success.
    Own,
    /// Whether the throw-away service runs and answers: what the playbook calls success cannot be
    /// seen on it.
    StandIn {
        /// What the playbook calls success.
        own: Option<Expression>,
    },
}

/// A playbook as it is rehearsed.
pub(super) struct Adapted {
    pub(super) playbook: Playbook,
    /// The step of the original of each of its steps.
    pub(super) origin: Vec<usize>,
    pub(super) proof: Proof,
    /// What is not as it would be in earnest, in sentences.
    pub(super) notes: Vec<String>,
}

/// The steps of a playbook with everything put in, as they would be in earnest.
pub(super) fn rendered(playbook: &Playbook, bindings: &Bindings) -> Result<Vec<Step>, NotRendered> {
    playbook.steps.iter().map(|step| step.render(bindings)).collect()
}

/// The same kind of action about a throw-away object; none: there is no such object.
pub(super) fn fate(action: &Action, props: &Props) -> Fate {
    let service = props.service.clone();
    Fate::Runs(match action {
        Action::CleanFiles { name, older_than, .. } => Action::CleanFiles {
            root: props.disk.clone(),
            name: name.clone(),
            older_than: *older_than,
        },
        Action::RestartProcess { .. } => Action::RestartProcess { service },
        Action::RestartService { .. } => Action::RestartService { service },
        Action::ReloadService { .. } => Action::ReloadService { service },
        Action::Request { method, .. } => {
            Action::Request { method: *method, url: props.url.clone() }
        }
        Action::RotateLog { .. } => Action::RotateLog { path: props.log.clone() },
        Action::CheckLogs { pattern, within, .. } => {
            Action::CheckLogs { service, pattern: pattern.clone(), within: *within }
        }
        Action::CheckDependencies { .. } => Action::CheckDependencies { service },
        Action::CheckResources { .. } => Action::CheckResources { service },
        Action::CollectMemory { .. } => Action::CollectMemory { service },
        Action::Wait { duration } => Action::Wait { duration: *duration },
        Action::Run { .. } | Action::RaiseMemoryLimit { .. } => return Fate::Shown,
    })
}

/// The playbook as it is rehearsed.
pub(super) fn adapt(
    original: &Playbook,
    steps: &[Step],
    trouble: &Trouble,
    props: &Props,
) -> Adapted {
    let mut notes = Vec::new();
    let mut playbook = original.clone();
    playbook.stage = Stage::Live;
    playbook.parameters.clear();
    playbook.trigger = trigger(&original.trigger, trouble, &mut notes);
    if let Some(condition) = playbook.escalate_if.take_if(|condition| !can_be_seen(condition)) {
        notes.push(format!("whether a person gets it at once ({condition}) was not asked"));
    }
    playbook.steps.clear();
    let mut origin = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let Fate::Runs(action) = fate(&step.action, props) else { continue };
        let rollback = step.rollback.as_ref().map(|rollback| fate(rollback, props));
        if rollback == Some(Fate::Shown) {
            notes.push(format!("what takes step {} back is not rehearsed", n + 1));
        }
        let rollback = rollback.and_then(|rollback| match rollback {
            Fate::Runs(action) => Some(action),
            Fate::Shown => None,
        });
        playbook.steps.push(Step { action, rollback, ..step.clone() });
        origin.push(n);
    }
    let (verify, proof) = verify(original, trouble.broken);
    playbook.verify = verify;
    Adapted { playbook, origin, proof, notes }
}

fn trigger(original: &Trigger, trouble: &Trouble, notes: &mut Vec<String>) -> Trigger {
    let Some(symptom) = &trouble.told else {
        if original.condition.is_none() {
            return original.clone();
        }
        if !original.symptoms.is_empty() {
            notes.push(format!(
                "whether the incident is about \"{}\" was not asked",
                original.symptoms.join("\" or \"")
            ));
        }
        return Trigger { symptoms: Vec::new(), ..original.clone() };
    };
    if let Some(condition) = &original.condition {
        notes.push(format!("its condition ({condition}) was not asked: an alert said so"));
    }
    Trigger { condition: None, symptoms: vec![symptom.to_string()], severity: original.severity }
}

/// Whether everything that a condition asks for is seen on a throw-away service.
fn can_be_seen(condition: &Expression) -> bool {
    condition.metrics().iter().all(|metric| SEEN.contains(&metric.as_str()))
}

/// How success is proven here; none: the crew's own way.
fn verify(original: &Playbook, broken: Break) -> (Option<Verify>, Proof) {
    let own = proof_of(original);
    let shortened = |verify: &Verify| Verify {
        interval: verify.interval.min(INTERVAL_MAX),
        wait_after: verify.wait_after.min(WAIT_AFTER_MAX),
        deadline: verify.deadline.min(DEADLINE_MAX),
        ..verify.clone()
    };
    let is_told = own.as_ref().is_some_and(|own| broken.is_proven_by(own));
    let by_default = |condition| Verify {
        condition,
        needed: 3,
        interval: INTERVAL_MAX,
        wait_after: Millis(0),
        deadline: DEADLINE_MAX,
    };
    match (&original.verify, own) {
        (Some(verify), _) if is_told => (Some(shortened(verify)), Proof::Own),
        (None, Some(own)) if is_told => (Some(by_default(own)), Proof::Own),
        (_, own) => (Some(by_default(stand_in(broken))), Proof::StandIn { own }),
    }
}

/// What can be seen when what the playbook calls success cannot.  It does not hold before anything
/// is done, because the engine would do nothing then; where nothing is broken, nothing can hold.
fn stand_in(broken: Break) -> Expression {
    let (metric, operator, operand) = match broken {
        Break::Nothing => return Expression::Any { any: Vec::new() },
        Break::Full => (DISK_USAGE, Operator::Less, Operand::Number(80.0)),
        Break::Killed => (PROCESS_STATUS, Operator::Equal, Operand::Status(Status::Running)),
        Break::Failing => (HEALTH_STATUS, Operator::Equal, Operand::Status(Status::Passing)),
        Break::Slow { answer_ms } => {
            let half = u32::try_from(answer_ms / 2).map_or(f64::MAX, f64::from);
            (API_LATENCY_MS, Operator::Less, Operand::Number(half))
        }
    };
    Condition { metric: metric.into(), operator, operand }.into()
}

#[cfg(test)]
mod tests {
    use nightcrew_model::argv::Argv;
    use nightcrew_model::plan::Method;

    use super::*;

    fn props() -> Props {
        Props {
            service: "web".into(),
            disk: "/throw-away/disk".into(),
            log: "/throw-away/service.log".into(),
            url: "http://127.0.0.1:1/action".to_owned(),
        }
    }

    #[test]
    fn a_step_keeps_its_kind_and_is_about_something_else() {
        let day = Millis::from_secs(86_400);
        let clean = |root: &str| Action::CleanFiles {
            root: root.into(),
            name: Some("*.log".to_owned()),
            older_than: day,
        };
        let cases = [
            (clean("/var/log"), clean("/throw-away/disk")),
            (
                Action::RestartService { service: "db".into() },
                Action::RestartService { service: "web".into() },
            ),
            (
                Action::RotateLog { path: "/var/log/nginx/access.log".into() },
                Action::RotateLog { path: "/throw-away/service.log".into() },
            ),
            (
                Action::Request { method: Method::Post, url: "http://db/reset".to_owned() },
                Action::Request {
                    method: Method::Post,
                    url: "http://127.0.0.1:1/action".to_owned(),
                },
            ),
            (Action::Wait { duration: day }, Action::Wait { duration: day }),
        ];
        for (original, here) in cases {
            assert_eq!(fate(&original, &props()), Fate::Runs(here), "{original}");
        }
    }

    #[test]
    fn what_has_no_throw_away_object_is_only_shown() {
        let run = Action::Run { argv: Argv::literal(["docker", "system", "prune", "-f"]) };
        assert_eq!(fate(&run, &props()), Fate::Shown);
        let raise = Action::RaiseMemoryLimit { service: "web".into(), by_percent: 10 };
        assert_eq!(fate(&raise, &props()), Fate::Shown);
    }
}
