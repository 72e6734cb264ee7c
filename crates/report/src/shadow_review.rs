//! Playbooks in shadow, compared with what people did instead, and what that proposes.
//!
//! A run speaks for its playbook when the gate would have admitted it, a person ended the incident
//! after the decision, and what the playbook calls success was seen then.  It speaks against it
//! when the gate would have refused, when the incident went away while nobody is known to have done
//! anything and its process was not started again, or when it ended without that success.
//!
//! **Invariant:** nothing is promoted here: this proposes, a person changes the configuration.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::expression::{Expression, Known};
use nightcrew_model::id::{
    AttemptId, IncidentId, MetricName, PersonName, PlaybookName, ServiceName, StepName, Target,
};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::plan::{Mode, Plan, ResultKey, ResultValue};
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};
use serde::Serialize;

use crate::shadow_case::{Admission, Agreement, Became, ShadowRun};

/// How many runs must speak for a playbook before it is proposed, with none against it.
pub const PROMOTE_RUNS_MIN: usize = 5;

/// How many runs must speak against a playbook, and more than for it, before it is proposed to be
/// dropped.
pub const DROP_RUNS_MIN: usize = 3;

/// How many runs of one playbook are remembered; the oldest go first.
pub const RUNS_MAX: usize = 1_000;

/// How many incidents are looked at at a time; the oldest go first.
pub const INCIDENTS_MAX: usize = 10_000;

/// The fold: give it every decision, in order.
#[derive(Clone, Debug, Default)]
pub struct Reviewing {
    incidents: HashMap<IncidentId, Case>,
    order: VecDeque<IncidentId>,
    by_service: HashMap<ServiceName, BTreeSet<IncidentId>>,
    by_alert: HashMap<Fingerprint, IncidentId>,
    /// Every playbook that was in shadow, and its runs, the oldest first.
    runs: BTreeMap<PlaybookName, VecDeque<ShadowRun>>,
}

/// What is known of one incident that is not closed.
#[derive(Clone, Debug)]
struct Case {
    key: IncidentKey,
    alerts: BTreeSet<Fingerprint>,
    /// Those that have not ended.
    firing: BTreeSet<Fingerprint>,
    acknowledged_by: Option<PersonName>,
    shadows: Vec<Shadow>,
    /// The live remedies.
    live: BTreeMap<u32, Live>,
    /// The last look at each metric, and when.
    seen: BTreeMap<MetricName, (Timestamp, Observation)>,
}

/// A remedy that may touch the world.
#[derive(Clone, Debug)]
struct Live {
    playbook: PlaybookName,
    commands: Vec<String>,
    ran: bool,
    /// Whether it was proven.
    proven: bool,
}

/// A run in shadow while its incident is known.
#[derive(Clone, Debug)]
struct Shadow {
    playbook: PlaybookName,
    success: Expression,
    /// Whether its process was seen stopped.
    stopped: bool,
    run: ShadowRun,
}

/// What became of the runs of one playbook.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaybookReview {
    /// The playbook.
    pub playbook: PlaybookName,
    /// How many of its runs speak for it.
    pub n_for: usize,
    /// How many speak against it.
    pub n_against: usize,
    /// Of how many nobody can tell.
    pub n_unclear: usize,
    /// How many are not over.
    pub n_pending: usize,
    /// The share of those that speak, that speak for it; none: none does.
    pub agreement: Option<f64>,
    /// What is proposed.
    pub proposal: Proposal,
    /// Why, in words.
    pub why: String,
    /// Its runs, the oldest first.
    pub runs: Vec<ShadowRun>,
}

/// What is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proposal {
    /// Let it run.
    Promote,
    /// Leave it in shadow.
    Keep,
    /// Take it away, or write it anew.
    Drop,
}

impl Proposal {
    /// The proposal in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Keep => "keep",
            Self::Drop => "drop",
        }
    }
}

/// What is known about the target of an incident, for judging what a playbook calls success.
struct Looks<'a>(&'a Case);

impl Known for Looks<'_> {
    fn observation(&self, metric: &MetricName) -> Option<&Observation> {
        self.0.seen.get(metric).map(|(_, observation)| observation)
    }

    fn result(&self, _: &StepName, _: &ResultKey) -> Option<&ResultValue> {
        None
    }
}

/// The reviews of every playbook that was in shadow in these decisions.
#[must_use]
pub fn review(decisions: &[Decision]) -> Vec<PlaybookReview> {
    let mut reviewing = Reviewing::default();
    decisions.iter().for_each(|decision| reviewing.apply(decision));
    reviewing.reviews()
}

