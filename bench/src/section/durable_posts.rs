//! Alerts posted and acknowledged in a second.  Nightcrew has them on the disk when it answers; an
//! Alertmanager has them in memory.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::figure::{Figure, Unit, percentile, sorted};
use crate::journal::Journal;
use crate::load::{self, Outcome, Shape};
use crate::output;
use crate::proc;
use crate::program::Server;
use crate::setting::{ALERTMANAGER, Installed, Setting};
use crate::stopwatch::Stopwatch;

pub(super) const NAME: &str = "durable_posts";

/// How long each run posts.
const TIME: Duration = Duration::from_secs(5);

/// What an answer may take at half of the rate, in milliseconds.
const HALF_MS_MAX: f64 = 20.0;

const SHAPES: [(&str, u64, u64); 3] =
    [("8 connections", 8, 1), ("1 connection", 1, 1), ("8 connections, batches of 100", 8, 100)];

/// Whose turn it is: two runs each, so that neither is always first.
const TURNS: [Who; 4] = [Who::Nightcrew, Who::Alertmanager, Who::Alertmanager, Who::Nightcrew];

#[derive(Clone, Copy)]
enum Who {
    Nightcrew,
    Alertmanager,
}

/// What came of the runs of one program.
#[derive(Default)]
struct Total {
    outcome: Outcome,
    /// The largest resident memory right after a run, in bytes.
    rss: u64,
    /// The largest resident memory of a run, divided by the alerts of that run.
    rss_per_alert: f64,
    /// What is in the journals after SIGKILL.
    stored: u64,
    /// How far that is from what was acknowledged, over the runs.
    difference: u64,
}

impl Total {
    fn weigh(&mut self, server: &Server, outcome: &Outcome) -> anyhow::Result<()> {
        let rss = proc::memory(server.program.pid())?.rss;
        self.rss = self.rss.max(rss);
        let per_alert = rss as f64 / outcome.acknowledged.max(1) as f64;
        self.rss_per_alert = self.rss_per_alert.max(per_alert);
        Ok(())
    }
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![disk(&setting.fresh("disk")?)?];
    for (name, connections, batch) in SHAPES {
        let shape = Shape { connections, batch, time: TIME };
        let mut ours = Total::default();
        let mut theirs = setting.alertmanager.as_ref().map(|_| Total::default());
        for turn in TURNS {
            match (turn, &setting.alertmanager, &mut theirs) {
                (Who::Nightcrew, _, _) => nightcrew(setting, shape, &mut ours)?,
                (Who::Alertmanager, Some(program), Some(theirs)) => {
                    alertmanager(setting, program, shape, theirs)?;
                }
                (Who::Alertmanager, _, _) => {}
            }
        }
        output::progress(&format!(
            "  {name}: {} alerts acknowledged, {} stored",
            ours.outcome.acknowledged, ours.stored
        ));
        if batch == 1 && connections > 1 {
            figures.push(at_half(setting, name, connections, ours.outcome.per_second())?);
        }
        figures.extend(compare(name, ours, theirs.as_ref()));
    }
    Ok(figures)
}

/// How long an answer takes when half as many alerts come as could be taken.
fn at_half(
    setting: &Setting,
    name: &str,
    connections: u64,
    per_second: f64,
) -> anyhow::Result<Figure> {
    let folder = setting.fresh("half")?;
    let server = Server::nightcrew(&setting.nightcrew, &folder, None)?;
    let outcome = load::post_at(server.address, connections, per_second / 2.0, TIME)?;
    let latency = percentile(&sorted(outcome.latencies_ms), 0.99);
    let what = format!("{name}: answer at half of that rate, 99th percentile");
    Ok(Figure::new(NAME, what, latency, Unit::Milliseconds).limit(HALF_MS_MAX))
}

/// What the disk alone takes: the least time of an answer that waits for it.
fn disk(folder: &Path) -> anyhow::Result<Figure> {
    const WRITES: usize = 200;
    const BYTES: usize = 4_096;
    let mut file = File::create(folder.join("appended")).context("making a file")?;
    let mut times = Vec::new();
    for _ in 0..WRITES {
        let watch = Stopwatch::start();
        file.write_all(&[7; BYTES])
            .and_then(|()| file.sync_data())
            .context("writing to the disk")?;
        times.push(watch.ms());
    }
    let what = format!("the disk alone: {BYTES} bytes and fdatasync, median of {WRITES}");
    Ok(Figure::new(NAME, what, percentile(&sorted(times), 0.5), Unit::Milliseconds))
}

fn nightcrew(setting: &Setting, shape: Shape, total: &mut Total) -> anyhow::Result<()> {
    let folder = setting.fresh("posts")?;
    let server = Server::nightcrew(&setting.nightcrew, &folder, None)?;
    let outcome = load::post(server.address, shape)?;
    total.weigh(&server, &outcome)?;
    server.program.kill()?;
    // What is durable and not yet in the tables is put there by the next start.
    Server::nightcrew(&setting.nightcrew, &folder, None)?.program.stop()?;
    let stored = Journal::open(&folder)?.n_alerts()?;
    total.difference += stored.abs_diff(outcome.acknowledged);
    total.stored += stored;
    total.outcome.add(outcome);
    Ok(())
}

fn alertmanager(
    setting: &Setting,
    program: &Installed,
    shape: Shape,
    total: &mut Total,
) -> anyhow::Result<()> {
    let server = Server::alertmanager(program, &setting.fresh("posts-peer")?)?;
    let outcome = load::post(server.address, shape)?;
    total.weigh(&server, &outcome)?;
    server.program.kill()?;
    total.outcome.add(outcome);
    Ok(())
}

fn compare(name: &str, ours: Total, theirs: Option<&Total>) -> Vec<Figure> {
    let figure =
        |what: &str, value, unit| Figure::new(NAME, format!("{name}: {what}"), value, unit);
    let rate = figure("alerts", ours.outcome.per_second(), Unit::PerSecond);
    let errors = figure("requests refused or cut off", ours.outcome.errors as f64, Unit::Count);
    let difference = ours.difference as f64;
    let rss = figure("RSS right after, largest", ours.rss as f64 / 1e6, Unit::Megabytes);
    let each = figure("RSS for each alert held", ours.rss_per_alert, Unit::Bytes);
    let of = |value: fn(&Total) -> f64| theirs.map(value);
    let mut figures = vec![rate.peer(ALERTMANAGER, of(|total| total.outcome.per_second()))];
    let latencies = sorted(ours.outcome.latencies_ms);
    let peer_latencies = theirs.map(|total| sorted(total.outcome.latencies_ms.clone()));
    for (which, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let latency = percentile(&latencies, share);
        let peer = peer_latencies.as_ref().map(|latencies| percentile(latencies, share));
        let what = format!("answer, {which}");
        figures.push(figure(&what, latency, Unit::Milliseconds).peer(ALERTMANAGER, peer));
    }
    figures.push(errors.limit(0.0).peer(ALERTMANAGER, of(|total| total.outcome.errors as f64)));
    figures.push(figure("stored differs from acknowledged by", difference, Unit::Count).limit(0.0));
    figures.push(rss.peer(ALERTMANAGER, of(|total| total.rss as f64 / 1e6)));
    figures.push(each.peer(ALERTMANAGER, of(|total| total.rss_per_alert)));
    figures
}
