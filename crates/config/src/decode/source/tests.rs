//! What `sources` says.

use super::*;
use crate::decode::tests::decode_one;
use crate::settings::source::{Given, Held, ServiceOf, ServicesApi, Take};
use nightcrew_model::unit::Unit;

fn read(text: &str) -> (Vec<Source>, String) {
    let (found, problems) = decode_one(text, |at, cx| sources(at, Some(12), cx));
    (found, problems.join("\n"))
}

/// One query of a Prometheus, with these keys.
fn query(keys: &str) -> String {
    format!("{{ prometheus: {{ url: 'http://p:9090', queries: [{{ query: 'q', {keys} }}] }} }}")
}

#[test]
fn every_kind_is_read() {
    let (found, said) = read(
        "{ prometheus: { url: 'http://127.0.0.1:9090/', token: 't', alerts: true, \
             backfill_hours: 6, queries: [{ metric: 'api_latency_ms', unit: 'seconds', query: 'x', \
             service_label: 'job', resource_label: 'instance' }] },\
           vm: { kind: 'victoriametrics', url: 'http://vm:8428', alerts: true, \
             interval_seconds: 5, timeout_seconds: 2 },\
           signoz: { url: 'https://signoz.example.com/api', token: 'k', expected: ['checkout'], \
             queries: [{ signal: 'traces', aggregation: 'p99(duration_nano)', metric: 'p99', \
             unit: 'ns', group_by: ['service.name'], service_label: 'service.name' }] },\
           loki: { url: 'http://loki:3100', tenant: 'team', lines: [{ query: '{app=\"a\"}', \
             metric: 'lines', unit: 'count', service: 'a' }] },\
           elasticsearch: { url: 'http://es:9200', username: 'u', password: 'p', queries: [\
             { index: 'logs-*', metric: 'errors', unit: 'count', service: 'a', query: 'level:E' },\
             { index: 'l', aggregation: 'percentile', field: 't', percent: 99, metric: 'slow', \
               unit: 'ms', service_label: 'svc' }] },\
           aws: { kind: 'cloudwatch', region: 'eu-west-1', access_key_id: 'i', \
             secret_access_key: 's', queries: [{ namespace: 'AWS/ELB', name: 'Latency', \
             metric: 'api_latency_ms', unit: 's', service: 'a', dimensions: { LB: 'x' } }] },\
           db1: { kind: 'scrape', url: 'http://db1:9100/metrics', preset: 'node_exporter', series: [\
             { series: 'x_bucket{a=\"b\"}', quantile: 0.99, metric: 'm', unit: 's', service: 's' },\
             { series: 'y_total', take: 'rate', metric: 'n', unit: 'per_second', service: 's' }] },\
           docker: { kind: 'docker' } }",
    );
    assert_eq!(said, "");
    let words: Vec<&str> = found.iter().map(|source| source.kind.as_str()).collect();
    assert_eq!(words, SourceKind::WORDS);
    let SourceKind::Prometheus(it) = &found[0].kind else { panic!("{found:?}") };
    assert_eq!(it.endpoint.url, "http://127.0.0.1:9090");
    assert_eq!(it.endpoint.headers["authorization"].expose(), "Bearer t");
    assert_eq!(it.queries[0].asked.held, Held::Number(Unit::Milliseconds));
    assert_eq!(it.backfill, Millis::from_secs(6 * 3_600));
    let SourceKind::Signoz(it) = &found[2].kind else { panic!("{found:?}") };
    assert_eq!(it.endpoint.url, "https://signoz.example.com");
    assert_eq!(it.endpoint.headers["signoz-api-key"].expose(), "k");
    assert_eq!((it.services, found[2].queries_per_minute), (ServicesApi::Newest, 12));
    let SourceKind::Scrape(it) = &found[6].kind else { panic!("{found:?}") };
    assert_eq!(it.service.as_str(), "db1");
    assert_eq!((it.series[0].take, it.series[1].take), (Take::Quantile(0.99), Take::Rate));
    assert!(!format!("{found:?}").contains("Bearer"), "no secret is shown");
}

