//! `/api/v1`, health and the page's files.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use nightcrew_server::limit::{ALERTS_SHOWN_MAX, TIMELINE_ENTRIES_MAX};
use serde_json::{Value, json};

use crate::outpost::{Answer, Outpost};

async fn report(outpost: &Outpost, services: std::ops::Range<usize>) {
    let alerts: Vec<Value> = services
        .map(|n| json!({"labels": {"alertname": "서비스다운", "service": format!("s{n}"), "severity": "page"}}))
        .collect();
    let answer = outpost.post("/api/v2/alerts", Value::from(alerts).to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn an_alert_becomes_an_incident_with_a_timeline() {
    let outpost = Outpost::start().await;
    report(&outpost, 7..8).await;
    let list = outpost.get("/api/v1/incidents?state=open").await.json();
    let incident = &list["items"][0];
    assert_eq!(
        (&incident["service"], &incident["symptom"], &incident["severity"]),
        (&json!("s7"), &json!("서비스다운"), &json!("critical"))
    );
    assert_eq!(list["next_cursor"], json!(null));
    let id = incident["id"].as_str().unwrap();
    let detail = outpost.get(&format!("/api/v1/incidents/{id}")).await.json();
    let timeline = detail["timeline"].as_array().unwrap();
    assert_eq!(timeline[0]["fact"], "incident_opened");
    assert_eq!(timeline[0]["text"], format!("{id} opened: s7 서비스다운 (critical)"));
    assert_eq!(timeline[0]["reason"], "first of its service and symptom inside the window");
    let versions: Vec<u64> =
        timeline.iter().map(|entry| entry["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (1..=timeline.len() as u64).collect::<Vec<_>>());
    let rest = outpost.get(&format!("/api/v1/incidents/{id}?after=1")).await.json();
    assert_eq!(rest["timeline"][0]["version"], 2);
    let status = outpost.get("/api/v1/status").await.json();
    assert_eq!((&status["incidents"]["open"], &status["alerts"]["active"]), (&json!(1), &json!(1)));
    outpost.stop().await;
}

#[tokio::test]
async fn incidents_come_in_pages_without_gap() {
    let outpost = Outpost::start().await;
    report(&outpost, 0..7).await;
    let (mut seen, mut path) = (Vec::new(), "/api/v1/incidents?limit=3".to_owned());
    loop {
        let page = outpost.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|incident| incident["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        assert_eq!(items.len(), 3);
        path = format!("/api/v1/incidents?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ["INC-7", "INC-6", "INC-5", "INC-4", "INC-3", "INC-2", "INC-1"]);
    outpost.stop().await;
}

#[tokio::test]
async fn a_long_timeline_and_many_alerts_come_in_parts() {
    let outpost = Outpost::start().await;
    let n_alerts = TIMELINE_ENTRIES_MAX.max(ALERTS_SHOWN_MAX) + 20;
    let alerts: Vec<Value> = (0..n_alerts)
        .map(
            |n| json!({"labels": {"alertname": "폭주", "service": "주문", "pod": format!("p{n}")}}),
        )
        .collect();
    let answer = outpost.post("/api/v2/alerts", Value::from(alerts).to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let first = outpost.get("/api/v1/incidents/INC-1").await.json();
    assert_eq!(first["timeline"].as_array().unwrap().len(), TIMELINE_ENTRIES_MAX);
    let next = first["timeline_next"].as_u64().unwrap();
    let path = format!("/api/v1/incidents/INC-1?after={next}");
    // Messages about the incident may still be on their way.
    let rest = outpost.until(&path, |part| part.json()["timeline_next"].is_null()).await.json();
    assert_eq!(rest["timeline"][0]["version"], next + 1);
    let listed = outpost.get("/api/v1/alerts?limit=1000").await.json();
    assert_eq!(
        (listed["items"].as_array().unwrap().len(), &listed["more"]),
        (ALERTS_SHOWN_MAX, &json!(true))
    );
    let status = outpost.get("/api/v1/status").await.json();
    assert_eq!(status["alerts"]["active"], n_alerts);
    let all = outpost.get("/api/v2/alerts").await.json();
    assert_eq!(all.as_array().unwrap().len(), n_alerts, "amtool sees every alert");
    outpost.stop().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_valid_is_a_problem_with_a_hint() {
    let outpost = Outpost::start().await;
    let cases = [
        ("/api/v1/incidents/INC-99", 404),
        ("/api/v1/incidents/%EC%82%AC%EA%B1%B4", 400),
        ("/api/v1/incidents?state=some", 400),
        ("/api/v1/incidents?limit=0", 400),
        ("/api/v1/incidents?limit=501", 400),
        ("/api/v1/incidents?cursor=x", 400),
        ("/api/v1/incidents?limit=1&limit=2", 400),
        ("/api/v1/incidents/%FF", 400),
        ("/api/v1/alerts/0000000000000000", 404),
        ("/api/v1/alerts/xyz", 400),
        ("/api/v1/alerts?limit=-1", 400),
        ("/api/v1/events?from=x", 400),
        ("/api/v1/locks/none", 404),
        ("/api/v1/oncall/none", 404),
        ("/api/v1/oncall/none.ics", 404),
        ("/chat/none", 404),
        ("/%00/../etc/passwd", 404),
        ("/nothing", 404),
    ];
    for (path, status) in cases {
        let answer = outpost.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail", "hint"] {
            assert!(!problem[member].as_str().unwrap().is_empty(), "{path}: {member}");
        }
    }
    outpost.stop().await;
}

#[tokio::test]
async fn a_crew_becomes_ready_and_says_how_it_is() {
    let outpost = Outpost::start().await;
    let ready = outpost.until("/readyz", |answer| answer.status == StatusCode::OK).await.json();
    assert_eq!((&ready["ready"], &ready["storage"]), (&json!(true), &json!(null)));
    let names: Vec<&str> = ready["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"orchestrator") && names.contains(&"metrics-collector"), "{names:?}");
    assert!(ready["agents"][0]["heartbeat_age_ms"].is_u64());
    for path in ["/healthz", "/health", "/ready", "/-/healthy", "/-/ready"] {
        assert_eq!(outpost.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(outpost.ask(Method::HEAD, "/healthz", "").await.status, StatusCode::OK);

    // Rates are known from the second look on; until then the host is honestly unknown.
    let is_healthy = |answer: &Answer| answer.json()["items"][0]["state"] == "healthy";
    let services = outpost.until("/api/v1/services", is_healthy).await.json();
    let host = &services["items"][0];
    assert_eq!(host["name"], "host");
    let memory = host["samples"].as_array().unwrap().iter().find(|s| s["metric"] == "memory_usage");
    assert_eq!(memory.unwrap()["unit"], "percent");
    assert!(memory.unwrap()["value"].as_f64().unwrap() > 0.0);

    let agents = outpost.get("/api/v1/agents").await.json();
    assert!(agents["agents"][0]["tasks"][0]["rounds"].as_u64().unwrap() > 0);
    assert_eq!(outpost.get("/api/v1/playbooks").await.json(), json!({"items": []}));
    let status = outpost.get("/api/v2/status").await.json();
    assert_eq!(status["cluster"], json!({"status": "disabled", "peers": []}));
    outpost.stop().await;
}

#[tokio::test]
async fn an_alert_says_why_nobody_was_told() {
    let outpost = Outpost::start().await;
    report(&outpost, 7..8).await;
    let list = outpost.get("/api/v1/alerts").await.json();
    let path = format!("/api/v1/alerts/{}", list["items"][0]["fingerprint"].as_str().unwrap());
    let sentences = |story: &Value| story["why"]["sentences"].to_string();
    let story = outpost.get(&path).await.json();
    assert_eq!(story["incident"], "INC-1");
    assert!(sentences(&story).contains("INC-1 is escalated"), "{}", sentences(&story));
    let facts: Vec<&str> = story["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["fact"].as_str().unwrap())
        .collect();
    assert!(facts.contains(&"alert_fired") && facts.contains(&"incident_opened"), "{facts:?}");

    let silence = json!({
        "matchers": [{"name": "service", "value": "s7", "isRegex": false}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "kim", "comment": "점검",
    });
    let request = Request::post("/api/v2/silences")
        .header("host", "localhost")
        .header("content-type", "application/json");
    outpost.send(request.body(Body::from(silence.to_string())).unwrap()).await;
    let story = outpost.get(&path).await.json();
    assert!(sentences(&story).contains("of kim holds until"), "{}", sentences(&story));

    let labels = json!({"alertname": "서비스다운", "service": "s7", "severity": "page"});
    let over = json!([{"labels": labels, "endsAt": outpost.handle().clock().now()}]);
    outpost.post("/api/v2/alerts", over.to_string()).await;
    let story = outpost.get(&path).await.json();
    assert_eq!((&story["state"], &story["incident"]), (&json!("resolved"), &json!("INC-1")));
    assert!(sentences(&story).contains("it does not fire"), "{}", sentences(&story));
    outpost.stop().await;
}

#[tokio::test]
async fn a_reload_needs_a_configuration_and_the_audit_is_part_of_being_ready() {
    let outpost = Outpost::start().await;
    let none = outpost.post("/-/reload", "").await;
    assert_eq!(none.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(none.text.starts_with("failed to reload config: "), "{}", none.text);
    let settings = outpost.handle().settings();
    outpost.handle().reload_from(nightcrew_crew::reload::Reloader::new(move || {
        let mut settings = nightcrew_config::settings::Settings::clone(&settings);
        settings.listen = "127.0.0.1:1".parse().unwrap();
        Ok(settings)
    }));
    let reloaded = outpost.post("/-/reload", "").await;
    assert_eq!(reloaded.status, StatusCode::OK);
    assert!(reloaded.text.contains("listen"), "{}", reloaded.text);
    let ready = outpost.until("/readyz", |answer| answer.status == StatusCode::OK).await.json();
    assert!(ready["audit"].is_null() || ready["audit"]["passes"] == true, "{ready}");
    let early = outpost.get("/api/v1/audit").await;
    assert!(matches!(early.status.as_u16(), 200 | 503), "{}", early.text);
    assert_eq!(outpost.get("/-/ready").await.text, "OK");
    outpost.stop().await;
}

#[tokio::test]
async fn every_answer_is_closed_to_other_sites() {
    let outpost = Outpost::start().await;
    for path in ["/", "/app.js", "/api/v1/status", "/nothing"] {
        let answer = outpost.get(path).await;
        assert!(
            answer.header("content-security-policy").starts_with("default-src 'self'"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    assert_eq!(outpost.get("/api/v1/status").await.header("cache-control"), "no-store");
    assert_eq!(outpost.get("/").await.header("cache-control"), "no-store");
    outpost.stop().await;
}

#[tokio::test]
async fn files_of_the_page_are_kept_by_their_tag() {
    let outpost = Outpost::start().await;
    let script = outpost.get("/app.js").await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let tag = script.header("etag").to_owned();
    let again = |known: String| {
        let request =
            Request::get("/app.js").header("host", "localhost").header("if-none-match", known);
        outpost.send(request.body(Body::empty()).unwrap())
    };
    let unchanged = again(format!("\"other\", {tag}")).await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(again("\"other\"".to_owned()).await.status, StatusCode::OK);
    outpost.stop().await;
}
