//! `kill -9` at every boundary of the steps of a playbook: nothing that has an effect is done
//! twice, and every incident ends resolved or with a person.
//!
//! The five steps are requests to a server of the test, which counts them and, at the moment that a
//! run is about, kills the crew.  `NIGHTCREW_STEP_CRASHES` sets the number of runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::counter::Counter;
use crate::crew::Crew;
use crate::scenario::Scenario;
use crate::stage::{Stage, until};

/// The pages that are asked for, one a step.
const STEPS: [&str; 5] = ["/step/1", "/step/2", "/step/3", "/step/4", "/step/5"];

/// The moments of a run: when it is first seen, then at each step before it is answered and after.
const MOMENTS: u64 = 1 + 2 * STEPS.len() as u64;

/// How many runs are under way at a time.
const AT_A_TIME: usize = 3;

/// How many runs there are, where nothing is said.
const RUNS: u64 = 66;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Resolved,
    Escalated,
}

fn config(counter: &Counter) -> String {
    let steps: Vec<_> = STEPS
        .iter()
        .map(|page| json!({ "type": "request", "method": "POST", "url": counter.url(page) }))
        .collect();
    let urls: Vec<String> = STEPS.iter().map(|page| counter.url(page)).collect();
    let config = json!({
        "host": { "interval_seconds": 60, "disks": [] },
        "services": { "shop": {
            "checks": [{ "http": counter.url("/health"), "interval_ms": 200, "timeout_ms": 190 }],
            "http_actions": urls,
        } },
        "thresholds": { "health_status": { "critical": "== 'failing'", "for": "1 of 1" } },
        "playbooks": { "five_steps": {
            "condition": "health_status == 'failing'",
            "actions": steps,
            "verify": {
                "condition": "health_status == 'passing'", "consecutive_checks": 2,
                "interval_ms": 100, "deadline_ms": 1_000,
            },
        } },
        "healing": { "cooldown_ms": 1 },
    });
    config.to_string()
}

/// The crew that is to be killed.
enum Victim {
    /// It has begun, and is faster than the test.
    Unknown,
    Lives(Pid),
    Killed,
}

/// Kills the crew, once, as soon as it is known.
fn kill(victim: &Mutex<Victim>, late: Duration) {
    std::thread::sleep(late);
    until("the pid of the crew", || {
        let mut victim = victim.lock().unwrap();
        if let Victim::Lives(pid) = *victim {
            let _ = kill_process(pid, Signal::KILL);
            *victim = Victim::Killed;
        }
        matches!(*victim, Victim::Killed).then_some(())
    });
}

/// One run: the crew is killed once at a moment, some milliseconds late, and started again.
fn run(moment: u64, late: Duration) -> End {
    let stage = Stage::new();
    let counter = Counter::start();
    counter.fail("/health");
    counter.mend(STEPS[4], "/health");
    stage.write("nightcrew.json5", config(&counter));
    let victim = Arc::new(Mutex::new(Victim::Unknown));
    let target = victim.clone();
    counter.at_request(move |page| {
        let step = STEPS.iter().position(|step| *step == page).map(|n| 1 + 2 * n as u64);
        match step {
            // Before it is answered: the step has begun, and had its effect.
            Some(before) if before == moment => kill(&target, late),
            // After: its end is told, durable or not yet.
            Some(before) if before + 1 == moment => {
                let target = target.clone();
                std::thread::spawn(move || kill(&target, late));
            }
            None if moment == 0 => kill(&target, late),
            _ => {}
        }
    });
    let crew = Crew::listening(&stage);
    *victim.lock().unwrap() = Victim::Lives(crew.pid());
    until("the crew is killed", || matches!(*victim.lock().unwrap(), Victim::Killed).then_some(()));
    crew.kill();
    let crew = Crew::listening(&stage);
    let end = until("an end", || {
        let incident = crew.incident("shop", "service_unresponsive")?;
        match incident["state"].as_str()? {
            "resolved" => Some(End::Resolved),
            "escalated" => Some(End::Escalated),
            _ => None,
        }
    });
    let counts = STEPS.map(|page| counter.count(page));
    assert!(counts.iter().all(|n| *n <= 1), "killed at {moment} + {late:?}: {counts:?}");
    assert!(counts.is_sorted_by(|a, b| a >= b), "killed at {moment} + {late:?}: {counts:?}");
    if end == End::Resolved {
        assert_eq!(counts, [1; 5], "killed at {moment} + {late:?}");
    }
    assert_eq!(crew.incidents().len(), 1, "one thing is wrong");
    crew.kill();
    end
}

#[test]
fn no_step_is_done_twice_whenever_the_crew_is_killed() {
    let name = "crash at every step boundary of a five-step playbook";
    let Some(scenario) = Scenario::with(name, &[]) else { return };
    let runs = std::env::var("NIGHTCREW_STEP_CRASHES").ok();
    let runs = runs.map_or(RUNS, |text| text.parse().unwrap());
    let (next, ends) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= runs {
                        break;
                    }
                    // At once, and then later and later.
                    let late = Duration::from_millis(n / MOMENTS);
                    let end = run(n % MOMENTS, late);
                    ends.lock().unwrap().push(end);
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    let resolved = ends.iter().filter(|end| **end == End::Resolved).count();
    let escalated = ends.len() - resolved;
    assert_eq!(u64::try_from(ends.len()).unwrap(), runs);
    assert!(resolved > 0, "what was not cut off has to be healed");
    let seconds = begin.elapsed().as_secs();
    println!("{runs} kills in {seconds} s: resolved {resolved}, with a person {escalated}");
    scenario.proven(&format!(
        "{runs} kills: no step twice, {resolved} resolved, {escalated} with a person"
    ));
}
