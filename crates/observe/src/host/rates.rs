//! CPU time and network traffic: counters of `/proc` and their differences.

use std::collections::BTreeMap;
use std::time::Duration;

use nightcrew_model::sample::Unknown;

use crate::sampling::{float, share};

/// CPU time since the start of the machine over all cores, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    /// At work, or wanted but given to another guest of the same machine (`steal`).
    busy: u64,
    /// Idle, or waiting for a disk.
    idle: u64,
}

/// Bytes received and sent by each interface but loopback.
pub(crate) type Traffic = BTreeMap<String, Bytes>;

/// Counters of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    received: u64,
    sent: u64,
}

pub(crate) fn read_cpu() -> Result<CpuTimes, Unknown> {
    parse_cpu(&read_proc("/proc/stat")?)
}

pub(crate) fn read_traffic() -> Result<Traffic, Unknown> {
    parse_traffic(&read_proc("/proc/net/dev")?)
}

fn read_proc(path: &str) -> Result<String, Unknown> {
    if !cfg!(target_os = "linux") {
        return Err(Unknown::Failed("can be read on Linux only".into()));
    }
    std::fs::read_to_string(path).map_err(|error| Unknown::Failed(format!("{path}: {error}")))
}

/// Reads the first line of `/proc/stat`, see `proc_stat(5)`.  Guest time is part of user time.
fn parse_cpu(text: &str) -> Result<CpuTimes, Unknown> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "));
    let fields: Option<Vec<u64>> =
        line.unwrap_or_default().split_ascii_whitespace().map(|field| field.parse().ok()).collect();
    match fields.as_deref() {
        Some([user, nice, system, idle, rest @ ..]) => {
            let [iowait, irq, softirq, steal] =
                [0, 1, 2, 3].map(|n| rest.get(n).copied().unwrap_or(0));
            let sum = |parts: &[u64]| parts.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
            Ok(CpuTimes {
                busy: sum(&[*user, *nice, *system, irq, softirq, steal]),
                idle: sum(&[*idle, iowait]),
            })
        }
        Some(_) | None => Err(Unknown::NotPlausible("/proc/stat has an unknown form".into())),
    }
}

/// Percent of the CPU time between two looks that was not idle.
pub(crate) fn cpu_usage(before: &CpuTimes, after: &CpuTimes) -> Result<f64, Unknown> {
    let busy = after.busy.checked_sub(before.busy).ok_or_else(|| {
        Unknown::NotPlausible(format!("CPU time went back from {} to {}", before.busy, after.busy))
    })?;
    // The kernel's idle and iowait counters are known to step back a little.
    let idle = after.idle.saturating_sub(before.idle);
    share(busy, busy.saturating_add(idle))
}

/// Reads `/proc/net/dev`, see `proc_pid_net(5)`.
fn parse_traffic(text: &str) -> Result<Traffic, Unknown> {
    let strange = || Unknown::NotPlausible("/proc/net/dev has an unknown form".into());
    let mut traffic = Traffic::new();
    for line in text.lines().skip(2) {
        let (name, counters) = line.split_once(':').ok_or_else(strange)?;
        let mut counters = counters.split_ascii_whitespace().map(str::parse);
        let (Some(Ok(received)), Some(Ok(sent))) = (counters.next(), counters.nth(7)) else {
            return Err(strange());
        };
        let name = name.trim();
        if name != "lo" {
            traffic.insert(name.to_owned(), Bytes { received, sent });
        }
    }
    Ok(traffic)
}

/// Bytes received and sent per second, over the interfaces that were there at both looks.
pub(crate) fn traffic_rates(
    before: &Traffic,
    after: &Traffic,
    apart: Duration,
) -> Result<(f64, f64), Unknown> {
    let mut sums: Option<(u64, u64)> = None;
    for (name, now) in after {
        let Some(then) = before.get(name) else {
            continue;
        };
        let backwards =
            || Unknown::NotPlausible(format!("the counters of {name} went back: it was reset"));
        let received = now.received.checked_sub(then.received).ok_or_else(backwards)?;
        let sent = now.sent.checked_sub(then.sent).ok_or_else(backwards)?;
        let (all_received, all_sent) = sums.unwrap_or_default();
        sums = Some((all_received.saturating_add(received), all_sent.saturating_add(sent)));
    }
    let (received, sent) = sums.ok_or(Unknown::Absent)?;
    let seconds = apart.as_secs_f64();
    Ok((float(received) / seconds, float(sent) / seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAT: &str = "cpu  100 10 40 800 50 1 2 7 30 0\ncpu0 50 5 20 400 25 0 1 3 15 0\nintr 1\n";

    #[test]
    fn cpu_counts_steal_as_busy_and_iowait_as_idle() {
        let before = CpuTimes { busy: 0, idle: 0 };
        let after = parse_cpu(STAT).unwrap();
        assert_eq!(after, CpuTimes { busy: 160, idle: 850 });
        let usage = cpu_usage(&before, &after).unwrap();
        assert!((usage - 160.0 / 1_010.0 * 100.0).abs() < 1e-9);
    }

    #[test]
    fn cpu_time_that_goes_back_or_stands_still_is_unknown() {
        let earlier = CpuTimes { busy: 10, idle: 10 };
        let later = CpuTimes { busy: 20, idle: 9 };
        assert_eq!(cpu_usage(&earlier, &later), Ok(100.0));
        assert!(cpu_usage(&later, &earlier).is_err());
        assert!(cpu_usage(&later, &later).is_err());
    }

    fn traffic(entries: &[(&str, u64, u64)]) -> Traffic {
        let entry = |&(name, received, sent): &(&str, u64, u64)| {
            (name.to_owned(), Bytes { received, sent })
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn traffic_leaves_loopback_out() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n    \
                    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  \
                    eth0:5000 4 0 0 0 0 0 0 700 3 0 0 0 0 0 0\n";
        assert_eq!(parse_traffic(text), Ok(traffic(&[("eth0", 5_000, 700)])));
    }

    #[test]
    fn rates_need_the_same_interface_twice() {
        let before = traffic(&[("eth0", 1_000, 100)]);
        let after = traffic(&[("eth0", 3_000, 500), ("veth1", 1 << 40, 1 << 40)]);
        let rates = traffic_rates(&before, &after, Duration::from_secs(2));
        assert_eq!(rates, Ok((1_000.0, 200.0)));
        let nothing = traffic_rates(&traffic(&[]), &after, Duration::from_secs(2));
        assert_eq!(nothing, Err(Unknown::Absent));
        let back = traffic_rates(&after, &before, Duration::from_secs(2));
        assert!(matches!(back, Err(Unknown::NotPlausible(_))));
    }

    proptest! {
        #[test]
        fn parsers_take_any_text(text in "(cpu |eth0:|[ 0-9a-z:|\n가-힣-]){0,60}") {
            parse_cpu(&text).ok();
            parse_traffic(&text).ok();
        }

        #[test]
        fn usage_is_a_percentage(a in any::<[u64; 2]>(), b in any::<[u64; 2]>()) {
            let times = |[busy, idle]: [u64; 2]| CpuTimes { busy, idle };
            if let Ok(usage) = cpu_usage(&times(a), &times(b)) {
                prop_assert!((0.0..=100.0).contains(&usage));
            }
        }
    }
}
