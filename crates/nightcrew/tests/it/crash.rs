//! `kill -9`, again and again, while alerts come in and a service is healed: nothing that was
//! acknowledged is lost, no incident is there twice, no action is repeated.
//!
//! `NIGHTCREW_CRASH_ROUNDS` sets the number of rounds and `NIGHTCREW_CRASH_SEED` repeats a run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nightcrew_journal::entry::Position;
use nightcrew_journal::journal::Journal;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_runtime::process;
use rustix::process::Signal;
use serde_json::json;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Part, Stage, until};
use crate::wire;

/// How many clients post at the same time.
const CLIENTS: u64 = 3;

/// How many different services and symptoms the alerts are about.
const KEYS: u64 = 21;

/// The gate admits 60 restarts in an hour; a long run kills the service less often.
const KILLS_MAX: u64 = 40;

/// A small generator of numbers (xorshift64): the moments of a run can be had again.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What a run came to.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: BTreeSet<Fingerprint>,
    kills: u64,
    starts: u64,
    /// How often a person started the service, because a crash had cut its restart off.
    by_hand: u64,
    facts: Facts,
}

/// What the journal says at the end.
#[derive(Debug, Default)]
struct Facts {
    fired: HashSet<Fingerprint>,
    opened: BTreeMap<String, u64>,
    steps: BTreeMap<String, u64>,
    interrupted: u64,
}

impl Facts {
    fn fold(&mut self, decision: &Decision) {
        match &decision.fact {
            Fact::AlertFired { alert } => {
                self.fired.insert(alert.fingerprint);
            }
            Fact::IncidentOpened { key, .. } => {
                *self.opened.entry(key.to_string()).or_default() += 1;
            }
            Fact::StepStarted { attempt, step, .. } => {
                *self.steps.entry(format!("{attempt} step {step}")).or_default() += 1;
            }
            Fact::AttemptInterrupted { .. } => self.interrupted += 1,
            _ => {}
        }
    }
}

/// A number from the environment.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[test]
fn nothing_is_lost_doubled_or_repeated_by_crashes() {
    let rounds = setting("NIGHTCREW_CRASH_ROUNDS").unwrap_or(5);
    let clock = || u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap();
    let seed = setting("NIGHTCREW_CRASH_SEED").unwrap_or_else(clock).max(1);
    println!("crash: seed {seed}");
    let stage = Stage::new();
    let outcome = crash(&stage, rounds, seed);
    let Outcome { acknowledged, kills, starts, by_hand, facts } = &outcome;
    let lost: Vec<&Fingerprint> =
        acknowledged.iter().filter(|known| !facts.fired.contains(known)).collect();
    let more_than_once = |counts: &BTreeMap<String, u64>| -> Vec<String> {
        counts.iter().filter(|(_, n)| **n > 1).map(|(key, n)| format!("{key}: {n}")).collect()
    };
    let (doubled, repeated) = (more_than_once(&facts.opened), more_than_once(&facts.steps));
    println!(
        "crash: rounds {rounds}, seed {seed}, acknowledged {}, lost {}, incidents {}, doubled {}, \
         kills of the service {kills}, steps {}, repeated {}, starts {starts}, by hand {by_hand}, \
         interrupted {}",
        acknowledged.len(),
        lost.len(),
        facts.opened.len(),
        doubled.len(),
        facts.steps.len(),
        repeated.len(),
        facts.interrupted,
    );
    assert!(!acknowledged.is_empty(), "no alert was acknowledged");
    assert_eq!(lost, Vec::<&Fingerprint>::new(), "acknowledged, and not in the journal");
    assert_eq!(doubled, [""; 0], "incidents that were opened twice");
    assert_eq!(repeated, [""; 0], "steps that began twice");
    let steps = u64::try_from(facts.steps.len()).unwrap();
    assert!(*starts <= steps + by_hand, "{starts} starts of the service by {steps} steps");
    assert!(steps <= kills + 1 + facts.interrupted, "more steps than there was to heal");
    assert!(!stage.output("up", "err").contains("panicked"));
}

