//! `orchestrator`, third task: calls a URL of another system while the audit passes.  That system
//! pages somebody when the calls stop: the one alarm that works when this machine does not.

use std::sync::atomic::Ordering;

use nightcrew_config::settings::Heartbeat;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use nightcrew_runtime::http::Request;
use tokio::time::{Instant, sleep_until};

use crate::handle::Handle;

/// How long one call may take.
pub const CALL_MAX: Millis = Millis::from_secs(10);

/// How often is looked whether a call is due.
const LOOK: Millis = Millis(1_000);

pub(crate) struct Caller {
    handle: Handle,
    last: Option<Instant>,
    first: bool,
}

impl Caller {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, last: None, first: true }
    }

    async fn call_due(&mut self) -> Result<(), String> {
        // The first round is at once, so that readiness does not wait for it.
        if std::mem::take(&mut self.first) {
            return Ok(());
        }
        sleep_until(Instant::now() + LOOK.duration()).await;
        let settings = self.handle.settings();
        let Some(heartbeat) = &settings.triage.heartbeat else { return Ok(()) };
        let interval = heartbeat.interval.max(LOOK).duration();
        if self.last.is_some_and(|last| Instant::now() < last + interval) {
            return Ok(());
        }
        let now = self.handle.clock().now();
        if !self.handle.audit().is_some_and(|audit| audit.passes(now)) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let called = self.call(heartbeat).await;
        let counters = self.handle.counters();
        let counter = match &called {
            Ok(()) => &counters.heartbeats_sent,
            Err(_) => &counters.heartbeats_failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        called
    }

    /// No error holds the URL, which is a secret.
    async fn call(&self, heartbeat: &Heartbeat) -> Result<(), String> {
        let request = Request::get(heartbeat.url.expose(), CALL_MAX);
        let answer = self.handle.0.http.send(request).await;
        let answer = answer.map_err(|error| format!("the heartbeat was not heard: {error}"))?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(format!("the heartbeat was not heard: HTTP {}", answer.status.as_u16()))
    }
}

impl Task for Caller {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            let called = self.call_due().await;
            if let Err(error) = &called {
                tracing::warn!("{error}");
            }
            called
        })
    }
}
