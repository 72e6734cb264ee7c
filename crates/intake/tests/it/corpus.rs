//! What every payload of the corpus is understood as.

use std::fmt::Write as _;

use nightcrew_intake::door::datadog;
use nightcrew_intake::parse::{Context, parse};
use nightcrew_intake::request::Request;
use nightcrew_model::alert::Source;

use crate::payload::{self, DOORS, shown};

#[test]
fn every_payload_is_understood_as_before() {
    let payloads = payload::all();
    for source in DOORS {
        let mut text = String::new();
        for payload in payloads.iter().filter(|payload| payload.source == source) {
            let result = payload.parsed();
            writeln!(text, "== {}\n{}", payload.name, shown(&result)).unwrap();
        }
        insta::assert_snapshot!(source.as_str(), text);
    }
}

#[test]
fn the_template_for_datadog_is_json_that_its_own_door_reads_once_it_is_filled() {
    let mut template: serde_json::Value = serde_json::from_str(datadog::TEMPLATE).unwrap();
    template["alert_id"] = "7".into();
    template["transition"] = "Triggered".into();
    let body = template.to_string();
    let context = Context { door: "datadog", mapping: None, now: payload::now() };
    let request = Request::post("/hooks/datadog", body.as_bytes());
    let parsed = parse(Source::Datadog, &request, &context).unwrap();
    assert_eq!(parsed.changes.len(), 1);
    // What Datadog did not fill in is not told.
    assert!(!shown(&Ok(parsed)).contains("\"$"));
}

#[test]
fn nothing_comes_in_as_what_we_say_ourselves() {
    let context = Context { door: "x", mapping: None, now: payload::now() };
    for source in [Source::Detector, Source::Watchdog, Source::Prometheus] {
        let said = parse(source, &Request::post("/", b"{}"), &context).unwrap_err();
        assert_eq!(said.to_string(), format!("`{source}` tells nothing from outside"));
    }
    let said = parse(Source::Generic, &Request::post("/", b"{}"), &context).unwrap_err();
    assert!(said.to_string().starts_with("the door `x` has no mapping"), "{said}");
}
