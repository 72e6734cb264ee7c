//! The body of Alertmanager's webhook, version 4 (`template.Data` and `webhook.Message` in its
//! sources), so that what reads Alertmanager's messages reads ours.
//!
//! What is not a group of alerts is told as a group of one, whose labels name it.

use jiff::Timestamp;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::labels::Labels;
use serde_json::{Value, json};

use crate::group::{AlertContent, AlertStatus, GroupContent, alertmanager_order};
use crate::message::{About, Message};

/// Go's zero time, which stands for "no end".
const NO_END: &str = "0001-01-01T00:00:00Z";

/// The body for a message, whatever it is about.
pub(crate) fn body(message: &Message) -> Value {
    match &message.about {
        About::Group(content) => of_group(content, message.at),
        About::Incident(_) | About::Digest(_) | About::Crew(_) => {
            of_group(&as_group(message), message.at)
        }
    }
}

fn of_group(content: &GroupContent, told_at: Timestamp) -> Value {
    let mut alerts: Vec<&AlertContent> = content.alerts.iter().collect();
    alerts.sort_by(|a, b| alertmanager_order(&a.labels, &b.labels));
    let alerts: Vec<Value> = alerts.into_iter().map(|alert| of_alert(alert, told_at)).collect();
    json!({
        "receiver": quoted(content.receiver.as_str()),
        "status": content.status().as_str(),
        "alerts": alerts,
        "groupLabels": content.group_labels,
        "commonLabels": content.common_labels(),
        "commonAnnotations": content.common_annotations(),
        "externalURL": content.external_url,
        "version": "4",
        "groupKey": content.group_key,
        "truncatedAlerts": content.truncated,
    })
}

fn of_alert(alert: &AlertContent, told_at: Timestamp) -> Value {
    let ends_at = match alert.status {
        AlertStatus::Firing => NO_END.to_owned(),
        AlertStatus::Resolved => alert.ends_at.unwrap_or(told_at).to_string(),
    };
    json!({
        "status": alert.status.as_str(),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": alert.starts_at.to_string(),
        "endsAt": ends_at,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint.to_string(),
    })
}

/// A message about something else as a group of one alert.
fn as_group(message: &Message) -> GroupContent {
    let mut labels = Labels::default();
    let mut starts_at = message.at;
    match &message.about {
        About::Incident(content) => {
            labels.set("alertname", content.key.symptom.as_str());
            labels.set("service", content.key.target.service.as_str());
            if let Some(resource) = &content.key.target.resource {
                labels.set("resource", resource.as_str());
            }
            labels.set("incident", &content.incident.to_string());
            starts_at = content.opened_at;
        }
        About::Digest(content) => {
            labels.set("alertname", "NightcrewDigest");
            labels.set("scope", &content.scope.to_string());
        }
        About::Crew(topic) => {
            labels.set("alertname", "Nightcrew");
            labels.set("topic", &topic.to_string());
        }
        About::Group(_) => {}
    }
    let fingerprint = labels.fingerprint();
    labels.set("severity", &message.severity.to_string());
    let mut annotations = Labels::default();
    annotations.set("summary", &message.title);
    annotations.set("description", &message.summary);
    let over = matches!(
        message.kind,
        NotificationKind::Resolved | NotificationKind::ApprovalEnded | NotificationKind::AllClear
    );
    let status = if over { AlertStatus::Resolved } else { AlertStatus::Firing };
    let mut group = GroupContent::new("nightcrew".into(), message.subject_key().into());
    group.group_labels.set("alertname", labels.get("alertname").unwrap_or_default());
    group.alerts.push(AlertContent {
        labels,
        annotations,
        status,
        starts_at,
        ends_at: over.then_some(message.at),
        generator_url: String::new(),
        fingerprint,
    });
    group
}

