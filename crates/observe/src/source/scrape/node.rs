//! What the `node_exporter` shows of its machine, as the same metrics that our own collector gives
//! of this one.
//!
//! <https://github.com/prometheus/node_exporter>, release 1.x.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_model::catalogue;
use nightcrew_model::id::Target;
use nightcrew_model::sample::{Reading, Sample, Unknown};
use nightcrew_model::unit::Unit;

use crate::sampling::{number, percent, sample};
use crate::source::expected::missing;
use crate::source::scrape::text::Line;

/// File systems that no disk stands behind.
const NOT_STORED: [&str; 12] = [
    "autofs",
    "cgroup2",
    "devtmpfs",
    "efivarfs",
    "fuse.lxcfs",
    "iso9660",
    "nsfs",
    "overlay",
    "ramfs",
    "squashfs",
    "tmpfs",
    "tracefs",
];

/// The largest number of mount points of one machine.
const MOUNTS_MAX: usize = 256;

/// How many things of one machine are expected: what comes and goes beyond that is forgotten.
const KNOWN_MAX: usize = 2 * MOUNTS_MAX;

/// Reads one machine.
#[derive(Debug)]
pub(super) struct Node {
    target: Target,
    page: Page,
    before: Option<Totals>,
    /// What it gave at the last look, to be told as unknown when it does not answer.
    known: BTreeSet<(Target, &'static str)>,
}

/// What one page says.
#[derive(Clone, Debug, Default)]
struct Page {
    totals: Totals,
    gauges: BTreeMap<&'static str, f64>,
    mounts: BTreeMap<String, Mount>,
}

/// What only grows.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    /// Seconds of every core in every mode.
    cpu: f64,
    /// The part of them in which nothing was to do.
    idle: f64,
    received: f64,
    sent: f64,
}

#[derive(Clone, Debug, Default)]
struct Mount {
    device: String,
    size: Option<f64>,
    free: Option<f64>,
    available: Option<f64>,
}

/// The numbers without labels that are of use.
const GAUGES: [&str; 5] = [
    "node_load1",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapFree_bytes",
    "node_memory_SwapTotal_bytes",
];

impl Node {
    pub(super) fn new(target: Target) -> Self {
        let mut known = BTreeSet::new();
        let always = [catalogue::CPU_USAGE, catalogue::MEMORY_USAGE, catalogue::LOAD_1M];
        known.extend(always.map(|metric| (target.clone(), metric)));
        Self { target, page: Page::default(), before: None, known }
    }

    /// Begins a page.
    pub(super) fn begin(&mut self) {
        self.page = Page::default();
    }

    /// Takes what is of use of one line.
    pub(super) fn line(&mut self, line: &Line<'_>) {
        let label = |wanted: &str| {
            let found = line.labels.iter().find(|(name, _)| name == wanted);
            found.map_or("", |(_, value)| value.as_ref())
        };
        let Page { totals, gauges, mounts } = &mut self.page;
        match line.name.as_ref() {
            "node_cpu_seconds_total" if line.value.is_finite() => {
                totals.cpu += line.value;
                if matches!(label("mode"), "idle" | "iowait") {
                    totals.idle += line.value;
                }
            }
            "node_network_receive_bytes_total" if label("device") != "lo" => {
                totals.received += line.value;
            }
            "node_network_transmit_bytes_total" if label("device") != "lo" => {
                totals.sent += line.value;
            }
            name @ ("node_filesystem_size_bytes"
            | "node_filesystem_free_bytes"
            | "node_filesystem_avail_bytes") => {
                let point = label("mountpoint");
                if NOT_STORED.contains(&label("fstype"))
                    || (mounts.len() >= MOUNTS_MAX && !mounts.contains_key(point))
                {
                    return;
                }
                let mount = mounts.entry(point.to_owned()).or_default();
                label("device").clone_into(&mut mount.device);
                match name {
                    "node_filesystem_size_bytes" => mount.size = Some(line.value),
                    "node_filesystem_free_bytes" => mount.free = Some(line.value),
                    _ => mount.available = Some(line.value),
                }
            }
            name => {
                if let Some(known) = GAUGES.iter().find(|known| **known == name) {
                    gauges.insert(known, line.value);
                }
            }
        }
    }

