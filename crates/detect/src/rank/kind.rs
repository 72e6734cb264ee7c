//! What a metric speaks about, read from its name.

use serde::Serialize;

/// What a metric speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How long answers take; a slow callee makes its callers slow.
    Latency,
    /// How many answers fail; a failing callee makes its callers fail.
    Errors,
    /// How much is asked; falls everywhere when anything on the way is slow.
    Load,
    /// Processor time, throttling.
    Cpu,
    /// Memory.
    Memory,
    /// Reads, writes, space.
    Disk,
    /// Bytes and packets.
    Network,
    /// Open sockets, connections, files, threads.
    Handles,
    /// Restarts and deaths.
    Restarts,
    /// Anything else; taken as a matter of the component itself.
    Other,
}

/// Beginnings of the words of a metric name, the more telling kind first: disk latency speaks
/// about the disk, received packets that were dropped about the network.
const WORDS: [(Kind, &[&str]); 9] = [
    (Kind::Restarts, &["restart", "oom", "crash", "uptime"]),
    (Kind::Cpu, &["cpu", "throttl", "processor"]),
    (Kind::Memory, &["mem", "rss", "heap", "swap", "pgfault", "gc", "jvm"]),
    (
        Kind::Network,
        &["net", "tcp", "udp", "receive", "transmit", "packet", "rx", "tx", "bandwidth"],
    ),
    (Kind::Disk, &["disk", "fs", "filesystem", "io", "iops", "blkio", "inode", "volume", "write"]),
    (Kind::Handles, &["socket", "sock", "conn", "fd", "fds", "file", "thread", "goroutine"]),
    (Kind::Errors, &["err", "fail", "exception", "5xx", "4xx", "drop", "timeout", "reject"]),
    (
        Kind::Latency,
        &["lat", "duration", "time", "rt", "elapsed", "second", "ms", "p50", "p90", "p95", "p99"],
    ),
    (
        Kind::Load,
        &[
            "load",
            "request",
            "req",
            "rps",
            "qps",
            "tps",
            "workload",
            "throughput",
            "traffic",
            "ops",
            "call",
            "hit",
            "count",
            "rate",
            "invocation",
            "message",
            "query",
            "queries",
        ],
    ),
];

/// Beginnings so short that only a whole word counts, but for digits behind it: `rt` does not
/// begin `rtp_packets`, `lat` is `lat50`.
const WHOLE_BYTES_MAX: usize = 2;

impl Kind {
    /// What a metric of that name speaks about.
    #[must_use]
    pub fn of(metric: &str) -> Self {
        let name = metric.to_lowercase();
        let parts: Vec<&str> = name
            .split(|part: char| !part.is_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect();
        // The number of observations of a histogram, not what it observes.
        if parts.len() > 1 && parts.last() == Some(&"count") {
            return Self::Load;
        }
        let speaks = |word: &&str| {
            parts.iter().any(|part| match word.len() {
                ..=WHOLE_BYTES_MAX => {
                    part.trim_end_matches(|digit: char| digit.is_ascii_digit()) == *word
                }
                _ => part.starts_with(word),
            })
        };
        WORDS
            .into_iter()
            .find(|(_, words)| words.iter().any(speaks))
            .map_or(Self::Other, |(kind, _)| kind)
    }

    /// Whether a change of it spreads from a callee to its callers.
    #[must_use]
    pub fn is_symptom(self) -> bool {
        matches!(self, Self::Latency | Self::Errors)
    }

    /// Whether it follows the load, so that a change that all components share says nothing.
    #[must_use]
    pub fn follows_load(self) -> bool {
        matches!(self, Self::Load | Self::Cpu | Self::Network | Self::Handles | Self::Disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_metric_speaks_about() {
        let said = [
            ("cpu", Kind::Cpu),
            ("mem", Kind::Memory),
            ("load", Kind::Load),
            ("latency", Kind::Latency),
            ("latency-50", Kind::Latency),
            ("lat_99", Kind::Latency),
            ("lat50", Kind::Latency),
            ("P99", Kind::Latency),
            ("error", Kind::Errors),
            ("diskio", Kind::Disk),
            ("socket", Kind::Handles),
            ("workload", Kind::Load),
            ("container-cpu-usage-seconds-total", Kind::Cpu),
            ("container-memory-working-set-bytes", Kind::Memory),
            ("container_fs_writes_bytes_total", Kind::Disk),
            ("container-network-receive-bytes-total", Kind::Network),
            ("istio-request-total", Kind::Load),
            ("istio_latency_90", Kind::Latency),
            ("http_requests_5xx", Kind::Errors),
            ("jvm_heap_used", Kind::Memory),
            ("qps", Kind::Load),
            ("restarts", Kind::Restarts),
            ("rt", Kind::Latency),
            ("temperature", Kind::Other),
            ("", Kind::Other),
        ];
        for (name, kind) in said {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }
}
