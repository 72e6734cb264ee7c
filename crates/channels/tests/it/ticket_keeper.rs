//! The keeper and a tracker together, with crashes and faults between any two requests: what the
//! crew does in its rounds, without the crew.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use nightcrew_channels::message::Sending;
use nightcrew_channels::ticket::keeper::{Look, Next, Told, not_before, plan};
use nightcrew_channels::ticket::{Client, Moved, Opened, Undone};
use nightcrew_config::settings::{JiraFlavour, Tracker};
use nightcrew_model::id::{IncidentId, TicketKey};
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{self, Mode, Workflow};
use proptest::prelude::*;
use tokio::time::Instant;

use crate::ticket_fixture::{drafted, jira, said};

/// How long a round takes.
const ROUND: Duration = Duration::from_secs(15);

/// What happens to one operation.
#[derive(Clone, Debug)]
enum Fault {
    None,
    /// The tracker does it and the answer is lost.
    AnswerLost,
    Down,
    RateLimited,
    /// The tracker does it, and the crew crashes before it notes that.
    Crash,
}

/// A crew that has nothing but its tickets: `told` and `made` are the journal, the rest is memory.
struct Night<'a> {
    tracker: &'a Tracker,
    fake: fake::Jira,
    http: Http,
    begun: Instant,
    stages: BTreeMap<IncidentId, Stage>,
    told: BTreeMap<IncidentId, Told>,
    earlier: BTreeMap<IncidentId, (TicketKey, Timestamp)>,
    made: Vec<Timestamp>,
    pauses: BTreeMap<IncidentId, (u32, Timestamp)>,
}

