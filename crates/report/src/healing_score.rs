//! How well the crew heals: the figures by which the first source document watches its healer.
//!
//! | figure | what it says |
//! |---|---|
//! | success rate | of the attempts that ran and ended, how many were proven and held |
//! | time to repair | from the opening of an incident to its end, where a proven attempt ended it |
//! | time to resolve | the same for every incident that ended, whoever ended it |
//! | time to acknowledge | from the opening to the first person who took care |
//! | most frequent | what people hear of most |
//! | repeating | what came back so often that its cause is to be looked for |
//!
//! **Invariant:** an attempt counts as run only when a step of a live plan began, and as a success
//! only while what it healed has not come back.  What is unknown is left out, never zero.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, PlaybookName};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::plan::Mode;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::record::as_text;

/// How far back incidents and attempts count.
pub const WINDOW: Millis = Millis::from_secs(30 * 86_400);

/// In which time the same thing must come back to be called repeating …
pub const REPEAT_WINDOW: Millis = Millis::from_secs(7 * 86_400);

/// … and how often.
pub const REPEATS_MIN: usize = 3;

/// How many of the most frequent, and of the repeating, are named.
pub const NAMED_MAX: usize = 10;

/// How many incidents are remembered; the oldest go first.
pub const INCIDENTS_MAX: usize = 10_000;

/// How many attempts of one incident are remembered; later ones are not counted.
pub const ATTEMPTS_MAX: usize = 100;

/// How many times of one incident's coming back are remembered; the oldest go first.
pub const TIMES_MAX: usize = 100;

/// The fold: give it every decision, in order.
#[derive(Clone, Debug, Default)]
pub struct Healing {
    incidents: HashMap<IncidentId, Known>,
    order: VecDeque<IncidentId>,
}

/// What is known of one incident.
#[derive(Clone, Debug)]
struct Known {
    key: IncidentKey,
    opened: Timestamp,
    /// When it began, and when it came back.
    times: VecDeque<Timestamp>,
    acknowledged: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// Whether the end was proven after an attempt of ours.
    proven: bool,
    runs: BTreeMap<u32, Run>,
}

/// What is known of one attempt.
#[derive(Clone, Debug)]
struct Run {
    playbook: PlaybookName,
    mode: Mode,
    planned: Timestamp,
    ran: bool,
    /// Where it ended; none: it is under way.
    end: Option<AttemptState>,
    relapsed: bool,
}

/// How well the crew healed in [`WINDOW`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HealingScore {
    /// Attempts that ran and ended.
    pub runs: u64,
    /// Of these, how many were proven and held.
    pub verified: u64,
    /// The share of these; none: none ran.
    pub success_rate: Option<f64>,
    /// From the opening to the end, of incidents that a proven attempt ended.
    pub repair: Span,
    /// From the opening to the end, of every incident that ended.
    pub resolve: Span,
    /// From the opening to the first person who took care.
    pub acknowledge: Span,
    /// How many incidents there were.
    pub incidents: u64,
    /// What there was most of; at most [`NAMED_MAX`].
    pub frequent: Vec<Repeated>,
    /// What came at least [`REPEATS_MIN`] times in the last [`REPEAT_WINDOW`]; at most
    /// [`NAMED_MAX`].
    pub repeating: Vec<Repeated>,
    /// By playbook.
    pub playbooks: BTreeMap<String, PlaybookScore>,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// How many were measured.
    pub count: u64,
    /// The mean, in milliseconds; none: nothing was measured.
    pub mean_ms: Option<u64>,
    /// The 95th percentile, in milliseconds; none: nothing was measured.
    pub p95_ms: Option<u64>,
}

/// Something that came more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// What it is about.
    #[serde(serialize_with = "as_text")]
    pub key: IncidentKey,
    /// How often it came.
    pub times: u64,
    /// When it came the last time.
    pub last: Timestamp,
    /// The incident of the last time.
    #[serde(serialize_with = "as_text")]
    pub incident: IncidentId,
}

