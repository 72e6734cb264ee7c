//! Approvals: people let exactly one plan run, or every plan of a narrow kind for a while.
//!
//! **Invariant:** an approval is of the plan that was seen, by its hash, before its time is up; a
//! wrong hash decides nothing.  The time limit is a fact, so that it survives a restart.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_model::approval::{PlanHash, StandingApproval};
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Fact, NotificationKind, Reason, Subject};
use nightcrew_model::id::{
    AttemptId, ChannelName, IncidentId, NotificationId, PersonName, StandingName,
};
use nightcrew_model::mute::MutedBy;
use nightcrew_model::plan::Plan;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Verdict;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::clearance::needing;
use crate::climb::Calls;
use crate::incident::{Attempt, Request};
use crate::state::State;
use crate::tell::Outgoing;

/// How long a standing approval may hold.
pub const STANDING_TIME_MAX: Millis = Millis::from_secs(30 * 24 * 3_600);

/// The largest number of standing approvals; a further one is not set.
pub const STANDING_MAX: usize = 1_000;

/// The largest number of shapes of one standing approval.
pub const SHAPES_MAX: usize = 100;

/// What people approved for a while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing(BTreeMap<StandingName, StandingApproval>);

impl Standing {
    pub(crate) fn apply(&mut self, fact: &Fact) {
        if let Fact::StandingApprovalSet { approval } = fact {
            self.0.insert(approval.name.clone(), approval.as_ref().clone());
        } else if let Fact::StandingApprovalEnded { approval } = fact {
            self.0.remove(approval);
        }
    }
}

/// Whom was asked to approve a plan, and has not heard how it ended.
///
/// A channel that pages opened an alert for the question.  That alert goes on as the one of the
/// incident where the incident is told there, and has to be closed where it is not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked(BTreeMap<IncidentId, BTreeSet<ChannelName>>);

impl Asked {
    pub(crate) fn apply(&mut self, fact: &Fact) {
        use NotificationKind as Kind;
        if let Fact::IncidentClosed { incident } = fact {
            self.0.remove(incident);
        }
        let Fact::NotificationQueued {
            subject: Subject::Incident { incident }, channel, kind, ..
        } = fact
        else {
            return;
        };
        match kind {
            Kind::ApprovalWanted => {
                self.0.entry(*incident).or_default().insert(channel.clone());
            }
            Kind::ApprovalEnded | Kind::Escalated | Kind::Resolved => {
                if let Some(channels) = self.0.get_mut(incident) {
                    channels.remove(channel);
                    if channels.is_empty() {
                        self.0.remove(incident);
                    }
                }
            }
            Kind::Acknowledged | Kind::Firing | Kind::Digest | Kind::AllClear | Kind::Test => {}
        }
    }
}

impl State {
    /// What people approved for a while, where its time is not up.
    pub fn standing_approvals(&self, now: Timestamp) -> impl Iterator<Item = &StandingApproval> {
        self.standing.0.values().filter(move |approval| now < approval.until)
    }
}