    /// The samples of the page that was read; `seconds` is the time since the page before.
    pub(super) fn samples(&mut self, at: Timestamp, seconds: Option<f64>) -> Vec<Sample> {
        let page = std::mem::take(&mut self.page);
        let mut found: Vec<(Target, &'static str, Result<Reading, Unknown>)> = Vec::new();
        let own = |metric, seen| (self.target.clone(), metric, seen);
        let before = self.before.replace(page.totals);
        if let (Some(before), Some(seconds)) = (before, seconds) {
            found
                .extend(page.totals.since(before, seconds).map(|(metric, seen)| own(metric, seen)));
        }
        let gauge = |name| page.gauges.get(name).copied();
        let left = gauge("node_memory_MemAvailable_bytes");
        found.push(own(catalogue::MEMORY_USAGE, used(left, gauge("node_memory_MemTotal_bytes"))));
        let swap = gauge("node_memory_SwapTotal_bytes").filter(|total| *total > 0.0);
        if swap.is_some() {
            found.push(own(catalogue::SWAP_USAGE, used(gauge("node_memory_SwapFree_bytes"), swap)));
        }
        let load = gauge("node_load1").ok_or_else(missing);
        found.push(own(catalogue::LOAD_1M, load.and_then(|load| number(load, Unit::Count))));
        let mut devices = BTreeSet::new();
        for (point, mount) in &page.mounts {
            // A bind mount shows the same disk again.
            if devices.insert(mount.device.as_str()) {
                let target = Target::part(self.target.service.clone(), point);
                found.push((target, catalogue::DISK_USAGE, mount.used()));
            }
        }
        let now: BTreeSet<_> =
            found.iter().map(|(target, metric, _)| (target.clone(), *metric)).collect();
        let gone: Vec<_> = self.known.difference(&now).cloned().collect();
        if before.is_some() {
            found.extend(gone.into_iter().map(|(target, metric)| (target, metric, Err(missing()))));
        }
        self.known.extend(now.iter().cloned());
        if self.known.len() > KNOWN_MAX {
            self.known = now;
        }
        let samples = found.into_iter();
        samples.map(|(target, metric, seen)| sample(at, &target, metric, seen, None)).collect()
    }

    /// What is said of everything when there is no page.
    pub(super) fn none(&self, at: Timestamp, why: &Unknown) -> Vec<Sample> {
        let known = self.known.iter();
        known.map(|(target, metric)| sample(at, target, metric, Err(why.clone()), None)).collect()
    }
}

impl Totals {
    /// What was used between two pages; a counter that is smaller than before began again, and
    /// what it shows has all been counted since.
    fn since(self, before: Self, seconds: f64) -> [(&'static str, Result<Reading, Unknown>); 3] {
        let grown = |now: f64, before: f64| if now < before { now } else { now - before };
        let all = grown(self.cpu, before.cpu);
        let idle = grown(self.idle, before.idle);
        let cpu = if all > 0.0 {
            percent((100.0 * (1.0 - idle / all)).clamp(0.0, 100.0))
        } else {
            Err(missing())
        };
        let rate = |now, before| number(grown(now, before) / seconds, Unit::BytesPerSecond);
        [
            (catalogue::CPU_USAGE, cpu),
            (catalogue::NETWORK_RECEIVE, rate(self.received, before.received)),
            (catalogue::NETWORK_TRANSMIT, rate(self.sent, before.sent)),
        ]
    }
}

impl Mount {
    /// As `df` shows it: what an ordinary user can no longer write.
    fn used(&self) -> Result<Reading, Unknown> {
        let (Some(size), Some(free), Some(available)) = (self.size, self.free, self.available)
        else {
            return Err(missing());
        };
        let used = size - free;
        let whole = used + available;
        if !(whole > 0.0 && used >= 0.0 && available >= 0.0) {
            return Err(Unknown::NotPlausible(format!("{used} B of {whole} B")));
        }
        percent(100.0 * used / whole)
    }
}

/// The used part where so much is left of the whole.
fn used(left: Option<f64>, whole: Option<f64>) -> Result<Reading, Unknown> {
    let (left, whole) = left.zip(whole).ok_or_else(missing)?;
    if whole <= 0.0 {
        return Err(Unknown::NotPlausible(format!("{left} B of {whole} B")));
    }
    percent(100.0 - 100.0 * left / whole)
}
