//! A unit of a real systemd, which the test boots for itself in a container of this machine's own
//! `/usr`: nothing outside of it is started, changed or left behind.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::crew::Crew;
use crate::scenario::{Scenario, is_over};
use crate::shop;
use crate::stage::{Done, Part, Stage, free_address, until};

/// The unit that is killed; systemd itself does not bring it back.
const UNIT: &str = "[Unit]\nDescription=a scenario\n[Service]\nExecStart=/bin/sleep 86399\n";

/// A machine with a systemd of its own.
struct Machine<'a> {
    stage: &'a Stage,
    container: Part,
    /// Its first process, as it is called outside.
    leader: Pid,
}

impl<'a> Machine<'a> {
    fn boot(stage: &'a Stage) -> Result<Self, String> {
        let unit = stage.write("scenario.service", UNIT);
        let name = format!("nightcrew-scenario-{}", std::process::id());
        let same = |path: &Path| format!("{0}:{0}", path.display());
        let binary = Path::new(env!("CARGO_BIN_EXE_nightcrew"));
        let unit = format!("{}:/etc/systemd/system/scenario.service", unit.display());
        let container = stage.start_part(
            "systemd-nspawn",
            &[
                "--quiet",
                "--directory=/",
                "--volatile=yes",
                "--register=no",
                "--keep-unit",
                "--console=pipe",
                "--machine",
                &name,
                "--bind-ro",
                &unit,
                "--bind-ro",
                &same(binary),
                "--bind",
                &same(stage.dir()),
                "--boot",
                "systemd.unit=basic.target",
                "systemd.mask=systemd-firstboot.service",
                "systemd.mask=docker.socket",
            ],
        );
        let children = format!("/proc/{0}/task/{0}/children", container.pid());
        let mut machine = Self { stage, container, leader: Pid::INIT };
        until("systemd runs", || {
            if is_over(&machine.container) {
                return Some(Err(()));
            }
            // Its first child only prepares the place, and is gone then.
            let children = fs::read_to_string(&children).ok()?;
            machine.leader = Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)?;
            let said = machine.run(&["systemctl", "is-system-running"]).out;
            matches!(said.trim(), "running" | "degraded").then_some(Ok(()))
        })
        .map_err(|()| {
            let said = stage.output("systemd-nspawn", "err");
            format!("systemd-nspawn does not run here: {}", said.lines().last().unwrap_or_default())
        })?;
        Ok(machine)
    }

    /// The words before a program that let it run inside, in the folder of the stage.
    fn inside(&self) -> Vec<String> {
        let leader = self.leader.to_string();
        let folder = format!("--wdns={}", self.stage.dir().display());
        let words = ["nsenter", "--target", &leader, "--all", &folder, "--"];
        words.map(str::to_owned).into()
    }

    fn run(&self, words: &[&str]) -> Done {
        let inside = self.inside();
        let inside: Vec<&str> = inside.iter().skip(1).map(String::as_str).collect();
        self.stage.tool("nsenter", &[&inside[..], words].concat())
    }

    /// The main process of the unit, as it is called inside.
    fn main_pid(&self) -> String {
        let shown =
            self.run(&["systemctl", "show", "scenario.service", "-p", "MainPID", "--value"]);
        shown.out.trim().to_owned()
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // With its first process everything inside ends, and nothing inside is to be kept.
        if self.leader != Pid::INIT {
            let _ = kill_process(self.leader, Signal::KILL);
        }
    }
}

#[test]
fn a_unit_that_was_killed_runs_again() {
    let name = "process down: a systemd unit";
    let needs = ["systemd-nspawn", "nsenter", "systemctl"];
    let Some(scenario) = Scenario::as_root(name, &needs) else { return };
    let stage = Stage::new();
    let machine = Machine::boot(&stage);
    let Some((mut scenario, machine)) = scenario.and(machine) else { return };
    let started = machine.run(&["systemctl", "start", "scenario.service"]);
    assert_eq!(started.code, Some(0), "{}{}", started.out, started.err);
    let services = json!({ "sleeper": {
        "unit": "scenario.service",
        "process": { "command_line": "^/bin/sleep 86399$" },
        "interval_ms": 250,
    } });
    stage.write("nightcrew.json5", shop::config(&services, &json!({}), &json!({})));
    let crew = Crew::started(&stage, free_address(), &machine.inside());
    crew.until_healthy("sleeper");
    let before = machine.main_pid();
    scenario.healed(&crew, ("sleeper", "process_down"), || {
        let killed = machine.run(&["systemctl", "kill", "--signal=KILL", "scenario.service"]);
        assert_eq!(killed.code, Some(0), "{}{}", killed.out, killed.err);
    });
    let active = machine.run(&["systemctl", "is-active", "scenario.service"]).out;
    let after = machine.main_pid();
    assert_eq!(active.trim(), "active");
    assert!(after != before && after != "0", "{before}, then {after}");
    scenario.proven("systemctl: active, with another main process");
}
