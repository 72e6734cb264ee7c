//! What is broken, so that a playbook has something to heal: the first trouble that a throw-away
//! service can really have and that meets the playbook's trigger.
//!
//! **Invariant:** no sample is made up.  What a throw-away service cannot really show is not broken
//! and not called proven.

use std::fmt;

use nightcrew_model::catalogue::{
    self, API_LATENCY_MS, DISK_USAGE, HEALTH_STATUS, PROCESS_STATUS, symptom_of,
};
use nightcrew_model::condition::{Operand, Truth};
use nightcrew_model::expression::{Expression, Known};
use nightcrew_model::id::{MetricName, StepName, Symptom};
use nightcrew_model::plan::{Action, Playbook, ResultKey, ResultValue};
use nightcrew_model::sample::{Observation, Reading, Status};
use nightcrew_model::unit::{Quantity, Unit};

/// How full the throw-away disk is made, in percent.
pub(super) const FULL_PERCENT: u64 = 97;

/// The slowest answer that a throw-away service gives, in milliseconds.
const SLOW_MS_MAX: u64 = 8_000;

/// The slow answer where nothing says how slow, in milliseconds.
const SLOW_MS: u64 = 2_500;

/// How quickly a throw-away service answers, in milliseconds, at most as a rule.
const QUICK_MS: u64 = 40;

/// What happens to the throw-away service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// Its process is killed.
    Killed,
    /// It answers with an error until something is done.
    Failing,
    /// It answers late until something is done.
    Slow {
        /// So late, in milliseconds.
        answer_ms: u64,
    },
    /// A folder with a quota is filled with old files.
    Full,
    /// Nothing: an alert says that something is wrong.
    Nothing,
}

/// What is broken, and how the crew hears of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    pub(super) broken: Break,
    /// What an alert says is wrong; none: the crew sees it itself, and the trigger is met.
    pub(super) told: Option<Symptom>,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("its process is killed with SIGKILL"),
            Self::Failing => f.write_str("it answers with an error until something is done"),
            Self::Slow { answer_ms } => {
                write!(f, "it answers after {answer_ms} ms until something is done")
            }
            Self::Full => write!(f, "a folder is filled to {FULL_PERCENT} % with old files"),
            Self::Nothing => f.write_str("nothing: a throw-away service cannot have this trouble"),
        }
    }
}

