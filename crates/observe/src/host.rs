//! This machine: CPU, memory, swap, load, network, disks.
//!
//! Memory, swap and load come from `sysinfo`.  CPU and network are read from `/proc` (Linux only):
//! there `sysinfo` answers a failed read with the last value or with zero, which here would be a
//! lie.

mod disks;
mod mounts;
mod rates;
mod space;

use std::time::Duration;

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::catalogue;
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::sample::{Reading, Sample, Unknown};
use nightcrew_model::unit::Unit;
use nightcrew_runtime::clock::Clock;
use tokio::time::Instant;

use crate::collector::Collector;
use crate::host::disks::DiskWatch;
use crate::host::rates::{CpuTimes, Traffic};
use crate::sampling::{capped, number, percent, sample, share, size};

/// The shortest time over which CPU time and network traffic are measured.
pub const WINDOW_MIN: Duration = Duration::from_millis(100);

/// Why the first look cannot tell a rate.
const FIRST_LOOK: &str = "measured from the second look on";

/// Looks at this machine.
#[derive(Debug)]
pub struct HostCollector {
    cpu: Paired<CpuTimes>,
    network: Paired<Traffic>,
    memory: Collector<Memory>,
    load: Collector<f64>,
    disks: DiskWatch,
}

impl HostCollector {
    /// A collector that has not looked yet.
    #[must_use]
    pub fn new(host: &settings::Host, breaker: settings::Breaker) -> Self {
        Self {
            cpu: Paired::new(Collector::new(host.timeout, breaker)),
            network: Paired::new(Collector::new(host.timeout, breaker)),
            memory: Collector::new(host.timeout, breaker),
            load: Collector::new(host.timeout, breaker),
            disks: DiskWatch::new(host, breaker),
        }
    }

    /// Looks at everything at the same time.  Takes at most the timeout and [`WINDOW_MIN`].  CPU and
    /// network are differences between two looks: the first round cannot tell them.
    pub async fn collect(&mut self, clock: &Clock) -> Vec<Sample> {
        let at = clock.now();
        let (cpu, network, memory, load, disks) = tokio::join!(
            self.cpu.look(at, rates::read_cpu),
            self.network.look(at, rates::read_traffic),
            self.memory.look(at, |_| read_memory()),
            self.load.look(at, |_| read_load()),
            self.disks.look(at),
        );
        let mut samples = vec![cpu_sample(at, cpu)];
        samples.extend(memory_samples(at, &memory));
        let load = load.and_then(|load| number(load, Unit::Count));
        samples.push(sample(at, &host(), catalogue::LOAD_1M, load, None));
        samples.extend(network_samples(at, network));
        samples.extend(disks);
        capped(samples)
    }
}

/// A collector whose answer is the difference between this look and the one before.
#[derive(Debug)]
struct Paired<T> {
    collector: Collector<T>,
    before: Option<(Instant, T)>,
}

/// Two looks and the time between them.
struct Pair<T> {
    before: T,
    after: T,
    apart: Duration,
}

impl<T: Clone + Send + 'static> Paired<T> {
    fn new(collector: Collector<T>) -> Self {
        Self { collector, before: None }
    }

    async fn look(
        &mut self,
        now: Timestamp,
        read: fn() -> Result<T, Unknown>,
    ) -> Result<Pair<T>, Unknown> {
        let Some((since, before)) = self.before.take() else {
            let first = self.collector.look(now, move |_| read()).await?;
            self.before = Some((Instant::now(), first));
            return Err(Unknown::Failed(FIRST_LOOK.to_owned()));
        };
        // Kept, so that a failed look makes the next difference longer, not wrong.
        self.before = Some((since, before.clone()));
        tokio::time::sleep_until(since + WINDOW_MIN).await;
        let after = self.collector.look(now, move |_| read()).await?;
        let until = Instant::now();
        self.before = Some((until, after.clone()));
        Ok(Pair { before, after, apart: until - since })
    }
}

fn host() -> Target {
    Target::service(ServiceName::host())
}

fn cpu_sample(at: Timestamp, pair: Result<Pair<CpuTimes>, Unknown>) -> Sample {
    let usage = pair.and_then(|pair| rates::cpu_usage(&pair.before, &pair.after)).and_then(percent);
    sample(at, &host(), catalogue::CPU_USAGE, usage, None)
}

fn network_samples(at: Timestamp, pair: Result<Pair<Traffic>, Unknown>) -> [Sample; 2] {
    let rates = pair.and_then(|pair| rates::traffic_rates(&pair.before, &pair.after, pair.apart));
    let (receive, transmit) = match rates {
        Ok((receive, transmit)) => {
            (number(receive, Unit::BytesPerSecond), number(transmit, Unit::BytesPerSecond))
        }
        Err(why) => (Err(why.clone()), Err(why)),
    };
    [
        sample(at, &host(), catalogue::NETWORK_RECEIVE, receive, None),
        sample(at, &host(), catalogue::NETWORK_TRANSMIT, transmit, None),
    ]
}

