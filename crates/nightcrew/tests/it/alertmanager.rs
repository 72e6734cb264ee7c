//! A real Alertmanager whose webhook is the crew.

use serde_json::json;

use crate::crew::{Crew, quiet};
use crate::stage::{Stage, free_address, has, until};
use crate::wire;

#[test]
fn what_an_alertmanager_sends_arrives_and_ends() {
    if !has(&["prometheus-alertmanager"]) {
        return;
    }
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let own = free_address();
    stage.write(
        "am.yml",
        format!(
            "route: {{ receiver: crew, group_by: ['...'], group_wait: 1s, group_interval: 1s }}
receivers:
  - name: crew
    webhook_configs: [{{ url: 'http://{}/hooks/alertmanager', send_resolved: true }}]
",
            crew.address()
        ),
    );
    let _alertmanager = stage.start_part(
        "prometheus-alertmanager",
        &[
            "--config.file=am.yml",
            "--storage.path=am",
            &format!("--web.listen-address={own}"),
            // Empty, or it gossips on a port of its own.
            "--cluster.listen-address=",
        ],
    );
    let starts_at = jiff::Timestamp::now();
    let labels = json!({ "alertname": "DiskSlow", "service": "창고", "severity": "warning" });
    let firing = json!([{ "labels": labels, "startsAt": starts_at.to_string() }]).to_string();
    until("the Alertmanager takes it", || {
        let answer = wire::post(own, "/api/v2/alerts", firing.as_bytes()).ok()?;
        (answer.status == 200).then_some(())
    });
    let told = until("the alert", || crew.alert("alertname", "DiskSlow"));
    assert_eq!(told["state"], "firing");
    assert_eq!(told["source"], "alertmanager");
    assert_eq!(told["service"], "창고");
    let ends_at = jiff::Timestamp::now().to_string();
    let over = json!([{ "labels": labels, "startsAt": starts_at.to_string(), "endsAt": ends_at }]);
    let answer = wire::post(own, "/api/v2/alerts", over.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let fingerprint = told["fingerprint"].as_str().unwrap();
    until("its end", || {
        let alert = crew.json(&format!("/api/v1/alerts/{fingerprint}"));
        (alert["state"] == "resolved").then_some(())
    });
    assert_eq!(crew.incident("창고", "DiskSlow").unwrap()["state"], "resolved");
}
