//! From an accepted alert to the first message, and what five thousand alerts at once come to.
//!
//! Both programs have the same `alertmanager.yml`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::figure::{Figure, Unit, percentile, sorted};
use crate::hook::Hook;
use crate::http::Connection;
use crate::load::{self, ALERTS};
use crate::program::Server;
use crate::setting::{ALERTMANAGER, Setting};
use crate::stopwatch::{Stopwatch, ms, pause, wait_for};

pub(super) const NAME: &str = "telling";

/// How many alerts are followed to their first message, one after the other.
const ALERTS_FOLLOWED: u64 = 50;

/// How many alerts come in one post.
const STORM: u64 = 5_000;

/// For so long the messages about the storm are counted.
const STORM_TOLD: Duration = Duration::from_secs(15);

/// How long a message is waited for.
const MESSAGE_MAX: Duration = Duration::from_secs(10);

/// What the crew goes by besides the routes.
#[derive(Clone, Copy)]
enum Storms {
    /// As without a configuration.
    Kept,
    /// Every group is told at once, however many there are.
    Off,
}

/// What came of one program.
struct Told {
    first_ms: Vec<f64>,
    accepted_ms: f64,
    messages: usize,
}

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let ours = told(|hook, storms| nightcrew(setting, hook, storms))?;
    let theirs = match &setting.alertmanager {
        Some(program) => Some(told(|hook, _| {
            let folder = setting.fresh("telling-peer")?;
            Server::alertmanager_with(program, &folder, &routes(hook))
        })?),
        None => None,
    };
    let (first, peer) = (sorted(ours.first_ms), theirs.as_ref().map(|told| told.first_ms.clone()));
    let peer = peer.map(sorted);
    let mut figures = Vec::new();
    for (which, share) in [("median", 0.5), ("slowest", 1.0)] {
        let what = format!("alert accepted to first message, group_wait 0: {which}");
        let figure = Figure::new(NAME, what, percentile(&first, share), Unit::Milliseconds);
        let peer = peer.as_ref().map(|peer| percentile(peer, share));
        figures.push(figure.limit(50.0).peer(ALERTMANAGER, peer));
    }
    let storm = |what: &str| format!("{STORM} alerts in one post: {what}");
    let accepted = Figure::new(NAME, storm("accepted"), ours.accepted_ms, Unit::Milliseconds);
    let peer = theirs.as_ref().map(|told| told.accepted_ms);
    figures.push(accepted.limit(300.0).peer(ALERTMANAGER, peer));
    let seconds = STORM_TOLD.as_secs();
    let what = storm(&format!("messages to one channel in {seconds} s"));
    let messages = Figure::new(NAME, what, ours.messages as f64, Unit::Count);
    let peer = theirs.map(|told| told.messages as f64);
    figures.push(messages.limit(3.0).peer(ALERTMANAGER, peer));
    Ok(figures)
}

/// Every name of an alert is a group, which is told at once.
fn routes(hook: &Hook) -> String {
    format!(
        "route: {{ receiver: hook, group_by: [alertname], group_wait: 0s }}\n\
         receivers: [{{ name: hook, webhook_configs: [{{ url: '{}' }}] }}]\n",
        hook.url()
    )
}

fn nightcrew(setting: &Setting, hook: &Hook, storms: Storms) -> anyhow::Result<Server> {
    let folder = setting.fresh("telling")?;
    std::fs::write(folder.join("alertmanager.yml"), routes(hook)).context("writing the routes")?;
    let storm = match storms {
        Storms::Kept => "",
        Storms::Off => ", storm: null",
    };
    let config: PathBuf = folder.join("nightcrew.json5");
    let text = format!(
        "{{ host: {{ interval_seconds: 60, disks: [] }}, alertmanager: 'alertmanager.yml'{storm} }}"
    );
    std::fs::write(&config, text).context("writing a configuration")?;
    Server::nightcrew(&setting.nightcrew, &folder, Some(&config))
}

fn told(start: impl Fn(&Hook, Storms) -> anyhow::Result<Server>) -> anyhow::Result<Told> {
    let hook = Hook::start()?;
    let first_ms = follow(&start(&hook, Storms::Off)?, &hook)?;
    let hook = Hook::start()?;
    let server = start(&hook, Storms::Kept)?;
    let mut connection = Connection::open(server.address).context("connecting")?;
    let body = load::body(0..STORM);
    let watch = Stopwatch::start();
    let answer = connection.post_json(ALERTS, &body).context("posting the storm")?;
    let accepted_ms = watch.ms();
    ensure!(answer.status == 200, "the storm was answered with {}", answer.status);
    pause(STORM_TOLD);
    Ok(Told { first_ms, accepted_ms, messages: hook.came().len() })
}

/// How long it takes from the answer until each of a few alerts is told.
fn follow(server: &Server, hook: &Hook) -> anyhow::Result<Vec<f64>> {
    let mut connection = Connection::open(server.address).context("connecting")?;
    let mut waits = Vec::new();
    for n in 0..ALERTS_FOLLOWED {
        // A group of its own.
        let body =
            format!("[{{\"labels\":{{\"alertname\":\"Followed{n}\",\"severity\":\"critical\"}}}}]");
        let answer = connection.post_json(ALERTS, &body).context("posting an alert")?;
        let accepted = hook.now();
        ensure!(answer.status == 200, "an alert was answered with {}", answer.status);
        let heard = wait_for("a message", MESSAGE_MAX, Duration::from_millis(2), || {
            Ok(hook.came().get(waits.len()).copied())
        })?;
        waits.push(ms(heard.saturating_sub(accepted)));
        pause(Duration::from_millis(20));
    }
    Ok(waits)
}
