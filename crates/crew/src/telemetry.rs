//! What services tell of themselves (OTLP): metrics go to the core like every look, spans are
//! counted and teach who calls whom, log lines wait for whoever reads logs.
//!
//! **Invariant:** what services tell fills no memory: new series beyond [`SERIES_KEPT_MAX`] are
//! refused, and so are log lines beyond [`LINES_WAITING_MAX`].

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nightcrew_detect::red::Red;
use nightcrew_detect::topology::{Learned, Topology};
use nightcrew_model::sample::Sample;
use nightcrew_model::telemetry::{LogLine, SpanSeen};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::handle::{Handle, LOOKS_WAITING_MAX, Refusal};

/// How often it is told how the services did over the last minute.
pub const TELL_INTERVAL: Millis = Millis::from_secs(15);

/// How many samples make up one look.
pub const SAMPLES_PER_LOOK_MAX: usize = 256;

/// How many series are kept in all; services that tell of more are refused.
pub const SERIES_KEPT_MAX: usize = 50_000;

/// How many log lines wait to be read.
pub const LINES_WAITING_MAX: usize = 20_000;

/// How many bytes of log lines wait to be read.
pub const LINES_WAITING_BYTES_MAX: usize = 16 << 20;

/// What services told.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    red: Mutex<Red>,
    topology: Mutex<Topology>,
    lines: Mutex<Lines>,
    line_came: Notify,
}

/// The log lines that wait.
#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<LogLine>,
    n_bytes: usize,
    /// Whether somebody reads them; nothing waits for nobody.
    has_reader: bool,
}

impl Telemetry {
    fn red(&self) -> MutexGuard<'_, Red> {
        self.red.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topology(&self) -> MutexGuard<'_, Topology> {
        self.topology.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// Whether so many samples can be taken now without waiting long.
    ///
    /// # Errors
    /// When too much is waiting.
    pub fn has_room_for_samples(&self, n_samples: usize) -> Result<(), Refusal> {
        let n_looks = n_samples.div_ceil(SAMPLES_PER_LOOK_MAX).min(LOOKS_WAITING_MAX);
        if self.0.looks.is_closed() {
            return Err(Refusal::Stopping);
        }
        if self.0.looks.capacity() < n_looks {
            self.0.counters.overloads.fetch_add(1, Ordering::Relaxed);
            return Err(Refusal::Overloaded);
        }
        Ok(())
    }

    /// Takes samples that a service measured itself, waiting for room.  How many of them began a
    /// series beyond [`SERIES_KEPT_MAX`] and were left out.
    pub async fn take_samples(&self, mut samples: Vec<Sample>) -> usize {
        let n_given = samples.len();
        {
            let latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner);
            // Of one request more may be new than fit; the next one is held to it.
            if latest.len() >= SERIES_KEPT_MAX {
                samples.retain(|sample| {
                    latest.contains_key(&(sample.target.clone(), sample.metric.clone()))
                });
            }
        }
        let n_left_out = n_given - samples.len();
        let mut samples = samples.into_iter().peekable();
        while samples.peek().is_some() {
            self.look(samples.by_ref().take(SAMPLES_PER_LOOK_MAX).collect()).await;
        }
        n_left_out
    }

    /// Takes spans that services told of.
    pub fn take_spans(&self, spans: &[SpanSeen]) {
        let now = self.clock().now();
        self.0.telemetry.red().count(spans, now);
        self.0.telemetry.topology().learn(spans, now);
    }

    /// Who calls whom, as the spans of traces taught it.
    #[must_use]
    pub fn learned_calls(&self) -> Vec<Learned> {
        self.0.telemetry.topology().learned(self.clock().now())
    }

    /// Takes log lines that services told of.  Where nobody reads logs they are counted and let
    /// go.
    ///
    /// # Errors
    /// When too many wait; then none is taken.
    pub fn take_log_lines(&self, lines: Vec<LogLine>) -> Result<(), Refusal> {
        self.0.counters.log_lines.fetch_add(lines.len() as u64, Ordering::Relaxed);
        let telemetry = &self.0.telemetry;
        let mut kept = telemetry.lines();
        if !kept.has_reader {
            return Ok(());
        }
        let n_bytes = kept.n_bytes + lines.iter().map(|line| line.body.len()).sum::<usize>();
        let n_lines = kept.waiting.len() + lines.len();
        if n_lines > LINES_WAITING_MAX || n_bytes > LINES_WAITING_BYTES_MAX {
            self.0.counters.overloads.fetch_add(1, Ordering::Relaxed);
            return Err(Refusal::Overloaded);
        }
        kept.n_bytes = n_bytes;
        kept.waiting.extend(lines);
        drop(kept);
        telemetry.line_came.notify_one();
        Ok(())
    }

    /// The log lines that came in since the last call, waiting for the first.  For one reader: from
    /// its first call on, lines are kept for it.
    pub async fn log_lines(&self) -> Vec<LogLine> {
        let telemetry = &self.0.telemetry;
        loop {
            let came = telemetry.line_came.notified();
            {
                let mut kept = telemetry.lines();
                kept.has_reader = true;
                if !kept.waiting.is_empty() {
                    kept.n_bytes = 0;
                    return std::mem::take(&mut kept.waiting).into();
                }
            }
            came.await;
        }
    }
}

/// Tells the core how the services did over the last minute, by their spans.
pub(crate) struct SpansTask {
    handle: Handle,
    next: Instant,
}

impl SpansTask {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, next: Instant::now() }
    }
}

impl Task for SpansTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            sleep_until(self.next).await;
            self.next = Instant::now() + TELL_INTERVAL.duration();
            let samples = self.handle.0.telemetry.red().samples(self.handle.clock().now());
            let n_left_out = self.handle.take_samples(samples).await;
            if n_left_out > 0 {
                tracing::warn!(
                    samples = n_left_out,
                    "there are {SERIES_KEPT_MAX} series already; some services are not followed"
                );
            }
            Ok(())
        })
    }
}