impl<'a> Night<'a> {
    fn new(tracker: &'a Tracker, fake: &fake::Jira) -> Self {
        Self {
            tracker,
            fake: fake.clone(),
            http: Http::Fake(fake.router()),
            begun: Instant::now(),
            stages: BTreeMap::new(),
            told: BTreeMap::new(),
            earlier: BTreeMap::new(),
            made: Vec::new(),
            pauses: BTreeMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
        start.checked_add(self.begun.elapsed()).unwrap()
    }

    fn looks(&self) -> Vec<Look> {
        let look = |(id, stage): (&IncidentId, &Stage)| Look {
            incident: *id,
            severity: Severity::Critical,
            stage: *stage,
            stage_since: self.now(),
            escalated: false,
            told: self.told.get(id).cloned().unwrap_or(Told::Nothing),
            earlier: self.earlier.get(id).cloned(),
            not_before: self.pauses.get(id).map(|(_, until)| *until),
        };
        self.stages.iter().map(look).collect()
    }

    /// One round; every operation takes its fault from the list.
    async fn round(&mut self, faults: &mut Vec<Fault>) {
        for (id, next) in plan(&self.looks(), &self.made, self.tracker, self.now()) {
            match self.work(id, &next, faults).await {
                Ok(()) => drop(self.pauses.remove(&id)),
                Err(Halt::Crash) => self.pauses.clear(),
                Err(Halt::Undone(undone)) => {
                    let tries = self.pauses.get(&id).map_or(1, |(tries, _)| tries + 1);
                    let until = not_before(&undone, tries, id, self.now());
                    self.pauses.insert(id, (tries, until.unwrap()));
                }
            }
        }
    }

    /// Does one thing; an intent is noted before each request that makes a ticket.
    async fn work(&mut self, id: IncidentId, next: &Next, faults: &mut Vec<Fault>) -> Worked {
        let draft = drafted(self.tracker, id.0);
        let http = self.http.clone();
        let client = Client::new(self.tracker, &http);
        let mut fault = self.fault(faults);
        match next {
            Next::Wait { .. } => return Ok(()),
            Next::Open => self.made.push(self.now()),
            Next::LookAgain { since_try } => {
                let found = client.look_again(&draft.label, *since_try).await?;
                self.crash(&fault)?;
                if let Some(found) = found {
                    self.told.insert(id, opened(found));
                    return Ok(());
                }
                fault = self.fault(faults);
            }
            Next::Move { key, stage } => {
                let _: Moved = client.move_to(key, *stage).await?;
                client
                    .comment(key, &said(*stage, "it goes on", &[]), Sending::PossibleRepeat)
                    .await?;
                self.crash(&fault)?;
                self.told.insert(id, Told::Open { key: key.clone(), stage: *stage });
                return Ok(());
            }
            Next::Reopen { key } => {
                let _: Moved = client.reopen(key).await?;
                self.crash(&fault)?;
                self.told.insert(id, Told::Open { key: key.clone(), stage: Stage::ToDo });
                return Ok(());
            }
        }
        self.told.insert(id, Told::Intended { at: self.now() });
        let made = client.open(&draft).await?;
        self.crash(&fault)?;
        self.told.insert(id, opened(made));
        Ok(())
    }

    /// Makes the next fault happen.
    fn fault(&self, faults: &mut Vec<Fault>) -> Fault {
        let fault = faults.pop().unwrap_or(Fault::None);
        self.fake.fail_with(match fault {
            Fault::None | Fault::Crash => Mode::Ok,
            Fault::AnswerLost => Mode::CloseMidBody,
            Fault::Down => Mode::Status(503),
            Fault::RateLimited => Mode::RateLimited { after: Duration::from_secs(40) },
        });
        fault
    }

    fn crash(&self, fault: &Fault) -> Worked {
        if matches!(fault, Fault::Crash) { Err(Halt::Crash) } else { Ok(()) }
    }
}

/// Why something was not noted.
enum Halt {
    Crash,
    Undone(Undone),
}

impl From<Undone> for Halt {
    fn from(undone: Undone) -> Self {
        Self::Undone(undone)
    }
}

type Worked = Result<(), Halt>;

fn opened(made: Opened) -> Told {
    Told::Open { key: made.key, stage: Stage::ToDo }
}

fn paused(future: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(future);
}

#[test]
fn a_storm_of_duplicates_opens_one_ticket_and_walks_it_once() {
    paused(async {
        let (tracker, fake) = (jira(JiraFlavour::Cloud), fake::Jira::default());
        let mut night = Night::new(&tracker, &fake);
        for n in 0..500 {
            // A storm: the same incident is told of again and again, while it goes on.
            let stage = Stage::ALL[n / 125];
            night.stages.insert(IncidentId(42), stage);
            night.round(&mut Vec::new()).await;
        }
        println!("{}", fake.transcript());
        let issues = fake.issues();
        assert_eq!(issues.len(), 1);
        assert_eq!(issues[0].statuses, ["To Do", "In Progress", "In Review", "Done"]);
        assert_eq!(issues[0].comments.len(), 3);
    });
}

#[test]
fn a_storm_of_incidents_waits_for_the_limit_of_the_hour() {
    paused(async {
        let (tracker, fake) = (jira(JiraFlavour::Cloud), fake::Jira::default());
        let mut night = Night::new(&tracker, &fake);
        night.stages = (1..=25).map(|n| (IncidentId(n), Stage::ToDo)).collect();
        for hour in 1..=3 {
            for _ in 0..20 {
                night.round(&mut Vec::new()).await;
                tokio::time::advance(ROUND).await;
            }
            assert_eq!(fake.issues().len(), (hour * 10).min(25));
            tokio::time::advance(Duration::from_secs(3_600)).await;
        }
    });
}

#[test]
fn what_comes_back_inside_the_window_has_the_same_ticket() {
    paused(async {
        let (tracker, fake) = (jira(JiraFlavour::Cloud), fake::Jira::default());
        let mut night = Night::new(&tracker, &fake);
        night.stages.insert(IncidentId(42), Stage::Done);
        for (again, minutes, tickets) in [(43, 29, 1), (44, 31, 2)] {
            for _ in 0..6 {
                night.round(&mut Vec::new()).await;
            }
            night.earlier.insert(IncidentId(again), ("OPS-1".into(), night.now()));
            tokio::time::advance(Duration::from_secs(minutes * 60)).await;
            night.stages.insert(IncidentId(again), Stage::InProgress);
            night.round(&mut Vec::new()).await;
            night.round(&mut Vec::new()).await;
            assert_eq!(fake.issues().len(), tickets, "{again}");
        }
        let statuses = &fake.issues()[0].statuses;
        assert_eq!(statuses[3..], ["Done", "To Do", "In Progress"]);
    });
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        3 => Just(Fault::None),
        2 => Just(Fault::AnswerLost),
        1 => Just(Fault::Down),
        1 => Just(Fault::RateLimited),
        3 => Just(Fault::Crash),
    ];
    prop::collection::vec(fault, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_fails_every_incident_has_one_ticket_that_ends_done(
        mut faults in faults(),
        incidents in 1u64..4,
        lag_s in 0u64..55,
        korean: bool,
        cloud: bool,
    ) {
        paused(async {
            let flavour = if cloud { JiraFlavour::Cloud } else { JiraFlavour::DataCenter };
            let (tracker, fake) = (jira(flavour), fake::Jira::default());
            // The index of Data Center is not far behind.
            let lag_s = if cloud { lag_s } else { lag_s % 10 };
            fake.search_lags(Duration::from_secs(lag_s));
            if korean {
                fake.workflow(Workflow::korean());
            }
            let mut night = Night::new(&tracker, &fake);
            night.stages = (1..=incidents).map(|n| (IncidentId(n), Stage::Done)).collect();
            for _ in 0..200 {
                night.round(&mut faults).await;
                tokio::time::advance(ROUND).await;
            }
            let issues = fake.issues();
            assert_eq!(issues.len() as u64, incidents, "{}", fake.transcript());
            for issue in &issues {
                assert_eq!(issue.statuses.len(), 4, "{:?}", issue.statuses);
                assert_eq!(issue.comments.len(), 3, "{:?}", issue.comments);
            }
            assert!(night.made.len() as u64 <= incidents);
            let done = |told: &Told| matches!(told, Told::Open { stage: Stage::Done, .. });
            assert!(night.told.values().all(done), "{:?}", night.told);
            let refused = fake.refused();
            assert!(refused.is_empty(), "{refused:?}");
        });
    }
}
