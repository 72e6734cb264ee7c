//! The post-mortem of an incident: what it was, what it cost, what was tried, what worked, what
//! contributed, and what is to be done.  It is written when an incident closes, and again when it
//! came back and closes later.
//!
//! **Invariant:** nothing is said that no decision supports; what is unknown is called unknown.

use std::collections::BTreeSet;

use jiff::Timestamp;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::id::{AttemptId, IncidentId, PersonName, PlaybookName, ServiceName};
use nightcrew_model::plan::Mode;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::evidence::Evidence;
use crate::follow_up::{FollowUp, follow_ups};
use crate::record::{Answer, Attempt, Entry, Record, as_text};
use crate::sentence::counted;
use crate::story;
use crate::surroundings::{BudgetUse, Context, wrong_since};

/// What is learned from an incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PostMortem {
    /// The incident.
    #[serde(serialize_with = "as_text")]
    pub incident: IncidentId,
    /// What it was about, in words.
    pub title: String,
    /// What happened, in one paragraph.
    pub summary: String,
    /// What it touched.
    pub impact: Impact,
    /// When what happened, and how long it took.
    pub times: Times,
    /// What was tried, in order.
    pub tried: Vec<Tried>,
    /// What ended it.
    pub worked: Worked,
    /// What contributed, as far as anything shows it.
    pub contributing: Vec<Contributing>,
    /// What is to be done.
    pub follow_ups: Vec<FollowUp>,
    /// Every decision about it, in order.
    pub timeline: Vec<Entry>,
}

/// What an incident touched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Impact {
    /// The services whose alerts belong to it.
    pub services: Vec<ServiceName>,
    /// The incidents that it caused.
    pub effects: Vec<Evidence>,
    /// How bad it was.
    pub severity: Severity,
    /// From the detection to the end; none: it is not over.
    pub lasted_ms: Option<Millis>,
    /// How often it came back.
    pub relapses: usize,
    /// What it cost of an error budget; none: unknown.
    pub budget: Option<BudgetUse>,
}

/// When what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Since when it was wrong, by the numbers behind its alert; none: unknown.
    pub wrong_since: Option<Timestamp>,
    /// When it was detected.
    pub detected_at: Timestamp,
    /// When a person first took care; none: nobody did.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over, the last time.
    pub resolved_at: Option<Timestamp>,
    /// When it was over for good.
    pub closed_at: Option<Timestamp>,
    /// From being wrong to the detection; none: unknown.
    pub detect_ms: Option<Millis>,
    /// From the detection to the first person; none: nobody.
    pub acknowledge_ms: Option<Millis>,
    /// From the detection to the end; none: it is not over.
    pub repair_ms: Option<Millis>,
}

/// One attempt, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Which.
    #[serde(serialize_with = "as_text")]
    pub attempt: AttemptId,
    /// The playbook.
    pub playbook: PlaybookName,
    /// Whether it ran or was only shown.
    pub mode: Mode,
    /// How many of its steps began.
    pub steps_run: usize,
    /// How many it has.
    pub steps: usize,
    /// Who let it run, or did not; none: nobody was asked, or nobody answered.
    pub allowed_by: Option<PersonName>,
    /// Where it ended.
    #[serde(serialize_with = "as_text")]
    pub state: AttemptState,
    /// When what it healed came back.
    pub relapsed_at: Option<Timestamp>,
    /// How it ended, in words; none: it is under way.
    pub why: Option<String>,
}

/// What ended an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "worked")]
pub enum Worked {
    /// A remedy that was proven and held.
    Remedy {
        /// The attempt.
        #[serde(serialize_with = "as_text")]
        attempt: AttemptId,
        /// The playbook.
        playbook: PlaybookName,
    },
    /// It was over without a remedy that was proven.
    Unproven {
        /// Why it counts as over, in words.
        why: String,
        /// Whether fresh samples show that it is.
        verified: bool,
    },
    /// It is not over.
    Nothing,
}

/// Something that contributed, or may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contributing {
    /// How it is tied to the incident.
    pub tie: Tie,
    /// What, in words.
    pub what: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// How something is tied to an incident, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// The service depends on it, and it broke before.
    Cause,
    /// It is the same service.
    SameService,
    /// It began near it in time, and nothing else is known.
    NearInTime,
    /// People changed it.
    Change,
}

impl Tie {
    /// The tie in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::SameService => "same service",
            Self::NearInTime => "near in time, no more is known",
            Self::Change => "change by people",
        }
    }
}

/// What is learned from an incident.
#[must_use]
pub fn post_mortem(record: &Record, context: &Context) -> PostMortem {
    PostMortem {
        incident: record.id,
        title: record.key.to_string(),
        summary: story::summary(record),
        impact: impact(record, context),
        times: times(record),
        tried: record.attempts.iter().map(tried).collect(),
        worked: what_worked(record),
        contributing: contributing(record, context),
        follow_ups: follow_ups(record, context),
        timeline: record.timeline.clone(),
    }
}

