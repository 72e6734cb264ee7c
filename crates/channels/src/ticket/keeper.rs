//! Which ticket is made, moved or opened again next: pure rules over what the journal holds.
//!
//! The crew asks [`plan`] in every round, does what it says (at most one thing for each incident),
//! and tells the engine what came of it.  An intent is a fact before the ticket is asked for, so
//! that a crash between the two is known and [`super::Client::look_again`] looks for it.
//!
//! **Invariant:** an incident never has two tickets of one tracker.  What is beyond the limit
//! waits; nothing is dropped.  A stage is never skipped on the way forward, so that people see a
//! ticket in progress and in review before it is done.

use jiff::Timestamp;
use nightcrew_config::settings::{OpenTicket, Tracker};
use nightcrew_model::id::{IncidentId, TicketKey};
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;

use super::Undone;
use crate::retry::pause;

/// How long after its end an incident that has no ticket yet still gets one.
pub const LATE_MAX: Millis = Millis::from_secs(3_600);

/// One incident, as the keeper sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Which.
    pub incident: IncidentId,
    /// How bad it is: the worst come first.
    pub severity: Severity,
    /// Where it stands.
    pub stage: Stage,
    /// Since when.
    pub stage_since: Timestamp,
    /// Whether it ever was with a person.
    pub escalated: bool,
    /// What is known of its ticket.
    pub told: Told,
    /// The ticket of an earlier incident of the same target and symptom, and when that ended.
    pub earlier: Option<(TicketKey, Timestamp)>,
    /// Until when the tracker wants to be left alone about it, or the pause after a failed try.
    pub not_before: Option<Timestamp>,
}

/// What the journal says of an incident's ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// It was about to be made; whether it was is not known.
    Intended {
        /// When the last try began.
        at: Timestamp,
    },
    /// It is there.
    Open {
        /// What the tracker calls it.
        key: TicketKey,
        /// Where it stands.
        stage: Stage,
    },
    /// The tracker will never take it.
    Refused,
}

/// What is to be done about one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Note the intent (`TicketNews::Intended`), then make the ticket.
    Open,
    /// The intent is noted: look for the ticket; where it is not there, note the intent anew, then
    /// make it.
    LookAgain {
        /// How long ago the last try began.
        since_try: Millis,
    },
    /// Open the ticket of an earlier incident again, and note it as the ticket of this one.
    Reopen {
        /// Which.
        key: TicketKey,
    },
    /// Move the ticket, with a comment.
    Move {
        /// Which.
        key: TicketKey,
        /// Where to: the next stage on the way.
        stage: Stage,
    },
    /// As many tickets were made as may be; this one waits.
    Wait {
        /// Until when.
        until: Timestamp,
    },
}

/// What is to be done now, the worst incidents first, then the oldest.  `made` is when tickets were
/// made or intended lately, in any order.
#[must_use]
pub fn plan(
    looks: &[Look],
    made: &[Timestamp],
    tracker: &Tracker,
    now: Timestamp,
) -> Vec<(IncidentId, Next)> {
    let mut room = Room::of(made, tracker, now);
    let mut looks: Vec<&Look> = looks.iter().collect();
    looks.sort_by_key(|look| (std::cmp::Reverse(look.severity), look.incident));
    looks
        .into_iter()
        .filter(|look| look.not_before.is_none_or(|until| until <= now))
        .filter_map(|look| Some((look.incident, next(look, tracker, now, &mut room)?)))
        .collect()
}

fn next(look: &Look, tracker: &Tracker, now: Timestamp, room: &mut Room) -> Option<Next> {
    match &look.told {
        Told::Refused => None,
        Told::Open { key, stage } => {
            let stage = on_the_way(*stage, look.stage)?;
            Some(Next::Move { key: key.clone(), stage })
        }
        // It has its place in the limit already.
        Told::Intended { at } => Some(Next::LookAgain { since_try: Millis::between(*at, now) }),
        Told::Nothing => {
            let wanted = match tracker.open {
                OpenTicket::Every => true,
                OpenTicket::Escalated => look.escalated || look.stage == Stage::Escalated,
            };
            let late =
                look.stage == Stage::Done && Millis::between(look.stage_since, now) > LATE_MAX;
            if !wanted || late {
                return None;
            }
            if let Some((key, ended)) = &look.earlier
                && Millis::between(*ended, now) <= tracker.reopen_window
            {
                return Some(Next::Reopen { key: key.clone() });
            }
            Some(room.take().map_or(Next::Open, |until| Next::Wait { until }))
        }
    }
}

