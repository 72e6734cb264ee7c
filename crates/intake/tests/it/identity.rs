//! The end of a thing is the end of its beginning, whatever else has changed between.

use jiff::Timestamp;
use nightcrew_intake::change::{Care, Settled, settle};
use nightcrew_model::alert::{Alert, IncomingAlert, Source, identify};
use nightcrew_model::severity::Severity;

use crate::payload::{now, one};

/// The alerts that fire, as the engine would hold them.
#[derive(Default)]
struct Firing(Vec<Alert>);

impl Firing {
    fn tell(&mut self, source: Source, name: &str) -> Settled {
        let parsed = one(source, name).parsed().unwrap();
        let mut settled = settle(source, parsed.changes, &self.0, now());
        settled.alerts.splice(0..0, parsed.alerts);
        for alert in &settled.alerts {
            self.take(source, alert.clone());
        }
        settled
    }

    fn take(&mut self, source: Source, incoming: IncomingAlert) {
        let fingerprint = incoming.labels.fingerprint();
        let known = self.0.iter().position(|alert| alert.fingerprint == fingerprint);
        let over = incoming.ends_at.is_some_and(|ends_at| ends_at <= now());
        if let Some(at) = known {
            let alert = self.0.remove(at);
            if over {
                let ends_at: Timestamp = incoming.ends_at.unwrap();
                assert!(ends_at >= alert.starts_at, "an end that the engine passes over");
            }
        } else {
            assert!(!over, "the end of something that does not fire: {incoming:?}");
        }
        if !over {
            let (target, symptom) = identify(&incoming.labels);
            let severity = incoming.labels.get("severity");
            self.0.push(Alert {
                fingerprint,
                severity: severity.map_or(Severity::Warning, Severity::from_label),
                source,
                starts_at: incoming.starts_at.unwrap_or_else(now),
                ends_at: incoming.ends_at,
                updated_at: now(),
                generator_url: incoming.generator_url,
                target,
                symptom,
                evidence: None,
                chart: None,
                labels: incoming.labels,
                annotations: incoming.annotations,
            });
        }
    }

    fn severities(&self) -> Vec<Severity> {
        self.0.iter().map(|alert| alert.severity).collect()
    }
}

#[test]
fn at_every_door_an_end_has_the_fingerprint_of_the_beginning() {
    for (source, begins, ends) in [
        (Source::Alertmanager, "firing", "resolved"),
        (Source::Grafana, "firing", "resolved"),
        (Source::Grafana, "legacy_alerting", "legacy_ok"),
        (Source::Signoz, "firing", "resolved"),
        (Source::Pagerduty, "triggered", "resolved"),
        (Source::Opsgenie, "create", "close"),
        (Source::Datadog, "triggered", "recovered"),
        (Source::Newrelic, "issue_activated", "issue_closed"),
        (Source::Newrelic, "legacy_open", "legacy_closed"),
        (Source::Sentry, "metric_alert__critical", "metric_alert__resolved"),
        (Source::Sentry, "issue__created", "issue__resolved"),
        (Source::Sentry, "event_alert__triggered", "issue__resolved"),
        (Source::Cloudwatch, "sns_alarm", "sns_ok"),
        (Source::Cloudwatch, "eventbridge", "sns_ok"),
        (Source::Uptime, "down", "up"),
        (Source::Generic, "list", "resolved"),
    ] {
        let mut firing = Firing::default();
        let begun = firing.tell(source, begins).alerts[0].labels.fingerprint();
        let ended = firing.tell(source, ends);
        assert_eq!(ended.alerts.len(), 1, "{source}: {ended:?}");
        assert_eq!(ended.alerts[0].labels.fingerprint(), begun, "{source} {begins}");
        assert!(firing.0.is_empty(), "{source} {begins}: {:?}", firing.0);
        // An end that comes again ends nothing, and says so.
        let parsed = one(source, ends).parsed().unwrap();
        let again = settle(source, parsed.changes, &firing.0, now());
        assert!(again.alerts.is_empty(), "{source}");
        let keyed = parsed.alerts.is_empty();
        assert_eq!(again.unknown.len(), usize::from(keyed), "{source}");
    }
}

#[test]
fn a_repetition_is_the_same_alert() {
    for (source, first, second) in [
        (Source::Datadog, "triggered", "retriggered"),
        (Source::Datadog, "triggered", "renotify"),
        (Source::Pagerduty, "triggered", "reopened"),
        (Source::Newrelic, "issue_created", "issue_activated"),
        (Source::Sentry, "issue__created", "event_alert__triggered"),
        (Source::Sentry, "event_alert__triggered", "issue__unresolved"),
        (Source::Cloudwatch, "sns_alarm", "raw_alarm"),
        (Source::Cloudwatch, "sns_alarm", "eventbridge"),
    ] {
        let mut firing = Firing::default();
        firing.tell(source, first);
        let begun = firing.0[0].fingerprint;
        firing.tell(source, second);
        assert_eq!(firing.0.len(), 1, "{source} {second}");
        assert_eq!(firing.0[0].fingerprint, begun, "{source} {second}");
    }
}

