//! Memory and CPU time of a crew that has nothing to do, without any configuration.

use std::time::Duration;

use anyhow::Context as _;

use crate::figure::{Figure, Unit};
use crate::proc::{self, Memory};
use crate::program::Server;
use crate::setting::{ALERTMANAGER, Setting};
use crate::stopwatch::pause;

pub(super) const NAME: &str = "idle_memory";

/// How long nothing is asked of it.
const IDLE: Duration = Duration::from_secs(10);

/// The memory that it may use.
const LIMIT_MB: f64 = 20.0;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let ours = Server::nightcrew(&setting.nightcrew, &setting.fresh("idle")?, None)?;
    let theirs = match &setting.alertmanager {
        Some(alertmanager) => {
            Some(Server::alertmanager(alertmanager, &setting.fresh("idle-peer")?)?)
        }
        None => None,
    };
    let before = (ticks(&ours)?, theirs.as_ref().map(ticks).transpose()?);
    pause(IDLE);
    let after = (ticks(&ours)?, theirs.as_ref().map(ticks).transpose()?);
    let memory = proc::memory(ours.program.pid())?;
    let peer = theirs.as_ref().map(|server| proc::memory(server.program.pid())).transpose()?;
    let in_mb = |name: &str, of: fn(Memory) -> u64| {
        let mb = |memory| of(memory) as f64 / 1e6;
        let figure = Figure::new(NAME, format!("{name} after 10 s"), mb(memory), Unit::Megabytes);
        figure.limit(LIMIT_MB).peer(ALERTMANAGER, peer.map(mb))
    };
    let used = after.0 - before.0;
    let used_by_peer = before.1.zip(after.1).map(|(before, after)| (after - before) as f64);
    Ok(vec![
        in_mb("RSS", |memory| memory.rss),
        in_mb("PSS", |memory| memory.pss),
        Figure::new(NAME, "ticks of CPU time (10 ms each) used in 10 s", used as f64, Unit::Count)
            .peer(ALERTMANAGER, used_by_peer),
    ])
}

fn ticks(server: &Server) -> anyhow::Result<u64> {
    let pid = i32::try_from(server.program.pid()).context("a pid is too large")?;
    let stat = proc::stat(pid)?.context("the server is gone")?;
    Ok(stat.cpu_ticks)
}
