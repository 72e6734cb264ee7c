//! Pages of metrics.

use nightcrew_config::settings::source::{
    Given, Preset, Scrape, Selection, ServiceOf, SourceKind, Take,
};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::unit::Millis;
use nightcrew_observe::source::Source;

use crate::sources::{StandIn, asked, clock, endpoint, health, said, source};

fn selection(name: &str, matchers: &str, take: Take, metric: &str, given: Given) -> Selection {
    let service = ServiceOf::Fixed("shop".into());
    Selection {
        name: name.to_owned(),
        matchers: Matchers::parse(matchers).unwrap(),
        take,
        asked: asked(metric, given, service),
    }
}

fn page(series: Vec<Selection>, preset: Option<Preset>) -> Source {
    source(SourceKind::Scrape(Scrape {
        endpoint: endpoint(),
        preset,
        service: "db1".into(),
        series,
    }))
}

const PATH: &str = "/";

#[tokio::test(start_paused = true)]
async fn counters_become_rates_and_histograms_quantiles() {
    let stand_in = StandIn::new();
    let (http, clock) = (stand_in.http(), clock());
    let mut source = page(
        vec![
            selection(
                "requests_total",
                "{code=~\"5..\"}",
                Take::Rate,
                "error_rate_per_min",
                Given::PerSecond,
            ),
            selection("took_seconds", "", Take::Quantile(0.9), "api_latency_ms", Given::Seconds),
            selection("queue", "", Take::Value, "queue", Given::Count),
        ],
        None,
    );
    let text = |errors: [u32; 2], buckets: [u32; 3]| {
        format!(
            "# TYPE requests_total counter\n\
             requests_total{{code=\"200\"}} 100000\n\
             requests_total{{code=\"500\",path=\"/a\"}} {}\n\
             requests_total{{code=\"503\",path=\"/b\"}} {}\n\
             # TYPE took_seconds histogram\n\
             took_seconds_bucket{{le=\"0.1\"}} {}\n\
             took_seconds_bucket{{le=\"1\"}} {}\n\
             took_seconds_bucket{{le=\"+Inf\"}} {}\n\
             took_seconds_sum 17\ntook_seconds_count 3\n\
             queue 4\n",
            errors[0], errors[1], buckets[0], buckets[1], buckets[2]
        )
    };
    stand_in.say(PATH, text([10, 10], [100, 100, 100]));
    let samples = source.look(&http, &clock).await;
    assert_eq!(said(&samples), ["shop queue 4"], "growth needs two looks");
    tokio::time::sleep(Millis::from_secs(30).duration()).await;
    stand_in.say(PATH, text([25, 40], [150, 200, 200]));
    let samples = source.look(&http, &clock).await;
    // 45 errors in 30 s; of 100 requests 50 took up to 0.1 s and 50 up to 1 s.
    assert_eq!(
        said(&samples),
        ["shop error_rate_per_min 90/min", "shop api_latency_ms 820 ms", "shop queue 4"]
    );
    tokio::time::sleep(Millis::from_secs(30).duration()).await;
    // The program began again: what it shows has all been counted since.
    stand_in.say(PATH, text([3, 0], [0, 0, 0]));
    let samples = source.look(&http, &clock).await;
    assert_eq!(said(&samples)[0], "shop error_rate_per_min 6/min");
    assert_eq!(said(&samples)[1], "shop api_latency_ms unknown (nothing was counted)");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_not_whole_and_good_is_no_page() {
    let bomb: String = (0..100).map(|n| format!("l{n}=\"x\",")).collect();
    let cases: [(&str, String, &str); 7] = [
        ("text/plain", "queue 4\nother 1".into(), "it stops half-way"),
        ("application/openmetrics-text; version=1.0.0", "queue 4\n".into(), "it stops half-way"),
        ("text/html", "<html>\n<body>sign in</body>\n".into(), "line 1 is no series"),
        ("text/plain", format!("queue 4\na{{{bomb}}} 1\n"), "line 2 is no series: it has too many"),
        ("text/plain", "queue{a=\"1\"} 4\nqueue{a=\"2\"} 5\n".into(), "2 series are one target"),
        ("text/plain", "other 1\n".into(), "the answer does not have it"),
        // 2027-01-15T08:00:00Z is now; this was an hour before.
        ("text/plain", "queue 4 1799996400000\n".into(), "the answer does not have it"),
    ];
    for (kind, body, expected) in cases {
        let stand_in = StandIn::new();
        let queue = selection("queue", "", Take::Value, "queue", Given::Count);
        let mut source = page(vec![queue], None);
        stand_in.say(PATH, "queue 4\n");
        assert_eq!(said(&source.look(&stand_in.http(), &clock()).await), ["shop queue 4"]);
        stand_in.answer(PATH, 200, body.clone(), &[("content-type", kind)], Millis(0));
        let samples = source.look(&stand_in.http(), &clock()).await;
        let said = said(&samples);
        assert!(said[0].starts_with("shop queue unknown"), "{body}: {said:?}");
        assert!(said[0].contains(expected), "{body}: {said:?}");
        let is_page = expected == "the answer does not have it";
        assert_eq!(health(&samples), if is_page { "passing" } else { "failing" }, "{body}");
    }
}

/// A page of a `node_exporter` 1.9, cut down; `n` pages later.
fn node(n: u32) -> String {
    format!(
        r#"node_cpu_seconds_total{{cpu="0",mode="idle"}} {}
node_cpu_seconds_total{{cpu="0",mode="user"}} {}
node_cpu_seconds_total{{cpu="0",mode="iowait"}} 5
node_filesystem_avail_bytes{{device="/dev/sda1",fstype="ext4",mountpoint="/"}} 1.5e+10
node_filesystem_free_bytes{{device="/dev/sda1",fstype="ext4",mountpoint="/"}} 2e+10
node_filesystem_size_bytes{{device="/dev/sda1",fstype="ext4",mountpoint="/"}} 1e+11
node_filesystem_avail_bytes{{device="tmpfs",fstype="tmpfs",mountpoint="/run"}} 0
node_filesystem_free_bytes{{device="tmpfs",fstype="tmpfs",mountpoint="/run"}} 0
node_filesystem_size_bytes{{device="tmpfs",fstype="tmpfs",mountpoint="/run"}} 1e+06
node_load1 0.5
node_memory_MemAvailable_bytes 2e+09
node_memory_MemTotal_bytes 8e+09
node_memory_SwapFree_bytes 0
node_memory_SwapTotal_bytes 0
node_network_receive_bytes_total{{device="eth0"}} {}
node_network_receive_bytes_total{{device="lo"}} {}
node_network_transmit_bytes_total{{device="eth0"}} 7
"#,
        100 + 24 * n,
        10 + 6 * n,
        1_000 + 300 * n,
        900_000 * n
    )
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_seen_as_our_own_collector_would() {
    let stand_in = StandIn::new();
    let (http, clock) = (stand_in.http(), clock());
    let mut source = page(Vec::new(), Some(Preset::NodeExporter));
    stand_in.say(PATH, node(0));
    let first = source.look(&http, &clock).await;
    assert_eq!(
        said(&first),
        ["db1 memory_usage 75 %", "db1 load_1m 0.5", "db1:/ disk_usage 84.21 %"]
    );
    tokio::time::sleep(Millis::from_secs(30).duration()).await;
    stand_in.say(PATH, node(1));
    let second = source.look(&http, &clock).await;
    assert_eq!(
        said(&second)[..3],
        ["db1 cpu_usage 20 %", "db1 network_receive 10 B/s", "db1 network_transmit 0 B/s"]
    );
    stand_in.answer(PATH, 500, "", &[], Millis(0));
    let none = source.look(&http, &clock).await;
    assert_eq!(said(&none).len(), 6);
    assert!(said(&none).iter().all(|said| said.ends_with("unknown (HTTP 500)")), "{none:?}");
}
