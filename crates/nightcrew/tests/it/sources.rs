//! Real systems that the crew asks: a Prometheus, a `VictoriaMetrics`, a `node_exporter`.

use serde_json::Value;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Part, Stage, free_address, has, until};
use crate::wire;

/// The sample of a metric of a service, as the API shows it.
fn sample(crew: &Crew<'_>, service: &str, metric: &str) -> Option<Value> {
    let services = crew.json("/api/v1/services");
    let services = services["items"].as_array()?;
    let found = services.iter().find(|one| one["name"] == service)?;
    let samples = found["samples"].as_array()?;
    samples.iter().find(|sample| sample["metric"] == metric).cloned()
}

fn state(crew: &Crew<'_>, service: &str) -> Option<String> {
    let services = crew.json("/api/v1/services");
    let services = services["items"].as_array()?;
    let found = services.iter().find(|one| one["name"] == service)?;
    found["state"].as_str().map(str::to_owned)
}

/// Starts a Prometheus that looks at itself, with these rules.
fn prometheus(stage: &Stage, own: std::net::SocketAddr) -> Part {
    stage.write(
        "rules.yml",
        "groups:
  - name: 밤샘
    rules:
      - { record: 'shop:errors:ratio', expr: 'vector(0.12)', labels: { job: checkout } }
      - { alert: CartSlow, expr: 'vector(1)', labels: { service: cart, severity: critical } }
",
    );
    stage.write(
        "prom.yml",
        format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [rules.yml]
scrape_configs: [{{ job_name: own, static_configs: [{{ targets: ['{own}'] }}] }}]
"
        ),
    );
    let listen = format!("--web.listen-address={own}");
    stage.start_part("prometheus", &["--config.file=prom.yml", "--storage.tsdb.path=tsdb", &listen])
}

#[test]
fn a_threshold_on_a_query_opens_an_incident_and_without_the_source_nothing_is_healthy() {
    if !has(&["prometheus"]) {
        return;
    }
    let (stage, own) = (Stage::new(), free_address());
    let part = prometheus(&stage, own);
    let config = format!(
        "{{ {QUIET_HOST}, breaker: {{ failures: 3, reset_seconds: 2 }}, \
          thresholds: {{ error_share: {{ critical: '> 5', samples: 2 }} }}, \
          sources: {{ prometheus: {{ url: 'http://{own}', alerts: true, interval_ms: 500, \
            timeout_ms: 400, queries: [\
            {{ metric: 'error_share', unit: 'ratio', query: 'shop:errors:ratio', \
               service_label: 'job' }}, \
            {{ metric: 'health_status', unit: 'up', query: 'up', service_label: 'job' }}] }} }} }}"
    );
    let crew = Crew::up(&stage, &config);
    let incident = until("an incident", || crew.incident("checkout", "error_share"));
    assert_eq!(incident["severity"], "critical", "{incident}");
    let share = until("12 percent", || {
        let found = sample(&crew, "checkout", "error_share")?;
        (found["text"] == "12 %").then_some(found)
    });
    assert_eq!(share["level"], "critical", "{share}");
    until("its target is up", || {
        (sample(&crew, "own", "health_status")?["status"] == "passing").then_some(())
    });
    let alert = until("its alert", || crew.alert("alertname", "CartSlow"));
    assert_eq!((&alert["state"], &alert["source"]), (&"firing".into(), &"prometheus".into()));

    drop(part);
    let gone = until("nothing is known", || {
        let found = sample(&crew, "checkout", "error_share")?;
        found["unknown"].is_string().then_some(found)
    });
    assert_eq!(gone["level"], "unknown", "{gone}");
    until("its target is not healthy", || {
        (state(&crew, "own")?.as_str() == "unknown").then_some(())
    });
    let incident = crew.incident("checkout", "error_share").unwrap();
    assert_ne!(incident["state"], "resolved", "no data is not good news");
    assert_eq!(crew.alert("alertname", "CartSlow").unwrap()["state"], "firing");
    until("somebody is told of the source", || crew.incident("prometheus", "service_unresponsive"));
    let metrics = crew.get("/metrics").unwrap().body;
    let up = "nightcrew_source_up{source=\"prometheus\",kind=\"prometheus\"} 0";
    assert!(metrics.contains(up), "{metrics}");
    let told = crew.ask(&["status"]);
    assert!(told.out.contains("does not answer"), "{}", told.out);

    let _part = prometheus(&stage, own);
    until("it is seen again", || {
        (sample(&crew, "checkout", "error_share")?["text"] == "12 %").then_some(())
    });
    until("the source answers again", || {
        let incident = crew.incident("prometheus", "service_unresponsive")?;
        (incident["state"] == "resolved").then_some(())
    });
}

