//! Logs: templates and analysis of a file next to drain3, files that are followed, and the time
//! from a line to its alert.

mod made;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::figure::{Figure, Unit, percentile, sorted};
use crate::http::Connection;
use crate::proc;
use crate::program::Server;
use crate::setting::{Setting, command};
use crate::stopwatch::{Stopwatch, pause, wait_for};

pub(super) const NAME: &str = "logs";

/// How much is made, in bytes.
const BYTES: u64 = 200_000_000;

/// How many of its lines the peer gets: it needs minutes for all.
const PEER_LINES: usize = 50_000;

const PEER: &str = "drain3, its first 50,000 lines,";

/// How often the time from a line to its alert is taken.
const ROUNDS: usize = 20;

/// How long anything of this may take.
const WAIT_MAX: Duration = Duration::from_secs(120);

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// On every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

const FOLLOWED_LIMIT_PER_SECOND: f64 = 100e6;
const FOLLOWED_LIMIT_MB: f64 = 256.0;
const ALERT_LIMIT_MS: f64 = 1_000.0;

/// A generic configuration: the defaults, without masks that know a system.
const DRAIN3: &str = r#"
import sys, time
from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig
miner = TemplateMiner(config=TemplateMinerConfig())
lines = open(sys.argv[1], encoding="utf-8", errors="replace").read().splitlines()
start = time.perf_counter()
for line in lines:
    miner.add_log_message(line)
print(len(lines) / (time.perf_counter() - start))
"#;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let folder = setting.fresh("logs")?;
    let log = folder.join("made.log");
    let n_lines = made::write(&log, BYTES)?;
    let mut figures = of_a_file(setting, &folder, &log, n_lines)?;
    figures.extend(followed(setting, &folder, &log)?);
    figures.extend(until_told(setting)?);
    Ok(figures)
}

/// Templates and analysis of a whole file.
fn of_a_file(
    setting: &Setting,
    folder: &Path,
    log: &Path,
    n_lines: usize,
) -> anyhow::Result<Vec<Figure>> {
    let out = folder.join("templates.csv");
    let seconds = |args: &[&str]| -> anyhow::Result<f64> {
        let told = File::create(folder.join("told")).context("making a file")?;
        let watch = Stopwatch::start();
        let mut logs = command(&setting.nightcrew.path);
        let status = logs.arg("logs").args(args).stdout(told).status().context("nightcrew logs")?;
        ensure!(status.success(), "`nightcrew logs` ended with {status}");
        Ok(watch.elapsed().as_secs_f64())
    };
    let (log_text, out) = (log.display().to_string(), out.display().to_string());
    let templates = n_lines as f64 / seconds(&["templates", &log_text, "--out", &out])?;
    let analyze_s = seconds(&["analyze", &log_text])?;
    let peer =
        setting.drain3.as_ref().map(|python| drain3(&python.path, folder, log)).transpose()?;
    let figure = |what: &str, value| Figure::new(NAME, what, value, Unit::PerSecond);
    Ok(vec![
        figure("lines to templates, from a 200 MB file to a CSV file", templates).peer(PEER, peer),
        figure("lines analyzed, `logs analyze` of the same file", n_lines as f64 / analyze_s),
        figure("bytes analyzed", BYTES as f64 / analyze_s),
    ])
}

/// The peer's rate on the beginning of the file.
fn drain3(python: &Path, folder: &Path, log: &Path) -> anyhow::Result<f64> {
    let text = fs::read_to_string(log).context("reading the log")?;
    let part: String = text.split_inclusive('\n').take(PEER_LINES).collect();
    let (script, sample) = (folder.join("drain.py"), folder.join("sample.log"));
    fs::write(&script, DRAIN3).context("writing a script")?;
    fs::write(&sample, part).context("writing a sample")?;
    let output = command(python).arg(script).arg(sample).output().context("starting drain3")?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().with_context(|| format!("drain3 said {said:?}"))
}