impl Reviewing {
    /// Takes a decision in.
    pub fn apply(&mut self, decision: &Decision) {
        let at = decision.at;
        match &decision.fact {
            Fact::AlertFired { alert } | Fact::AlertChanged { alert } => {
                alert.evidence.iter().for_each(|sample| self.look(sample));
            }
            Fact::AlertResolved { fingerprint, .. } => {
                let incident = self.by_alert.get(fingerprint);
                if let Some(case) = incident.and_then(|id| self.incidents.get_mut(id)) {
                    case.end_alert(*fingerprint, &decision.reason);
                }
            }
            Fact::IncidentOpened { incident, key, trigger, initial, .. } => {
                self.open(*incident, key, *trigger);
                initial.iter().for_each(|sample| self.look(sample));
            }
            Fact::AlertJoined { incident, alert, .. }
            | Fact::IncidentReopened { incident, trigger: alert } => {
                if let Some(case) = self.incidents.get_mut(incident) {
                    case.alerts.insert(*alert);
                    case.firing.insert(*alert);
                    self.by_alert.insert(*alert, *incident);
                    if matches!(decision.fact, Fact::IncidentReopened { .. }) {
                        case.reopen();
                    }
                }
            }
            Fact::AttemptPlanned { attempt, plan } => self.plan(*attempt, plan, at),
            Fact::PlanCleared { attempt, verdicts }
            | Fact::ApprovalRequested { attempt, verdicts, .. } => self.judge(*attempt, verdicts),
            Fact::StepStarted { attempt, verdict, .. } => {
                self.judge(*attempt, std::slice::from_ref(verdict));
                if let Some(live) = self.live(*attempt) {
                    live.ran = true;
                }
            }
            Fact::AttemptFailed { attempt } => {
                if let Reason::GateRefused { .. } = &decision.reason
                    && let Some(shadow) = self.shadow(*attempt)
                {
                    let why = decision.reason.to_string();
                    shadow.run.admission = Admission::Refused { why };
                }
            }
            Fact::AttemptSucceeded { attempt } => {
                if let Some(live) = self.live(*attempt) {
                    live.proven = true;
                }
            }
            Fact::VerificationSampled { sample, .. } => self.look(sample),
            Fact::IncidentAcknowledged { incident, by } => {
                if let Some(case) = self.incidents.get_mut(incident) {
                    case.acknowledged_by.get_or_insert_with(|| by.clone());
                    for shadow in &mut case.shadows {
                        let by = || by.clone();
                        shadow.run.acknowledged_by.get_or_insert_with(by);
                    }
                }
            }
            Fact::IncidentResolved { incident, verified } => {
                if let Some(case) = self.incidents.get_mut(incident) {
                    case.resolve(decision, *verified);
                }
            }
            Fact::IncidentClosed { incident } => self.close(*incident),
            _ => {}
        }
    }

