//! A crew whose time a test moves.

use std::path::Path;

use nightcrew_channels::console::Console;
use nightcrew_config::settings::{Channel, Disks, Settings};
use nightcrew_crew::crew::{Crew, Doors};
use nightcrew_crew::handle::Handle;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

use crate::receiver::Receivers;
use crate::stage::alert;
use crate::time::Time;

/// When every test begins.
pub(crate) const EPOCH: &str = "2026-11-21T03:00:00Z";

/// Settings of a crew that watches nothing, with these channels and without storm control.
pub(crate) fn quiet(folder: &Path, channels: Vec<Channel>) -> Settings {
    let mut settings = Settings::zero(folder.join("data"));
    settings.workspace_dir = folder.join("workspace");
    settings.host.interval = Millis::from_secs(3_600 * 24);
    settings.host.disks = Disks::Listed(Vec::new());
    settings.triage.storm = None;
    settings.channels = channels;
    settings
}

/// A crew, its receivers and its time.
pub(crate) struct Scene {
    pub(crate) crew: Crew,
    pub(crate) handle: Handle,
    pub(crate) receivers: Receivers,
    pub(crate) time: Time,
    pub(crate) clock: Clock,
}

impl Scene {
    pub(crate) async fn begin(settings: Settings) -> Self {
        let clock = Clock::starting_at(EPOCH.parse().unwrap());
        let receivers = Receivers::new(&clock);
        Self::begin_with(settings, clock, receivers, Time::held()).await
    }

    pub(crate) async fn begin_with(
        settings: Settings,
        clock: Clock,
        receivers: Receivers,
        time: Time,
    ) -> Self {
        let http = receivers.http();
        Self::begin_through(settings, clock, receivers, time, http).await
    }

    /// Begins with another way to the world.
    pub(crate) async fn begin_through(
        settings: Settings,
        clock: Clock,
        receivers: Receivers,
        time: Time,
        http: Http,
    ) -> Self {
        let doors = Doors { clock: clock.clone(), http, console: Console::new(std::io::sink()) };
        let crew = Crew::start(settings, doors).await.unwrap();
        let handle = crew.handle().clone();
        let scene = Self { crew, handle, receivers, time, clock };
        let ready = async || scene.handle.is_ready().then_some(());
        scene.until(60, "ready", ready).await;
        scene
    }

    /// Kills the crew: nothing is stopped in order, nothing is waited for.
    pub(crate) async fn kill(self) -> (Clock, Receivers, Time) {
        let Self { crew, handle, receivers, time, clock } = self;
        drop(crew);
        // The journal goes with its last handle; what its threads hold follows at once.
        let journal = handle.journal().clone();
        drop(handle);
        let _ = journal.close().await;
        (clock, receivers, time)
    }

    /// Stops the crew.  Time moves by itself, because a stop waits for what is under way.
    pub(crate) async fn stop(self) {
        drop(self.time);
        self.crew.stop().await;
    }

    /// Stops the crew in order, and gives what another one can begin with.
    pub(crate) async fn stop_to_begin_again(self) -> (Clock, Receivers, Time) {
        let Self { crew, receivers, time, clock, .. } = self;
        drop(time);
        crew.stop().await;
        (clock, receivers, Time::held())
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.time.pass(&self.handle, Millis::from_secs(seconds)).await;
    }

    pub(crate) async fn until<T>(
        &self,
        seconds: u64,
        what: &str,
        look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        self.time.until(&self.handle, Millis::from_secs(seconds), what, look).await
    }

    /// Waits until a channel took so many messages.
    pub(crate) async fn taken(&self, channel: &str, n: usize, seconds: u64) {
        let enough = async || (self.receivers.taken(channel).len() >= n).then_some(());
        self.until(seconds, &format!("{n} messages at {channel}"), enough).await;
    }

    /// Alerts of a source that says itself when they are over.
    pub(crate) async fn alerts(&self, alerts: Vec<IncomingAlert>) {
        self.handle.take_alerts(Source::Alertmanager, alerts).await.unwrap();
    }

    /// One alert about each of these services: an incident each.
    pub(crate) async fn trouble(&self, services: &[&str]) {
        let about = |service: &&str| alert(&[("alertname", "응답 없음"), ("service", service)]);
        self.alerts(services.iter().map(about).collect()).await;
    }
}
