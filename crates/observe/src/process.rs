//! The processes of a service: whether they live, and what they use.
//!
//! **Invariant:** "stopped" is said only after a complete look that found none; what could not be
//! looked at is Unknown.  A number that the kernel gave to another process is never taken for the
//! service, see [`nightcrew_runtime::process`].
//!
//! Deliberately not here: what a stop means, and whether the service should run at all.

pub(crate) mod end;
mod look;

use std::collections::HashMap;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use jiff::Timestamp;
use nightcrew_config::settings::{self, ProcessMatch};
use nightcrew_model::catalogue;
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::sample::{Reading, Sample, Status, Unknown};
use nightcrew_model::unit::{Millis, Unit};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::process::{self, Identity, Matcher, OpenError};
use tokio::time::Instant;

use crate::collector::Collector;
use crate::pidfd::{self, Watch};
use crate::process::look::{Seen, SeenProcess};
use crate::sampling::{float, number, sample};

/// How long one look at the processes may take.
pub const LOOK_TIMEOUT: Millis = Millis::from_secs(5);

/// How many processes of one service are watched for their end.
pub const ROOTS_MAX: usize = 16;

/// How often, between two regular looks, the end of a process brings the next look forward: a
/// service whose processes come and go all the time is then looked at as its interval says.
pub const EARLY_LOOKS_MAX: u32 = 8;

/// The shortest time over which the CPU time of a process is measured.
pub const CPU_WINDOW_MIN: Millis = Millis(100);

/// The pattern of a service cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the command line pattern of service `{service}` is not a regular expression")]
pub struct BadMatcher {
    /// The service.
    pub service: ServiceName,
    /// Why.
    pub source: regex::Error,
}

/// How the process of a service is found; none: it has none here.
///
/// # Errors
/// When its pattern is not a regular expression.
pub fn matcher(service: &settings::Service, run_dir: &Path) -> Result<Option<Matcher>, BadMatcher> {
    let Some(found_by) = &service.process else {
        return Ok(None);
    };
    Ok(Some(match found_by {
        ProcessMatch::Name(name) => Matcher::Name(name.clone()),
        ProcessMatch::PidFile(path) => Matcher::PidFile(path.clone()),
        ProcessMatch::Child => Matcher::Child(run_dir.join(format!("{}.pid", service.name))),
        ProcessMatch::CommandLine(pattern) => match regex::Regex::new(pattern) {
            Ok(pattern) => Matcher::CommandLine(pattern),
            Err(source) => {
                let service = service.name.clone();
                return Err(BadMatcher { service, source });
            }
        },
    }))
}

/// Watches the processes of one service.
#[derive(Debug)]
pub struct ProcessWatch {
    target: Target,
    matcher: Matcher,
    interval: Millis,
    collector: Collector<Seen>,
    /// When the next regular look is due; none: now.
    due: Option<Instant>,
    early_left: u32,
    /// Whether something ended that no look has reported.
    again: bool,
    /// The watched ends.
    watches: HashMap<Identity, Watch>,
    /// Why an end is not seen at once.
    blind: Option<String>,
    /// The processes of the last look, the oldest first.
    last: Vec<Identity>,
    /// How the service came to be stopped.
    ended: Option<String>,
    cpu: Option<CpuTicks>,
}

/// The CPU time of each process at one moment.
#[derive(Debug)]
struct CpuTicks {
    at: Instant,
    ticks: HashMap<Identity, u64>,
}

impl ProcessWatch {
    /// A watch that has not looked yet; none where the service has no process here.  `run_dir` is
    /// the folder `run` below the data folder.
    ///
    /// # Errors
    /// When the service's pattern is not a regular expression.
    pub fn new(
        service: &settings::Service,
        run_dir: &Path,
        breaker: settings::Breaker,
    ) -> Result<Option<Self>, BadMatcher> {
        Ok(matcher(service, run_dir)?.map(|matcher| Self {
            target: Target::service(service.name.clone()),
            matcher,
            interval: service.interval,
            collector: Collector::new(LOOK_TIMEOUT, breaker),
            due: None,
            early_left: EARLY_LOOKS_MAX,
            again: false,
            watches: HashMap::new(),
            blind: None,
            last: Vec::new(),
            ended: None,
            cpu: None,
        }))
    }

