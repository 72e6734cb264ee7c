//! Services to watch, and what a round said of them.

use std::path::PathBuf;
use std::process::{Child, Command};

use nightcrew_config::settings::{Breaker, Check, Probe, ProcessMatch, Service};
use nightcrew_model::id::ServiceName;
use nightcrew_model::sample::{Observation, Reading, Sample};
use nightcrew_model::unit::Millis;
use nightcrew_observe::process::ProcessWatch;
use nightcrew_observe::service_checks::ServiceChecks;
use nightcrew_runtime::http::Http;
use nightcrew_runtime::process::{Identity, stat};
use rustix::process::Pid;

/// A service that is looked at once an hour, so that whatever comes sooner came by itself.
pub(crate) fn service(process: Option<ProcessMatch>, checks: Vec<Check>) -> Service {
    Service {
        process,
        stop_timeout: Millis::from_secs(1),
        interval: Millis::from_secs(3_600),
        checks,
        ..Service::new(ServiceName::from("결제-api"))
    }
}

pub(crate) fn watch(process: ProcessMatch) -> ProcessWatch {
    let service = service(Some(process), Vec::new());
    let run_dir = PathBuf::from("/nonexistent");
    ProcessWatch::new(&service, &run_dir, Breaker::default()).unwrap().unwrap()
}

pub(crate) fn http(url: String, timeout_ms: u64) -> Check {
    check(Probe::Http { url, expect_status: Vec::new(), expect_body: None }, timeout_ms)
}

pub(crate) fn check(probe: Probe, timeout_ms: u64) -> Check {
    Check { probe, interval: Millis::from_secs(3_600), timeout: Millis(timeout_ms) }
}

pub(crate) fn checks(checks: Vec<Check>) -> ServiceChecks {
    ServiceChecks::new(&service(None, checks), Breaker::default()).unwrap().unwrap()
}

/// The network client; its TLS provider is installed once.
pub(crate) fn network() -> Http {
    rustls::crypto::ring::default_provider().install_default().ok();
    Http::net()
}

/// The sample of that metric.
pub(crate) fn of<'a>(samples: &'a [Sample], metric: &str) -> Option<&'a Sample> {
    samples.iter().find(|sample| sample.metric.as_str() == metric)
}

/// What was read, and the words that came with it.
pub(crate) fn said(samples: &[Sample], metric: &str) -> (String, String) {
    let sample = of(samples, metric).unwrap_or_else(|| panic!("no {metric} in {samples:?}"));
    let words = sample.detail.clone().unwrap_or_default();
    (sample.observation.to_string(), words)
}

pub(crate) fn value(samples: &[Sample], metric: &str) -> f64 {
    match of(samples, metric).map(|sample| &sample.observation) {
        Some(Observation::Read(Reading::Quantity(quantity))) => quantity.value(),
        other => panic!("{metric} is {other:?}"),
    }
}

/// A child of this test that ends with it.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "a real process to look at, which this test ends"
    )]
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        Self(Command::new(program).args(arguments).spawn().unwrap())
    }

    pub(crate) fn sleep() -> Self {
        Self::start("/bin/sleep", &["86411"])
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub(crate) fn identity(&self) -> Identity {
        let pid = self.pid();
        let start_ticks = stat(pid).unwrap().unwrap().start_ticks;
        Identity { pid, start_ticks }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