/// What became of the attempts of one playbook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlaybookScore {
    /// Those that ran and ended.
    pub runs: u64,
    /// Of these: proven, and it held.
    pub verified: u64,
    /// Of these: not proven.
    pub failed: u64,
    /// Of these: proven, and it came back.
    pub relapsed: u64,
    /// Ended before a step of them began, by the gate, by a good look, or by a change of the plan.
    pub not_begun: u64,
    /// A person did not want them.
    pub denied: u64,
    /// Nobody answered in time.
    pub expired: u64,
    /// Shown in shadow.
    pub shadow: u64,
    /// Shown as a dry run, or as a suggestion.
    pub shown: u64,
}

impl Healing {
    /// Takes a decision in.
    pub fn apply(&mut self, decision: &Decision) {
        let at = decision.at;
        match &decision.fact {
            Fact::IncidentOpened { incident, key, .. } => self.open(*incident, key, at),
            Fact::IncidentReopened { incident, .. } => self.reopen(*incident, decision),
            Fact::IncidentAcknowledged { incident, .. } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.acknowledged.get_or_insert(at);
                }
            }
            Fact::IncidentResolved { incident, verified } => {
                if let Some(known) = self.incidents.get_mut(incident) {
                    known.ended = Some(at);
                    let last = known.runs.values().rfind(|run| run.mode.is_live());
                    let healed =
                        last.is_some_and(|run| run.ran && run.end == Some(AttemptState::Succeeded));
                    known.proven = *verified && healed;
                }
            }
            Fact::AttemptPlanned { attempt, plan } => {
                let Some(known) = self.incidents.get_mut(&attempt.incident) else { return };
                if known.runs.len() < ATTEMPTS_MAX {
                    let (playbook, mode) = (plan.playbook.clone(), plan.mode);
                    let run =
                        Run { playbook, mode, planned: at, ran: false, end: None, relapsed: false };
                    known.runs.insert(attempt.number, run);
                }
            }
            Fact::StepStarted { attempt, .. } => {
                if let Some(run) = self.run(*attempt) {
                    run.ran = run.mode.is_live();
                }
            }
            Fact::AttemptSucceeded { attempt } => self.end(*attempt, AttemptState::Succeeded),
            Fact::AttemptFailed { attempt } => self.end(*attempt, AttemptState::Failed),
            Fact::AttemptInterrupted { attempt } => self.end(*attempt, AttemptState::Interrupted),
            Fact::ApprovalDenied { attempt } => self.end(*attempt, AttemptState::Denied),
            Fact::ApprovalExpired { attempt } => self.end(*attempt, AttemptState::Expired),
            _ => {}
        }
    }

    fn open(&mut self, incident: IncidentId, key: &IncidentKey, at: Timestamp) {
        let known = Known {
            key: key.clone(),
            opened: at,
            times: VecDeque::from([at]),
            acknowledged: None,
            ended: None,
            proven: false,
            runs: BTreeMap::new(),
        };
        if self.incidents.insert(incident, known).is_none() {
            self.order.push_back(incident);
        }
        if self.order.len() > INCIDENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.incidents.remove(&oldest);
        }
    }

    fn reopen(&mut self, incident: IncidentId, decision: &Decision) {
        let Some(known) = self.incidents.get_mut(&incident) else { return };
        known.ended = None;
        known.proven = false;
        // What its source never ended has not come back: it was never away.
        let is_back = !matches!(decision.reason, Reason::StillReported | Reason::StillFires);
        if is_back {
            known.times.push_back(decision.at);
            if known.times.len() > TIMES_MAX {
                known.times.pop_front();
            }
        }
        if let Some(last) = known.runs.values_mut().rfind(|run| run.mode.is_live())
            && last.end == Some(AttemptState::Succeeded)
        {
            last.relapsed = true;
        }
    }

    fn run(&mut self, attempt: AttemptId) -> Option<&mut Run> {
        self.incidents.get_mut(&attempt.incident)?.runs.get_mut(&attempt.number)
    }

    fn end(&mut self, attempt: AttemptId, end: AttemptState) {
        if let Some(run) = self.run(attempt) {
            run.end.get_or_insert(end);
        }
    }

    /// The figures of the [`WINDOW`] that ends now.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of incidents")]
    pub fn score(&self, now: Timestamp) -> HealingScore {
        let mut score = HealingScore::default();
        let recent = |at: Timestamp| Millis::between(at, now) < WINDOW;
        let (mut repair, mut resolve, mut acknowledge) = (Vec::new(), Vec::new(), Vec::new());
        for known in self.incidents.values() {
            let runs = known.runs.values().filter(|run| recent(run.planned));
            runs.for_each(|run| score.count(run));
            if !recent(known.opened) {
                continue;
            }
            score.incidents += 1;
            if let Some(ended) = known.ended {
                let took = Millis::between(known.opened, ended).0;
                resolve.push(took);
                if known.proven {
                    repair.push(took);
                }
            }
            if let Some(at) = known.acknowledged {
                acknowledge.push(Millis::between(known.opened, at).0);
            }
        }
        score.success_rate = (score.runs > 0).then(|| score.verified as f64 / score.runs as f64);
        score.repair = Span::of(repair);
        score.resolve = Span::of(resolve);
        score.acknowledge = Span::of(acknowledge);
        score.frequent = self.repeated(now, WINDOW, 1);
        score.repeating = self.repeated(now, REPEAT_WINDOW, REPEATS_MIN);
        score
    }

    /// What came so often in a window, the most frequent first.
    fn repeated(&self, now: Timestamp, window: Millis, times_min: usize) -> Vec<Repeated> {
        let mut found: BTreeMap<&IncidentKey, Repeated> = BTreeMap::new();
        for (incident, known) in &self.incidents {
            let times = known.times.iter().filter(|at| Millis::between(**at, now) < window);
            for at in times {
                let entry = found.entry(&known.key).or_insert_with(|| Repeated {
                    key: known.key.clone(),
                    times: 0,
                    last: *at,
                    incident: *incident,
                });
                entry.times += 1;
                if (*at, *incident) >= (entry.last, entry.incident) {
                    (entry.last, entry.incident) = (*at, *incident);
                }
            }
        }
        let often = |it: &Repeated| usize::try_from(it.times).is_ok_and(|times| times >= times_min);
        let mut found: Vec<Repeated> = found.into_values().filter(often).collect();
        found.sort_by(|a, b| b.times.cmp(&a.times).then_with(|| a.key.cmp(&b.key)));
        found.truncate(NAMED_MAX);
        found
    }
}

