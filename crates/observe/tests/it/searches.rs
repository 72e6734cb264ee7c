//! Loki and Elasticsearch, asked through stand-ins.

use nightcrew_config::settings::source::{
    Aggregation, Elasticsearch, Given, LineQuery, Loki, Query, SearchQuery, ServiceOf, SourceKind,
};
use nightcrew_model::unit::Millis;
use nightcrew_observe::source::Source;
use serde_json::{Value, json};

use crate::sources::{StandIn, asked, by_label, clock, endpoint, health, said, source};

const QUERY: &str = "/loki/api/v1/query";
const RANGE: &str = "/loki/api/v1/query_range";
const SEARCH: &str = "/logs-*/_search";

fn fixed() -> ServiceOf {
    ServiceOf::Fixed("결제".into())
}

fn loki(service: ServiceOf) -> Source {
    source(SourceKind::Loki(Loki {
        endpoint: endpoint(),
        queries: vec![Query {
            query: r#"sum by (app) (rate({env="prod"} |= "오류" [1m]))"#.to_owned(),
            asked: asked("error_rate_per_min", Given::PerSecond, service),
        }],
        lines: vec![],
    }))
}

fn lines(service: ServiceOf, limit: u32) -> Source {
    let query = r#"{env="prod"} |= "error""#.to_owned();
    let asked = asked("error_lines", Given::Count, service);
    let window = Millis::from_secs(60);
    let lines = vec![LineQuery { query, window, limit, asked }];
    source(SourceKind::Loki(Loki { endpoint: endpoint(), queries: vec![], lines }))
}

fn vector(series: &Value) -> String {
    json!({"status": "success", "data": {"resultType": "vector", "result": series, "stats": {}}})
        .to_string()
}

fn streams(streams: &Value) -> String {
    json!({"status": "success", "data": {"resultType": "streams", "result": streams, "stats": {}}})
        .to_string()
}

