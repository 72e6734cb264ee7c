//! The detectors over files: `detect score`, `detect rank`, `logs templates`.

use std::fmt::Write as _;

use crate::stage::Stage;

/// A day in minutes, with a level that is left once.
fn series() -> String {
    let mut text = "timestamp,value\n".to_owned();
    for n in 0..2_000_u32 {
        let (hour, minute) = (n / 60, n % 60);
        let (day, hour) = (1 + hour / 24, hour % 24);
        // Movement that repeats, without chance.
        let usual = f64::from(n * 7_919 % 101) / 10.0;
        let value = if (1_500..1_505).contains(&n) { 500.0 } else { usual };
        writeln!(text, "2026-11-{day:02} {hour:02}:{minute:02}:00,{value}").unwrap();
    }
    text
}

#[test]
fn a_series_is_scored_line_by_line_and_the_spike_is_an_alarm() {
    let stage = Stage::new();
    stage.write("in/결제/latency.csv", series());
    let done = stage.nightcrew(&["detect", "score", "in", "--out", "out", "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let scored = std::fs::read_to_string(stage.path("out/결제/latency.csv")).unwrap();
    let mut lines = scored.lines();
    assert_eq!(lines.next(), Some("timestamp,value,anomaly_score,alarm"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2_000);
    assert!(rows.iter().all(|row| (0.0..=1.0).contains(&row[2].parse::<f64>().unwrap())));
    let alarms: Vec<usize> = (0..rows.len()).filter(|n| rows[*n][3] == "1").collect();
    assert!(alarms.contains(&1_500), "{alarms:?}");
    assert!(alarms.len() <= 2, "{alarms:?}");
    assert_eq!(rows[1_500][0], "2026-11-02 01:00:00");

    let one = stage.nightcrew(&["detect", "score", "in/결제/latency.csv"]);
    assert_eq!(one.out, scored);
    let folder = stage.nightcrew(&["detect", "score", "in"]);
    assert_eq!(folder.code, Some(2), "{}", folder.out);
    assert!(folder.err.contains("--out"), "{}", folder.err);
    let over = stage.nightcrew(&["detect", "score", "in", "--out", "in"]);
    assert_eq!(over.code, Some(2), "{}", over.out);
}

/// A disk that fills by one percent an hour, a row in five minutes.
fn disk() -> String {
    let mut text = "timestamp,value\n".to_owned();
    for n in 0..480_u32 {
        let at = 1_764_000_000 + n * 300;
        let wobble = f64::from(n * 7_919 % 101) / 1_000.0;
        writeln!(text, "{at},{}", 45.0 + f64::from(n) / 12.0 + wobble).unwrap();
    }
    text
}

#[test]
fn a_finding_in_a_file_is_explained_with_its_reason_and_a_picture() {
    let stage = Stage::new();
    stage.write("disk.csv", disk());
    let wanted = ["detect", "explain", "--file", "disk.csv", "--metric", "disk_usage"];
    let limit = ["--limit", "90", "--svg", "disk.svg"];
    let done = stage.nightcrew(&[&wanted[..], &limit[..]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("disk_space_low_soon  warning"), "{}", done.out);
    assert!(done.out.contains("why    disk_usage will reach 90 % in "), "{}", done.out);
    assert!(done.out.contains('█') && done.out.contains("limit  90 %"), "{}", done.out);
    let drawn = std::fs::read_to_string(stage.path("disk.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
    let none = stage.nightcrew(&["detect", "explain", "--file", "없다.csv"]);
    assert_eq!(none.code, Some(2), "{}", none.err);
}

#[test]
fn the_component_whose_resources_changed_first_is_ranked_first() {
    let stage = Stage::new();
    let mut text = "time,component,metric,value\n".to_owned();
    for n in 0..60_u32 {
        let broken = n >= 40;
        let noise = f64::from(n * 31 % 7) / 10.0;
        for (component, metric, usual, then) in [
            ("front", "latency_ms", 20.0, 180.0),
            ("db", "latency_ms", 5.0, 160.0),
            ("db", "cpu_percent", 20.0, 98.0),
            ("cache", "latency_ms", 1.0, 1.0),
        ] {
            let value = if broken { then } else { usual } + noise;
            let at = 1_795_230_000 + n * 30;
            writeln!(text, "{at},{component},{metric},{value}").unwrap();
        }
    }
    stage.write("series.csv", text);
    stage.write("edges.csv", "caller,callee\nfront,db\nfront,cache\n");
    let args = ["detect", "rank", "--series", "series.csv", "--edges", "edges.csv"];
    let args = [&args[..], &["--at", "2026-11-21T03:20:00Z"]].concat();
    let at = (1_795_230_000 + 40 * 30).to_string();
    let mut args = args;
    *args.last_mut().unwrap() = &at;
    let done = stage.nightcrew(&args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let names: Vec<&str> = done.out.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(names.first(), Some(&"db"), "{}", done.out);
    assert_eq!(names.len(), 3);
    args.push("--json");
    let json = stage.nightcrew(&args);
    let ranked: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(ranked[0]["component"], "db", "{}", json.out);
    *args.get_mut(7).unwrap() = "어제";
    let bad = stage.nightcrew(&args);
    assert_eq!(bad.code, Some(2), "{}", bad.out);
    assert!(bad.err.contains("is no time"), "{}", bad.err);
}

#[test]
fn lines_that_say_the_same_have_one_template_without_their_header() {
    let stage = Stage::new();
    let mut text = String::new();
    for n in 0..200_u32 {
        let user = ["kim", "lee", "park", "choi", "jung", "kang", "cho"][n as usize % 7];
        let message = match n % 3 {
            0 => format!(
                "Accepted password for {user} from 10.0.{}.{} port {} ssh2",
                n % 9,
                n,
                1_024 + n
            ),
            1 => format!("pam_unix(sshd:session): session opened for user {user} by (uid=0)"),
            _ => format!("pam_unix(sshd:session): session closed for user {user}"),
        };
        writeln!(text, "Nov 21 03:{:02}:{:02} web-1 sshd[{}]: {message}", n / 60, n % 60, 400 + n)
            .unwrap();
    }
    stage.write("auth.log", text.clone());
    let done = stage.nightcrew(&["logs", "templates", "auth.log", "--out", "t.csv", "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let found: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&found["lines"], &found["templates"]), (&200.into(), &3.into()), "{}", done.out);
    let csv = std::fs::read_to_string(stage.path("t.csv")).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("LineId,EventId,EventTemplate"));
    let first = lines.next().unwrap();
    assert!(first.starts_with("1,E"), "{first}");
    assert!(first.contains("Accepted password for <*> from <*>"), "{first}");
    assert!(!csv.contains("web-1") && !csv.contains("Nov 21"), "the header is left out");

    // The same messages as a column of a CSV file.
    let column: String = text.lines().fold("Id,Content\n".to_owned(), |mut csv, line| {
        let message = line.split_once("]: ").unwrap().1;
        writeln!(csv, "1,\"{message}\"").unwrap();
        csv
    });
    stage.write("auth.csv", column);
    let same = stage.nightcrew(&["logs", "templates", "auth.csv", "--content-column", "Content"]);
    assert_eq!(same.out, csv, "{}", same.err);
    let missing =
        stage.nightcrew(&["logs", "templates", "auth.csv", "--content-column", "Message"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("it has: Id, Content"), "{}", missing.err);
}

#[test]
fn a_log_tells_of_its_attack_and_of_its_messages() {
    let stage = Stage::new();
    let mut text = String::new();
    for n in 0..120_u32 {
        let (minute, second) = (n / 60, n % 60);
        let time = format!("Nov 20 03:{minute:02}:{second:02} web-1 sshd[{}]:", 400 + n);
        writeln!(text, "{time} Failed password for root from 203.0.113.9 port {} ssh2", 1_024 + n)
            .unwrap();
        writeln!(text, "{time} Connection closed by 198.51.100.7 port 22").unwrap();
    }
    stage.write("auth.log", text);
    let done = stage.nightcrew(&["logs", "analyze", "auth.log"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("SSH brute force: 203.0.113.9"), "{}", done.out);
    assert!(!done.out.contains(": 198.51.100.7,"), "{}", done.out);
    assert!(done.out.contains("240 lines"), "{}", done.out);
    assert!(done.out.contains("`Failed password for root from <*> port <*> ssh2`"), "{}", done.out);
    let json = stage.nightcrew(&["logs", "analyze", "auth.log", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(told[0]["messages"][0]["lines"], 120, "{}", json.out);
    assert_eq!(told[0]["findings"][0]["subject"]["address"], "203.0.113.9", "{}", json.out);
    let same = stage.nightcrew(&["logs", "analyze", "auth.log", "--json"]);
    assert_eq!(same.out, json.out);
    let log = std::fs::File::options().append(true).open(stage.path("auth.log")).unwrap();
    let years_ago = "2019-12-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    log.set_modified(years_ago.into()).unwrap();
    let old = stage.nightcrew(&["logs", "analyze", "auth.log"]);
    assert!(old.out.contains("2019-11-20T03:00:00Z"), "{}", old.out);
    let none = stage.nightcrew(&["logs", "analyze", "없다.log"]);
    assert_eq!((none.code, none.err.contains("cannot be read")), (Some(2), true), "{}", none.err);
    let odd = stage.nightcrew(&["logs", "analyze", "auth.log", "--since", "어제"]);
    assert_eq!((odd.code, odd.err.contains("no span of time")), (Some(2), true), "{}", odd.err);
}
