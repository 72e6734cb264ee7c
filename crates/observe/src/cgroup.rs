//! The control group (version 2) of a service that systemd supervises: what it uses of what it may
//! have.
//!
//! Source: <https://docs.kernel.org/admin-guide/cgroup-v2.html>.
//!
//! | metric | from |
//! |---|---|
//! | `container_memory` | `memory.current` of `memory.max`; none without a limit |
//! | `oom_kills` | `memory.events`, in a minute |
//! | `cpu_throttled` | `cpu.stat`: the part of its periods in which it was held back |
//! | `pids_usage` | `pids.current` of `pids.max`; none without a limit |
//! | `io_pressure` | `io.pressure`: the part of the last minute in which something waited |
//!
//! A file that is not there says nothing: the controller is off.  A group that is not there is
//! `Absent`: the unit is not started.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::catalogue;
use nightcrew_model::id::Target;
use nightcrew_model::sample::{Reading, Sample, Unknown};
use nightcrew_model::unit::{Millis, Unit};
use nightcrew_runtime::clock::Clock;

use crate::collector::Collector;
use crate::sampling::{float, number, percent, sample, share, size};

/// Where control groups are.
pub const ROOT: &str = "/sys/fs/cgroup";

/// The slice in which systemd puts the units of the system.
const SLICE: &str = "system.slice";

/// The largest file of a group that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// How long a look may take.
const TIMEOUT: Millis = Millis::from_secs(5);

/// Looks at the control group of one service.
#[derive(Debug)]
pub struct CgroupWatch {
    target: Target,
    folder: PathBuf,
    collector: Collector<Seen>,
    before: Option<(Timestamp, Seen)>,
}

/// What the files of a group say; none: the controller is off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    memory: Option<u64>,
    memory_max: Option<u64>,
    oom_kills: Option<u64>,
    periods: Option<u64>,
    throttled: Option<u64>,
    pids: Option<u64>,
    pids_max: Option<u64>,
    /// Hundredths of the last minute.
    io_pressure: Option<f64>,
}

impl CgroupWatch {
    /// A watch for the unit of a service below `root`; none where it has no unit, or the machine
    /// has no control groups of version 2 there.
    #[must_use]
    pub fn new(
        service: &settings::Service,
        breaker: settings::Breaker,
        root: &Path,
    ) -> Option<Self> {
        let unit = service.unit.as_ref()?;
        if !root.join("cgroup.controllers").exists() {
            return None;
        }
        let unit = if unit.contains('.') { unit.clone() } else { format!("{unit}.service") };
        Some(Self {
            target: Target::service(service.name.clone()),
            folder: root.join(SLICE).join(unit),
            collector: Collector::new(TIMEOUT, breaker),
            before: None,
        })
    }

    /// Looks now.
    pub async fn look(&mut self, clock: &Clock) -> Vec<Sample> {
        let at = clock.now();
        let folder = self.folder.clone();
        let seen = match self.collector.look(at, move |_| read(&folder)).await {
            Ok(seen) => seen,
            Err(why) => {
                self.before = None;
                let metric = catalogue::CONTAINER_MEMORY;
                return vec![sample(at, &self.target, metric, Err(why), None)];
            }
        };
        let before = self.before.replace((at, seen));
        let mut samples = self.levels(at, seen);
        if let Some((then, before)) = before {
            samples.extend(self.rates(at, seen, then, before));
        }
        samples
    }

    fn levels(&self, at: Timestamp, seen: Seen) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut add = |metric: &str, seen: Result<Reading, Unknown>, detail: Option<String>| {
            samples.push(sample(at, &self.target, metric, seen, detail));
        };
        if let (Some(used), Some(most)) = (seen.memory, seen.memory_max) {
            let detail = format!("{} of {} used", size(used), size(most));
            // A limit that was lowered just now is exceeded until the kernel has made room.
            let part = share(used.min(most), most).and_then(percent);
            add(catalogue::CONTAINER_MEMORY, part, Some(detail));
        }
        if let (Some(used), Some(most)) = (seen.pids, seen.pids_max) {
            let detail = format!("{used} of {most} processes");
            add("pids_usage", share(used.min(most), most).and_then(percent), Some(detail));
        }
        if let Some(pressure) = seen.io_pressure {
            add("io_pressure", percent(pressure), None);
        }
        samples
    }

    /// What grew since the last look; nothing where the group was begun anew.
    fn rates(&self, at: Timestamp, seen: Seen, then: Timestamp, before: Seen) -> Vec<Sample> {
        let grown = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
        let mut samples = Vec::new();
        let minutes = at.duration_since(then).as_secs_f64() / 60.0;
        if let Some(kills) = grown(seen.oom_kills, before.oom_kills).filter(|_| minutes > 0.0) {
            let rate = number(float(kills) / minutes, Unit::PerMinute);
            samples.push(sample(at, &self.target, "oom_kills", rate, None));
        }
        let periods = grown(seen.periods, before.periods).filter(|periods| *periods > 0);
        if let (Some(periods), Some(throttled)) = (periods, grown(seen.throttled, before.throttled))
        {
            let part = share(throttled.min(periods), periods).and_then(percent);
            samples.push(sample(at, &self.target, "cpu_throttled", part, None));
        }
        samples
    }
}

