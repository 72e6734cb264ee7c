//! A crew that asks a Prometheus.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{StatusCode, Uri};
use nightcrew_model::decision::Fact;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::sample::Observation;
use nightcrew_runtime::http::Http;

use crate::stage::{eventually, settings, start, until};

const CONFIG: &str = "{ host: { interval_seconds: 60, disks: [] }, \
    thresholds: { error_share: { critical: '> 5', samples: 2 } }, \
    sources: { prometheus: { url: 'http://prom.test', alerts: true, interval_ms: 100, \
      timeout_ms: 100, queries_per_minute: 100000, queries: [{ metric: 'error_share', \
      unit: 'ratio', query: 'errors', service_label: 'job' }] } } }";

/// The value of the query, and the names of the alerts that fire.
type Says = (f64, Vec<&'static str>);

/// What the stand-in for Prometheus says; none: it is away.
#[derive(Clone, Default)]
struct Prometheus(Arc<Mutex<Option<Says>>>);

impl Prometheus {
    fn says(&self, value: f64, alerts: &[&'static str]) {
        *self.0.lock().unwrap() = Some((value, alerts.to_vec()));
    }

    fn is_away(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn http(&self) -> Http {
        let it = self.clone();
        Http::Fake(Router::new().fallback(move |uri: Uri| {
            let said = it.0.lock().unwrap().clone();
            async move {
                let (value, alerts) = said.ok_or(StatusCode::BAD_GATEWAY)?;
                let data = match uri.path() {
                    "/api/v1/query_range" => r#"{"resultType":"matrix","result":[{"metric":{"job":"checkout"},"values":[[1,"0.3"],[61,"0.3"]]}]}"#
                        .to_owned(),
                    "/api/v1/query" => format!(
                        r#"{{"resultType":"vector","result":[{{"metric":{{"job":"checkout"}},"value":[1,"{value}"]}}]}}"#
                    ),
                    "/api/v1/alerts" => {
                        let one = |name: &&str| {
                            format!(
                                r#"{{"labels":{{"alertname":"{name}","service":"cart"}},"annotations":{{}},"state":"firing","activeAt":"2026-01-01T00:00:00Z","value":"1"}}"#
                            )
                        };
                        let alerts: Vec<String> = alerts.iter().map(one).collect();
                        format!(r#"{{"alerts":[{}]}}"#, alerts.join(","))
                    }
                    _ => r#"{"groups":[]}"#.to_owned(),
                };
                Ok::<_, StatusCode>(format!(r#"{{"status":"success","data":{data}}}"#))
            }
        }))
    }
}

#[tokio::test]
async fn a_query_opens_an_incident_and_a_source_that_is_away_does_not_close_it() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::default();
    prometheus.says(0.2, &[]);
    let crew = start(settings(folder.path(), CONFIG), prometheus.http()).await;
    let handle = crew.handle();
    until(handle, |fact| matches!(fact, Fact::IncidentOpened { .. })).await;
    prometheus.is_away();
    let source = eventually("the source is away", async || {
        handle.sources().into_iter().find(|source| source.up == Some(false))
    });
    let source = source.await;
    assert!(source.last_error.unwrap().1.contains("502"));
    let unknown = eventually("the number is unknown", async || {
        let latest = handle.latest();
        let own = latest.iter().find(|sample| sample.metric.as_str() == "error_share")?;
        matches!(own.observation, Observation::Unknown(_)).then_some(())
    });
    unknown.await;
    let open = async || {
        let view = handle.view(|state, _, _| {
            let states = state.incidents().map(|(_, incident)| incident.state);
            states.collect::<Vec<IncidentState>>()
        });
        view.await.unwrap()
    };
    assert!(open().await[0].is_open(), "no data is not good news");
    crew.stop().await;
}

#[tokio::test]
async fn alerts_of_a_prometheus_begin_and_end_with_it_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::default();
    prometheus.says(0.0, &["Slow", "Down"]);
    let crew = start(settings(folder.path(), CONFIG), prometheus.http()).await;
    let fires = async |handle: &nightcrew_crew::handle::Handle| {
        let view = handle.view(|state, _, _| {
            let names = state.alerts().filter_map(|alert| alert.labels.get("alertname"));
            let mut names: Vec<String> =
                names.filter(|name| ["Slow", "Down"].contains(name)).map(str::to_owned).collect();
            names.sort();
            names
        });
        view.await.unwrap()
    };
    eventually("both fire", async || (fires(crew.handle()).await.len() == 2).then_some(())).await;
    prometheus.says(0.0, &["Down"]);
    eventually("one ends", async || (fires(crew.handle()).await == ["Down"]).then_some(())).await;
    prometheus.is_away();
    eventually("away", async || (crew.handle().sources().first()?.up == Some(false)).then_some(()))
        .await;
    assert_eq!(fires(crew.handle()).await, ["Down"], "who is away ends nothing");
    crew.stop().await;
    // What an earlier crew took over ends when its source answers without it.
    prometheus.says(0.0, &[]);
    let crew = start(settings(folder.path(), CONFIG), prometheus.http()).await;
    eventually("the last one ends", async || fires(crew.handle()).await.is_empty().then_some(()))
        .await;
    crew.stop().await;
}

#[tokio::test]
async fn what_was_before_the_first_look_is_learned_and_is_no_alarm_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::default();
    prometheus.says(0.2, &[]);
    // One look in an hour, and three samples that decide: two of them are of the past.
    let config = CONFIG
        .replace("samples: 2", "samples: 3")
        .replace("interval_ms: 100", "interval_hours: 1, backfill_hours: 6");
    let crew = start(settings(folder.path(), &config), prometheus.http()).await;
    let facts = until(crew.handle(), |fact| matches!(fact, Fact::IncidentOpened { .. })).await;
    assert!(facts.len() <= 3, "{facts:?}");
    crew.stop().await;
}
