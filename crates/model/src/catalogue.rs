//! The metrics that Nightcrew itself collects: name, unit or states, and the symptom that a
//! crossed limit means.

use crate::id::{MetricName, Symptom};
use crate::sample::Status;
use crate::unit::Unit;

/// What a metric's readings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers in this unit.
    Number(Unit),
    /// One of these states.
    States(&'static [Status]),
}

/// One known metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in configuration and records.
    pub name: &'static str,
    /// What its readings are.
    pub kind: Kind,
    /// The symptom when its limit is crossed.
    pub symptom: &'static str,
    /// What it measures, for people.
    pub about: &'static str,
}

macro_rules! metrics {
    ($($konst:ident = $name:literal, $kind:expr, $symptom:literal, $about:literal;)*) => {
        $(#[doc = concat!($about, ".")] pub const $konst: &str = $name;)*

        /// Every known metric.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: $name, kind: $kind, symptom: $symptom, about: $about }),*];
    };
}

metrics! {
    CPU_USAGE = "cpu_usage", Kind::Number(Unit::Percent), "cpu_high",
        "CPU time in use over all cores since the last look";
    MEMORY_USAGE = "memory_usage", Kind::Number(Unit::Percent), "memory_high",
        "Memory that is not available to a new process";
    SWAP_USAGE = "swap_usage", Kind::Number(Unit::Percent), "swap_high",
        "Swap space in use";
    DISK_USAGE = "disk_usage", Kind::Number(Unit::Percent), "disk_space_low",
        "Space of a mounted file system that an ordinary user can no longer write, as df shows it";
    LOAD_1M = "load_1m", Kind::Number(Unit::Count), "load_high",
        "Runnable and blocked tasks, averaged over a minute";
    NETWORK_RECEIVE = "network_receive", Kind::Number(Unit::BytesPerSecond), "network_receive_high",
        "Bytes received over all interfaces but loopback";
    NETWORK_TRANSMIT = "network_transmit", Kind::Number(Unit::BytesPerSecond), "network_transmit_high",
        "Bytes sent over all interfaces but loopback";
    PROCESS_STATUS = "process_status", Kind::States(&[Status::Running, Status::Stopped]), "process_down",
        "Whether the process of a service lives";
    PROCESS_CPU = "process_cpu", Kind::Number(Unit::Percent), "process_cpu_high",
        "CPU time of a service's process, 100 for one core";
    PROCESS_MEMORY_MB = "process_memory_mb", Kind::Number(Unit::Megabytes), "process_memory_high",
        "Resident memory of a service's process";
    HEALTH_STATUS = "health_status", Kind::States(&[Status::Passing, Status::Failing]), "service_unresponsive",
        "Whether an HTTP or TCP check of a service gets the answer that it should";
    API_LATENCY_MS = "api_latency_ms", Kind::Number(Unit::Milliseconds), "latency_high",
        "Time from connecting to the whole answer of an HTTP or TCP check";
    SSL_EXPIRES_IN_DAYS = "ssl_expires_in_days", Kind::Number(Unit::Days), "certificate_expiring",
        "Days until the certificate that a server shows ends; negative after its end";
    ERROR_RATE_PER_MIN = "error_rate_per_min", Kind::Number(Unit::PerMinute), "error_rate_high",
        "Errors in a minute";
    REQUESTS_PER_MIN = "requests_per_min", Kind::Number(Unit::PerMinute), "request_rate_high",
        "Requests that came to a service in a minute, by its spans";
    ERROR_RATIO = "error_ratio", Kind::Number(Unit::Ratio), "error_rate_high",
        "The part of the requests that failed, 0 to 1, by its spans";
    LATENCY_P99_MS = "latency_p99_ms", Kind::Number(Unit::Milliseconds), "latency_high",
        "The time that 99 of 100 requests take at most, by its spans";
    CONTAINER_RESTARTS = "container_restarts", Kind::Number(Unit::Count), "container_restarting",
        "How often the Docker Engine began a container anew";
    CONTAINER_MEMORY = "container_memory", Kind::Number(Unit::Percent), "memory_high",
        "Memory of a container or control group, of what it may have";
    LOG_FILE_SIZE_MB = "log_file_size_mb", Kind::Number(Unit::Megabytes), "log_file_oversized",
        "Size of a log file";
}

/// The known metric of that name.
#[must_use]
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The symptom that a crossed limit of the metric means; for a metric of the operator's own, the
/// metric's name.
#[must_use]
pub fn symptom_of(name: &MetricName) -> Symptom {
    metric(name.as_str()).map_or_else(|| Symptom::from(name.as_str()), |known| known.symptom.into())
}