#[tokio::test(start_paused = true)]
async fn loki_gives_numbers_of_labels_in_their_unit() {
    let stand_in = StandIn::new();
    stand_in.say(QUERY, vector(&json!([{"metric": {"app": "web"}, "value": [1.8e9, "0.5"]}])));
    let mut source = loki(by_label("app"));
    let samples = source.look(&stand_in.http(), &clock()).await;
    assert_eq!(said(&samples), ["web error_rate_per_min 30/min"]);
    let asked = stand_in.paths().remove(0);
    assert!(asked.ends_with("&time=1800000000000000000"), "{asked}");
    assert!(asked.contains("query=sum+by+%28app%29"), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn what_loki_does_not_answer_wholly_is_unknown() {
    let stand_in = StandIn::new();
    let mut source = loki(fixed());
    let (http, clock) = (stand_in.http(), clock());
    let mut seen = async |say: &dyn Fn()| {
        say();
        said(&source.look(&http, &clock).await).remove(0)
    };
    let say = |body: &str| stand_in.say(QUERY, body);
    let unknown = seen(&|| say(&vector(&json!([])))).await;
    assert_eq!(unknown, "결제 error_rate_per_min unknown (the answer does not have it)");
    let unknown = seen(&|| say(r#"{"status":"error"}"#)).await;
    assert!(unknown.contains("it says error"), "{unknown}");
    let unknown = seen(&|| say(r#"{"status":"success","data":{"resultType":"vec"#)).await;
    assert!(unknown.contains("not what was expected: EOF"), "{unknown}");
    let unknown = seen(&|| say(&streams(&json!([])))).await;
    assert!(unknown.contains("move it to `lines`"), "{unknown}");
    let doubtful = json!({"status": "success", "warnings": ["ingester away"],
        "data": {"resultType": "vector", "result": []}});
    let unknown = seen(&|| say(&doubtful.to_string())).await;
    assert!(unknown.contains("may be partial: ingester away"), "{unknown}");
    let unknown = seen(&|| stand_in.answer(QUERY, 401, "no org id", &[], Millis(0))).await;
    assert!(unknown.contains("HTTP 401"), "{unknown}");
}

#[tokio::test(start_paused = true)]
async fn loki_is_left_alone_after_a_429_and_waited_for_within_its_time() {
    let stand_in = StandIn::new();
    let mut source = loki(fixed());
    let (http, clock) = (stand_in.http(), clock());
    stand_in.answer(QUERY, 200, vector(&json!([])), &[], Millis::from_secs(29));
    let slow = source.look(&http, &clock).await;
    assert!(said(&slow)[0].contains("no answer within 10 s"), "{slow:?}");
    assert_eq!(health(&slow), "failing");
    stand_in.answer(QUERY, 429, "too many", &[("retry-after", "7")], Millis(0));
    source.look(&http, &clock).await;
    let asked = stand_in.paths().len();
    let resting = source.look(&http, &clock).await;
    assert_eq!(stand_in.paths().len(), asked, "nothing was asked");
    assert!(health(&resting).contains("wants to be left alone for 7 s"), "{resting:?}");
}

#[tokio::test(start_paused = true)]
async fn lines_are_counted_by_target_and_the_newest_is_shown() {
    let stand_in = StandIn::new();
    let body = streams(&json!([
        {"stream": {"app": "web", "pod": "a"},
            "values": [["1799999999000000000", "error: 둘"], ["1799999950000000000", "error: 하나"]]},
        {"stream": {"app": "web", "pod": "b"}, "values": [["1799999998000000000", "error: 셋", {}]]},
        {"stream": {"app": "db", "pod": "c"}, "values": [["1799999997000000000", "error: 넷"]]},
    ]));
    stand_in.say(RANGE, body.clone());
    let samples = lines(by_label("app"), 100).look(&stand_in.http(), &clock()).await;
    assert_eq!(said(&samples), ["db error_lines 1", "web error_lines 3"]);
    assert_eq!(samples[1].detail.as_deref(), Some("error: 둘"));
    let asked = stand_in.paths().remove(0);
    assert!(asked.contains("&start=1799999940000000000&end=1800000000000000000&limit=100"));
    let all = lines(fixed(), 100).look(&stand_in.http(), &clock()).await;
    assert_eq!(said(&all), ["결제 error_lines 4"]);
    let full = lines(fixed(), 4).look(&stand_in.http(), &clock()).await;
    assert_eq!(full[0].detail.as_deref(), Some("at least 4 lines; error: 둘"));
    let full = lines(by_label("app"), 4).look(&stand_in.http(), &clock()).await;
    assert!(said(&full)[0].contains("count_over_time"), "whose lines are left out is not known");
    stand_in.say(RANGE, streams(&json!([])));
    let none = lines(fixed(), 4).look(&stand_in.http(), &clock()).await;
    assert_eq!(said(&none), ["결제 error_lines 0"], "a whole answer without a line");
    stand_in.say(RANGE, streams(&json!([{"stream": {}, "values": [["soon", "x"]]}])));
    let odd = lines(fixed(), 4).look(&stand_in.http(), &clock()).await;
    assert!(said(&odd)[0].contains("a line without time"), "{odd:?}");
}

fn elasticsearch(aggregation: Aggregation, service: ServiceOf) -> Source {
    let query = SearchQuery {
        index: "logs-*".to_owned(),
        query: "level:ERROR".to_owned(),
        time_field: "@timestamp".to_owned(),
        window: Millis::from_secs(60),
        aggregation,
        asked: asked("queue", Given::Count, service),
    };
    let queries = vec![query];
    source(SourceKind::Elasticsearch(Elasticsearch { endpoint: endpoint(), queries }))
}

/// An answer that is whole, with some members changed.
fn found(n: u64, change: impl FnOnce(&mut Value)) -> String {
    let mut answer = json!({
        "took": 3, "timed_out": false,
        "_shards": {"total": 5, "successful": 5, "skipped": 0, "failed": 0},
        "hits": {"total": {"value": n, "relation": "eq"}, "max_score": null, "hits": []},
    });
    change(&mut answer);
    answer.to_string()
}

#[tokio::test(start_paused = true)]
async fn elasticsearch_counts_what_it_found() {
    let stand_in = StandIn::new();
    stand_in.say(SEARCH, found(12_345, |_| {}));
    let mut source = elasticsearch(Aggregation::Count, fixed());
    let samples = source.look(&stand_in.http(), &clock()).await;
    assert_eq!(said(&samples), ["결제 queue 12345"]);
    let path = stand_in.paths().remove(0);
    assert_eq!(path, format!("{SEARCH}?allow_partial_search_results=false"));
    let asked: Value = serde_json::from_str(&stand_in.asked(&path)[0]).unwrap();
    assert_eq!((&asked["size"], &asked["track_total_hits"]), (&json!(0), &json!(true)));
    let filter = &asked["query"]["bool"]["filter"];
    assert_eq!(filter[0]["range"]["@timestamp"]["gte"], 1_799_999_940_000_i64);
    assert_eq!(filter[1]["query_string"]["query"], "level:ERROR");
    stand_in.say(SEARCH, found(0, |_| {}));
    assert_eq!(said(&source.look(&stand_in.http(), &clock()).await), ["결제 queue 0"]);
    stand_in.say(SEARCH, found(0, |answer| answer["hits"]["total"] = json!(7)));
    assert_eq!(said(&source.look(&stand_in.http(), &clock()).await), ["결제 queue 7"], "version 6");
}

#[tokio::test(start_paused = true)]
async fn a_partial_answer_of_elasticsearch_is_unknown_and_never_zero() {
    let stand_in = StandIn::new();
    let (http, clock) = (stand_in.http(), clock());
    let shards = json!({"total": 5, "successful": 3, "failed": 2,
        "failures": [{"shard": 0, "reason": {"type": "x", "reason": "회로 차단"}}]});
    for (change, why) in [
        (json!({"timed_out": true}), "ran out of time"),
        (json!({"terminated_early": true}), "stopped early"),
        (json!({"_shards": shards}), "2 of 5 shards failed: 회로 차단"),
        (json!({"_shards": {"total": 0, "failed": 0}}), "no index of that name"),
        (json!({"_clusters": {"total": 2, "successful": 1, "skipped": 1}}), "1 clusters did not"),
        (json!({"hits": {"total": {"value": 10_000, "relation": "gte"}}}), "10000 or more"),
        (json!({"hits": {}}), "missing field `total`"),
    ] {
        let body = found(0, |answer| {
            for (name, value) in change.as_object().unwrap() {
                answer[name] = value.clone();
            }
        });
        stand_in.say(SEARCH, body);
        let samples = elasticsearch(Aggregation::Count, fixed()).look(&http, &clock).await;
        let said = said(&samples).remove(0);
        assert!(said.starts_with("결제 queue unknown") && said.contains(why), "{said}");
    }
    let error =
        r#"{"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}"#;
    stand_in.answer(SEARCH, 404, error, &[], Millis(0));
    let samples = elasticsearch(Aggregation::Count, fixed()).look(&http, &clock).await;
    assert!(said(&samples)[0].contains("HTTP 404"), "{samples:?}");
}

#[tokio::test(start_paused = true)]
async fn elasticsearch_keeps_services_apart() {
    let stand_in = StandIn::new();
    let (http, clock) = (stand_in.http(), clock());
    let percentile = Aggregation::Percentile { field: "took".to_owned(), percent: 99.0 };
    let bucket = |key: &str, n: u64, value: Value| json!({"key": key, "doc_count": n, "number": {"values": [{"key": 99.0, "value": value}]}});
    let group = |others: u64| {
        json!({"group": {"sum_other_doc_count": others,
            "buckets": [bucket("web", 4, json!(41.5)), bucket("db", 2, json!(null))]}})
    };
    stand_in.say(SEARCH, found(6, |answer| answer["aggregations"] = group(0)));
    let mut source = elasticsearch(percentile, by_label("service"));
    let samples = source.look(&http, &clock).await;
    assert_eq!(said(&samples), ["db queue unknown (nothing was counted)", "web queue 41.5"]);
    let asked: Value = serde_json::from_str(&stand_in.asked(&stand_in.paths()[0])[0]).unwrap();
    assert_eq!(asked["aggs"]["group"]["terms"]["field"], "service");
    let inner = &asked["aggs"]["group"]["aggs"]["number"]["percentiles"];
    assert_eq!((&inner["percents"], &inner["keyed"]), (&json!([99.0]), &json!(false)));
    stand_in.say(SEARCH, found(6, |answer| answer["aggregations"] = group(3)));
    let samples = source.look(&http, &clock).await;
    assert!(said(&samples)[0].contains("more than 500 values of service"), "{samples:?}");
    let empty = found(0, |answer| answer["aggregations"] = json!({"number": {"value": null}}));
    stand_in.say(SEARCH, empty);
    let average = Aggregation::Average("took".to_owned());
    let samples = elasticsearch(average, fixed()).look(&http, &clock).await;
    assert_eq!(said(&samples), ["결제 queue unknown (nothing was counted)"]);
}