    fn open(&mut self, incident: IncidentId, key: &IncidentKey, trigger: Fingerprint) {
        let case = Case {
            key: key.clone(),
            alerts: BTreeSet::from([trigger]),
            firing: BTreeSet::from([trigger]),
            acknowledged_by: None,
            shadows: Vec::new(),
            live: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        self.by_alert.insert(trigger, incident);
        self.by_service.entry(key.target.service.clone()).or_default().insert(incident);
        if self.incidents.insert(incident, case).is_none() {
            self.order.push_back(incident);
        }
        if self.incidents.len() > INCIDENTS_MAX
            && let Some(oldest) = self.order.front().copied()
        {
            self.close(oldest);
        }
    }

    /// A sample is looked at by every incident of its service.
    fn look(&mut self, sample: &Sample) {
        let Some(incidents) = self.by_service.get(&sample.target.service) else { return };
        for incident in incidents {
            if let Some(case) = self.incidents.get_mut(incident) {
                case.look(sample);
            }
        }
    }

    fn plan(&mut self, attempt: AttemptId, plan: &Plan, at: Timestamp) {
        let Some(case) = self.incidents.get_mut(&attempt.incident) else { return };
        let commands = plan.steps.iter().map(|step| step.action.to_string()).collect();
        match plan.mode {
            Mode::Shadow => {
                let (key, playbook) = (case.key.clone(), plan.playbook.clone());
                let run = ShadowRun {
                    attempt,
                    key,
                    at,
                    commands,
                    admission: Admission::Unknown,
                    became: Became::Open,
                    acknowledged_by: case.acknowledged_by.clone(),
                    restarted_at: None,
                    success_seen: Truth::Unknown,
                    cleared: false,
                    came_back: false,
                };
                let stopped = case.is_stopped();
                let success = plan.verify.condition.clone();
                if case.shadows.len() < RUNS_MAX {
                    case.shadows.push(Shadow { playbook, success, stopped, run });
                }
            }
            Mode::Live => {
                let playbook = plan.playbook.clone();
                let live = Live { playbook, commands, ran: false, proven: false };
                case.live.insert(attempt.number, live);
            }
            Mode::DryRun | Mode::Suggest => {}
        }
    }

    fn shadow(&mut self, attempt: AttemptId) -> Option<&mut Shadow> {
        let case = self.incidents.get_mut(&attempt.incident)?;
        case.shadows.iter_mut().find(|shadow| shadow.run.attempt == attempt)
    }

    fn judge(&mut self, attempt: AttemptId, verdicts: &[Verdict]) {
        let Some(shadow) = self.shadow(attempt) else { return };
        for verdict in verdicts {
            let (before, asked) = match shadow.run.admission {
                Admission::Refused { .. } => return,
                Admission::Unknown => (RiskClass::Observe, false),
                Admission::Admitted { class, asks } => (class, asks),
            };
            let class = verdict.class.max(before);
            shadow.run.admission = match verdict.verdict {
                Ruling::Admitted => Admission::Admitted { class, asks: asked },
                Ruling::Approval => Admission::Admitted { class, asks: true },
                Ruling::Refused => Admission::Refused { why: verdict.reason.clone() },
            };
        }
    }

    fn live(&mut self, attempt: AttemptId) -> Option<&mut Live> {
        self.incidents.get_mut(&attempt.incident)?.live.get_mut(&attempt.number)
    }

    /// Nothing of it changes any more: its runs go to their playbooks.
    fn close(&mut self, incident: IncidentId) {
        let Some(case) = self.incidents.remove(&incident) else { return };
        self.order.retain(|known| *known != incident);
        if let Some(of_service) = self.by_service.get_mut(&case.key.target.service) {
            of_service.remove(&incident);
            if of_service.is_empty() {
                self.by_service.remove(&case.key.target.service);
            }
        }
        for alert in &case.alerts {
            if self.by_alert.get(alert) == Some(&incident) {
                self.by_alert.remove(alert);
            }
        }
        for shadow in case.shadows {
            let runs = self.runs.entry(shadow.playbook).or_default();
            runs.push_back(shadow.run);
            if runs.len() > RUNS_MAX {
                runs.pop_front();
            }
        }
    }

    /// The reviews by playbook, by their names.
    #[must_use]
    pub fn reviews(&self) -> Vec<PlaybookReview> {
        self.reviews_since(Timestamp::MIN)
    }

    /// The reviews of the runs that were not decided before a moment.
    #[must_use]
    pub fn reviews_since(&self, since: Timestamp) -> Vec<PlaybookReview> {
        let mut runs: BTreeMap<PlaybookName, Vec<ShadowRun>> = BTreeMap::new();
        for (playbook, closed) in &self.runs {
            runs.entry(playbook.clone()).or_default().extend(closed.iter().cloned());
        }
        for shadow in self.incidents.values().flat_map(|case| &case.shadows) {
            runs.entry(shadow.playbook.clone()).or_default().push(shadow.run.clone());
        }
        for runs in runs.values_mut() {
            runs.retain(|run| run.at >= since);
        }
        runs.retain(|_, runs| !runs.is_empty());
        runs.into_iter().map(|(playbook, runs)| PlaybookReview::of(playbook, runs)).collect()
    }
}

impl Case {
    fn look(&mut self, sample: &Sample) {
        if !concerns(&self.key.target, &sample.target) {
            return;
        }
        let newer = self.seen.get(&sample.metric).is_none_or(|(at, _)| *at <= sample.at);
        if newer {
            let look = (sample.at, sample.observation.clone());
            self.seen.insert(sample.metric.clone(), look);
        }
        let Observation::Read(Reading::Status(status)) = &sample.observation else { return };
        if sample.metric.as_str() != "process_status" {
            return;
        }
        for shadow in self.shadows.iter_mut().filter(|it| it.run.at <= sample.at) {
            match status {
                Status::Stopped => shadow.stopped = true,
                Status::Running if shadow.stopped => {
                    shadow.run.restarted_at.get_or_insert(sample.at);
                }
                _ => {}
            }
        }
    }

