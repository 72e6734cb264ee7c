//! A running crew: `nightcrew up` on a stage.

use std::net::SocketAddr;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::stage::{Done, Stage, end_of, until};
use crate::wire::{self, Answer};

/// What every crew of a test has: it looks at the host rarely, and at no disk.
pub(crate) const QUIET_HOST: &str = "host: { interval_seconds: 60, disks: [] }";

/// A crew that watches nothing.
pub(crate) fn quiet() -> String {
    format!("{{ {QUIET_HOST} }}")
}

/// A running crew.  It is killed when this is dropped.
pub(crate) struct Crew<'a> {
    stage: &'a Stage,
    child: Child,
    address: SocketAddr,
}

impl<'a> Crew<'a> {
    /// Writes the configuration, starts a crew with it, and waits until it is ready.
    pub(crate) fn up(stage: &'a Stage, config: &str) -> Self {
        stage.write("nightcrew.json5", config);
        let crew = Self::listening(stage);
        until("ready", || crew.get("/readyz").filter(|answer| answer.status == 200));
        crew
    }

    /// Starts a crew with the configuration that is there, and waits until it listens.
    pub(crate) fn listening(stage: &'a Stage) -> Self {
        Self::listening_at(stage, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a crew at an address, and waits until it listens.
    pub(crate) fn listening_at(stage: &'a Stage, address: SocketAddr) -> Self {
        Self::started(stage, address, &[])
    }

    /// Starts a crew through another program that becomes it, and waits until it listens.
    pub(crate) fn started(stage: &'a Stage, address: SocketAddr, starter: &[String]) -> Self {
        let _ = std::fs::remove_file(stage.path("up.out"));
        let own = env!("CARGO_BIN_EXE_nightcrew");
        let mut command = stage.command(starter.first().map_or(own, String::as_str), "up");
        if let [_, words @ ..] = starter {
            command.args(words).arg(own);
        }
        command.args(["up", "--config", "nightcrew.json5", "--data", "data"]);
        command.args(["--listen", &address.to_string()]);
        let mut crew = Self {
            stage,
            child: command.spawn().unwrap(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        crew.address = until("the listening line", || {
            let ended = crew.child.try_wait().unwrap();
            assert!(ended.is_none(), "up ended: {ended:?}");
            let out = stage.output("up", "out");
            let address = out.lines().find_map(|line| line.strip_prefix("listening on http://"))?;
            out.contains('\n').then(|| address.parse().unwrap())
        });
        crew
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Asks for a path; none: no whole answer came.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        wire::get(self.address, path).ok()
    }

    /// Asks for JSON that has to be there.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = wire::get(self.address, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        wire::post(self.address, path, body.as_ref()).unwrap()
    }

    /// Runs a command that asks this crew.
    pub(crate) fn ask(&self, args: &[&str]) -> Done {
        let url = format!("http://{}", self.address);
        self.stage.nightcrew_with(args, &[("NIGHTCREW_URL", &url)], "").calm()
    }

    /// Every incident, the newest first.
    pub(crate) fn incidents(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut path = "/api/v1/incidents?limit=500".to_owned();
        loop {
            let page = self.json(&path);
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/v1/incidents?limit=500&cursor={cursor}"),
                None => return all,
            }
        }
    }

    /// The newest incident of a service with a symptom.
    pub(crate) fn incident(&self, service: &str, symptom: &str) -> Option<Value> {
        self.incidents()
            .into_iter()
            .find(|one| one["service"] == service && one["symptom"] == symptom)
    }

    /// The names of the facts of an incident, in order.
    pub(crate) fn facts(&self, id: &str) -> Vec<String> {
        let incident = self.json(&format!("/api/v1/incidents/{id}"));
        let timeline = incident["timeline"].as_array().unwrap();
        timeline.iter().map(|entry| entry["fact"].as_str().unwrap().to_owned()).collect()
    }

    /// The alert with a value in a label.
    pub(crate) fn alert(&self, label: &str, value: &str) -> Option<Value> {
        let alerts = self.json("/api/v1/alerts");
        let alerts = alerts["items"].as_array().unwrap();
        alerts.iter().find(|alert| alert["labels"][label] == value).cloned()
    }

    /// Waits until the crew sees a service as it should be, with nothing open about it.
    pub(crate) fn until_healthy(&self, service: &str) {
        until(&format!("{service} healthy"), || {
            let services = self.json("/api/v1/services");
            let services = services["items"].as_array().unwrap();
            let seen = services.iter().find(|seen| seen["name"] == service)?;
            (seen["state"] == "healthy").then_some(())
        });
    }

    /// Breaks something, and waits until there was one more attempt than before and its incident is
    /// proven healed.
    pub(crate) fn healed(&self, service: &str, symptom: &str, break_it: impl FnOnce()) -> Value {
        // The newest incident, and the attempts over all of them, as of one moment.
        let look = || {
            let of_key = |one: &Value| one["service"] == service && one["symptom"] == symptom;
            let mut incidents = self.incidents();
            incidents.retain(of_key);
            let tried: u64 = incidents.iter().map(|one| one["attempts"].as_u64().unwrap()).sum();
            (tried, incidents.into_iter().next())
        };
        let (before, _) = look();
        break_it();
        until(&format!("{service} {symptom} healed"), || {
            let (tried, incident) = look();
            let is_proven = |one: &Value| one["state"] == "resolved" && one["verified"] == true;
            incident.filter(is_proven).filter(|_| tried > before)
        })
    }

    /// Ends the crew as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells the crew to stop, and waits for its end.
    pub(crate) fn stop(mut self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        assert_eq!(end_of(&mut self.child), Some(0), "the end of the crew");
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for path in ["/api/v1/services", "/api/v1/agents", "/api/v1/incidents"] {
                let told = self.get(path).map_or_else(String::new, |answer| answer.body);
                eprintln!("{path}: {told}");
            }
            for id in 1..=3 {
                let story = self.get(&format!("/api/v1/incidents/INC-{id}"));
                let story = story.filter(|story| story.status == 200).map(|story| story.json());
                let timeline = story.as_ref().and_then(|story| story["timeline"].as_array());
                for entry in timeline.into_iter().flatten() {
                    eprintln!("INC-{id} {} {}: {}", entry["at"], entry["text"], entry["reason"]);
                }
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("stdout of the crew:\n{}", self.stage.output("up", "out"));
            eprintln!("stderr of the crew:\n{}", self.stage.output("up", "err"));
        }
    }
}