impl HealingScore {
    fn count(&mut self, run: &Run) {
        let of = self.playbooks.entry(run.playbook.to_string()).or_default();
        match run.mode {
            Mode::Live => {}
            Mode::Shadow => {
                of.shadow += 1;
                return;
            }
            Mode::DryRun | Mode::Suggest => {
                of.shown += 1;
                return;
            }
        }
        match run.end {
            None => return,
            Some(AttemptState::Denied) => {
                of.denied += 1;
                return;
            }
            Some(AttemptState::Expired) => {
                of.expired += 1;
                return;
            }
            Some(_) if !run.ran => {
                of.not_begun += 1;
                return;
            }
            Some(AttemptState::Succeeded) if run.relapsed => of.relapsed += 1,
            Some(AttemptState::Succeeded) => {
                of.verified += 1;
                self.verified += 1;
            }
            Some(_) => of.failed += 1,
        }
        of.runs += 1;
        self.runs += 1;
    }
}

impl Span {
    fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let count = times.len() as u64;
        let sum: u128 = times.iter().map(|ms| u128::from(*ms)).sum();
        let mean_ms = sum.checked_div(u128::from(count)).and_then(|ms| u64::try_from(ms).ok());
        // The smallest value that 95 of 100 are not above.
        let rank = (times.len() * 95).div_ceil(100);
        let p95_ms = times.get(rank.saturating_sub(1)).copied();
        Self { count, mean_ms, p95_ms }
    }
}