/// The next stage from where a ticket stands to where its incident does; none: it is there.
#[must_use]
pub fn on_the_way(from: Stage, to: Stage) -> Option<Stage> {
    use Stage::{Done, InProgress, InReview, ToDo};
    let next = match (from, to) {
        _ if from == to => return None,
        (ToDo, InReview | Done) => InProgress,
        (InProgress, Done) => InReview,
        _ => to,
    };
    Some(next)
}

/// When a try that failed is followed by the next one; none: never, the tracker refused it or the
/// ticket was deleted, which is to be told as [`nightcrew_model::ticket::TicketNews::Refused`].
/// `tries` counts from 1; it may begin anew after a restart.
#[must_use]
pub fn not_before(
    undone: &Undone,
    tries: u32,
    incident: IncidentId,
    now: Timestamp,
) -> Option<Timestamp> {
    match undone {
        Undone::Retry { after, .. } => Some(pause(tries, *after, incident.0).after(now)),
        Undone::Gone { .. } | Undone::Permanent { .. } => None,
    }
}

/// How many more tickets may be made now.
struct Room {
    /// When those were made that count, oldest first.
    within: Vec<Timestamp>,
    max: usize,
    window: Millis,
    now: Timestamp,
}

impl Room {
    fn of(made: &[Timestamp], tracker: &Tracker, now: Timestamp) -> Self {
        let window = tracker.limit.window;
        let mut within: Vec<Timestamp> =
            made.iter().copied().filter(|at| window.after(*at) > now).collect();
        within.sort_unstable();
        Self { within, max: tracker.limit.messages as usize, window, now }
    }

