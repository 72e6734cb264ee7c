//! A real Prometheus that takes the crew for its Alertmanager, and `amtool` that asks it.

use serde_json::Value;

use crate::crew::{Crew, quiet};
use crate::stage::{Stage, free_address, has, until};
use crate::wire;

/// A rule whose expression gives a result, or none.
fn rules(fires: bool) -> String {
    let expression = if fires { "vector(1)" } else { "vector(1) > 2" };
    format!(
        "groups:
  - name: 밤샘
    rules:
      - alert: CheckoutSlow
        expr: {expression}
        labels: {{ service: checkout, severity: critical }}
        annotations: {{ summary: '결제가 느립니다' }}
"
    )
}

#[test]
fn prometheus_reports_and_resolves_and_amtool_lists() {
    if !has(&["prometheus", "amtool"]) {
        return;
    }
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let own = free_address();
    stage.write("rules.yml", rules(true));
    stage.write(
        "prom.yml",
        format!(
            "global: {{ evaluation_interval: 1s }}
rule_files: [rules.yml]
alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{}'] }}] }}] }}
",
            crew.address()
        ),
    );
    let _prometheus = stage.start_part(
        "prometheus",
        &[
            "--config.file=prom.yml",
            "--storage.tsdb.path=tsdb",
            &format!("--web.listen-address={own}"),
            "--web.enable-lifecycle",
            // What fires before the first discovery is lost and sent again only after this.
            "--rules.alert.resend-delay=5s",
        ],
    );
    let told = until("the alert of Prometheus", || crew.alert("alertname", "CheckoutSlow"));
    assert_eq!(told["state"], "firing");
    assert_eq!(told["service"], "checkout");
    assert_eq!(told["severity"], "critical");
    assert_eq!(told["annotations"]["summary"], "결제가 느립니다");
    assert!(told["generator_url"].as_str().unwrap().contains("/graph?"), "{told}");
    let url = format!("--alertmanager.url=http://{}", crew.address());
    let listed = stage.tool("amtool", &[&url, "alert", "query"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    assert!(listed.out.contains("CheckoutSlow"), "{}", listed.out);
    let matched = |filter: &str| -> usize {
        let listed = stage.tool("amtool", &[&url, "-o", "json", "alert", "query", filter]);
        assert_eq!(listed.code, Some(0), "{}", listed.err);
        let alerts: Value = serde_json::from_str(&listed.out).unwrap();
        alerts.as_array().unwrap().len()
    };
    assert_eq!(matched("service=checkout"), 1);
    assert_eq!(matched("service=~check.*"), 1);
    assert_eq!(matched("service!=checkout"), 0);

    stage.write("rules.yml", rules(false));
    until("Prometheus reloads", || {
        let answer = wire::post(own, "/-/reload", b"").ok()?;
        (answer.status == 200).then_some(())
    });
    let fingerprint = told["fingerprint"].as_str().unwrap();
    let resolved = until("the end of the alert", || {
        let alert = crew.json(&format!("/api/v1/alerts/{fingerprint}"));
        (alert["state"] == "resolved").then_some(alert)
    });
    assert_ne!(resolved["ends_at"], Value::Null);
    assert_eq!(matched("service=checkout"), 0);
    let incident = crew.incident("checkout", "CheckoutSlow").unwrap();
    assert_eq!(incident["state"], "resolved");
    assert_eq!(incident["verified"], false, "its source said so, and nobody looked");
}
