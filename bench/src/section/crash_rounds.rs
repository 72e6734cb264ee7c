//! Post, kill, restart, again and again: is every acknowledged alert still there, and did nothing
//! happen twice?
//!
//! What a kill cut off is sent again, as a real source does: that is what could happen twice.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::chance::Chance;
use crate::figure::{Figure, Unit, percentile, sorted};
use crate::http::Connection;
use crate::journal::Journal;
use crate::load;
use crate::output;
use crate::program::Server;
use crate::setting::{Setting, command};
use crate::stopwatch::pause;

pub(super) const NAME: &str = "crash_rounds";

/// How many connections post at a time.
const CONNECTIONS: usize = 4;

/// When the kill comes, in milliseconds after posting began.
const KILL_AFTER_MS: std::ops::Range<u64> = 20..300;

/// What the sender knows.
#[derive(Default)]
struct Sender {
    next_id: AtomicU64,
    acknowledged: HashSet<u64>,
    /// Sent, but not answered before the kill.
    cut_off: Vec<u64>,
    /// How often an alert was sent again.
    sent_again: u64,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<u64>,
    cut_off: Vec<u64>,
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let folder = setting.fresh("crash")?;
    let mut sender = Sender::default();
    let mut chance = Chance::new(NAME);
    let mut ready_ms = Vec::new();
    for round in 0..setting.crash_rounds {
        let server = Server::nightcrew(&setting.nightcrew, &folder, None)
            .with_context(|| format!("round {round}"))?;
        if round > 0 {
            ready_ms.push(server.ready_ms);
        }
        sender.round(server, Duration::from_millis(chance.within(KILL_AFTER_MS)))?;
    }
    let server = Server::nightcrew(&setting.nightcrew, &folder, None).context("the last start")?;
    ready_ms.push(server.ready_ms);
    server.program.stop()?;
    verify(setting, &folder)?;
    let story = Journal::open(&folder)?.story()?;
    let lost = sender.acknowledged.difference(&story.ids).count();
    output::progress(&format!("  {} alerts in the log", story.ids.len()));
    let ready_ms = sorted(ready_ms);
    let rounds = setting.crash_rounds;
    let count = |what: &str, value: f64| Figure::new(NAME, what, value, Unit::Count);
    let ready = |which: &str, share| {
        let what = format!("SIGKILL, then start to ready, {which}");
        Figure::new(NAME, what, percentile(&ready_ms, share), Unit::Milliseconds)
    };
    Ok(vec![
        count("kills", f64::from(rounds)),
        count("alerts acknowledged", sender.acknowledged.len() as f64),
        count("cut off and sent again", sender.sent_again as f64),
        count("acknowledged alerts lost", lost as f64).limit(0.0),
        count("alerts or incidents begun twice", story.duplicates as f64).limit(0.0),
        ready("median", 0.5),
        ready("worst", 1.0),
    ])
}

impl Sender {
    /// Posts on every connection until the server is killed.
    fn round(&mut self, server: Server, kill_after: Duration) -> anyhow::Result<()> {
        let (address, next_id) = (server.address, &self.next_id);
        let mut again = vec![Vec::new(); CONNECTIONS];
        for (n, id) in std::mem::take(&mut self.cut_off).into_iter().enumerate() {
            self.sent_again += 1;
            if let Some(mine) = again.get_mut(n % CONNECTIONS) {
                mine.push(id);
            }
        }
        let (killed, seen) = std::thread::scope(|scope| {
            let posting: Vec<_> = again
                .into_iter()
                .map(|again| scope.spawn(move || post_until_the_end(address, &again, next_id)))
                .collect();
            pause(kill_after);
            let killed = server.program.kill();
            let seen: Vec<_> =
                posting.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            (killed, seen)
        });
        killed?;
        for seen in seen {
            let seen = seen.map_err(|_| anyhow::anyhow!("a posting thread panicked"))?;
            self.acknowledged.extend(seen.acknowledged);
            self.cut_off.extend(seen.cut_off);
        }
        Ok(())
    }
}

/// Posts one alert after the other, first those of `again`, until the connection breaks.
fn post_until_the_end(address: SocketAddr, again: &[u64], next_id: &AtomicU64) -> Seen {
    let mut seen = Seen { cut_off: again.to_owned(), ..Seen::default() };
    let Ok(mut connection) = Connection::open(address) else { return seen };
    let fresh = std::iter::repeat_with(|| next_id.fetch_add(1, Ordering::Relaxed));
    for (n, id) in again.iter().copied().chain(fresh).enumerate() {
        let answer = connection.post_json(load::ALERTS, &load::body(id..id + 1));
        let is_fresh = n >= again.len();
        match answer {
            Ok(answer) if answer.status == 200 => {
                seen.acknowledged.push(id);
                if !is_fresh {
                    seen.cut_off.retain(|cut_off| *cut_off != id);
                }
            }
            // It was refused, which is an answer: it is sent again in the next round.
            Ok(_) if is_fresh => seen.cut_off.push(id),
            Ok(_) => {}
            Err(_) => {
                if is_fresh {
                    seen.cut_off.push(id);
                }
                return seen;
            }
        }
    }
    seen
}

/// Lets the program check its journal: the log whole, and the tables what the log says.
fn verify(setting: &Setting, folder: &Path) -> anyhow::Result<()> {
    let mut verify = command(&setting.nightcrew.path);
    let verify = verify.args(["rebuild", "--verify", "--data"]).arg(folder.join("data"));
    let output = verify.output().context("starting nightcrew rebuild")?;
    ensure!(
        output.status.success(),
        "the journal is not whole: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