#[test]
fn victoria_metrics_is_asked_as_prometheus_is() {
    if !has(&["victoria-metrics"]) {
        return;
    }
    let (stage, own) = (Stage::new(), free_address());
    let _part = stage.start_part(
        "victoria-metrics",
        &["-storageDataPath=vm", &format!("-httpListenAddr={own}"), "-search.latencyOffset=0s"],
    );
    until("it takes numbers", || {
        let lines = "took_seconds{svc=\"결제\",pod=\"a\"} 0.75\ntook_seconds{svc=\"결제\",pod=\"b\"} 0.25\n";
        let answer = wire::post(own, "/api/v1/import/prometheus", lines.as_bytes()).ok()?;
        (answer.status == 204).then_some(())
    });
    let config = format!(
        "{{ {QUIET_HOST}, sources: {{ vm: {{ kind: 'victoriametrics', url: 'http://{own}', \
          interval_ms: 300, timeout_ms: 300, queries: [{{ metric: 'api_latency_ms', unit: 's', \
          query: 'took_seconds', service_label: 'svc', resource_label: 'pod' }}] }} }} }}"
    );
    let crew = Crew::up(&stage, &config);
    let found = until("its number", || {
        let found = sample(&crew, "결제", "api_latency_ms")?;
        found["value"].is_number().then_some(found)
    });
    assert_eq!((&found["resource"], &found["text"]), (&"a".into(), &"750 ms".into()), "{found}");
}

#[test]
fn a_node_exporter_is_a_machine_of_its_own() {
    if !has(&["prometheus-node-exporter"]) {
        return;
    }
    let (stage, own) = (Stage::new(), free_address());
    let part = stage.start_part(
        "prometheus-node-exporter",
        &[&format!("--web.listen-address={own}"), "--log.level=error"],
    );
    let config = format!(
        "{{ {QUIET_HOST}, sources: {{ db1: {{ kind: 'scrape', preset: 'node_exporter', \
          url: 'http://{own}/metrics', interval_ms: 500, timeout_ms: 400, series: [\
          {{ series: 'process_resident_memory_bytes', metric: 'process_memory_mb', \
             unit: 'bytes', service: 'exporter' }}] }} }} }}"
    );
    let crew = Crew::up(&stage, &config);
    for metric in ["cpu_usage", "memory_usage", "load_1m", "disk_usage", "network_receive"] {
        until(metric, || sample(&crew, "db1", metric)?["value"].is_number().then_some(()));
    }
    let memory = until("its memory", || {
        sample(&crew, "exporter", "process_memory_mb").filter(|found| found["value"].is_number())
    });
    assert_eq!(memory["unit"], "megabytes", "{memory}");
    assert!((1.0..1_000.0).contains(&memory["value"].as_f64().unwrap()), "{memory}");
    // What the exporter says of this machine is what our own collector says of it.
    let own = until("our own look", || {
        sample(&crew, "host", "memory_usage").filter(|found| found["value"].is_number())
    });
    let theirs = sample(&crew, "db1", "memory_usage").unwrap();
    let apart = own["value"].as_f64().unwrap() - theirs["value"].as_f64().unwrap();
    assert!(apart.abs() < 20.0, "{own} {theirs}");
    drop(part);
    until("nothing is known", || {
        (sample(&crew, "db1", "cpu_usage")?["level"] == "unknown").then_some(())
    });
    assert_ne!(state(&crew, "db1").as_deref(), Some("healthy"));
}
