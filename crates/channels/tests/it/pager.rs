//! `PagerDuty` and Opsgenie: what holds something over its life.

use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_testkit::fake::{Answer, Opsgenie, Pagerduty};
use serde_json::json;

use crate::fixture::{
    TOKEN, acknowledge, deliver, group, message, opsgenie, over, pagerduty, permanent, receipt,
};

const BASE: &str = "https://pager.example";

#[tokio::test]
async fn an_event_has_its_documented_fields() {
    let fake = Pagerduty::default();
    let mut message = message();
    message.actions = vec![acknowledge()];
    let delivery = deliver(&pagerduty(BASE), &message, fake.router()).await;
    assert_eq!(receipt(delivery), Some(message.subject_key()));
    insta::assert_json_snapshot!(fake.bodies()[0], @r#"
    {
      "client": "Nightcrew",
      "dedup_key": "nightcrew/night-1/INC-42/1795229880",
      "event_action": "trigger",
      "payload": {
        "class": "disk_space_low",
        "component": "host:/var",
        "custom_details": {
          "Incident": "INC-42",
          "Service": "host:/var",
          "Severity": "critical",
          "Symptom": "disk_space_low",
          "acknowledge": "nightcrew incidents ack INC-42",
          "record": "incidents/2026-11-21-INC-42.md",
          "story": [
            "Detected: disk_usage = 97 %",
            "Tried: clean_files /var/log; removed 0 files",
            "With a person now: INC-42/1 did not heal it"
          ],
          "summary": "디스크가 가득 찼고, 정리해도 줄지 않았습니다."
        },
        "group": "host",
        "severity": "critical",
        "source": "host:/var",
        "summary": "INC-42 needs a person: host:/var disk_space_low",
        "timestamp": "2026-11-21T03:00:05.250Z"
      },
      "routing_key": "t0ken-THAT-nobody-may-see"
    }
    "#);
}

#[tokio::test]
async fn one_incident_from_trigger_to_resolve_whatever_is_repeated() {
    let (duty, genie) = (Pagerduty::default(), Opsgenie::default());
    let mut acknowledged = message();
    acknowledged.kind = NotificationKind::Acknowledged;
    let mut again = message();
    again.sending = nightcrew_channels::message::Sending::PossibleRepeat;
    let story = [message(), again, acknowledged.clone(), acknowledged, over(), over()];
    for message in &story {
        for (channel, router) in
            [(pagerduty(BASE), duty.router()), (opsgenie(BASE), genie.router())]
        {
            let delivery = deliver(&channel, message, router).await;
            assert!(matches!(delivery, Delivery::Delivered { .. }), "{delivery:?}");
        }
    }
    let incidents = duty.incidents();
    assert_eq!(incidents.len(), 1);
    let incident = &incidents[&message().subject_key()];
    assert_eq!((incident.opened, incident.triggers, incident.open), (1, 2, false));
    assert_eq!((incident.acknowledgements, incident.resolves), (2, 2));
    let alerts = genie.alerts();
    assert_eq!(alerts.len(), 1);
    let alert = alerts.values().next().unwrap();
    assert_eq!((alert.opened, alert.creates, alert.open), (1, 2, false));
    assert_eq!((alert.acknowledgements, alert.closes), (2, 2));
}

#[tokio::test]
async fn a_group_and_an_incident_are_apart() {
    let fake = Pagerduty::default();
    deliver(&pagerduty(BASE), &message(), fake.router()).await;
    deliver(&pagerduty(BASE), &group(3), fake.router()).await;
    deliver(&pagerduty(BASE), &group(2), fake.router()).await;
    assert_eq!(fake.triggers().into_values().collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn an_alert_has_its_documented_fields() {
    let fake = Opsgenie::default();
    fake.only_key(TOKEN);
    let delivery = deliver(&opsgenie(BASE), &message(), fake.router()).await;
    assert_eq!(receipt(delivery).unwrap(), "nightcrew:night-1:INC-42:1795229880");
    insta::assert_json_snapshot!(fake.bodies()[0], @r#"
    {
      "alias": "nightcrew:night-1:INC-42:1795229880",
      "description": "디스크가 가득 찼고, 정리해도 줄지 않았습니다.\n- Detected: disk_usage = 97 %\n- Tried: clean_files /var/log; removed 0 files\n- With a person now: INC-42/1 did not heal it",
      "details": {
        "dedup_key": "nightcrew-INC-42-escalated-7-1795230005",
        "incident": "INC-42",
        "record": "incidents/2026-11-21-INC-42.md",
        "service": "host:/var",
        "severity": "critical",
        "symptom": "disk_space_low"
      },
      "entity": "host:/var",
      "message": "INC-42 needs a person: host:/var disk_space_low",
      "priority": "P1",
      "responders": [
        {
          "name": "야간",
          "type": "team"
        },
        {
          "type": "user",
          "username": "kim@example.org"
        }
      ],
      "source": "Nightcrew",
      "tags": [
        "nightcrew"
      ]
    }
    "#);
    let mut over = over();
    over.edits = Some(Receipt("whatever".into()));
    deliver(&opsgenie(BASE), &over, fake.router()).await;
    let closed = &fake.received()[1];
    assert_eq!(
        closed.uri.to_string(),
        "https://pager.example/v2/alerts/nightcrew:night-1:INC-42:1795229880/close?identifierType=alias"
    );
    assert!(closed.body["note"].as_str().unwrap().starts_with("INC-42 is over"));
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let fake = Pagerduty::default();
    let errors = json!({"status": "invalid event", "message": "Event object is invalid", "errors": ["Length of 'routing_key' is incorrect (should be 32 characters)"]});
    fake.answer_next([Answer::json(400, &errors)]);
    let error = permanent(deliver(&pagerduty(BASE), &message(), fake.router()).await);
    assert!(error.contains("Event object is invalid; Length of 'routing_key'"), "{error}");
    assert!(error.contains("integration key (32 characters)"), "{error}");
    let fake = Opsgenie::default();
    fake.only_key("another");
    let error = permanent(deliver(&opsgenie(BASE), &message(), fake.router()).await);
    assert!(error.contains("You are not authorized") && error.contains("EU"), "{error}");
}
