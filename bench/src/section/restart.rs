//! From the kill of a supervised process to the decision to restart it, and to the new process.
//!
//! The process is looked for every 5 s, which is the default, so what is measured is the sign of its
//! end and not a poll.  That sign brings at most 8 looks forward in those 5 s; the rounds keep a
//! distance at which this limit is not met.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::chance::Chance;
use crate::figure::{Figure, Unit, percentile, sorted};
use crate::http::Connection;
use crate::program::{Program, Server};
use crate::setting::{Installed, Setting, command};
use crate::stopwatch::{ms, pause, wait_for};
use crate::victim::{SLEEP, Victim};

pub(super) const NAME: &str = "kill_to_restart";

const ROUNDS: usize = 20;
const PEER_ROUNDS: usize = 3;

/// The peer in the table, with its rounds: they are fewer than ours, because each takes seconds.
const PEER: &str = "Monit, 3 rounds,";

const DECISION_LIMIT_MS: f64 = 50.0;
const PROCESS_LIMIT_MS: f64 = 200.0;

/// How long the crew gets to prove a restart.
const PROOF_MAX: Duration = Duration::from_secs(20);

/// How often is asked whether it is proven, outside of what is measured.
const PROOF_LOOK: Duration = Duration::from_millis(20);

const SERVICE: &str = "victim";

/// What the rounds took, in milliseconds.
#[derive(Default)]
struct Times {
    decision: Vec<f64>,
    process: Vec<f64>,
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let Times { decision, process } = nightcrew(setting)?;
    let peer = setting.monit.as_ref().map(|monit| peer(setting, monit)).transpose()?.map(sorted);
    let (decision, process) = (sorted(decision), sorted(process));
    let shares = [("median", 0.5), ("95th percentile", 0.95), ("worst", 1.0)];
    let mut figures = Vec::new();
    for (which, share) in shares {
        let what = format!("kill to decision, {which} of {ROUNDS}");
        let figure = Figure::new(NAME, what, percentile(&decision, share), Unit::Milliseconds);
        figures.push(figure.limit(DECISION_LIMIT_MS));
    }
    for (which, share) in shares {
        let what = format!("kill to new process, {which} of {ROUNDS}");
        let figure = Figure::new(NAME, what, percentile(&process, share), Unit::Milliseconds);
        // So few rounds have a median and a worst, and no 95th percentile of their own.
        let peer = peer.as_ref().filter(|_| share != 0.95);
        let peer = peer.map(|times| percentile(times, share));
        figures.push(figure.limit(PROCESS_LIMIT_MS).peer(PEER, peer));
    }
    Ok(figures)
}

fn nightcrew(setting: &Setting) -> anyhow::Result<Times> {
    let folder = setting.fresh("restart")?;
    let config = folder.join("nightcrew.json5");
    fs::write(&config, configuration(&folder).to_string()).context("writing a configuration")?;
    // Declared before the server, so dropped after it.
    let victim = Victim::new(&folder.join("data/run").join(format!("{SERVICE}.pid")));
    let server = Server::nightcrew(&setting.nightcrew, &folder, Some(&config))?;
    let mut crew = Crew { connection: Connection::open(server.address).context("connecting")? };
    // Nothing runs yet, so the first start is a remedy too.
    victim.started(None)?;
    crew.wait_until_proven()?;
    let mut times = Times::default();
    let mut chance = Chance::new(NAME);
    for _ in 0..ROUNDS {
        pause(Duration::from_millis(chance.within(550..950)));
        let (killed, process_ms) = victim.kill_and_wait()?;
        times.process.push(process_ms);
        crew.wait_until_proven()?;
        let decided = crew.step_started_after(killed.at)?;
        times.decision.push(ms(decided.duration_since(killed.at).unsigned_abs()));
    }
    server.program.stop()?;
    Ok(times)
}

fn configuration(folder: &Path) -> serde_json::Value {
    json!({
        "data_dir": folder.join("data"),
        "services": { SERVICE: { "start": { "argv": SLEEP }, "stop_timeout_ms": 2_000 } },
        // It is killed again and again on purpose.
        "healing": { "relapse_window_ms": 0, "actions_per_hour": 1_000 },
        "playbooks": { "process_down": {
            "condition": "process_status == 'stopped'",
            "cooldown_seconds": 0,
            "limit": { "times": 1_000, "window_hours": 1 },
            "actions": [{ "type": "restart_process", "service": SERVICE }],
            "verify": {
                "condition": "process_status == 'running'", "consecutive_checks": 1,
                "interval_ms": 100, "deadline_seconds": 10,
            },
        } },
    })
}

