//! `metrics-collector`: one task for the host, one for each process, one for the checks of each
//! service.  A look goes to the core as it comes.

use std::path::Path;
use std::sync::Arc;

use nightcrew_config::settings::{Check, Probe, Service};
use nightcrew_model::id::Target;
use nightcrew_model::unit::Millis;

use nightcrew_observe::cgroup::{self, CgroupWatch};
use nightcrew_observe::check::command::Programs;
use nightcrew_observe::host::HostCollector;
use nightcrew_observe::process::ProcessWatch;
use nightcrew_observe::service_checks::ServiceChecks;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::check_programs::CheckPrograms;
use crate::core::chain;
use crate::handle::{Handle, Work};

/// The shortest time between two looks, however much a proof wants them.
pub const LOOK_INTERVAL_MIN: Millis = Millis(100);

/// When the host is looked at for the second time.
pub const SECOND_LOOK: Millis = Millis(300);

/// Waits until the next look at a target is due: `period` after the last one, or sooner while a
/// proof wants it.
pub(crate) struct Pace {
    work: watch::Receiver<Work>,
    last: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(handle: &Handle) -> Self {
        Self { work: handle.0.work.subscribe(), last: None }
    }

    pub(crate) async fn due(&mut self, period: Millis, mine: impl Fn(&Target) -> bool) {
        let Some(last) = self.last else {
            self.last = Some(Instant::now());
            return;
        };
        loop {
            let sooner = {
                let work = self.work.borrow_and_update();
                let wanted = work.wanted.iter().filter(|wanted| mine(&wanted.target));
                wanted.map(|wanted| wanted.interval.max(LOOK_INTERVAL_MIN)).min()
            };
            let period = sooner.map_or(period, |sooner| sooner.min(period));
            tokio::select! {
                () = sleep_until(last + period.duration()) => break,
                changed = self.work.changed() => if changed.is_err() {
                    sleep_until(last + period.duration()).await;
                    break;
                }
            }
        }
        self.last = Some(Instant::now());
    }
}

/// Looks at the host.
pub(crate) struct HostTask {
    handle: Handle,
    collector: HostCollector,
    pace: Pace,
    n_looks: u32,
}

impl HostTask {
    pub(crate) fn new(handle: Handle) -> Self {
        let settings = handle.settings();
        let collector = HostCollector::new(&settings.host, settings.breaker);
        Self { pace: Pace::new(&handle), collector, handle, n_looks: 0 }
    }

    async fn look(&mut self) {
        let interval = self.handle.settings().host.interval;
        // Rates need a second look, and nobody wants to wait a whole interval for it.
        let period = if self.n_looks == 1 { SECOND_LOOK.min(interval) } else { interval };
        self.n_looks = self.n_looks.saturating_add(1);
        self.pace
            .due(period, |target| target.service == nightcrew_model::id::ServiceName::host())
            .await;
        let samples = self.collector.collect(self.handle.clock()).await;
        self.handle.look(samples).await;
    }
}

impl Task for HostTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            self.look().await;
            Ok(())
        })
    }
}

/// Watches the process of a service.
pub(crate) struct ProcessTask {
    handle: Handle,
    service: Service,
    watch: ProcessWatch,
    pace: Pace,
}

impl ProcessTask {
    /// A task for the process of a service, where it has one here.
    pub(crate) fn new(handle: Handle, service: Service) -> Result<Option<Self>, String> {
        let settings = handle.settings();
        let watch = ProcessWatch::new(&service, &settings.run_dir(), settings.breaker);
        let Some(watch) = watch.map_err(|error| chain(&error))? else { return Ok(None) };
        Ok(Some(Self { pace: Pace::new(&handle), handle, service, watch }))
    }

    async fn look(&mut self) {
        let name = &self.service.name;
        let clock = self.handle.clock();
        let samples = tokio::select! {
            samples = self.watch.next(clock) => samples,
            // A proof waits: look more often than usual.
            () = self.pace.due(Millis::NEVER, |target| target.service == *name) => {
                self.watch.look(clock).await
            }
        };
        self.handle.look(samples).await;
    }
}

impl Task for ProcessTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            self.look().await;
            Ok(())
        })
    }
}

/// Looks at the control group of a service.
pub(crate) struct CgroupTask {
    handle: Handle,
    service: Service,
    watch: CgroupWatch,
    pace: Pace,
}

impl CgroupTask {
    /// A task for the control group of a service, where systemd supervises it here.
    pub(crate) fn new(handle: Handle, service: Service) -> Option<Self> {
        let breaker = handle.settings().breaker;
        let watch = CgroupWatch::new(&service, breaker, Path::new(cgroup::ROOT))?;
        Some(Self { pace: Pace::new(&handle), handle, service, watch })
    }
}

impl Task for CgroupTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            let name = &self.service.name;
            let period = self.handle.settings().host.interval;
            self.pace.due(period, |target| target.service == *name).await;
            let samples = self.watch.look(self.handle.clock()).await;
            self.handle.look(samples).await;
            Ok(())
        })
    }
}

/// Asks a service what it is to be asked.
pub(crate) struct ChecksTask {
    handle: Handle,
    service: Service,
    checks: ServiceChecks,
    pace: Pace,
}

impl ChecksTask {
    /// A task for the checks of a service, where it has any.
    pub(crate) fn new(handle: Handle, service: Service) -> Result<Option<Self>, String> {
        let checks = ServiceChecks::new(&service, handle.settings().breaker);
        let Some(checks) = checks.map_err(|error| chain(&error))? else { return Ok(None) };
        let is_command = |check: &Check| matches!(check.probe, Probe::Command { .. });
        let checks = if service.checks.iter().any(is_command) {
            let programs: Arc<dyn Programs> = Arc::new(CheckPrograms::new(&handle));
            checks.run_by(&programs)
        } else {
            checks
        };
        Ok(Some(Self { pace: Pace::new(&handle), handle, service, checks }))
    }

    async fn look(&mut self) {
        let name = &self.service.name;
        let (http, clock) = (&self.handle.0.http, self.handle.clock());
        let samples = tokio::select! {
            samples = self.checks.next(http, clock) => samples,
            // A proof waits: ask more often than usual.
            () = self.pace.due(Millis::NEVER, |target| target.service == *name) => {
                self.checks.look(http, clock).await
            }
        };
        self.handle.look(samples).await;
    }
}

impl Task for ChecksTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            self.look().await;
            Ok(())
        })
    }
}