/// Go's `regexp.QuoteMeta`, through which Alertmanager passes the name of the receiver.
fn quoted(receiver: &str) -> String {
    let mut quoted = String::with_capacity(receiver.len());
    for c in receiver.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use nightcrew_model::decision::CrewTopic;
    use nightcrew_model::id::{IncidentId, NotificationId, Target};
    use nightcrew_model::incident::IncidentKey;

    use super::*;
    use crate::message::IncidentContent;

    fn alert(labels: &[(&str, &str)], ends_at: Option<&str>) -> AlertContent {
        let labels: Labels = labels.iter().copied().collect();
        AlertContent {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: [("summary", "꺼짐")].into_iter().collect(),
            status: if ends_at.is_some() { AlertStatus::Resolved } else { AlertStatus::Firing },
            starts_at: "2026-11-21T00:20:00.232352868Z".parse().unwrap(),
            ends_at: ends_at.map(|at| at.parse().unwrap()),
            generator_url: "http://prometheus/graph".into(),
        }
    }

    #[test]
    fn a_group_is_what_alertmanager_sends() {
        let mut content = GroupContent::new("team.db".into(), r#"{}:{alertname="T3"}"#.into());
        content.group_labels.set("alertname", "T3");
        content.alerts = vec![
            alert(&[("alertname", "T3"), ("instance", "b")], Some("2026-11-21T00:25:00Z")),
            alert(&[("alertname", "T3"), ("instance", "a")], None),
        ];
        content.external_url = "http://vm:19093".into();
        let at = Timestamp::UNIX_EPOCH;
        let kind = NotificationKind::Firing;
        let message = Message::new(NotificationId(1), kind, About::Group(content), at);
        insta::assert_json_snapshot!(body(&message), @r#"
        {
          "alerts": [
            {
              "annotations": {
                "summary": "꺼짐"
              },
              "endsAt": "0001-01-01T00:00:00Z",
              "fingerprint": "1a5c1865111151b1",
              "generatorURL": "http://prometheus/graph",
              "labels": {
                "alertname": "T3",
                "instance": "a"
              },
              "startsAt": "2026-11-21T00:20:00.232352868Z",
              "status": "firing"
            },
            {
              "annotations": {
                "summary": "꺼짐"
              },
              "endsAt": "2026-11-21T00:25:00Z",
              "fingerprint": "1a681865111d0c36",
              "generatorURL": "http://prometheus/graph",
              "labels": {
                "alertname": "T3",
                "instance": "b"
              },
              "startsAt": "2026-11-21T00:20:00.232352868Z",
              "status": "resolved"
            }
          ],
          "commonAnnotations": {
            "summary": "꺼짐"
          },
          "commonLabels": {
            "alertname": "T3"
          },
          "externalURL": "http://vm:19093",
          "groupKey": "{}:{alertname=\"T3\"}",
          "groupLabels": {
            "alertname": "T3"
          },
          "receiver": "team\\.db",
          "status": "firing",
          "truncatedAlerts": 0,
          "version": "4"
        }
        "#);
    }

    #[test]
    fn an_incident_is_a_group_of_one() {
        let about = About::Incident(IncidentContent {
            incident: IncidentId(42),
            key: IncidentKey {
                target: Target::part("host".into(), "/var"),
                symptom: "disk".into(),
            },
            opened_at: "2026-11-21T03:00:00Z".parse().unwrap(),
        });
        let at = "2026-11-21T03:05:00Z".parse().unwrap();
        let mut message = Message::new(NotificationId(1), NotificationKind::Escalated, about, at);
        message.title = "디스크".into();
        let firing = body(&message);
        message.kind = NotificationKind::Resolved;
        message.notification = NotificationId(2);
        let resolved = body(&message);
        assert_eq!(firing["groupKey"], resolved["groupKey"]);
        assert_eq!(firing["alerts"][0]["fingerprint"], resolved["alerts"][0]["fingerprint"]);
        assert_eq!(firing["alerts"][0]["endsAt"], NO_END);
        assert_eq!(resolved["alerts"][0]["endsAt"], "2026-11-21T03:05:00Z");
        assert_eq!(resolved["status"], "resolved");
        assert_eq!(firing["commonLabels"]["service"], "host");
        assert_eq!(firing["alerts"][0]["startsAt"], "2026-11-21T03:00:00Z");
    }

    #[test]
    fn what_the_crew_says_of_itself_has_labels_too() {
        let at = Timestamp::UNIX_EPOCH;
        let about = About::Crew(CrewTopic::AllClear);
        let message = Message::new(NotificationId(1), NotificationKind::AllClear, about, at);
        let body = body(&message);
        assert_eq!(body["commonLabels"]["topic"], "all-clear");
        assert_eq!(body["status"], "resolved");
    }
}