    /// A place for one more; where there is none, when the next one is free.
    fn take(&mut self) -> Option<Timestamp> {
        let Some(over) = self.within.len().checked_sub(self.max) else {
            self.within.push(self.now);
            return None;
        };
        let leaves = self.within.get(over).copied().unwrap_or(self.now);
        Some(self.window.after(leaves))
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_config::settings::{Rate, Secret, TrackerKind};
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_230_000 + minute * 60).unwrap()
    }

    fn tracker(open: OpenTicket) -> Tracker {
        Tracker {
            name: "github".into(),
            kind: TrackerKind::Github {
                url: String::new(),
                repository: "a/b".into(),
                token: Secret::new("x"),
            },
            open,
            labels: Vec::new(),
            limit: Rate { messages: 2, window: Millis::from_secs(3_600) },
            reopen_window: Millis::from_secs(1_800),
            resolver: None,
            page_url: None,
        }
    }

    fn look(incident: u64, stage: Stage, told: Told) -> Look {
        Look {
            incident: IncidentId(incident),
            severity: Severity::Warning,
            stage,
            stage_since: at(0),
            escalated: false,
            told,
            earlier: None,
            not_before: None,
        }
    }

    fn open(stage: Stage) -> Told {
        Told::Open { key: "a/b#7".into(), stage }
    }

    fn shown(looks: &[Look], made: &[Timestamp], open: OpenTicket, minute: i64) -> String {
        let steps = plan(looks, made, &tracker(open), at(minute));
        steps.iter().map(|(id, next)| format!("{id} {next:?}\n")).collect()
    }

    #[test]
    fn a_life_is_walked_stage_by_stage() {
        let mut told = Told::Nothing;
        let mut walked = Vec::new();
        for minute in 0..6 {
            let looks = [look(1, Stage::Done, told.clone())];
            let steps = plan(&looks, &[], &tracker(OpenTicket::Every), at(minute));
            match steps.first().map(|(_, next)| next) {
                Some(Next::Open) => told = open(Stage::ToDo),
                Some(Next::Move { stage, .. }) => {
                    walked.push(*stage);
                    told = open(*stage);
                }
                other => assert_eq!(other, None),
            }
        }
        assert_eq!(walked, [Stage::InProgress, Stage::InReview, Stage::Done]);
    }

    #[test]
    fn a_storm_waits_for_its_turn_and_the_worst_come_first() {
        let mut looks: Vec<Look> = (1..=4).map(|n| look(n, Stage::ToDo, Told::Nothing)).collect();
        looks[3].severity = Severity::Critical;
        insta::assert_snapshot!(shown(&looks, &[at(-70), at(-30)], OpenTicket::Every, 0), @r"
        INC-4 Open
        INC-1 Wait { until: 2026-11-21T03:30:00Z }
        INC-2 Wait { until: 2026-11-21T03:30:00Z }
        INC-3 Wait { until: 2026-11-21T03:30:00Z }
        ");
    }

    #[test]
    fn an_intent_without_a_key_is_looked_for_whatever_the_limit() {
        let looks = [look(1, Stage::InProgress, Told::Intended { at: at(0) })];
        insta::assert_snapshot!(shown(&looks, &[at(0), at(0)], OpenTicket::Every, 2), @"INC-1 LookAgain { since_try: Millis(120000) }");
    }

    #[test]
    fn inside_the_window_the_earlier_ticket_is_opened_again() {
        let mut again = look(2, Stage::ToDo, Told::Nothing);
        again.earlier = Some(("a/b#7".into(), at(0)));
        let looks = [again];
        assert!(shown(&looks, &[], OpenTicket::Every, 30).contains("Reopen"));
        assert_eq!(shown(&looks, &[], OpenTicket::Every, 31), "INC-2 Open\n");
    }

    #[test]
    fn only_what_needs_a_ticket_has_one() {
        let mut looks = [look(1, Stage::InProgress, Told::Nothing)];
        assert_eq!(shown(&looks, &[], OpenTicket::Escalated, 0), "");
        looks[0].stage = Stage::Escalated;
        assert_eq!(shown(&looks, &[], OpenTicket::Escalated, 0), "INC-1 Open\n");
        looks[0].told = Told::Refused;
        assert_eq!(shown(&looks, &[], OpenTicket::Escalated, 0), "");
        let long_over = [look(1, Stage::Done, Told::Nothing)];
        assert_eq!(shown(&long_over, &[], OpenTicket::Every, 61), "");
        let mut paused = look(1, Stage::ToDo, Told::Nothing);
        paused.not_before = Some(at(1));
        assert_eq!(shown(&[paused], &[], OpenTicket::Every, 0), "");
    }

    proptest! {
        #[test]
        fn no_more_tickets_are_made_than_may_be(
            made in prop::collection::vec(-120i64..1, 0..12),
            incidents in 0u64..12,
        ) {
            let made: Vec<Timestamp> = made.into_iter().map(at).collect();
            let looks: Vec<Look> =
                (0..incidents).map(|n| look(n, Stage::ToDo, Told::Nothing)).collect();
            let tracker = tracker(OpenTicket::Every);
            let steps = plan(&looks, &made, &tracker, at(0));
            let within = made.iter().filter(|then| tracker.limit.window.after(**then) > at(0));
            let opened = steps.iter().filter(|(_, next)| *next == Next::Open).count();
            prop_assert!(opened <= 2usize.saturating_sub(within.count()));
            prop_assert_eq!(steps.len() as u64, incidents, "nothing is dropped");
            for (_, next) in steps {
                if let Next::Wait { until } = next {
                    prop_assert!(until > at(0));
                }
            }
        }

        #[test]
        fn every_way_ends_where_the_incident_stands(
            from in prop::sample::select(Stage::ALL.to_vec()),
            to in prop::sample::select(Stage::ALL.to_vec()),
        ) {
            let mut stage = from;
            for _ in 0..3 {
                stage = on_the_way(stage, to).unwrap_or(stage);
            }
            prop_assert_eq!(stage, to);
        }
    }
}
