//! The shop: a small real service, started by the crew, which can be broken in the ways in which
//! services break (`service.py`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nightcrew_runtime::process;
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::stage::{Part, Stage, free_address, until};
use crate::wire;

/// What it needs.
pub(crate) const NEEDS: [&str; 1] = ["python3"];

/// One shop.
pub(crate) struct Shop<'a> {
    stage: &'a Stage,
    name: &'static str,
    pub(crate) address: SocketAddr,
}

impl<'a> Shop<'a> {
    /// A shop that nobody has started yet.
    pub(crate) fn new(stage: &'a Stage, name: &'static str) -> Self {
        stage.write("service.py", include_bytes!("service.py"));
        Self { stage, name, address: free_address() }
    }

    /// The command that starts it.
    fn argv(&self) -> [String; 6] {
        let port = self.address.port().to_string();
        let option = str::to_owned;
        let script = self.stage.text("service.py");
        [option("python3"), script, option("--port"), port, option("--log"), self.log()]
    }

    /// Starts it as the crew would have.
    pub(crate) fn start(&self) -> Part {
        let argv = self.argv();
        let words: Vec<&str> = argv.iter().skip(1).map(String::as_str).collect();
        let part = self.stage.start_part("python3", &words);
        let start_ticks = process::stat(part.pid()).unwrap().unwrap().start_ticks;
        let identity = process::Identity { pid: part.pid(), start_ticks };
        process::write_child_pid_file(&self.pid_file(), identity).unwrap();
        until("it answers", || time_of(self.address, "/health"));
        part
    }

    fn pid_file(&self) -> PathBuf {
        self.stage.path(&format!("data/run/{}.pid", self.name))
    }

    /// How the crew starts, finds and asks it; more keys are laid over.
    pub(crate) fn service(&self, more: &Value) -> Value {
        let mut service = json!({
            "start": { "argv": self.argv() },
            "stop_timeout_ms": 3_000,
            "interval_ms": 250,
            "checks": [self.check("/health")],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            service[key] = value.clone();
        }
        service
    }

    /// A check of one of its pages.
    pub(crate) fn check(&self, path: &str) -> Value {
        check(self.address, path)
    }

    /// Where its log is.
    pub(crate) fn log(&self) -> String {
        self.stage.text(&format!("{}.log", self.name))
    }

    /// What it said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        process::read_child_pid_file(&self.pid_file()).unwrap().expect("a process").pid
    }

    /// Breaks it.
    pub(crate) fn break_down(&self, how: &str) {
        let answer = wire::post(self.address, &format!("/break/{how}"), b"").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// A check of a page that is made often; an answer may be slow.
pub(crate) fn check(address: SocketAddr, path: &str) -> Value {
    json!({ "http": format!("http://{address}{path}"), "interval_ms": 700, "timeout_ms": 690 })
}

/// How long the answer of a page takes; none: it is not 200.
pub(crate) fn time_of(address: SocketAddr, path: &str) -> Option<Duration> {
    let begin = Instant::now();
    let answer = wire::get(address, path).ok()?;
    (answer.status == 200).then(|| begin.elapsed())
}

/// Waits until a page answers in less than this, ten times in a row.
pub(crate) fn answers_within(address: SocketAddr, path: &str, most: Duration) -> Duration {
    until(&format!("{path} answers fast"), || {
        let times: Option<Vec<Duration>> = (0..10).map(|_| time_of(address, path)).collect();
        times?.into_iter().max().filter(|slowest| *slowest < most)
    })
}

/// The configuration of a crew with these services and playbooks.  Every service is started where
/// it does not run.
pub(crate) fn config(services: &Value, playbooks: &Value, more: &Value) -> String {
    let mut config = json!({
        "host": { "interval_seconds": 60, "disks": [] },
        "services": services,
        "thresholds": {
            "health_status": { "critical": "== 'failing'", "for": "3 of 3" },
        },
        "playbooks": {
            "start_what_is_down": {
                "condition": "process_status == 'stopped'",
                "actions": [{ "type": "restart_service" }],
                "verify": "process_status == 'running'",
            },
        },
        "healing": {
            "cooldown_ms": 1,
            "verify": { "consecutive_checks": 3, "interval_ms": 200, "deadline_seconds": 20 },
        },
    });
    for (name, playbook) in playbooks.as_object().into_iter().flatten() {
        config["playbooks"][name] = playbook.clone();
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config.to_string()
}
