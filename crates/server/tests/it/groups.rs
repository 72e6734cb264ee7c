//! `GET /api/v2/alerts/groups`, receivers and the written configuration.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use nightcrew_model::matcher::Matchers;
use nightcrew_model::route::{Branch, GroupBy, InhibitRule, Receiver, RouteRule, Routing};
use nightcrew_model::unit::Millis;
use serde_json::{Value, json};

use crate::outpost::Outpost;

fn branch(matchers: &str, receiver: &str, routes: Vec<Branch>) -> Branch {
    let rule = RouteRule {
        matchers: Matchers::parse(matchers).unwrap(),
        receiver: receiver.into(),
        group_by: GroupBy::Labels(["alertname".to_owned()].into()),
        group_wait: Millis::from_secs(30),
        group_interval: Millis::from_secs(300),
        repeat_interval: Millis::from_secs(4 * 3_600),
        mute: Vec::new(),
        active: Vec::new(),
        continues: false,
    };
    Branch { rule, routes }
}

fn routing() -> Routing {
    let mut audit = branch("audit=yes", "audit", Vec::new());
    audit.rule.continues = true;
    let mut database = branch("team=db", "database", Vec::new());
    database.rule.group_by = GroupBy::All;
    let root = branch("", "default", vec![audit, database]);
    let receiver = |name: &str| Receiver { name: name.into(), channels: vec!["console".into()] };
    let inhibit = InhibitRule {
        name: "1".to_owned(),
        source: Matchers::parse("severity=critical").unwrap(),
        target: Matchers::parse("severity=warning").unwrap(),
        equal: vec!["alertname".to_owned()],
    };
    let receivers = ["default", "audit", "database"].map(receiver).to_vec();
    Routing::new(root, receivers, vec![inhibit], BTreeMap::new())
}

async fn outpost() -> Outpost {
    let outpost = Outpost::with(|settings| settings.triage.routing = Some(routing())).await;
    let alerts = json!([
        {"labels": {"alertname": "느림", "team": "db", "audit": "yes", "severity": "warning"}},
        {"labels": {"alertname": "느림", "team": "web", "severity": "critical"}},
        {"labels": {"alertname": "멈춤", "team": "web"}},
    ]);
    let answer = outpost.post("/api/v2/alerts", alerts.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    outpost
}

/// Receiver, labels and the number of alerts of each group.
fn groups(answer: &Value) -> Vec<(String, Value, usize)> {
    let group = |group: &Value| {
        let receiver = group["receiver"]["name"].as_str().unwrap().to_owned();
        (receiver, group["labels"].clone(), group["alerts"].as_array().unwrap().len())
    };
    answer.as_array().unwrap().iter().map(group).collect()
}

#[tokio::test]
async fn alerts_stand_in_the_groups_of_their_routes() {
    let outpost = outpost().await;
    let all = outpost.get("/api/v2/alerts/groups").await.json();
    let slow = json!({"alertname": "느림"});
    let own = json!({"alertname": "느림", "team": "db", "audit": "yes", "severity": "warning"});
    assert_eq!(
        groups(&all),
        [
            ("audit".to_owned(), slow.clone(), 1),
            ("default".to_owned(), slow, 1),
            ("default".to_owned(), json!({"alertname": "멈춤"}), 1),
            ("database".to_owned(), own, 1),
        ]
    );
    let member = &all[3]["alerts"][0];
    assert_eq!(member["receivers"], json!([{"name": "audit"}, {"name": "database"}]));
    assert_eq!(member["status"]["state"], "suppressed");
    let source = all[1]["alerts"][0]["fingerprint"].clone();
    assert_eq!(member["status"]["inhibitedBy"], json!([source]));
    for (query, n) in [("receiver=da.*", 1), ("filter=team%3Dweb", 2), ("inhibited=false", 2)] {
        let some = outpost.get(&format!("/api/v2/alerts/groups?{query}")).await.json();
        assert_eq!(groups(&some).len(), n, "{query}");
    }
    outpost.stop().await;
}

#[tokio::test]
async fn receivers_and_the_written_configuration_are_those_of_the_tree() {
    let outpost = outpost().await;
    let receivers = outpost.get("/api/v2/receivers").await;
    assert_eq!(
        receivers.text,
        "[{\"name\":\"default\"},{\"name\":\"audit\"},{\"name\":\"database\"}]\n"
    );
    let status = outpost.get("/api/v2/status").await.json();
    let original = status["config"]["original"].as_str().unwrap();
    assert!(
        original.contains("  - receiver: database\n    group_by:\n    - \"...\"\n"),
        "{original}"
    );
    let alert = outpost.get("/api/v2/alerts?filter=audit%3Dyes").await.json();
    assert_eq!(alert[0]["receivers"], json!([{"name": "audit"}, {"name": "database"}]));
    outpost.stop().await;
}

#[tokio::test]
async fn the_way_of_labels_through_the_tree_is_told() {
    let outpost = outpost().await;
    let body = json!({"labels": {"alertname": "느림", "audit": "yes", "team": "db"}});
    let ways = outpost.post("/api/v1/routes/test", body.to_string()).await.json();
    assert_eq!(ways["receivers"], json!(["audit", "database"]));
    assert_eq!(ways["routes"][0]["route"], r#"{}/{audit="yes"}"#);
    assert_eq!(ways["routes"][0]["group_key"], r#"{}/{audit="yes"}:{alertname="느림"}"#);
    assert_eq!(ways["routes"][1]["channels"], json!(["console"]));
    outpost.stop().await;
    let outpost = Outpost::start().await;
    let ways = outpost.post("/api/v1/routes/test", body.to_string()).await.json();
    assert_eq!(ways, json!({"routing": false, "receivers": [], "routes": []}));
    outpost.stop().await;
}