fn impact(record: &Record, context: &Context) -> Impact {
    let joined = record.joined.iter().filter_map(|it| it.about.as_ref());
    let mut services: BTreeSet<&ServiceName> = joined.map(|key| &key.target.service).collect();
    services.insert(&record.key.target.service);
    Impact {
        services: services.into_iter().cloned().collect(),
        effects: record.effects.iter().map(|it| Evidence::Incident(it.incident)).collect(),
        severity: record.severity,
        lasted_ms: record.repair_ms,
        relapses: record.relapses.len(),
        budget: context.budget.clone(),
    }
}

fn times(record: &Record) -> Times {
    let wrong_since = wrong_since(record);
    let acknowledged_at = record.first_acknowledged.as_ref().map(|it| it.at);
    let detected_at = record.detected_at;
    Times {
        wrong_since,
        detected_at,
        acknowledged_at,
        resolved_at: record.resolved.as_ref().map(|it| it.at),
        closed_at: record.closed_at,
        detect_ms: wrong_since.map(|since| Millis::between(since, detected_at)),
        acknowledge_ms: acknowledged_at.map(|at| Millis::between(detected_at, at)),
        repair_ms: record.repair_ms,
    }
}

fn tried(attempt: &Attempt) -> Tried {
    let answer = attempt.approval.as_ref().map(|approval| &approval.answer);
    Tried {
        attempt: attempt.id,
        playbook: attempt.playbook.clone(),
        mode: attempt.mode,
        steps_run: if attempt.mode.is_live() {
            attempt.steps.iter().filter(|step| step.ran()).count()
        } else {
            0
        },
        steps: attempt.steps.len(),
        allowed_by: match answer {
            Some(Answer::Given { by, .. } | Answer::Denied { by, .. }) => by.clone(),
            Some(Answer::Pending | Answer::Expired { .. }) | None => None,
        },
        state: attempt.state,
        relapsed_at: attempt.relapsed_at,
        why: attempt.end.as_ref().map(|end| end.why.clone()),
    }
}

fn what_worked(record: &Record) -> Worked {
    let held =
        |it: &&Attempt| it.ran() && it.state == AttemptState::Succeeded && it.relapsed_at.is_none();
    match (&record.resolved, record.attempts.iter().rfind(held)) {
        (Some(resolved), Some(of)) if resolved.verified => {
            Worked::Remedy { attempt: of.id, playbook: of.playbook.clone() }
        }
        (Some(resolved), _) => {
            Worked::Unproven { why: resolved.reason.clone(), verified: resolved.verified }
        }
        (None, _) => Worked::Nothing,
    }
}

fn contributing(record: &Record, context: &Context) -> Vec<Contributing> {
    let mut found = Vec::new();
    if let Some(root) = &record.root {
        let what = format!("{} broke before it: {}", root.incident, root.why);
        let evidence = vec![Evidence::Incident(root.incident)];
        found.push(Contributing { tie: Tie::Cause, what, evidence });
    }
    for joined in &record.joined {
        let Some(about) = &joined.about else { continue };
        let what = format!("{about} at {:.0}: {}", joined.at, joined.why);
        let evidence = vec![Evidence::Alert(joined.fingerprint)];
        found.push(Contributing { tie: Tie::SameService, what, evidence });
    }
    for near in &context.near {
        let is_told = record.joined.iter().any(|joined| {
            joined.about.as_ref() == Some(&near.key)
                || near.evidence == Evidence::Alert(joined.fingerprint)
        });
        if !is_told {
            let same = near.key.target.service == record.key.target.service;
            let tie = if same { Tie::SameService } else { Tie::NearInTime };
            let what = format!("{} began at {:.0}", near.key, near.at);
            found.push(Contributing { tie, what, evidence: vec![near.evidence.clone()] });
        }
    }
    for change in &context.changes {
        let what = format!("{:.0}: {}", change.at, change.what);
        let evidence = vec![change.evidence.clone()];
        found.push(Contributing { tie: Tie::Change, what, evidence });
    }
    for attempt in &record.attempts {
        if let Some(Answer::Given { at, by: Some(by), .. }) =
            attempt.approval.as_ref().map(|approval| &approval.answer)
        {
            let steps = counted(attempt.steps.len(), "step");
            let what = format!("{at:.0}: {by} approved playbook {}, {steps}", attempt.playbook);
            let evidence = vec![Evidence::Attempt(attempt.id)];
            found.push(Contributing { tie: Tie::Change, what, evidence });
        }
    }
    found.sort_by_key(|it| it.tie);
    found
}