/// What would be seen of a target.
struct World([(&'static str, Option<Observation>); 4]);

impl World {
    fn new(process: Option<Status>, health: Option<Status>, ms: Option<u64>, disk: u64) -> Self {
        let status = |status: Option<Status>| status.map(Reading::Status).map(Observation::Read);
        let number = |value: Option<u64>, unit| {
            let value = f64::from(u32::try_from(value?).ok()?);
            Some(Observation::Read(Reading::Quantity(Quantity::new(value, unit)?)))
        };
        let disk = (disk > 0).then_some(disk);
        Self([
            (PROCESS_STATUS, status(process)),
            (HEALTH_STATUS, status(health)),
            (API_LATENCY_MS, number(ms, Unit::Milliseconds)),
            (DISK_USAGE, number(disk, Unit::Percent)),
        ])
    }
}

impl Known for World {
    fn observation(&self, metric: &MetricName) -> Option<&Observation> {
        let found = self.0.iter().find(|(name, _)| *name == metric.as_str());
        found.and_then(|(_, observation)| observation.as_ref())
    }

    fn result(&self, _: &StepName, _: &ResultKey) -> Option<&ResultValue> {
        None
    }
}

impl Break {
    /// What the crew would see while it is broken.
    fn world(self) -> World {
        let (running, passing) = (Some(Status::Running), Some(Status::Passing));
        match self {
            Self::Killed => World::new(Some(Status::Stopped), Some(Status::Failing), None, 0),
            Self::Failing => World::new(running, Some(Status::Failing), Some(QUICK_MS), 0),
            Self::Slow { answer_ms } => World::new(running, passing, Some(answer_ms), 0),
            Self::Full => World::new(None, None, None, FULL_PERCENT),
            Self::Nothing => self.healed(),
        }
    }

    /// What the crew would see once it is healed.
    fn healed(self) -> World {
        match self {
            Self::Full => World::new(None, None, None, 10),
            Self::Killed | Self::Failing | Self::Slow { .. } | Self::Nothing => {
                World::new(Some(Status::Running), Some(Status::Passing), Some(QUICK_MS), 0)
            }
        }
    }

    /// Whether a proof tells this trouble from its end.
    pub(super) fn is_proven_by(self, proof: &Expression) -> bool {
        proof.evaluate(&self.world()) != Truth::True
            && proof.evaluate(&self.healed()) == Truth::True
    }

    /// What the crew calls it.
    pub(super) fn symptom(self) -> Option<Symptom> {
        self.metric().map(|metric| symptom_of(&MetricName::from(metric)))
    }

    /// By what the crew sees it.
    pub(super) fn metric(self) -> Option<&'static str> {
        match self {
            Self::Killed => Some(PROCESS_STATUS),
            Self::Failing => Some(HEALTH_STATUS),
            Self::Slow { .. } => Some(API_LATENCY_MS),
            Self::Full => Some(DISK_USAGE),
            Self::Nothing => None,
        }
    }
}

/// What would prove a playbook's success; none: nothing would.
pub(super) fn proof_of(playbook: &Playbook) -> Option<Expression> {
    let said = playbook.verify.as_ref().map(|verify| verify.condition.clone());
    said.or_else(|| playbook.trigger.condition.as_ref().map(Expression::negated))
}

/// What is broken for a playbook.
pub(super) fn choose(playbook: &Playbook) -> Trouble {
    let slow = Break::Slow { answer_ms: slow_ms(playbook) };
    let seen = match &playbook.trigger.condition {
        Some(condition) => {
            let metrics = condition.metrics();
            let asks_for = |broken: &Break| {
                metrics.iter().any(|metric| Some(metric.as_str()) == broken.metric())
            };
            [Break::Killed, Break::Failing, slow, Break::Full]
                .into_iter()
                .filter(asks_for)
                .find(|broken| condition.evaluate(&broken.world()) == Truth::True)
        }
        None => [Break::Killed, Break::Failing, slow, Break::Full]
            .into_iter()
            .find(|broken| broken.symptom().is_some_and(|own| names(playbook, &own))),
    };
    if let Some(broken) = seen {
        return Trouble { broken, told: None };
    }
    // Only what may end it is worth a trouble.
    let proof =
        proof_of(playbook).filter(|_| playbook.steps.iter().any(|step| cures(&step.action)));
    let broken = [slow, Break::Failing, Break::Killed]
        .into_iter()
        .find(|broken| proof.as_ref().is_some_and(|proof| broken.is_proven_by(proof)));
    let first = playbook.trigger.symptoms.first().map(|symptom| Symptom::from(symptom.as_str()));
    let by_metric = || {
        let comparisons = playbook.trigger.comparisons();
        comparisons.first().map(|condition| symptom_of(&condition.metric))
    };
    let told = first.or_else(by_metric).unwrap_or_else(|| playbook.name.as_str().into());
    Trouble { broken: broken.unwrap_or(Break::Nothing), told: Some(told) }
}

/// Whether a throw-away service is well after it.
fn cures(action: &Action) -> bool {
    match action {
        Action::RestartProcess { .. }
        | Action::RestartService { .. }
        | Action::ReloadService { .. }
        | Action::Request { .. } => true,
        Action::CleanFiles { .. }
        | Action::Run { .. }
        | Action::RotateLog { .. }
        | Action::CheckLogs { .. }
        | Action::CheckDependencies { .. }
        | Action::CheckResources { .. }
        | Action::CollectMemory { .. }
        | Action::RaiseMemoryLimit { .. }
        | Action::Wait { .. } => false,
    }
}

/// Whether a playbook is about a symptom, by its own words.
fn names(playbook: &Playbook, symptom: &Symptom) -> bool {
    let folded = |text: &str| {
        let chars = text.trim().chars().flat_map(char::to_lowercase);
        chars.map(|c| if c.is_alphanumeric() { c } else { '_' }).collect::<String>()
    };
    let own = folded(symptom.as_str());
    playbook.trigger.symptoms.iter().any(|wanted| folded(wanted) == own)
}

/// Slower than everything that the playbook compares a latency with.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded to a few seconds before it is cast"
)]
fn slow_ms(playbook: &Playbook) -> u64 {
    let mut limit: f64 = 0.0;
    let proof = proof_of(playbook);
    for expression in playbook.trigger.condition.iter().chain(&proof) {
        expression.each(&mut |leaf| {
            if let Expression::Metric(condition) = leaf
                && condition.metric.as_str() == catalogue::API_LATENCY_MS
                && let Operand::Number(number) = condition.operand
                && number.is_finite()
            {
                limit = limit.max(number);
            }
        });
    }
    let slower = (limit * 1.25 + 50.0).clamp(0.0, 1e9) as u64;
    if limit > 0.0 { slower.min(SLOW_MS_MAX) } else { SLOW_MS }
}