    /// The rule that told of it is no longer met, for every alert of the incident.
    fn end_alert(&mut self, alert: Fingerprint, reason: &Reason) {
        self.firing.remove(&alert);
        if self.firing.is_empty() && matches!(reason, Reason::RuleCleared { .. }) {
            self.shadows.iter_mut().for_each(|shadow| shadow.run.cleared = true);
        }
    }

    fn is_stopped(&self) -> bool {
        let status = self.seen.iter().find(|(metric, _)| metric.as_str() == "process_status");
        let stopped = Observation::Read(Reading::Status(Status::Stopped));
        status.is_some_and(|(_, (_, observation))| *observation == stopped)
    }

    fn resolve(&mut self, decision: &Decision, verified: bool) {
        let healed = self.live.values().rfind(|live| verified && live.ran && live.proven);
        let looks: Vec<Truth> = self.shadows.iter().map(|shadow| self.success(shadow)).collect();
        for (shadow, success) in self.shadows.iter_mut().zip(looks) {
            let run = &mut shadow.run;
            if run.became != Became::Open {
                continue;
            }
            let after = Millis::between(run.at, decision.at);
            run.success_seen = success;
            run.became = match (healed, &decision.reason) {
                (Some(live), _) => Became::EndedByPlaybook {
                    playbook: live.playbook.clone(),
                    same: live.commands == run.commands,
                    after,
                },
                (None, Reason::Asked { by }) => {
                    Became::EndedByPerson { by: Some(by.clone()), after }
                }
                // People moved its ticket.
                (None, Reason::Tracker { .. }) => Became::EndedByPerson { by: None, after },
                (None, _) => match &run.acknowledged_by {
                    Some(by) => Became::EndedByPerson { by: Some(by.clone()), after },
                    None => Became::EndedByItself { after },
                },
            };
        }
    }

    /// Whether what a playbook calls success is so, by looks that are younger than its decision.
    fn success(&self, shadow: &Shadow) -> Truth {
        let metrics = shadow.success.metrics();
        let young =
            |metric: &MetricName| self.seen.get(metric).is_some_and(|(at, _)| *at > shadow.run.at);
        if metrics.into_iter().all(young) {
            shadow.success.evaluate(&Looks(self))
        } else {
            Truth::Unknown
        }
    }

    fn reopen(&mut self) {
        for shadow in &mut self.shadows {
            shadow.run.came_back |= shadow.run.became != Became::Open;
        }
        self.live.clear();
        self.acknowledged_by = None;
    }
}

/// Whether a sample of one target says something about another: of the same service, and of the
/// same part where both name one.
fn concerns(of: &Target, sample: &Target) -> bool {
    of.service == sample.service
        && (of.resource.is_none() || sample.resource.is_none() || of.resource == sample.resource)
}

impl PlaybookReview {
    #[expect(clippy::cast_precision_loss, reason = "counts of runs")]
    fn of(playbook: PlaybookName, mut runs: Vec<ShadowRun>) -> Self {
        runs.sort_by_key(|run| (run.at, run.attempt));
        let count =
            |wanted: Agreement| runs.iter().filter(|run| run.agreement().0 == wanted).count();
        let (n_for, n_against) = (count(Agreement::For), count(Agreement::Against));
        let (n_unclear, n_pending) = (count(Agreement::Unclear), count(Agreement::Pending));
        let spoken = n_for + n_against;
        let (proposal, why) = if n_against == 0 && n_for >= PROMOTE_RUNS_MIN {
            (Proposal::Promote, format!("{n_for} runs speak for it and none against it"))
        } else if n_against >= DROP_RUNS_MIN && n_against > n_for {
            (Proposal::Drop, format!("{n_against} runs speak against it and {n_for} for it"))
        } else if n_against > 0 {
            let why = format!("{n_against} of {spoken} runs that tell speak against it");
            (Proposal::Keep, why)
        } else {
            let why = format!("{n_for} runs speak for it, and {PROMOTE_RUNS_MIN} are needed");
            (Proposal::Keep, why)
        };
        let agreement = (spoken > 0).then(|| n_for as f64 / spoken as f64);
        Self { playbook, n_for, n_against, n_unclear, n_pending, agreement, proposal, why, runs }
    }
}