/// Memory and swap, in bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    total: u64,
    available: u64,
    swap_total: u64,
    swap_used: u64,
}

fn read_memory() -> Result<Memory, Unknown> {
    // A fresh one each time: a failed read then shows as a total of nothing.
    let mut system = sysinfo::System::new().map_err(|error| Unknown::Failed(error.to_string()))?;
    system.refresh_memory();
    if system.total_memory() == 0 {
        return Err(Unknown::Failed("the size of memory could not be read".into()));
    }
    Ok(Memory {
        total: system.total_memory(),
        available: system.available_memory(),
        swap_total: system.total_swap(),
        swap_used: system.used_swap(),
    })
}

fn memory_samples(at: Timestamp, memory: &Result<Memory, Unknown>) -> [Sample; 2] {
    let (usage, usage_detail) = of_total(memory, |memory| {
        let used = memory.total.checked_sub(memory.available);
        let used = used.ok_or_else(|| {
            Unknown::NotPlausible(format!("{} of {}", memory.available, memory.total))
        })?;
        Ok((used, memory.total))
    });
    let (swap, swap_detail) = of_total(memory, |memory| match memory.swap_total {
        0 => Err(Unknown::Absent),
        total => Ok((memory.swap_used, total)),
    });
    [
        sample(at, &host(), catalogue::MEMORY_USAGE, usage, usage_detail),
        sample(at, &host(), catalogue::SWAP_USAGE, swap, swap_detail),
    ]
}

fn of_total(
    memory: &Result<Memory, Unknown>,
    part: impl FnOnce(&Memory) -> Result<(u64, u64), Unknown>,
) -> (Result<Reading, Unknown>, Option<String>) {
    match memory.as_ref().map_err(Clone::clone).and_then(part) {
        Ok((used, total)) => (
            share(used, total).and_then(percent),
            Some(format!("{} of {} used", size(used), size(total))),
        ),
        Err(why) => (Err(why), None),
    }
}

fn read_load() -> Result<f64, Unknown> {
    let load =
        sysinfo::System::load_average().map_err(|error| Unknown::Failed(error.to_string()))?;
    if load.one < 0.0 {
        return Err(Unknown::NotPlausible(load.one.to_string()));
    }
    Ok(load.one)
}

#[cfg(test)]
mod tests {
    use nightcrew_model::sample::Observation;
    use nightcrew_model::unit::Millis;

    use super::*;

    fn settings(disks: settings::Disks) -> settings::Host {
        settings::Host { interval: Millis::from_secs(15), timeout: Millis::from_secs(5), disks }
    }

    #[tokio::test]
    async fn rates_need_two_rounds_and_the_rest_one() {
        let host = settings(settings::Disks::All);
        let mut collector = HostCollector::new(&host, settings::Breaker::default());
        let clock = Clock::System;
        let is_read = |samples: &[Sample], metric: &str| {
            let of_metric = samples.iter().find(|sample| sample.metric.as_str() == metric);
            matches!(of_metric.unwrap().observation, Observation::Read(_))
        };
        let first = collector.collect(&clock).await;
        for metric in [catalogue::MEMORY_USAGE, catalogue::LOAD_1M, catalogue::DISK_USAGE] {
            assert!(is_read(&first, metric), "{metric}");
        }
        for metric in [catalogue::CPU_USAGE, catalogue::NETWORK_RECEIVE] {
            assert!(!is_read(&first, metric), "{metric}");
        }
        let second = collector.collect(&clock).await;
        assert!(is_read(&second, catalogue::CPU_USAGE));
        assert!(second.iter().all(|sample| sample.at <= clock.now()));
    }

    #[test]
    fn a_machine_without_swap_has_no_swap_usage() {
        let memory = Memory { total: 100, available: 25, swap_total: 0, swap_used: 0 };
        let [usage, swap] = memory_samples(Timestamp::UNIX_EPOCH, &Ok(memory));
        assert_eq!(usage.observation.to_string(), "75 %");
        assert_eq!(swap.observation, Observation::Unknown(Unknown::Absent));
        let more_free_than_there_is = Memory { available: 101, ..memory };
        let [usage, _] = memory_samples(Timestamp::UNIX_EPOCH, &Ok(more_free_than_there_is));
        assert!(matches!(usage.observation, Observation::Unknown(Unknown::NotPlausible(_))));
    }

    fn failing() -> Result<CpuTimes, Unknown> {
        Err(Unknown::Failed("gone".into()))
    }

    #[tokio::test]
    async fn a_failed_look_keeps_the_earlier_one_to_compare_with() {
        let collector = Collector::new(Millis(5_000), settings::Breaker::default());
        let mut paired = Paired::new(collector);
        assert!(paired.look(Timestamp::UNIX_EPOCH, rates::read_cpu).await.is_err());
        let before = paired.before;
        assert!(paired.look(Timestamp::UNIX_EPOCH, failing).await.is_err());
        assert_eq!(paired.before, before);
    }
}