/// A crew that follows the logs below a folder.
fn crew(setting: &Setting, logs: &Path) -> anyhow::Result<(Server, PathBuf)> {
    let folder = setting.fresh("follow")?;
    let config = folder.join("nightcrew.json5");
    let services: serde_json::Map<String, Value> = (0..ROUNDS)
        .map(|n| (format!("app-{n}"), json!({ "paths": [logs.join(format!("app-{n}.log"))] })))
        .collect();
    let settings = json!({
        "data_dir": folder.join("data"),
        "host": { "interval_seconds": 600, "disks": [] },
        "logs": { "paths": [logs.join("*.log")], "services": services },
    });
    fs::write(&config, settings.to_string()).context("writing a configuration")?;
    let server = Server::nightcrew(&setting.nightcrew, &folder, Some(&config))?;
    // It looks which files there are before any line comes.
    pause(Duration::from_secs(1));
    Ok((server, folder))
}

/// Waits for the alert of a service about the line that is told.
fn told(server: &mut Server, service: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address).context("connecting")?;
    wait_for("an alert", WAIT_MAX, LOOK_EVERY, || {
        let answer = connection.get("/api/v1/alerts").context("asking for alerts")?;
        let alerts: Value = serde_json::from_slice(&answer.body).context("reading alerts")?;
        let items = alerts["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_it = |alert: &Value| {
            let labels = &alert["labels"];
            labels["service"] == service && labels["alertname"] == "out_of_memory"
        };
        Ok(items.iter().any(is_it).then_some(()))
    })
}

/// How fast a file is followed that is there all at once: its last line is one that is told.
fn followed(setting: &Setting, folder: &Path, log: &Path) -> anyhow::Result<Vec<Figure>> {
    let logs = folder.join("logs");
    fs::create_dir(&logs).context("making a folder")?;
    let mut file = File::options().append(true).open(log).context("opening the log")?;
    writeln!(file, "{}", made::out_of_memory()).context("writing a line")?;
    let (mut server, _) = crew(setting, &logs)?;
    let pid = server.program.pid();
    let cpu = |pid: u32| -> anyhow::Result<f64> {
        let stat = proc::stat(i32::try_from(pid)?)?.context("the crew is gone")?;
        Ok(stat.cpu_ticks as f64 / TICKS_PER_SECOND)
    };
    let before = cpu(pid)?;
    fs::rename(log, logs.join("app-0.log")).context("moving the log")?;
    let watch = Stopwatch::start();
    told(&mut server, "app-0")?;
    let (seconds, cpu_seconds) = (watch.elapsed().as_secs_f64(), cpu(pid)? - before);
    let memory = proc::memory(pid)?.peak as f64 / 1e6;
    server.program.stop()?;
    let figure = |what: &str, value, unit| Figure::new(NAME, what, value, unit);
    Ok(vec![
        figure(
            "bytes followed, until the last line is told",
            BYTES as f64 / seconds,
            Unit::PerSecond,
        )
        .limit(FOLLOWED_LIMIT_PER_SECOND),
        figure(
            "bytes followed for a second of CPU time",
            BYTES as f64 / cpu_seconds,
            Unit::PerSecond,
        )
        .limit(FOLLOWED_LIMIT_PER_SECOND),
        figure("largest memory while following", memory, Unit::Megabytes).limit(FOLLOWED_LIMIT_MB),
    ])
}

/// From a line to its alert.
fn until_told(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let logs = setting.fresh("told")?;
    for n in 0..ROUNDS {
        fs::write(logs.join(format!("app-{n}.log")), "").context("making a log")?;
    }
    let (mut server, _) = crew(setting, &logs)?;
    let mut times = Vec::new();
    for n in 0..ROUNDS {
        let log = File::options().append(true).open(logs.join(format!("app-{n}.log")));
        let mut log = log.context("opening a log")?;
        let watch = Stopwatch::start();
        writeln!(log, "{}", made::out_of_memory()).context("writing a line")?;
        told(&mut server, &format!("app-{n}"))?;
        times.push(watch.ms());
    }
    server.program.stop()?;
    let times = sorted(times);
    let figure = |which: &str, share| {
        let what = format!("line to alert, {which} of {ROUNDS}");
        let value = percentile(&times, share);
        Figure::new(NAME, what, value, Unit::Milliseconds).limit(ALERT_LIMIT_MS)
    };
    Ok(vec![figure("median", 0.5), figure("worst", 1.0)])
}
