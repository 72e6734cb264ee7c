//! A process is killed, and what supervises it brings it back.

use rustix::process::{Pid, Signal};
use serde_json::json;

use crate::crew::Crew;
use crate::scenario::Scenario;
use crate::shop::{self, Shop};
use crate::stage::{Stage, free_address, until};
use crate::wire;

#[test]
fn a_child_of_the_crew_comes_back() {
    let name = "process down: a child of the crew";
    let Some(mut scenario) = Scenario::with(name, &shop::NEEDS) else { return };
    let stage = Stage::new();
    let shop = Shop::new(&stage, "shop");
    let services = json!({ "shop": shop.service(&json!({})) });
    // It ran before the crew did: what comes back soon after a repair is for a person.
    let _first = shop.start();
    let crew = Crew::up(&stage, &shop::config(&services, &json!({}), &json!({})));
    crew.until_healthy("shop");
    let killed = shop.pid();
    scenario.healed(&crew, ("shop", "process_down"), || {
        assert!(stage.signal(killed, Signal::KILL));
    });
    until("the shop answers", || {
        wire::get(shop.address, "/health").ok().filter(|answer| answer.status == 200)
    });
    assert_ne!(shop.pid(), killed);
    assert_eq!(shop.said().matches(" open\n").count(), 2, "{}", shop.said());
    crew.stop();
    scenario.proven("another process answers 200");
}

#[test]
fn a_process_with_a_pid_file_comes_back() {
    let name = "process down: a pid file and a start command";
    let Some(mut scenario) = Scenario::with(name, &["redis-server", "redis-cli"]) else { return };
    let (stage, address) = (Stage::new(), free_address());
    let port = address.port().to_string();
    let pid_file = stage.text("redis.pid");
    let dir = stage.dir().to_str().unwrap();
    let start = [
        "redis-server",
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--appendonly",
        "no",
        "--dir",
        dir,
        "--pidfile",
        &pid_file,
        "--dbfilename",
        "none.rdb",
        "--daemonize",
        "yes",
    ];
    let services = json!({ "redis": {
        "process": { "pid_file": pid_file },
        "start": { "argv": start },
        "stop_timeout_ms": 2_000,
        "interval_ms": 250,
        "checks": [{ "tcp": address.to_string(), "interval_ms": 300, "timeout_ms": 290 }],
    } });
    // It ran before the crew did: what comes back soon after a repair is for a person.
    let begun = stage.tool("redis-server", &start[1..]);
    assert_eq!(begun.code, Some(0), "{}{}", begun.out, begun.err);
    until("redis has written its pid", || std::fs::read_to_string(&pid_file).ok());
    let crew = Crew::up(&stage, &shop::config(&services, &json!({}), &json!({})));
    crew.until_healthy("redis");
    let pid = || {
        let text = std::fs::read_to_string(&pid_file).unwrap();
        text.trim().parse().ok().and_then(Pid::from_raw).unwrap()
    };
    let killed = pid();
    scenario.healed(&crew, ("redis", "process_down"), || {
        assert!(stage.signal(killed, Signal::KILL));
    });
    let pong = stage.tool("redis-cli", &["-p", &port, "ping"]);
    assert_eq!(pong.out.trim(), "PONG");
    assert_ne!(pid(), killed);
    crew.stop();
    scenario.proven("redis-cli ping: PONG, from another process");
}
