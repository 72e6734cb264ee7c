//! Real services, supervised: killed, hung, and healed.

use std::net::SocketAddr;

use nightcrew_runtime::process::read_child_pid_file;
use rustix::process::{Pid, Signal, getpgid};
use serde_json::json;

use crate::crew::Crew;
use crate::stage::{Stage, free_address, has, until};
use crate::wire;

/// What the page says.
const PAGE: &str = "안녕하세요, 밤샘 당직";

/// The configuration of a crew that supervises one service.
fn config(name: &str, service: &serde_json::Value) -> String {
    let config = json!({
        "host": { "interval_seconds": 60, "disks": [] },
        "services": { name: service },
        "thresholds": { "health_status": { "critical": "== 'failing'", "for": "3 of 3" } },
        "healing": {
            "cooldown_ms": 1,
            "relapse_window_ms": 0,
            "verify": { "consecutive_checks": 3, "interval_ms": 100, "deadline_seconds": 20 },
        },
    });
    config.to_string()
}

/// Writes a web server's configuration and page, and gives the crew's.
fn nginx(stage: &Stage, address: SocketAddr) -> String {
    let dir = stage.dir().display();
    stage.write("html/index.html", PAGE);
    // The workers stay with the user of the master: the folder is for this user alone.
    let conf = stage.write(
        "nginx.conf",
        format!(
            "daemon off; master_process on; worker_processes 2; user root; pid {dir}/nginx.pid;
             error_log {dir}/nginx-error.log;
             events {{ worker_connections 64; }}
             http {{
                 access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
                 fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
                 server {{ listen {address}; root {dir}/html; charset utf-8; }}
             }}"
        ),
    );
    config(
        "web",
        &json!({
            "start": { "argv": ["nginx", "-p", stage.dir(), "-c", conf] },
            "stop_timeout_ms": 1_000,
            "interval_ms": 300,
            "checks": [{
                "http": format!("http://{address}/"), "expect_body": PAGE,
                "interval_ms": 250, "timeout_ms": 240,
            }],
        }),
    )
}

fn child(stage: &Stage, service: &str) -> Pid {
    let file = stage.path(&format!("data/run/{service}.pid"));
    read_child_pid_file(&file).unwrap().expect("a process").pid
}

/// The processes of the group that a child of the crew leads.
fn group(stage: &Stage, leader: Pid) -> Vec<Pid> {
    let all = stage.processes().into_iter();
    all.filter(|pid| getpgid(Some(*pid)) == Ok(leader)).collect()
}

fn answers(address: SocketAddr) {
    until("the page answers", || {
        let answer = wire::get(address, "/").ok()?;
        (answer.status == 200 && answer.body == PAGE).then_some(())
    });
}

#[test]
fn nginx_whose_master_is_killed_comes_back_although_its_workers_hold_the_port() {
    if !has(&["nginx"]) {
        return;
    }
    let (stage, address) = (Stage::new(), free_address());
    let crew = Crew::up(&stage, &nginx(&stage, address));
    crew.until_healthy("web");
    let master = child(&stage, "web");
    let old = group(&stage, master);
    assert_eq!(old.len(), 3, "a master and two workers");
    let incident = crew.healed("web", "process_down", || {
        assert!(stage.signal(master, Signal::KILL));
    });
    let new = group(&stage, child(&stage, "web"));
    assert!(old.iter().all(|pid| !new.contains(pid)), "{old:?} {new:?}");
    assert_eq!(group(&stage, master), [], "what the dead master left behind is gone");
    answers(address);
    crew.until_healthy("web");
    assert_eq!(incident["state"], "resolved");
}

#[test]
fn nginx_that_hangs_comes_back() {
    if !has(&["nginx"]) {
        return;
    }
    let (stage, address) = (Stage::new(), free_address());
    let crew = Crew::up(&stage, &nginx(&stage, address));
    crew.until_healthy("web");
    let master = child(&stage, "web");
    crew.healed("web", "service_unresponsive", || {
        for pid in group(&stage, master) {
            assert!(stage.signal(pid, Signal::STOP));
        }
    });
    assert_ne!(child(&stage, "web"), master);
    assert_eq!(group(&stage, master), []);
    answers(address);
    crew.until_healthy("web");
}

#[test]
fn redis_found_by_its_pid_file_comes_back() {
    if !has(&["redis-server"]) {
        return;
    }
    let (stage, address) = (Stage::new(), free_address());
    let pid_file = stage.text("redis.pid");
    let redis = json!({
        "process": { "pid_file": pid_file },
        "start": {
            "argv": [
                "redis-server", "--port", address.port().to_string(), "--bind", "127.0.0.1",
                "--appendonly", "no", "--dir", stage.dir(), "--pidfile", pid_file,
                "--dbfilename", "없음.rdb",
            ],
        },
        "stop_timeout_ms": 2_000,
        "interval_ms": 300,
        "checks": [{ "tcp": address.to_string(), "interval_ms": 250, "timeout_ms": 240 }],
    });
    let crew = Crew::up(&stage, &config("redis", &redis));
    crew.until_healthy("redis");
    let pid = || {
        let text = std::fs::read_to_string(&pid_file).unwrap();
        text.trim().parse().ok().and_then(Pid::from_raw).unwrap()
    };
    let killed = pid();
    crew.healed("redis", "process_down", || {
        assert!(stage.signal(killed, Signal::KILL));
    });
    crew.until_healthy("redis");
    assert_ne!(pid(), killed);
    if has(&["redis-cli"]) {
        let pong = stage.tool("redis-cli", &["-p", &address.port().to_string(), "ping"]);
        assert_eq!(pong.out.trim(), "PONG");
    }
}
