//! What was measured, asked of a crew and read from its folder.

use serde_json::Value;

use crate::crew::Crew;
use crate::stage::{Stage, until};

const BUSY: &str = "{ host: { interval_ms: 200, disks: [] } }";
const MEMORY: &str = "memory_usage{service=\"host\"}";

#[test]
fn what_was_measured_is_shown_while_the_crew_runs_and_afterwards() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, BUSY);
    let answer: Value = until("three samples", || {
        let done = crew.ask(&["metrics", "query", MEMORY, "--since", "1h", "--json"]);
        let answer: Value = serde_json::from_str(&done.out).ok()?;
        (answer["series"][0]["points"].as_array()?.len() >= 3).then_some(answer)
    });
    assert_eq!(answer["series"][0]["unit"], "percent");
    let table = crew.ask(&["metrics", "query", MEMORY, "--since", "1h"]);
    assert!(table.out.starts_with("memory_usage{service=\"host\"}\tpercent\t"), "{}", table.out);
    let plot = crew.ask(&["metrics", "query", MEMORY, "--since", "1h", "--format", "plot"]);
    assert!(plot.out.contains("[percent]  min ") && plot.out.contains('┤'), "{}", plot.out);
    let csv = crew.ask(&["metrics", "query", MEMORY, "--format", "csv"]);
    assert!(csv.out.starts_with("time,series,value"), "{}", csv.out);
    let snapshot = crew.ask(&["metrics", "snapshot"]);
    assert!(snapshot.out.contains("host\t\tmemory_usage\t"), "{}", snapshot.out);
    let none = crew.ask(&["metrics", "query", "no_such_metric"]);
    assert_eq!(none.code, Some(1));
    let data = stage.text("data");
    let in_use = stage.nightcrew(&["metrics", "query", MEMORY, "--data", &data]).calm();
    assert_eq!(in_use.code, Some(1), "{}", in_use.err);
    assert!(in_use.err.contains("ask that crew"), "{}", in_use.err);
    crew.stop();
    let read = stage.nightcrew(&["metrics", "query", MEMORY, "--data", &data, "--json"]).calm();
    let read: Value = serde_json::from_str(&read.out).unwrap_or_else(|_| panic!("{}", read.err));
    assert_eq!(read["series"][0]["unit"], "percent");
    let latest = stage.nightcrew(&["metrics", "snapshot", "--data", &data]).calm();
    assert!(latest.out.contains("memory_usage"), "{}{}", latest.out, latest.err);
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let stage = Stage::new();
    let no_crew = ["--url", "http://127.0.0.1:9"];
    let ask = |args: &[&str]| stage.nightcrew(&[args, &no_crew].concat()).calm();
    let done = ask(&["metrics", "query", "up"]);
    assert_eq!(done.code, Some(3), "{}", done.err);
    let empty = stage.text("empty");
    let done = ask(&["metrics", "query", "up", "--data", &empty]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("name the data folder of a crew"), "{}", done.err);
    for bad in [["--since", "soon"], ["--until", "soon"], ["--step", "0s"]] {
        let done = ask(&[&["metrics", "query", "up", "--data", &empty], &bad[..]].concat());
        assert_eq!(done.code, Some(2), "{bad:?}: {}", done.err);
    }
}
