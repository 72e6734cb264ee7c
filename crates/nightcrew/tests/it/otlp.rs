//! The real OpenTelemetry SDK for Python sends all three signals, compressed, to a running crew.

use serde_json::Value;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Stage, has, until};

/// What is installed from the package index for the test.
const PACKAGES: [&str; 2] = ["opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"];

/// Two services: `web` calls `결제`, which asks its database.  It prints what the SDK complains
/// about.
const PROGRAM: &str = r#"
import logging, sys, time
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

base = sys.argv[1]
gzip = Compression.Gzip
resources = {name: Resource.create({"service.name": name}) for name in ("web", "결제")}
tracers = {}
for name, resource in resources.items():
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=base + "/v1/traces", compression=gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracers[name] = (provider, provider.get_tracer("test"))
reader = PeriodicExportingMetricReader(
    OTLPMetricExporter(endpoint=base + "/otlp/v1/metrics", compression=gzip), 3_600_000)
meters = MeterProvider(resource=resources["결제"], metric_readers=[reader])
meter = meters.get_meter("test")
logs = LoggerProvider(resource=resources["결제"])
logs.add_log_record_processor(
    BatchLogRecordProcessor(OTLPLogExporter(endpoint=base + "/v1/logs", compression=gzip)))
log = logging.getLogger("test")
log.addHandler(LoggingHandler(logger_provider=logs))

jobs = meter.create_counter("jobs", unit="{job}")
waiting = meter.create_up_down_counter("queue.depth")
duration = meter.create_histogram("job.duration", unit="ms")
for turn in range(2):
    jobs.add(10 + turn)
    waiting.add(4)
    for n in range(100):
        duration.record(n)
    if turn == 0:
        meters.force_flush()
        time.sleep(1)
for n in range(20):
    web, pay = tracers["web"][1], tracers["결제"][1]
    page = web.start_span("GET /", kind=SpanKind.SERVER)
    call = web.start_span("POST", context=set_span_in_context(page), kind=SpanKind.CLIENT)
    work = pay.start_span("POST /pay", context=set_span_in_context(call), kind=SpanKind.SERVER)
    query = pay.start_span("SELECT", context=set_span_in_context(work), kind=SpanKind.CLIENT,
                           attributes={"db.system.name": "postgresql"})
    query.end()
    if n % 4 == 0:
        work.set_status(Status(StatusCode.ERROR, "거절"))
    work.end(); call.end(); page.end()
    log.error("결제가 거절되었습니다 n=%d", n)
for provider, _ in tracers.values():
    provider.shutdown()
logs.shutdown()
meters.shutdown()
print("sent")
"#;

/// The value of a metric of a service; none while there is none.
fn value(services: &Value, service: &str, metric: &str) -> Option<Value> {
    let services = services["items"].as_array()?;
    let service = services.iter().find(|found| found["name"] == service)?;
    let mut samples = service["samples"].as_array()?.iter();
    let sample = samples.find(|sample| sample["metric"] == metric)?;
    Some(sample.clone())
}

#[test]
fn the_sdk_of_python_sends_metrics_logs_and_traces() {
    if !has(&["python3"]) {
        return;
    }
    let stage = Stage::new();
    let made = stage.tool("python3", &["-m", "venv", "venv"]);
    let python = stage.text("venv/bin/python");
    let mut install = vec!["-m", "pip", "install", "--quiet"];
    install.extend(PACKAGES);
    if made.code != Some(0) || stage.tool(&python, &install).code != Some(0) {
        println!("skipped: {} cannot be installed by pip", PACKAGES.join(" and "));
        return;
    }
    let config = format!("{{ {QUIET_HOST}, logs: {{ telemetry: true }} }}");
    let crew = Crew::up(&stage, &config);
    let program = stage.write("send.py", PROGRAM);
    let base = format!("http://{}", crew.address());
    let sent = stage.tool(&python, &[program.to_str().unwrap(), &base]);
    assert_eq!((sent.code, sent.out.trim()), (Some(0), "sent"), "{}", sent.err);
    assert!(!sent.err.contains("rejected") && !sent.err.contains("Failed"), "{}", sent.err);

    let told = |service: &str, metric: &str| {
        until(&format!("{metric} of {service}"), || {
            value(&crew.json("/api/v1/services"), service, metric)
        })
    };
    assert_eq!(told("결제", "queue.depth")["value"], 8.0);
    let rate = told("결제", "jobs_rate");
    assert!(rate["value"].as_f64().unwrap() > 100.0, "11 jobs in about a second: {rate}");
    let p99 = told("결제", "job.duration_p99")["value"].as_f64().unwrap();
    assert!((95.0..=99.0).contains(&p99), "{p99}");
    assert_eq!(told("결제", "error_ratio")["value"], 0.25);
    told("web", "latency_p99_ms");
    until("the error rate of the log records", || {
        let rate = told("결제", "error_rate_per_min");
        (rate["value"] == 20.0).then_some(())
    });
    let metrics = crew.get("/metrics").unwrap().body;
    for line in ["nightcrew_log_lines_received_total 20", "nightcrew_telemetry_rejected_total 0"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    let calls = crew.json("/api/v1/topology");
    let pairs: Vec<_> = calls["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| format!("{} {}", call["caller"], call["callee"]))
        .collect();
    assert_eq!(pairs, [r#""web" "결제""#, r#""결제" "postgresql""#]);
}