    /// Waits until the service's interval has passed or a watched process ends, then looks.  The
    /// first call looks at once.  May be dropped at any time; nothing is lost.
    pub async fn next(&mut self, clock: &Clock) -> Vec<Sample> {
        let regular = self.due;
        let early = match regular {
            Some(due) => self.ends_before(due).await,
            None => false,
        };
        let next = Instant::now() + self.interval.duration();
        let samples = self.look(clock).await;
        // Only now: a call that was dropped while it looked did not look.
        if early {
            self.early_left = self.early_left.saturating_sub(1);
        } else {
            self.early_left = EARLY_LOOKS_MAX;
            self.due = Some(next);
        }
        samples
    }

    /// Looks now, for verification; does not change when [`Self::next`] looks.
    ///
    /// The status is always there.  `process_cpu` needs two looks [`CPU_WINDOW_MIN`] apart and is
    /// left out where there is nothing to compare with.
    pub async fn look(&mut self, clock: &Clock) -> Vec<Sample> {
        let at = clock.now();
        let began = Instant::now();
        let matcher = self.matcher.clone();
        let watched = self.watches.keys().copied().collect();
        let seen = self.collector.look(at, move |_| look::look(&matcher, &watched));
        match seen.await {
            Ok(seen) => self.report(at, began, seen),
            Err(why) => {
                self.again = false;
                [catalogue::PROCESS_STATUS, catalogue::PROCESS_CPU, catalogue::PROCESS_MEMORY_MB]
                    .map(|metric| sample(at, &self.target, metric, Err(why.clone()), None))
                    .to_vec()
            }
        }
    }

    /// Whether a watched process ends before `due`, and there is an early look left to spend.
    async fn ends_before(&mut self, due: Instant) -> bool {
        if self.early_left == 0 {
            tokio::time::sleep_until(due).await;
            return false;
        }
        tokio::select! {
            biased;
            () = poll_fn(|context| self.poll_ends(context)) => true,
            () = tokio::time::sleep_until(due) => false,
        }
    }

    /// Ready as long as an end was seen that no look has reported.
    fn poll_ends(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Self { ended, again, .. } = self;
        self.watches.retain(|identity, watch| {
            let Poll::Ready(end) = Pin::new(watch).poll(context) else {
                return true;
            };
            *ended = Some(format!("pid {} {end}", identity.pid));
            *again = true;
            false
        });
        if self.again { Poll::Ready(()) } else { Poll::Pending }
    }

    fn report(&mut self, at: Timestamp, began: Instant, seen: Seen) -> Vec<Sample> {
        let Seen { processes, opened } = seen;
        // What ended before this look is in it; what ended meanwhile may still have been seen alive.
        self.again = false;
        let waker = std::task::Waker::noop();
        let _ready = self.poll_ends(&mut Context::from_waker(waker));
        self.again &= !processes.is_empty();
        self.watch(&processes, opened);
        let (status, words) = if processes.is_empty() {
            (Status::Stopped, self.why_stopped())
        } else {
            (Status::Running, self.how_running(&processes))
        };
        let status = Ok(Reading::Status(status));
        let metric = catalogue::PROCESS_STATUS;
        let mut samples = vec![sample(at, &self.target, metric, status, Some(words))];
        if let Some(cpu) = self.cpu(began, &processes) {
            samples.push(sample(at, &self.target, catalogue::PROCESS_CPU, cpu, None));
        }
        let memory = memory(&processes);
        samples.push(sample(at, &self.target, catalogue::PROCESS_MEMORY_MB, memory, None));
        self.last = processes.iter().map(|process| process.identity).collect();
        samples
    }

    /// Watches for the end of what was found, and of nothing else.
    fn watch(
        &mut self,
        processes: &[SeenProcess],
        opened: Vec<(Identity, Result<std::os::fd::OwnedFd, OpenError>)>,
    ) {
        let lives = |identity: &Identity| processes.iter().any(|seen| seen.identity == *identity);
        self.watches.retain(|identity, _| lives(identity));
        self.blind = None;
        for (identity, opened) in opened {
            let refused = match opened {
                Ok(pidfd) => match pidfd::watch(pidfd) {
                    Ok(watch) => {
                        self.watches.insert(identity, watch);
                        continue;
                    }
                    Err(why) => why.to_string(),
                },
                // It ended after it was found: the next look, at once, will say so.
                Err(OpenError::Gone) => {
                    self.again = true;
                    continue;
                }
                Err(OpenError::Refused(why)) => why.to_string(),
                Err(why) => why.to_string(),
            };
            self.blind = Some(refused);
        }
    }

