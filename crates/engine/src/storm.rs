//! Storm control: no channel gets more messages than people can read.
//!
//! Counted are messages that bring something new to a channel: that an incident is handed over,
//! that the crew healed one, that a group of alerts fires.  They may be kept back, because a
//! digest says how many there are more and calls everybody whom they would have called, so that
//! each person is reached at each level of an escalation.  Never kept back are messages that
//! follow up what the channel was told of, fallbacks, digests, and what the crew says of itself.
//!
//! There are three caps for each channel: for one service and for everything inside the window of
//! the rule, and a small one for a burst, to which groups of alerts are held in a flood only.  A
//! post of thousands of alerts reaches the engine in portions, a few at a time; the burst is
//! therefore measured in time and not in steps.  The digest of what was kept back is sent as soon
//! as it is calm, or after [`PATIENCE`], and again at the end of the window if there was more.  A
//! burst that keeps back a single incident tells that one by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Reason, Subject};
use nightcrew_model::id::{ChannelName, IncidentId, PersonName, ServiceName};
use nightcrew_model::labels::Labels;
use nightcrew_model::mute::{MutedBy, Scope, StormRule};
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::state::State;
use crate::tell::Outgoing;

/// How many messages a channel gets …
pub const BURST_MAX: u32 = 2;

/// … in this time; it is also how long it has to be calm until a digest is sent.
pub const BURST: Millis = Millis::from_secs(2);

/// So many new alerts in the time of a burst are a flood.  Then groups are held to it too.
pub const FLOOD_ALERTS: u64 = 500;

/// How many moments at which alerts began are remembered; older ones are counted together.
const FLOOD_MOMENTS_MAX: usize = 64;

/// How long the first digest waits for calm.
pub const PATIENCE: Millis = Millis::from_secs(10);

/// The largest number of messages to a channel that are remembered; larger caps are as large.
pub const COUNTED_MAX: usize = 10_000;

/// How many of the incidents that were kept back a digest names.
pub const NAMED_MAX: usize = 10;

/// What the channels are told of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Storms(BTreeMap<ChannelName, Flow>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Flow {
    /// What was told, and about which service.
    told: VecDeque<(Timestamp, Option<ServiceName>)>,
    storms: Vec<Storm>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Storm {
    scope: Scope,
    began: Timestamp,
    /// When something was last kept back.
    last: Timestamp,
    /// How many were kept back.
    suppressed: u64,
    /// How many of them no digest tells of.
    unsaid: u64,
    /// The first of those.
    first: Vec<IncidentId>,
    /// What the first of those would have said.
    kind: Option<NotificationKind>,
    /// Whom they would have called.
    people: BTreeSet<PersonName>,
    n_digests: u32,
}

/// How many alerts began a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flood(VecDeque<(Timestamp, u64)>);

impl Flood {
    /// Counts an alert that began.
    pub(crate) fn alert_fires(&mut self, at: Timestamp) {
        if let Some((_, n)) = self.0.back_mut().filter(|(last, _)| *last == at) {
            *n += 1;
            return;
        }
        self.0.retain(|(moment, _)| *moment <= at && BURST.after(*moment) > at);
        if self.0.len() >= FLOOD_MOMENTS_MAX
            && let Some((_, n)) = self.0.pop_front()
            && let Some((_, oldest)) = self.0.front_mut()
        {
            *oldest += n;
        }
        self.0.push_back((at, 1));
    }

    fn is_on(&self, now: Timestamp) -> bool {
        let recent = self.0.iter().filter(|(at, _)| *at <= now && BURST.after(*at) > now);
        recent.map(|(_, n)| n).sum::<u64>() >= FLOOD_ALERTS
    }
}

impl Storms {
    /// Folds a decision; `service` is that of the incident it is about, `people` are those that
    /// its escalation called, and `told` is whether the channel was told of it before.
    pub(crate) fn apply(&mut self, decision: &Decision, about: &About<'_>) {
        let at = decision.at;
        if let Fact::NotificationQueued { subject, channel, kind, .. } = &decision.fact {
            let flow = self.0.entry(channel.clone()).or_default();
            if let Subject::Digest { digest } = subject {
                if let Some(storm) = flow.storm_mut(digest) {
                    storm.n_digests += 1;
                    storm.said();
                }
            } else if is_news(*kind, about.told) {
                if flow.told.len() >= COUNTED_MAX {
                    flow.told.pop_front();
                }
                flow.told.push_back((at, about.service.cloned()));
                // It was kept back, and is told by itself after all.
                if let Some(incident) = subject.incident() {
                    flow.storms
                        .iter_mut()
                        .filter(|storm| storm.first == [incident] && storm.unsaid == 1)
                        .for_each(Storm::said);
                }
            }
        } else if let Fact::NotificationSuppressed { subject, channel, kind } = &decision.fact {
            if let Reason::Muted { by: MutedBy::Storm { scope } } = &decision.reason
                && let Some(storm) = self.0.get_mut(channel).and_then(|flow| flow.storm_mut(scope))
            {
                storm.last = at;
                storm.suppressed += 1;
                storm.unsaid += 1;
                storm.kind.get_or_insert(*kind);
                storm.people.extend(about.people.iter().cloned());
                if let Some(incident) = subject.incident()
                    && storm.first.len() < NAMED_MAX
                {
                    storm.first.push(incident);
                }
            }
        } else if let Fact::StormBegan { scope, channel } = &decision.fact {
            let flow = self.0.entry(channel.clone()).or_default();
            flow.storms.push(Storm {
                scope: scope.clone(),
                began: at,
                last: at,
                suppressed: 0,
                unsaid: 0,
                first: Vec::new(),
                kind: None,
                people: BTreeSet::new(),
                n_digests: 0,
            });
        } else if let Fact::StormEnded { scope, channel, .. } = &decision.fact
            && let Some(flow) = self.0.get_mut(channel)
        {
            flow.storms.retain(|storm| storm.scope != *scope);
        }
    }
}

