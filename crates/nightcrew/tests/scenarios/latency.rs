//! A service answers slowly: its pool is exhausted, or its cache is full.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::crew::Crew;
use crate::nginx;
use crate::scenario::Scenario;
use crate::shop::{self, Shop};
use crate::stage::{Part, Stage, free_address, until};
use crate::wire;

/// An answer that takes longer is slow.
const SLOW: Duration = Duration::from_millis(400);

/// Starts nginx in front of a service.
fn proxy(stage: &Stage, behind: SocketAddr) -> (Part, SocketAddr) {
    let address = free_address();
    let server = format!("listen {address}; location / {{ proxy_pass http://{behind}; }}");
    (nginx::start(stage, address, &format!("access_log off; server {{ {server} }}")), address)
}

/// The shop behind nginx: its page is asked through the proxy, and its pool may be reset.
fn services(shop: &Shop<'_>, front: SocketAddr) -> Value {
    json!({ "shop": shop.service(&json!({
        "checks": [shop::check(front, "/work")],
        "http_actions": [format!("http://{front}/admin/reset-pool")],
    })) })
}

fn thresholds() -> Value {
    json!({ "thresholds": { "api_latency_ms": { "critical": 400, "for": "3 of 3" } } })
}

fn playbooks(front: SocketAddr) -> Value {
    let verify = json!({
        "metric": "api_latency_ms", "operator": "<", "threshold": 300,
        "consecutive_checks": 3, "interval_ms": 700, "deadline_seconds": 6,
    });
    // They are tried in the order of writing; serde_json writes by name.
    json!({
        "latency_1_reset_pool": {
            "condition": "api_latency_ms > 400",
            "actions": [{
                "type": "request", "method": "POST",
                "url": format!("http://{front}/admin/reset-pool"),
            }],
            "verify": verify,
        },
        "latency_2_restart": {
            "condition": "api_latency_ms > 400",
            "actions": [{ "type": "restart_service", "service": "{service}" }],
            "verify": verify,
        },
    })
}

#[test]
fn an_exhausted_pool_is_reset_by_a_request() {
    let name = "API latency high: the pool is reset by HTTP";
    let Some(mut scenario) = Scenario::with(name, &["python3", "nginx"]) else { return };
    let stage = Stage::new();
    let shop = Shop::new(&stage, "shop");
    let (_proxy, front) = proxy(&stage, shop.address);
    let config = shop::config(&services(&shop, front), &playbooks(front), &thresholds());
    let crew = Crew::up(&stage, &config);
    crew.until_healthy("shop");
    let pid = shop.pid();
    let incident = scenario.healed(&crew, ("shop", "latency_high"), || shop.break_down("pool"));
    assert_eq!(incident["playbook"], "latency_1_reset_pool");
    let slowest = shop::answers_within(front, "/work", SLOW);
    assert_eq!(shop.pid(), pid, "it was restarted");
    assert_eq!(shop.said().matches("/admin/reset-pool").count(), 1, "{}", shop.said());
    crew.stop();
    scenario.proven(&format!("10 answers within {} ms, no restart", slowest.as_millis()));
}

#[test]
fn where_the_reset_does_not_help_the_next_playbook_does() {
    let name = "API latency high: the reset does not help, the restart does";
    let Some(mut scenario) = Scenario::with(name, &["python3", "nginx"]) else { return };
    let stage = Stage::new();
    let shop = Shop::new(&stage, "shop");
    let (_proxy, front) = proxy(&stage, shop.address);
    let config = shop::config(&services(&shop, front), &playbooks(front), &thresholds());
    let crew = Crew::up(&stage, &config);
    crew.until_healthy("shop");
    let pid = shop.pid();
    let incident = scenario.healed(&crew, ("shop", "latency_high"), || {
        shop.break_down("pool-for-good");
    });
    assert_eq!(incident["playbook"], "latency_2_restart");
    assert_eq!(incident["attempts"], 2);
    let slowest = shop::answers_within(front, "/work", SLOW);
    assert_ne!(shop.pid(), pid);
    assert_eq!(shop.said().matches("/admin/reset-pool").count(), 1, "{}", shop.said());
    crew.stop();
    scenario.proven(&format!("10 answers within {} ms by the second remedy", slowest.as_millis()));
}

#[test]
fn a_full_cache_is_flushed_once_a_person_says_so() {
    let name = "API latency high: cache flush, approved by a person";
    let Some(mut scenario) = Scenario::with(name, &["redis-server", "redis-cli"]) else { return };
    let (stage, address) = (Stage::new(), free_address());
    let port = address.port().to_string();
    let cli = |words: &[&str]| {
        let done = stage.tool("redis-cli", &[&["-p", &port][..], words].concat());
        done.out.trim().to_owned()
    };
    let arguments = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--dbfilename",
        "none.rdb",
        "--appendonly",
        "no",
        "--maxmemory",
        "8mb",
        "--maxmemory-policy",
        "noeviction",
        "--enable-debug-command",
        "local",
    ];
    let _redis = stage.start_part("redis-server", &arguments);
    until("redis answers", || (cli(&["ping"]) == "PONG").then_some(()));
    let services = json!({ "cache": {
        "process": { "command_line": format!("redis-server .*:{port}$") },
        "checks": [{
            "command": ["redis-cli", "-p", port, "SET", "probe", "1"], "expect_output": "^OK$",
            "interval_ms": 300, "timeout_ms": 290,
        }],
    } });
    let playbooks = json!({ "cache_full": {
        "condition": "health_status == 'failing'",
        "actions": [format!("redis-cli -p {port} FLUSHALL ASYNC")],
        "verify": "health_status == 'passing'",
    } });
    let crew = Crew::up(&stage, &shop::config(&services, &playbooks, &json!({})));
    crew.until_healthy("cache");
    scenario.healed(&crew, ("cache", "service_unresponsive"), || {
        cli(&["DEBUG", "POPULATE", "60000", "key", "100"]);
        assert!(cli(&["SET", "probe", "2"]).contains("OOM"));
        let attempt = until("the plan waits for a person", || {
            let asked = crew.json("/api/v1/approvals");
            Some(asked["items"].as_array()?.first()?["attempt"].as_str()?.to_owned())
        });
        let keys = cli(&["DBSIZE"]);
        assert!(keys.parse().is_ok_and(|keys: u32| keys > 10_000), "nobody approved it: {keys}");
        let approved = crew.ask(&["approvals", "approve", &attempt, "--by", "kim"]);
        assert_eq!(approved.code, Some(0), "{}{}", approved.out, approved.err);
        assert!(approved.out.contains("FLUSHALL ASYNC"), "{}", approved.out);
    });
    assert_eq!(cli(&["SET", "probe", "3"]), "OK");
    let keys = cli(&["DBSIZE"]);
    assert_eq!(keys, "1", "the probe, and nothing else");
    let answer = wire::get(crew.address(), "/api/v1/approvals").unwrap();
    assert_eq!(answer.json()["items"], json!([]));
    crew.stop();
    scenario.proven("SET answers OK, DBSIZE 1; nothing was flushed before the approval");
}