#[cfg(test)]
mod tests {
    use nightcrew_config::env::Env;
    use nightcrew_config::load::{ConfigSource, load};

    use super::*;

    /// The trouble of the only playbook of a configuration.
    fn trouble(playbook: &str) -> Trouble {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nightcrew.json5");
        std::fs::write(
            &path,
            format!(
                "{{ services: {{ web: {{ start: {{ argv: ['sleep', '1'] }} }} }}, \
             playbooks: {{ fix: {{ {playbook} }} }} }}"
            ),
        )
        .unwrap();
        let loaded = load(ConfigSource::Path(path), &Env::default());
        let settings = loaded.settings.unwrap_or_else(|| panic!("{:?}", loaded.problems));
        choose(&settings.playbooks[0])
    }

    const RESTART: &str = "actions: [{ type: 'restart_service' }]";
    const WAIT: &str = "actions: [{ type: 'wait', duration_seconds: 1 }]";

    #[test]
    fn what_meets_the_trigger_is_broken() {
        let cases = [
            ("condition: \"process_status == 'stopped'\"", Break::Killed),
            ("condition: \"health_status == 'failing'\"", Break::Failing),
            (
                "condition: \"health_status == 'failing' and process_status == 'running'\"",
                Break::Failing,
            ),
            ("condition: 'disk_usage > 90'", Break::Full),
            ("condition: 'api_latency_ms > 400'", Break::Slow { answer_ms: 550 }),
            (
                "symptoms: ['Process down'], verify: { condition: \"process_status == 'running'\" }",
                Break::Killed,
            ),
        ];
        for (trigger, broken) in cases {
            let found = trouble(&format!("{trigger}, {WAIT}"));
            assert_eq!(found, Trouble { broken, told: None }, "{trigger}");
        }
    }

    #[test]
    fn what_a_throw_away_service_cannot_have_is_told_by_an_alert() {
        let told = |symptom: &str| Some(Symptom::from(symptom));
        let found = trouble(&format!("condition: 'memory_usage > 90', {WAIT}"));
        assert_eq!(found, Trouble { broken: Break::Nothing, told: told("memory_high") });
        let found = trouble(&format!("condition: 'disk_usage > 99', {WAIT}"));
        assert_eq!(found, Trouble { broken: Break::Nothing, told: told("disk_space_low") });
        let found = trouble(&format!("condition: 'api_latency_ms > 60000', {WAIT}"));
        assert_eq!(found, Trouble { broken: Break::Nothing, told: told("latency_high") });
        let found = trouble(&format!(
            "symptoms: ['pool exhausted'], verify: {{ condition: \"health_status == 'passing'\" }}, \
             {RESTART}"
        ));
        assert_eq!(found, Trouble { broken: Break::Failing, told: told("pool exhausted") });
    }

    #[test]
    fn a_proof_must_tell_the_trouble_from_its_end() {
        let proof = |text: &str| {
            let playbook = format!(
                "condition: 'cpu_usage > 1', verify: {{ condition: \"{text}\" }}, {RESTART}"
            );
            trouble(&playbook).broken
        };
        assert_eq!(proof("health_status == 'passing'"), Break::Failing);
        assert_eq!(proof("process_status == 'running'"), Break::Killed);
        let late = proof("api_latency_ms < 400 and health_status == 'passing'");
        assert_eq!(late, Break::Slow { answer_ms: 550 });
        assert_eq!(proof("error_rate_per_min < 1"), Break::Nothing);
        let waits = trouble(&format!(
            "condition: 'cpu_usage > 1', verify: {{ condition: \"health_status == 'passing'\" }}, {WAIT}"
        ));
        assert_eq!(waits.broken, Break::Nothing, "nothing would end it");
    }
}