/// What is known of the incident that a message is about.
#[derive(Default)]
pub(crate) struct About<'a> {
    pub(crate) service: Option<&'a ServiceName>,
    pub(crate) people: Vec<PersonName>,
    pub(crate) told: bool,
}

impl Flow {
    fn storm_mut(&mut self, scope: &Scope) -> Option<&mut Storm> {
        self.storms.iter_mut().find(|storm| storm.scope == *scope)
    }

    /// The storm that a message about a service falls into.
    fn storm_at(&self, service: Option<&ServiceName>) -> Option<&Storm> {
        self.storms.iter().find(|storm| match &storm.scope {
            Scope::Everything => true,
            Scope::Service(flooded) => Some(flooded) == service,
        })
    }

    /// How many messages there were since a moment.
    fn count(&self, window: Millis, now: Timestamp, of: Option<&ServiceName>) -> usize {
        // What was told in the future was told before the clock was set back.
        let recent = self.told.iter().filter(|(at, _)| *at <= now && window.after(*at) > now);
        recent.filter(|(_, service)| of.is_none() || service.as_ref() == of).count()
    }
}

impl Storm {
    fn said(&mut self) {
        self.unsaid = 0;
        self.first.clear();
        self.kind = None;
        self.people.clear();
    }
}

/// Whether a message brings something new to its channel.
fn is_news(kind: NotificationKind, told: bool) -> bool {
    match kind {
        NotificationKind::Escalated
        | NotificationKind::ApprovalWanted
        | NotificationKind::Firing => true,
        NotificationKind::Resolved => !told,
        NotificationKind::ApprovalEnded
        | NotificationKind::Acknowledged
        | NotificationKind::Digest
        | NotificationKind::AllClear
        | NotificationKind::Test => false,
    }
}

fn capped(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(COUNTED_MAX).min(COUNTED_MAX)
}

impl State {
    /// The storms that are going on: at what, for which channel, and how many messages were kept
    /// back.
    pub fn storms(&self) -> impl Iterator<Item = (&ChannelName, &Scope, u64)> {
        self.storms.0.iter().flat_map(|(channel, flow)| {
            flow.storms.iter().map(move |storm| (channel, &storm.scope, storm.suppressed))
        })
    }

    /// What is known of the incident that a message is about.
    pub(crate) fn about(&self, fact: &Fact) -> About<'_> {
        let (Fact::NotificationQueued { channel, .. }
        | Fact::NotificationSuppressed { channel, .. }) = fact
        else {
            return About::default();
        };
        let Some(id) = fact.incident() else {
            return About::default();
        };
        let escalation = self.escalation(id);
        About {
            service: self.incidents.get(&id).map(|incident| &incident.key.target.service),
            people: escalation.into_iter().flat_map(|found| found.people().cloned()).collect(),
            told: escalation.is_some_and(|found| found.channels.contains(channel)),
        }
    }
}