#[test]
fn units_go_into_what_the_metric_is_held_in() {
    let cases = [
        ("api_latency_ms", "seconds", Held::Number(Unit::Milliseconds)),
        ("ssl_expires_in_days", "seconds", Held::Number(Unit::Days)),
        ("memory_usage", "ratio_left", Held::Number(Unit::Percent)),
        ("process_memory_mb", "bytes", Held::Number(Unit::Megabytes)),
        ("error_rate_per_min", "per_second", Held::Number(Unit::PerMinute)),
        ("own", "KiB", Held::Number(Unit::Bytes)),
    ];
    for (metric, unit, held) in cases {
        let keys = format!("metric: '{metric}', unit: '{unit}', service: 'a'");
        let (found, said) = read(&query(&keys));
        assert_eq!(said, "", "{metric}");
        let SourceKind::Prometheus(it) = &found[0].kind else { panic!("{found:?}") };
        assert_eq!(it.queries[0].asked.held, held, "{metric}");
        assert_eq!(it.queries[0].asked.service, ServiceOf::Fixed("a".into()));
    }
    let state = Held::of(Given::Up, &"process_status".into());
    assert_eq!(
        state,
        Some(Held::State {
            up: nightcrew_model::sample::Status::Running,
            down: nightcrew_model::sample::Status::Stopped,
        })
    );
}

#[test]
fn what_cannot_be_asked_is_told() {
    let cases = [
        (query("metric: 'cpu_usage', unit: 'seconds', service: 'a'"), "this unit does not go"),
        (query("metric: 'm', unit: 'second', service: 'a'"), "did you mean `seconds`?"),
        (query("metric: 'm', unit: 's'"), "nothing says whose number it is"),
        (query("metric: 'm', unit: 's', service: 'a', service_label: 'b'"), "keep one of the two"),
        (query("unit: 's', service: 'a'"), "`metric` is missing"),
        (query("metric: 'm', service: 'a'"), "`unit` is missing"),
        (query("metric: 'a b', unit: 's', service: 'a'"), "expected the name of a metric"),
        (query("metric: 'disk_usage', unit: '%', service: 'host'"), "is measured here already"),
        ("{ x: { kind: 'promethius' } }".into(), "did you mean `prometheus`?"),
        ("{ x: { url: 'http://a' } }".into(), "the source has no `kind`"),
        ("{ prometheus: { kind: 'prometheus' } }".into(), "`url` is missing"),
        ("{ prometheus: { url: 'ftp://a' } }".into(), "does not begin with http"),
        ("{ prometheus: { url: 'http://u:p@a', alerts: true } }".into(), "holds a user"),
        ("{ prometheus: { url: 'http://a' } }".into(), "nothing is asked of this source"),
        (
            "{ prometheus: { url: 'http://a', alerts: true, token: 'a', username: 'b' } }".into(),
            "two ways to prove the same",
        ),
        (
            "{ prometheus: { url: 'http://a', alerts: true, headers: { 'a b': 'c' } } }".into(),
            "expected the name of a header",
        ),
        (
            "{ prometheus: { url: 'http://a', alerts: true, headers: { a: 'ü' } } }".into(),
            "visible ASCII",
        ),
        (
            "{ signoz: { kind: 'signoz', url: 'http://a', interval_seconds: 2, timeout_seconds: 1 } }"
                .into(),
            "only 12 may be asked, so a look comes every 5 s",
        ),
        (
            "{ prometheus: { url: 'http://a', alerts: true, interval_seconds: 5 } }".into(),
            "make `timeout_ms` shorter",
        ),
        ("{ x: { kind: 'loki', type: 'grafana', url: 'http://a' } }".into(), "not both"),
        (
            "{ x: { kind: 'scrape', url: 'http://a', series: [{ series: 'a b', metric: 'm', \
              unit: 's', service: 'a' }] } }"
                .into(),
            "expected the name of a metric, and matchers",
        ),
        (
            "{ x: { kind: 'scrape', url: 'http://a', series: [{ series: 'a', quantile: 99, \
              metric: 'm', unit: 's', service: 'a' }] } }"
                .into(),
            "a quantile from 0 to 1",
        ),
    ];
    for (text, expected) in cases {
        let (_, said) = read(&text);
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn one_source_is_asked_a_bounded_number_of_things() {
    let one = "{ query: 'q', metric: 'm', unit: 's', service: 'a' },";
    let text = |n: usize| {
        let queries = one.repeat(n);
        format!(
            "{{ prometheus: {{ url: 'http://a', interval_minutes: 5, queries: [{queries}] }} }}"
        )
    };
    assert_eq!(read(&text(QUERIES_MAX)).1, "");
    assert!(read(&text(QUERIES_MAX + 1)).1.contains("at most 256 things, found 257"));
}

#[test]
fn doors_are_left_to_doors() {
    assert_eq!(read("{ grafana: { token: 'x' }, mine: { type: 'generic', url: 'x' } }").1, "");
}
