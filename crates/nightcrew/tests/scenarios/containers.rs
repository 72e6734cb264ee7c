//! Containers: one is killed, one is killed for lack of memory, and many that nobody needs fill a
//! disk.

use std::fs;

use rustix::fs::statvfs;
use serde_json::json;

use crate::crew::Crew;
use crate::docker::{Engine, NEEDS};
use crate::mounts::Mounts;
use crate::private::within;
use crate::scenario::Scenario;
use crate::shop;
use crate::stage::{Stage, free_address, until};
use crate::wire;

#[test]
fn a_container_that_was_killed_runs_again() {
    let name = "process down: a Docker container";
    let Some(scenario) = Scenario::as_root(name, &NEEDS) else { return };
    let (stage, address) = (Stage::new(), free_address());
    let engine = Engine::start(&stage, "docker");
    let Some((mut scenario, engine)) = scenario.and(engine) else { return };
    fs::write(stage.path("work/index.html"), "안녕\n").unwrap();
    engine.run(&[
        "run",
        "-d",
        "--name",
        "web",
        "--network=host",
        "-v",
        &format!("{}:/work:ro", stage.text("work")),
        "bb:1",
        "httpd",
        "-f",
        "-p",
        &address.to_string(),
        "-h",
        "/work",
    ]);
    let services = json!({ "web": {
        "container": "web",
        "checks": [shop::check(address, "/index.html")],
    } });
    let playbooks = json!({ "container_out_of_memory": {
        "symptoms": ["killed for lack of memory"],
        "actions": [{ "type": "raise_memory_limit", "by_percent": 100 }],
        "verify": "process_status == 'running'",
    } });
    let crew = Crew::up(&stage, &engine.config(&services, &playbooks));
    crew.until_healthy("web");
    let began = engine.inspect("web")["State"]["StartedAt"].clone();
    let incident = scenario.healed(&crew, ("web", "process_down"), || {
        engine.run(&["kill", "web"]);
    });
    assert_eq!(incident["playbook"], "start_what_is_down", "a kill is no lack of memory");
    let page = until("the container answers", || {
        wire::get(address, "/index.html").ok().filter(|answer| answer.status == 200)
    });
    assert_eq!(page.body, "안녕\n");
    let state = engine.inspect("web")["State"].clone();
    assert_eq!(state["Running"], true);
    assert_ne!(state["StartedAt"], began);
    crew.stop();
    scenario.proven("it answers 200; docker inspect: running, not taken for lack of memory");
}

/// Holds 32 MB once it is told to.
const HUNGRY: &str = "until [ -e /work/go ]; do sleep 0.1; done; [ -e /p ] || mkfifo /p; \
                      sleep 600 </p & exec dd if=/dev/zero bs=32M count=1 >/p";