/// Crashes the crew in every round, then lets it come to rest and reads its journal.
fn crash(stage: &Stage, rounds: u64, seed: u64) -> Outcome {
    let mut chance = Chance(seed);
    let mut outcome = Outcome::default();
    let mut by_hand = Vec::new();
    let numbers = AtomicU64::new(0);
    prepare(stage);
    for round in 0..rounds {
        let crew = Crew::listening(stage);
        if round % 2 == 1 && ends_with_a_person(&crew) {
            by_hand.push(start_by_hand(stage));
        }
        let (address, over) = (crew.address(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| post_until_over(address, &numbers, &over)))
                .collect();
            std::thread::sleep(Duration::from_millis(chance.below(500)));
            if round % 2 == 1 && outcome.kills < KILLS_MAX && kill_service(stage) {
                outcome.kills += 1;
                std::thread::sleep(Duration::from_millis(chance.below(250)));
            }
            crew.kill();
            over.store(true, Ordering::Relaxed);
            for client in clients {
                outcome.acknowledged.extend(client.join().unwrap());
            }
        });
    }
    let crew = Crew::listening(stage);
    until("ready after the last crash", || {
        crew.get("/readyz").filter(|answer| answer.status == 200)
    });
    until("nothing under way", || {
        let incidents = crew.incidents();
        let is_at_work = |state: &str| matches!(state, "open" | "resolving" | "verifying");
        let at_work = incidents.iter().any(|one| is_at_work(one["state"].as_str().unwrap()));
        (!at_work).then_some(())
    });
    for known in outcome.acknowledged.iter().take(200) {
        let answer = crew.get(&format!("/api/v1/alerts/{known}")).unwrap();
        assert_eq!(answer.status, 200, "{known} was acknowledged: {}", answer.body);
    }
    crew.stop();
    let verify = stage.nightcrew(&["rebuild", "--verify", "--data", "data"]).calm();
    assert_eq!(verify.code, Some(0), "{}", verify.err);
    outcome.starts = std::fs::read_to_string(stage.path("starts"))
        .map_or(0, |starts| u64::try_from(starts.lines().count()).unwrap());
    outcome.by_hand = u64::try_from(by_hand.len()).unwrap();
    outcome.facts = read(stage);
    outcome
}

/// Writes the service, whose every start leaves a line, and the configuration.
fn prepare(stage: &Stage) {
    let script = stage.write("start.sh", "echo started $$ >> \"$1\"\nexec sleep 600\n");
    let config = json!({
        "services": {
            "sleeper": {
                "start": { "argv": ["sh", script, stage.path("starts")] },
                "interval_ms": 200,
                "stop_timeout_ms": 500,
            },
        },
        "healing": {
            "cooldown_ms": 1,
            "relapse_window_ms": 0,
            "verify": { "consecutive_checks": 2, "interval_ms": 100, "deadline_seconds": 1 },
        },
    });
    let config = config.to_string();
    let rest = config.strip_prefix('{').unwrap();
    stage.write("nightcrew.json5", format!("{{ {QUIET_HOST}, {rest}"));
}

/// Posts one alert after the other, and gives those that were acknowledged.
fn post_until_over(
    address: SocketAddr,
    numbers: &AtomicU64,
    over: &AtomicBool,
) -> Vec<Fingerprint> {
    let mut acknowledged = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let labels = [
            ("alertname", "충돌".to_owned()),
            ("service", format!("service-{}", number % KEYS)),
            ("number", number.to_string()),
        ];
        let labels: Labels = labels.into_iter().collect();
        let pairs: BTreeMap<String, String> = labels.clone().into();
        let body = json!([{ "labels": pairs, "endsAt": "2100-01-01T00:00:00Z" }]).to_string();
        let answer = wire::post(address, "/api/v2/alerts", body.as_bytes());
        if answer.is_ok_and(|answer| answer.status == 200) {
            acknowledged.push(labels.fingerprint());
        }
    }
    acknowledged
}

/// Waits until nothing is at work on the service.  Whether a person has to start it now, because
/// the crew does not repeat what a crash cut off.
fn ends_with_a_person(crew: &Crew<'_>) -> bool {
    until("the service at rest", || {
        let incident = crew.incident("sleeper", "process_down")?;
        match incident["state"].as_str()? {
            "escalated" => Some(true),
            "resolved" => Some(false),
            _ => None,
        }
    })
}

/// Starts the service as the crew would.
fn start_by_hand(stage: &Stage) -> Part {
    let part = stage.start_part("sh", &["start.sh", "starts"]);
    let start_ticks = process::stat(part.pid()).unwrap().unwrap().start_ticks;
    let identity = process::Identity { pid: part.pid(), start_ticks };
    process::write_child_pid_file(&stage.path("data/run/sleeper.pid"), identity).unwrap();
    part
}

/// Kills the service, if it runs.
fn kill_service(stage: &Stage) -> bool {
    let child = process::read_child_pid_file(&stage.path("data/run/sleeper.pid")).unwrap();
    let alive = child.filter(|child| process::is_alive(*child).unwrap());
    alive.is_some_and(|child| stage.signal(child.pid, Signal::KILL))
}

/// Reads the journal of a crew that has ended.
fn read(stage: &Stage) -> Facts {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let journal = Journal::open(&stage.path("data")).unwrap();
        let folded = journal.fold(Position::START, Facts::default(), Facts::fold).await;
        let (facts, _) = folded.unwrap();
        journal.close().await.unwrap();
        facts
    })
}