/// The crew, asked over HTTP.
struct Crew {
    connection: Connection,
}

#[derive(Deserialize)]
struct Incidents {
    items: Vec<Incident>,
}

#[derive(Deserialize)]
struct Incident {
    id: String,
    service: String,
    state: String,
}

#[derive(Deserialize)]
struct Detail {
    timeline: Vec<Entry>,
    timeline_next: Option<u64>,
}

#[derive(Deserialize)]
struct Entry {
    at: Timestamp,
    fact: String,
}

impl Crew {
    fn get<T: DeserializeOwned>(&mut self, path: &str) -> anyhow::Result<T> {
        let answer = self.connection.get(path).with_context(|| format!("asking for {path}"))?;
        ensure!(answer.status == 200, "{path} was answered with {}", answer.status);
        serde_json::from_slice(&answer.body).with_context(|| format!("reading {path}"))
    }

    /// The newest incident of the service.
    fn incident(&mut self) -> anyhow::Result<Option<Incident>> {
        let Incidents { items } = self.get("/api/v1/incidents")?;
        Ok(items.into_iter().find(|incident| incident.service == SERVICE))
    }

    fn wait_until_proven(&mut self) -> anyhow::Result<()> {
        wait_for("the proof of a restart", PROOF_MAX, PROOF_LOOK, || {
            let incident = self.incident()?;
            if let Some(incident) = &incident {
                ensure!(incident.state != "escalated", "{} went to a person", incident.id);
            }
            Ok(incident.filter(|incident| incident.state == "resolved").map(drop))
        })
    }

    /// When the first step of a remedy began after a moment.
    fn step_started_after(&mut self, moment: Timestamp) -> anyhow::Result<Timestamp> {
        let id = self.incident()?.context("there is no incident")?.id;
        let mut after = Some(0);
        while let Some(from) = after {
            let detail: Detail = self.get(&format!("/api/v1/incidents/{id}?after={from}"))?;
            let mut started =
                detail.timeline.into_iter().filter(|entry| entry.fact == "step_started");
            if let Some(entry) = started.find(|entry| entry.at > moment) {
                return Ok(entry.at);
            }
            after = detail.timeline_next;
        }
        anyhow::bail!("no step of {id} began after {moment}")
    }
}

/// The same with Monit at its shortest cycle.
fn peer(setting: &Setting, monit: &Installed) -> anyhow::Result<Vec<f64>> {
    let folder = setting.fresh("monit")?;
    let pid_file = folder.join("victim.pid");
    let start = folder.join("start.sh");
    let [program, seconds] = SLEEP;
    let script = format!(
        "#!/bin/sh\n{program} {seconds} </dev/null >/dev/null 2>&1 &\n\
         echo $! > '{pid}.new' && mv '{pid}.new' '{pid}'\n",
        pid = pid_file.display()
    );
    write_with_mode(&start, &script, 0o755)?;
    let config = folder.join("monitrc");
    let at = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "set daemon 1\nset pidfile {}\nset statefile {}\nset idfile {}\n\
         check process victim with pidfile {}\n  start program = \"/bin/sh {}\"\n",
        at("monit.pid"),
        at("monit.state"),
        at("monit.id"),
        pid_file.display(),
        start.display(),
    );
    write_with_mode(&config, &text, 0o700)?;
    let victim = Victim::new(&pid_file);
    let mut serve = command(&monit.path);
    serve.arg("-I").arg("-c").arg(&config);
    let mut program = Program::start(serve, &folder).context("Monit")?;
    victim.started(None).and_then(|_| program.must_run()).context("Monit")?;
    let mut times = Vec::new();
    let mut chance = Chance::new(PEER);
    for _ in 0..PEER_ROUNDS {
        // It looks once more before it believes a start; then the moment in its cycle is chance.
        pause(Duration::from_millis(chance.within(2_000..3_000)));
        let (_, process_ms) = victim.kill_and_wait()?;
        times.push(process_ms);
    }
    program.stop()?;
    Ok(times)
}

fn write_with_mode(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("setting the mode of {}", path.display()))
}