    fn how_running(&mut self, processes: &[SeenProcess]) -> String {
        if !self.again {
            self.ended = None;
        }
        let Some(oldest) = processes.first() else {
            return String::new();
        };
        let Identity { pid, .. } = oldest.identity;
        let age = process::age(oldest.identity);
        let suspended = if oldest.suspended { ", suspended by a signal" } else { "" };
        let more = match processes.len() {
            1 => String::new(),
            all => format!(", with {} more", all - 1),
        };
        let blind = match &self.blind {
            None => String::new(),
            Some(why) => format!("; its end will be seen only at the next look: {why}"),
        };
        format!("pid {pid} running for {age}{suspended}{more}{blind}")
    }

    fn why_stopped(&mut self) -> String {
        if let (None, Some(oldest)) = (&self.ended, self.last.first()) {
            let lives = process::is_alive(*oldest).unwrap_or(false);
            self.ended = Some(if lives {
                format!("pid {} is no longer the one found by {}", oldest.pid, self.matcher)
            } else {
                format!("pid {} is gone", oldest.pid)
            });
        }
        match &self.ended {
            Some(ended) => ended.clone(),
            None => format!("no process found by {}", self.matcher),
        }
    }

    /// CPU time used since the last look; none: there is none to compare with.
    fn cpu(&mut self, at: Instant, processes: &[SeenProcess]) -> Option<Result<Reading, Unknown>> {
        if processes.is_empty() {
            self.cpu = None;
            return Some(Err(Unknown::Absent));
        }
        let window = self.cpu.as_ref().map(|before| at - before.at);
        if window.is_some_and(|window| window < CPU_WINDOW_MIN.duration()) {
            return None;
        }
        let now = CpuTicks {
            at,
            ticks: processes.iter().map(|seen| (seen.identity, seen.cpu_ticks)).collect(),
        };
        let before = self.cpu.replace(now)?;
        let window = at - before.at;
        let hertz = float(process::ticks_per_second());
        let mut used = 0_u64;
        for seen in processes {
            // One that was not there at the last look either began since then, and all its time
            // counts, or is older and only now matches, and its past does not.
            let began_since = process::age(seen.identity).duration() <= window;
            let past = if began_since { 0 } else { seen.cpu_ticks };
            let past = before.ticks.get(&seen.identity).copied().unwrap_or(past);
            let Some(since) = seen.cpu_ticks.checked_sub(past) else {
                let why = format!("CPU time of pid {} went back", seen.identity.pid);
                return Some(Err(Unknown::NotPlausible(why)));
            };
            used = used.saturating_add(since);
        }
        let percent = float(used) / hertz / window.as_secs_f64() * 100.0;
        Some(number(percent, Unit::Percent))
    }
}

fn memory(processes: &[SeenProcess]) -> Result<Reading, Unknown> {
    if processes.is_empty() {
        return Err(Unknown::Absent);
    }
    let bytes = processes.iter().fold(0_u64, |sum, seen| sum.saturating_add(seen.resident_bytes));
    number(float(bytes) / 1e6, Unit::Megabytes)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// Ends with the test.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }

    #[tokio::test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a real process to look at, which this test ends"
    )]
    async fn an_end_during_a_look_brings_the_next_one_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.pid");
        for _ in 0..50 {
            let mut sleeper = Sleeper(Command::new("/bin/sleep").arg("86413").spawn().unwrap());
            std::fs::write(&path, sleeper.0.id().to_string()).unwrap();
            let service = settings::Service {
                process: Some(ProcessMatch::PidFile(path.clone())),
                interval: Millis::from_secs(3_600),
                ..settings::Service::new(ServiceName::from("예약"))
            };
            let breaker = settings::Breaker::default();
            let mut watch = ProcessWatch::new(&service, folder.path(), breaker).unwrap().unwrap();
            let clock = Clock::System;
            watch.next(&clock).await;

            let watched = watch.watches.keys().copied().collect();
            let seen_alive = look::look(&watch.matcher, &watched).unwrap();
            sleeper.0.kill().unwrap();
            let samples = watch.report(clock.now(), Instant::now(), seen_alive);
            assert_eq!(samples[0].observation.to_string(), "running");
            let samples = watch.next(&clock).await;
            assert_eq!(samples[0].observation.to_string(), "stopped");
            let words = samples[0].detail.clone().unwrap();
            assert!(words.ends_with("was ended by signal 9 (SIGKILL)"), "{words}");
        }
    }
}
