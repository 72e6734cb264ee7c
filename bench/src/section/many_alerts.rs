//! A hundred thousand alerts that fire at once: what they take, and whether one more costs more
//! than the first did.

use std::time::Duration;

use anyhow::Context as _;

use crate::figure::{Figure, Unit};
use crate::load;
use crate::proc;
use crate::program::Server;
use crate::setting::{ALERTMANAGER, Setting};
use crate::stopwatch::pause;

pub(super) const NAME: &str = "many_alerts";

const ALERTS: u64 = 100_000;

/// How many alerts are posted while the cost of one is measured.
const PORTION: u64 = 10_000;

/// From how many alerts on the cost is measured first.
const FEW: u64 = 1_000;

/// Everything that is done later than the answer has been done by then.
const SETTLED: Duration = Duration::from_secs(10);

/// CPU time of one tick, in microseconds.
const TICK_US: f64 = 10_000.0;

/// What one program took.
struct Taken {
    rss: u64,
    rss_before: u64,
    /// CPU time for one alert with few and with many others, in microseconds.
    few_us: f64,
    many_us: f64,
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let ours = taken(&Server::nightcrew(&setting.nightcrew, &setting.fresh("many")?, None)?)?;
    let theirs = match &setting.alertmanager {
        Some(program) => {
            Some(taken(&Server::alertmanager(program, &setting.fresh("many-peer")?)?)?)
        }
        None => None,
    };
    let figure = |what: String, of: fn(&Taken) -> f64, unit| {
        Figure::new(NAME, what, of(&ours), unit).peer(ALERTMANAGER, theirs.as_ref().map(of))
    };
    let last = ALERTS - PORTION;
    Ok(vec![
        figure(
            format!("RSS with {ALERTS} firing alerts, {} s later", SETTLED.as_secs()),
            |taken| taken.rss as f64 / 1e6,
            Unit::Megabytes,
        ),
        figure(
            "RSS for each alert, without that of the empty program".to_owned(),
            |taken| taken.rss.saturating_sub(taken.rss_before) as f64 / ALERTS as f64,
            Unit::Bytes,
        ),
        figure(
            format!("CPU time for each alert from {FEW} on, all that follows included"),
            |taken| taken.few_us / 1e3,
            Unit::Milliseconds,
        ),
        figure(
            format!("the same from {last} on, divided by that"),
            |taken| if taken.few_us > 0.0 { taken.many_us / taken.few_us } else { 0.0 },
            Unit::Ratio,
        ),
    ])
}

fn taken(server: &Server) -> anyhow::Result<Taken> {
    let rss = || proc::memory(server.program.pid()).map(|memory| memory.rss);
    let rss_before = rss()?;
    let post = |first: u64, n: u64| load::fill_from(server.address, first, n);
    post(0, FEW)?;
    pause(SETTLED);
    let few_us = cost(server, || post(FEW, PORTION))?;
    post(FEW + PORTION, ALERTS - FEW - 2 * PORTION)?;
    pause(SETTLED);
    let many_us = cost(server, || post(ALERTS - PORTION, PORTION))?;
    Ok(Taken { rss: rss()?, rss_before, few_us, many_us })
}

/// CPU time for each alert of a portion, with what is done later.
fn cost(server: &Server, post: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let pid = i32::try_from(server.program.pid()).context("a pid is too large")?;
    let ticks = || Ok::<_, anyhow::Error>(proc::stat(pid)?.context("it is gone")?.cpu_ticks);
    let before = ticks()?;
    post()?;
    pause(SETTLED);
    Ok((ticks()? - before) as f64 * TICK_US / PORTION as f64)
}