impl Step<'_> {
    /// A person approves a plan: the one that was seen, or nothing.
    pub(crate) fn plan_approved(&mut self, id: AttemptId, hash: PlanHash, by: PersonName) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let Some(request) = asked(attempt) else {
            return;
        };
        let seen = hash == request.hash && hash == PlanHash::of(&attempt.plan);
        if !seen || request.expires_at <= self.now {
            return;
        }
        let reason = Reason::Asked { by };
        self.decide(Fact::ApprovalGiven { attempt: id, hash }, reason.clone());
        self.end_request(id.incident, &reason);
    }

    /// A person does not want a plan to run: the incident is theirs.
    pub(crate) fn plan_denied(&mut self, id: AttemptId, by: PersonName) {
        if self.state.attempt(id).and_then(asked).is_none() {
            return;
        }
        let reason = Reason::Asked { by };
        self.decide(Fact::ApprovalDenied { attempt: id }, reason.clone());
        self.end_request(id.incident, &reason);
        self.escalate(id.incident, reason);
    }

    /// Ends the requests that nobody answered in time: a person gets the incident.
    pub(crate) fn expire_requests(&mut self) {
        while let Some(&(expires_at, incident)) = self.state.awaiting.first() {
            if expires_at > self.now || self.is_full() {
                return;
            }
            let attempt = self.state.incidents.get(&incident).and_then(|it| it.attempt.as_ref());
            let request = attempt.and_then(|attempt| Some((attempt.id, asked(attempt)?.asked_at)));
            let Some((attempt, asked_at)) = request else {
                self.state.awaiting.remove(&(expires_at, incident));
                continue;
            };
            let reason = Reason::NotApproved { waited: Millis::between(asked_at, self.now) };
            self.decide(Fact::ApprovalExpired { attempt }, reason.clone());
            self.end_request(incident, &reason);
            self.escalate(incident, reason);
        }
    }

    /// Takes back what was asked, or was approved and has not begun, because the incident is over.
    pub(crate) fn withdraw(&mut self, incident: IncidentId, reason: &Reason) {
        let attempt = self.state.incidents.get(&incident).and_then(|it| it.attempt.as_ref());
        let Some(attempt) = attempt else {
            return;
        };
        let id = attempt.id;
        if asked(attempt).is_some() {
            self.decide(Fact::ApprovalExpired { attempt: id }, reason.clone());
            self.end_request(incident, reason);
        } else if attempt.is_late() {
            self.decide(Fact::AttemptFailed { attempt: id }, reason.clone());
        }
    }

    /// Asks people: the channels that listen to such questions; or whom the policy for the incident
    /// calls first; or the channels that are told of what is handed over.
    pub(crate) fn ask_people(&mut self, incident: IncidentId) {
        let kind = NotificationKind::ApprovalWanted;
        let settings = self.settings;
        let listening = |kind| -> Calls {
            settings.listeners_to(kind).map(|channel| (channel.clone(), Vec::new())).collect()
        };
        let (mut calls, mut reason) = (listening(kind), Reason::ChannelListens);
        if calls.is_empty() {
            match self.first_calls(incident) {
                Some((policy, first)) => {
                    (calls, reason) = (first, Reason::Policy { policy: policy.clone() });
                }
                None => calls = listening(NotificationKind::Escalated),
            }
        }
        // That it is too small to wake somebody does not answer the question.
        let kept_back = self.kept_back(incident);
        let kept_back = kept_back.filter(|by| !matches!(by, MutedBy::BelowSeverity { .. }));
        for (channel, mentions) in calls {
            match &kept_back {
                Some(by) => self.decide(
                    Fact::NotificationSuppressed { subject: incident.into(), channel, kind },
                    Reason::Muted { by: by.clone() },
                ),
                None => {
                    let reason = reason.clone();
                    self.outgoing.push(Outgoing { incident, channel, kind, mentions, reason });
                }
            }
        }
    }

    /// A question that was answered needs not be asked any more.
    fn end_request(&mut self, incident: IncidentId, reason: &Reason) {
        self.outgoing.retain(|message| {
            message.incident != incident || message.kind != NotificationKind::ApprovalWanted
        });
        let waiting: Vec<(NotificationId, ChannelName)> = self
            .state
            .outbox
            .iter()
            .filter(|(_, message)| {
                message.kind == NotificationKind::ApprovalWanted
                    && message.subject.incident() == Some(incident)
            })
            .map(|(id, message)| (*id, message.channel.clone()))
            .collect();
        for (notification, channel) in waiting {
            let subject = incident.into();
            let fact = Fact::NotificationSuperseded { notification, subject, channel };
            self.decide(fact, reason.clone());
        }
    }

    /// Lets those who were asked hear that nothing waits for them any more, unless they hear of the
    /// incident itself.
    pub(crate) fn tell_answers(&mut self) {
        let ended = self.state.asked.0.iter().filter(|(incident, _)| {
            !self.state.is_awaiting(**incident) && !self.telling.contains(incident)
        });
        let told = |incident: &IncidentId, channel: &ChannelName| {
            let escalation = self.state.escalation(*incident);
            escalation.is_some_and(|found| found.channels.contains(channel))
        };
        let waiting: Vec<(IncidentId, ChannelName)> = ended
            .flat_map(|(incident, channels)| channels.iter().map(|it| (*incident, it.clone())))
            .filter(|(incident, channel)| !told(incident, channel))
            .collect();
        for (incident, channel) in waiting {
            let kind = NotificationKind::ApprovalEnded;
            self.queue(incident.into(), channel, kind, Vec::new(), Reason::WasTold);
        }
    }

    /// Somebody approves every action of some shapes for a while.  What holds for too long, or
    /// names no program, is not taken.
    pub(crate) fn standing_asked(&mut self, approval: StandingApproval) {
        let known = &self.state.standing.0;
        let room = known.len() < STANDING_MAX || known.contains_key(&approval.name);
        let shapes = &approval.shapes;
        let narrow = !shapes.is_empty()
            && shapes.len() <= SHAPES_MAX
            && shapes.iter().all(nightcrew_model::approval::Shape::names_a_program);
        let in_time =
            self.now < approval.until && approval.until <= STANDING_TIME_MAX.after(self.now);
        if room && narrow && in_time {
            let by = approval.by.clone();
            let approval = Box::new(approval);
            self.decide(Fact::StandingApprovalSet { approval }, Reason::Asked { by });
        }
    }

    /// Somebody takes a standing approval back.
    pub(crate) fn standing_end_asked(&mut self, approval: StandingName, by: PersonName) {
        let known = self.state.standing.0.get(&approval);
        if known.is_some_and(|known| self.now < known.until) {
            self.decide(Fact::StandingApprovalEnded { approval }, Reason::Asked { by });
        }
    }

    /// A standing approval that covers every action of a plan that a person has to allow.
    pub(crate) fn standing_for(&self, plan: &Plan, verdicts: &[Verdict]) -> Option<StandingName> {
        let settings = self.settings;
        let service = &plan.target.service;
        let unit = settings.units.get(service).map(String::as_str);
        let covers = |approval: &&StandingApproval| {
            let meant = approval.playbook == plan.playbook
                && approval.service.as_ref().is_none_or(|only| only == service);
            meant
                && needing(settings, plan, verdicts).all(|(_, verdict)| {
                    verdict.class <= approval.class_max
                        && approval
                            .shapes
                            .iter()
                            .any(|shape| shape.matches(&verdict.argv, service, unit))
                })
        };
        let approval = self.state.standing_approvals(self.now).find(covers)?;
        Some(approval.name.clone())
    }

    pub(crate) fn forget_standing(&mut self) {
        let now = self.now;
        self.state.standing.0.retain(|_, approval| now < approval.until);
    }
}

/// The question about an attempt, while it is open.
fn asked(attempt: &Attempt) -> Option<&Request> {
    attempt.request.as_ref().filter(|_| attempt.state == AttemptState::Awaiting)
}