#[test]
fn what_becomes_worse_takes_the_place_and_what_becomes_better_waits_for_the_end() {
    let mut firing = Firing::default();
    firing.tell(Source::Sentry, "metric_alert__warning");
    assert_eq!(firing.severities(), [Severity::Warning]);
    let worse = firing.tell(Source::Sentry, "metric_alert__critical");
    assert_eq!(firing.severities(), [Severity::Critical]);
    let fires: Vec<_> = worse.alerts.iter().map(|alert| alert.ends_at.is_none()).collect();
    assert_eq!(fires, [true, false], "the worse one fires before the other ends");
    let better = firing.tell(Source::Sentry, "metric_alert__warning");
    assert_eq!(firing.severities(), [Severity::Critical]);
    assert!(better.alerts[0].annotations.get("summary").unwrap().starts_with("Warning"));
    firing.tell(Source::Sentry, "metric_alert__resolved");
    assert!(firing.0.is_empty());
}

#[test]
fn no_data_is_not_good_news() {
    for (source, fires, no_data) in [
        (Source::Cloudwatch, "sns_alarm", "sns_insufficient_data"),
        (Source::Datadog, "triggered", "no_data"),
        (Source::Grafana, "legacy_alerting", "legacy_no_data"),
    ] {
        let mut firing = Firing::default();
        firing.tell(source, fires);
        let before = firing.0.clone();
        let told = firing.tell(source, no_data);
        assert_eq!(told, Settled::default(), "{source}: what fires goes on firing");
        assert_eq!(firing.0, before);
        let mut silent = Firing::default();
        silent.tell(source, no_data);
        assert_eq!(silent.0.len(), 1, "{source}: where nothing fired, somebody is told");
        assert_ne!(silent.severities(), [Severity::Info]);
    }
    let mut firing = Firing::default();
    firing.tell(Source::Grafana, "firing");
    firing.tell(Source::Grafana, "no_data");
    assert_eq!(firing.0.len(), 2, "no data is an alert of its own");
    let mut firing = Firing::default();
    firing.tell(Source::Uptime, "down");
    for passing in ["pending", "maintenance", "test"] {
        firing.tell(Source::Uptime, passing);
        assert_eq!(firing.0.len(), 1, "{passing}");
    }
}

#[test]
fn what_people_did_elsewhere_is_told_of_the_alert_that_fires() {
    for (source, fires, acknowledged, by) in [
        (Source::Pagerduty, "triggered", "acknowledged", Some("김민수")),
        (Source::Opsgenie, "create", "acknowledge", Some("김민수")),
        (Source::Newrelic, "issue_activated", "issue_acknowledged", Some("김민수")),
        (Source::Newrelic, "legacy_open", "legacy_acknowledged", Some("김민수")),
        (Source::Sentry, "issue__created", "issue__archived", Some("김민수")),
    ] {
        let mut firing = Firing::default();
        firing.tell(source, fires);
        let told = firing.tell(source, acknowledged);
        assert_eq!(told.taken.len(), 1, "{source}");
        assert_eq!(told.taken[0].fingerprint, firing.0[0].fingerprint, "{source}");
        assert_eq!(told.taken[0].by.as_deref(), by, "{source}");
        assert_eq!(told.taken[0].what, Care::Acknowledged, "{source}");
    }
    // Whoever hears of it only now hears of both.
    let mut firing = Firing::default();
    let told = firing.tell(Source::Pagerduty, "acknowledged");
    assert_eq!((told.alerts.len(), told.taken.len(), told.unknown.len()), (1, 1, 0));
    let told = firing.tell(Source::Pagerduty, "unacknowledged");
    assert_eq!(told.taken[0].what, Care::GivenBack);
    assert_eq!(
        settle(
            Source::Opsgenie,
            one(Source::Opsgenie, "acknowledge").parsed().unwrap().changes,
            &[],
            now()
        )
        .unknown
        .len(),
        1
    );
}

#[test]
fn an_end_reaches_only_its_own_source_and_only_its_own_thing() {
    let mut firing = Firing::default();
    firing.tell(Source::Datadog, "triggered");
    firing.tell(Source::Datadog, "without_tags");
    firing.tell(Source::Generic, "list");
    assert_eq!(firing.0.len(), 3);
    let mut disguised = firing.0.clone();
    disguised.iter_mut().for_each(|alert| alert.source = Source::AlertsApi);
    let changes = one(Source::Datadog, "recovered").parsed().unwrap().changes;
    assert!(settle(Source::Datadog, changes, &disguised, now()).alerts.is_empty());
    firing.tell(Source::Datadog, "recovered");
    firing.tell(Source::Generic, "resolved");
    // The monitor without a scope is another thing than its group.
    assert_eq!(firing.0.len(), 1);
    assert_eq!(firing.0[0].labels.get("datadog_scope"), Some("*"));
}