impl Step<'_> {
    /// Queues a message, unless it is one too many.
    pub(crate) fn send(&mut self, message: Outgoing) {
        let Outgoing { incident, channel, kind, mentions, reason } = message;
        let about = self.state.incidents.get(&incident);
        let service = about.map(|incident| incident.key.target.service.clone());
        let flooded = self.flooded(&channel, service.as_ref(), Some((BURST_MAX, BURST)));
        match flooded {
            None => {
                self.queue(incident.into(), channel, kind, mentions, reason);
            }
            Some(scope) => self.decide(
                Fact::NotificationSuppressed { subject: incident.into(), channel, kind },
                Reason::Muted { by: MutedBy::Storm { scope } },
            ),
        }
    }

    /// Whether a new message about a group is one too many.
    pub(crate) fn group_flooded(
        &mut self,
        subject: &Subject,
        labels: &Labels,
        channel: &ChannelName,
    ) -> bool {
        let service = labels.get("service").map(ServiceName::from);
        // Grouping bounds what is told of a few alerts, and not of thousands.
        let burst = self.state.flood.is_on(self.now).then_some((BURST_MAX, BURST));
        let Some(scope) = self.flooded(channel, service.as_ref(), burst) else {
            return false;
        };
        let (subject, channel) = (subject.clone(), channel.clone());
        let kind = NotificationKind::Firing;
        self.decide(
            Fact::NotificationSuppressed { subject, channel, kind },
            Reason::Muted { by: MutedBy::Storm { scope } },
        );
        true
    }

    /// The storm into which a new message to a channel falls; it begins where this message is the
    /// one too many.
    pub(crate) fn flooded(
        &mut self,
        channel: &ChannelName,
        service: Option<&ServiceName>,
        burst: Option<(u32, Millis)>,
    ) -> Option<Scope> {
        let rule = self.settings.storm?;
        let now = self.now;
        let flow = self.state.storms.0.get(channel)?;
        if let Some(storm) = flow.storm_at(service) {
            return Some(storm.scope.clone());
        }
        let StormRule { per_service, global, window } = rule;
        let about_it = service.map_or(0, |service| flow.count(window, now, Some(service)));
        let bursts =
            burst.filter(|(limit, window)| flow.count(*window, now, None) >= capped(*limit));
        let (scope, limit, window) = if let Some((limit, window)) = bursts {
            (Scope::Everything, limit, window)
        } else if flow.count(window, now, None) >= capped(global) {
            (Scope::Everything, global, window)
        } else if let Some(service) = service
            && about_it >= capped(per_service)
        {
            (Scope::Service(service.clone()), per_service, window)
        } else {
            return None;
        };
        let began = Fact::StormBegan { scope: scope.clone(), channel: channel.clone() };
        self.decide(began, Reason::TooMany { limit, window });
        Some(scope)
    }

    /// Sends digests that are due, ends storms that are over, and forgets what is counted no more.
    pub(crate) fn calm_storms(&mut self) {
        let window = self.settings.storm.map_or(Millis(0), |rule| rule.window);
        let mut waiting: Vec<(ChannelName, Storm)> = Vec::new();
        for (channel, flow) in &mut self.state.storms.0 {
            flow.told.retain(|(at, _)| *at <= self.now && window.after(*at) > self.now);
            waiting.extend(flow.storms.iter().map(|storm| (channel.clone(), storm.clone())));
        }
        for (channel, storm) in waiting {
            self.calm(channel, &storm);
        }
    }

    fn calm(&mut self, channel: ChannelName, storm: &Storm) {
        let now = self.now;
        let rule = self.settings.storm;
        let window = rule.map_or(Millis(0), |rule| rule.window);
        // A storm that has not begun yet was noted before the clock was set back.
        let over = window.after(storm.began) <= now || now < storm.began;
        let calm = BURST.after(storm.last) <= now || PATIENCE.after(storm.began) <= now;
        if !over && !calm {
            return;
        }
        // A burst that stays below the caps is over when it is calm.
        let flow = self.state.storms.0.get(&channel);
        let n_told = flow.map_or(0, |flow| flow.count(window, now, None));
        let n_kept = usize::try_from(storm.suppressed).unwrap_or(usize::MAX);
        let below = rule.is_some_and(|rule| {
            storm.scope == Scope::Everything && n_told.saturating_add(n_kept) <= capped(rule.global)
        });
        if storm.unsaid > 0 && (over || storm.n_digests == 0) {
            self.say(&channel, storm, below);
        }
        if over || below {
            let Storm { scope, suppressed, .. } = storm.clone();
            let reason = Reason::Calm { window: if over { window } else { BURST } };
            self.decide(Fact::StormEnded { scope, channel, suppressed }, reason);
        }
    }

    /// Whether people would be told of an incident now what was kept back a moment ago.
    fn is_news_still(&self, id: IncidentId, kind: NotificationKind) -> bool {
        let open = self.state.incidents.get(&id).is_some_and(|found| found.state.is_open());
        let escalation = self.state.escalation(id);
        if kind == NotificationKind::Escalated {
            open && escalation.is_some_and(|it| it.acknowledged.is_none() && it.held.is_none())
        } else if kind == NotificationKind::ApprovalWanted {
            self.state.is_awaiting(id)
        } else {
            !open
        }
    }

    /// Says what was kept back: a single incident by itself, several in a digest.
    fn say(&mut self, channel: &ChannelName, storm: &Storm, burst: bool) {
        let reaches = |person: &&PersonName| {
            let found = self.settings.people.get(*person);
            found.is_some_and(|found| found.channels.iter().any(|way| way.channel == *channel))
        };
        let mentions: Vec<PersonName> = storm.people.iter().filter(reaches).cloned().collect();
        if let ([incident], Some(kind), true, 1) =
            (storm.first.as_slice(), storm.kind, burst, storm.suppressed)
            && self.is_news_still(*incident, kind)
        {
            let reason = Reason::Calm { window: BURST };
            self.queue((*incident).into(), channel.clone(), kind, mentions, reason);
            return;
        }
        let subject = Subject::Digest { digest: storm.scope.clone() };
        let reason = Reason::KeptBack {
            messages: storm.unsaid,
            window: Millis::between(storm.began, self.now),
            first: storm.first.clone(),
        };
        self.queue(subject, channel.clone(), NotificationKind::Digest, mentions, reason);
    }
}