/// Reads the files of a group.
fn read(folder: &Path) -> Result<Seen, Unknown> {
    if !folder.is_dir() {
        return Err(Unknown::Absent);
    }
    let text = |name: &str| file(&folder.join(name));
    let memory_events = text("memory.events")?;
    let cpu = text("cpu.stat")?;
    let pressure = text("io.pressure")?;
    Ok(Seen {
        memory: whole(text("memory.current")?.as_deref())?,
        memory_max: whole(text("memory.max")?.as_deref())?,
        oom_kills: member(memory_events.as_deref(), "oom_kill"),
        periods: member(cpu.as_deref(), "nr_periods"),
        throttled: member(cpu.as_deref(), "nr_throttled"),
        pids: whole(text("pids.current")?.as_deref())?,
        pids_max: whole(text("pids.max")?.as_deref())?,
        io_pressure: pressure.as_deref().and_then(some_of_minute),
    })
}

/// The text of a file; none where there is no such file.
fn file(path: &Path) -> Result<Option<String>, Unknown> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| {
        Unknown::Failed(format!("{} cannot be read: {error}", path.display()))
    };
    let opened = match std::fs::File::open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    match opened.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => Ok(Some(text)),
        // Pressure is not measured by this kernel (ENODEV, EOPNOTSUPP).
        Err(_) if path.ends_with("io.pressure") => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// A number alone in its file; none where it is `max`.
fn whole(text: Option<&str>) -> Result<Option<u64>, Unknown> {
    match text.map(str::trim) {
        None | Some("max") => Ok(None),
        Some(text) => {
            let odd = |_| Unknown::NotPlausible(text.to_owned());
            text.parse().map(Some).map_err(odd)
        }
    }
}

/// The number behind a name at the beginning of a line.
fn member(text: Option<&str>, name: &str) -> Option<u64> {
    let value = text?.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value?.trim().parse().ok()
}

/// `some avg10=0.00 avg60=1.53 avg300=0.70 total=…`: the part of the last minute.
fn some_of_minute(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    line.split(' ').find_map(|word| word.strip_prefix("avg60="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nightcrew_model::id::ServiceName;

    use super::*;

    fn service(unit: Option<&str>) -> settings::Service {
        settings::Service {
            unit: unit.map(str::to_owned),
            ..settings::Service::new(ServiceName::from("결제"))
        }
    }

    fn at(seconds: i64) -> Clock {
        Clock::starting_at(Timestamp::from_second(1_800_000_000 + seconds).unwrap())
    }

    async fn said(watch: &mut CgroupWatch, clock: &Clock) -> Vec<String> {
        let samples = watch.look(clock).await;
        samples.iter().map(|one| format!("{} {}", one.metric, one.observation)).collect()
    }

    #[tokio::test]
    async fn a_group_tells_what_it_uses_of_what_it_may_have() {
        let root = tempfile::tempdir().unwrap();
        let breaker = settings::Breaker::default();
        let new = |unit| CgroupWatch::new(&service(unit), breaker, root.path());
        assert!(new(Some("pay")).is_none(), "version 1");
        fs::write(root.path().join("cgroup.controllers"), "cpu io memory pids\n").unwrap();
        assert!(new(None).is_none());
        let mut watch = new(Some("pay")).unwrap();
        let absent = ["container_memory unknown (nothing of that name)"];
        assert_eq!(said(&mut watch, &at(0)).await, absent);
        let folder = root.path().join("system.slice/pay.service");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("memory.current", "50000000\n");
        write("memory.max", "200000000\n");
        write("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n");
        write("cpu.stat", "usage_usec 9\nnr_periods 100\nnr_throttled 10\nthrottled_usec 5\n");
        write("pids.current", "30\n");
        write("pids.max", "max\n");
        write(
            "io.pressure",
            "some avg10=0.00 avg60=12.50 avg300=0.70 total=9\nfull avg10=0.00 avg60=1.00\n",
        );
        assert_eq!(said(&mut watch, &at(0)).await, ["container_memory 25 %", "io_pressure 12.5 %"]);
        write("memory.events", "oom_kill 3\n");
        write("cpu.stat", "nr_periods 200\nnr_throttled 85\n");
        write("pids.max", "40\n");
        let later = said(&mut watch, &at(30)).await;
        let wanted = [
            "container_memory 25 %",
            "pids_usage 75 %",
            "io_pressure 12.5 %",
            "oom_kills 4/min",
            "cpu_throttled 75 %",
        ];
        assert_eq!(later, wanted);
        write("memory.current", "viel\n");
        let odd = said(&mut watch, &at(60)).await;
        assert_eq!(odd, ["container_memory unknown (not plausible: viel)"]);
    }
}