#[test]
fn a_container_that_lacks_memory_gets_more_within_its_bound() {
    let name = "OOM kill: a Docker container gets a higher limit";
    let Some(scenario) = Scenario::as_root(name, &NEEDS) else { return };
    let stage = Stage::new();
    let engine = Engine::start(&stage, "docker");
    let Some((mut scenario, engine)) = scenario.and(engine) else { return };
    engine.run(&[
        "run",
        "-d",
        "--name",
        "hungry",
        "--network=none",
        "--memory=24m",
        "--memory-swap=24m",
        "-v",
        &format!("{}:/work:ro", stage.text("work")),
        "bb:1",
        "sh",
        "-c",
        HUNGRY,
    ]);
    let services = json!({ "hungry": {
        "container": "hungry",
        "containers": { "allowed": ["logs", "restart", "update"] },
        "memory_limit_max_mb": 60,
    } });
    let playbooks = json!({ "container_out_of_memory": {
        "symptoms": ["killed for lack of memory"],
        "actions": [
            { "type": "collect_memory", "name": "memory", "on_failure": "continue" },
            { "type": "raise_memory_limit", "name": "limit", "by_percent": 100 },
            { "type": "restart_service", "service": "{service}" },
        ],
        // It has to stay up for a while.
        "verify": {
            "metric": "process_status", "operator": "==", "value": "running",
            "consecutive_checks": 4, "interval_ms": 700, "deadline_seconds": 20,
        },
    } });
    let crew = Crew::up(&stage, &engine.config(&services, &playbooks));
    until("the container is seen", || {
        let services = crew.json("/api/v1/services");
        services.to_string().contains("hungry").then_some(())
    });
    let incident = scenario.healed(&crew, ("hungry", "process_down"), || {
        fs::write(stage.path("work/go"), "").unwrap();
        until("the kernel kills it", || {
            let state = engine.inspect("hungry")["State"].clone();
            (state["OOMKilled"] == true && state["ExitCode"] == 137).then_some(())
        });
    });
    assert_eq!(incident["playbook"], "container_out_of_memory");
    let inspected = engine.inspect("hungry");
    assert_eq!(inspected["State"]["Running"], true);
    let limit = inspected["HostConfig"]["Memory"].as_u64().unwrap();
    assert!((40 << 20..=60_000_000).contains(&limit), "{limit} bytes");
    let pid = inspected["State"]["Pid"].as_u64().unwrap();
    let holds = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().filter(|kb| *kb > 32_000)
    };
    let kilobytes = until("it holds its memory", holds);
    crew.stop();
    scenario.proven(&format!(
        "limit {} MiB, at most 57; it holds {} MiB and runs on",
        limit >> 20,
        kilobytes >> 10
    ));
}

/// How full a file system is, in percent.
fn used_percent(disk: &std::path::Path) -> u64 {
    let seen = statvfs(disk).unwrap();
    (seen.f_blocks - seen.f_bfree) * 100 / (seen.f_blocks - seen.f_bfree + seen.f_bavail)
}

#[test]
fn what_containers_left_behind_is_pruned_and_what_runs_stays() {
    let name = "disk space low: what Docker left behind";
    let Some(scenario) = Scenario::as_root(name, &NEEDS) else { return };
    let stage = Stage::new();
    let mounts = Mounts::below(&stage);
    let disk = mounts.tmpfs("docker", 64);
    let engine = Engine::start(&stage, "docker");
    let Some((mut scenario, engine)) = scenario.and(engine) else { return };
    engine.run(&["run", "-d", "--name", "kept", "--network=none", "bb:1", "sleep", "600"]);
    let config = json!({
        "host": { "interval_seconds": 1, "disks": [disk] },
        "thresholds": { "disk_usage": { "critical": 85, "for": "2 of 2" } },
        "playbooks": { "disk_space_low": {
            "condition": "disk_usage > 85",
            "actions": [{ "type": "run", "command": "docker system prune -f" }],
            "verify": {
                "metric": "disk_usage", "operator": "<", "threshold": 60,
                "consecutive_checks": 3, "interval_ms": 300, "deadline_seconds": 20,
            },
        } },
    });
    stage.write("nightcrew.json5", config.to_string());
    // The client finds the engine of the stage where it looks for that of the machine.
    let starter = within(&stage, &[("run", "/run")]);
    let crew = Crew::started(&stage, free_address(), &starter);
    until("ready", || crew.get("/readyz").filter(|answer| answer.status == 200));
    scenario.healed(&crew, ("host", "disk_space_low"), || {
        for n in 1..50 {
            if used_percent(&disk) > 88 {
                break;
            }
            let job = format!("job-{n}");
            let fill = "count=4 bs=1M if=/dev/zero of=/left".split(' ');
            let words = ["run", "--name", &job, "--network=none", "bb:1", "dd"];
            engine.run(&words.into_iter().chain(fill).collect::<Vec<_>>());
        }
        assert!(used_percent(&disk) > 85, "{} %", used_percent(&disk));
    });
    let left = engine.run(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(left, "kept");
    assert_eq!(engine.inspect("kept")["State"]["Running"], true);
    let used = used_percent(&disk);
    scenario.proven(&format!("statvfs: {used} % in use; the container that runs is the only one"));
}
