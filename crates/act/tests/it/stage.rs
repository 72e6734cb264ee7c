//! A gate over real things, processes that stand for services, and what tests do with them.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nightcrew_act::executor::Executor;
use nightcrew_act::gate::Gate;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_config::settings::{ProcessMatch, Service};
use nightcrew_model::plan::{Action, ResultKey, ResultValue, StepOutcome};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use rustix::process::{Pid, Signal};

use crate::machine::{real_gate, service};

/// A process that is no child of the crew; it ends with the test.
pub(crate) struct Stranger(Child);

impl Stranger {
    /// Runs lines of a shell, with `words` as `$1` and so on.
    #[expect(clippy::disallowed_methods, reason = "a stranger is not started by the crew")]
    pub(crate) fn script(body: &str, words: &[&str]) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", body, "sh"]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// A service whose process it is, found by a file with its number.
    pub(crate) fn service(&self, name: &str, folder: &Path) -> Service {
        let file = folder.join(format!("{name}.number"));
        std::fs::write(&file, self.pid().to_string()).unwrap();
        Service { process: Some(ProcessMatch::PidFile(file)), ..service(name) }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

/// A gate with one clean root that is also the data folder.
pub(crate) fn gate(folder: &Path, services: Vec<Service>) -> Gate {
    real_gate(folder, folder, services)
}

/// Lets the gate judge an action, and does it.
pub(crate) async fn act(gate: &Gate, action: &Action) -> StepOutcome {
    act_within(gate, action, Millis::from_secs(20), &Surroundings::new(Clock::System)).await
}

pub(crate) async fn act_within(
    gate: &Gate,
    action: &Action,
    timeout: Millis,
    around: &Surroundings,
) -> StepOutcome {
    let judgement = gate.admit(action, around.clock.now());
    let admitted = judgement.admitted.unwrap_or_else(|| panic!("{}", judgement.verdict.reason));
    Executor::Live.execute(admitted, timeout, around).await
}

/// Why the gate refuses an action.
pub(crate) fn refusal(gate: &Gate, action: &Action) -> String {
    let judgement = gate.admit(action, Clock::System.now());
    assert!(judgement.admitted.is_none(), "{action} was admitted");
    judgement.verdict.reason
}

pub(crate) fn number(outcome: &StepOutcome, key: &str) -> Option<f64> {
    match outcome.results.get(&ResultKey::from(key)) {
        Some(ResultValue::Number(number)) => Some(*number),
        Some(ResultValue::Flag(_) | ResultValue::Text(_)) | None => None,
    }
}

/// Waits until something is so, and fails when it never is.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come to be");
}
