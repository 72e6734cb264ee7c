//! From the start of the process until `/readyz` answers 200.

use anyhow::ensure;

use crate::figure::{Figure, Unit, percentile, sorted};
use crate::journal::Journal;
use crate::load;
use crate::program::Server;
use crate::setting::{ALERTMANAGER, Setting};

pub(super) const NAME: &str = "cold_start";

/// How often each is started.
const STARTS: usize = 20;

/// What the journal of the second case holds.
const ALERTS: u64 = 10_000;

/// How long a start may take.
const LIMIT_MS: f64 = 50.0;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let filled = setting.fresh("filled")?;
    let server = Server::nightcrew(&setting.nightcrew, &filled, None)?;
    load::fill(server.address, ALERTS)?;
    server.program.stop()?;
    let stored = Journal::open(&filled)?.n_alerts()?;
    ensure!(stored == ALERTS, "{stored} of {ALERTS} alerts are in the journal");
    let (mut fresh, mut again, mut peer) =
        (Starts::default(), Starts::default(), Starts::default());
    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..STARTS {
        let folder = setting.fresh("cold")?;
        fresh.take(Server::nightcrew(&setting.nightcrew, &folder, None)?)?;
        again.take(Server::nightcrew(&setting.nightcrew, &filled, None)?)?;
        if let Some(alertmanager) = &setting.alertmanager {
            let folder = setting.fresh("cold-peer")?;
            peer.take(Server::alertmanager(alertmanager, &folder)?)?;
        }
    }
    let peer = setting.alertmanager.as_ref().map(|_| peer);
    let mut figures = fresh.figures("empty data folder", peer.as_ref());
    figures.extend(again.figures("10,000 alerts in the journal", peer.as_ref()));
    Ok(figures)
}

/// The times of several starts, in milliseconds.
#[derive(Default)]
struct Starts {
    answer: Vec<f64>,
    ready: Vec<f64>,
}

impl Starts {
    fn take(&mut self, server: Server) -> anyhow::Result<()> {
        self.answer.push(server.answer_ms);
        self.ready.push(server.ready_ms);
        server.program.stop().map(drop)
    }

    fn at(&self, of: fn(&Self) -> &Vec<f64>, share: f64) -> f64 {
        percentile(&sorted(of(self).clone()), share)
    }

    fn figures(&self, case: &str, peer: Option<&Self>) -> Vec<Figure> {
        let figure = |what: &str, of: fn(&Self) -> &Vec<f64>, share| {
            let what = format!("{case}: {what} of {STARTS}");
            Figure::new(NAME, what, self.at(of, share), Unit::Milliseconds)
                .peer(ALERTMANAGER, peer.map(|peer| peer.at(of, share)))
        };
        vec![
            figure("first answer of any kind, median", |starts| &starts.answer, 0.5),
            figure("ready, median", |starts| &starts.ready, 0.5).limit(LIMIT_MS),
            figure("ready, worst", |starts| &starts.ready, 1.0).limit(LIMIT_MS),
        ]
    }
}
