//! Throw-away services: children that a command starts through the gate, and ends.

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use anyhow::Context as _;
use nightcrew_act::executor::Executor;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_config::settings::Settings;
use nightcrew_crew::heal::gate_of;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::Action;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::process;
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;

/// How long a service may need to start.
const START_MAX: Millis = Millis::from_secs(10);

/// How long a killed process may need to be gone, in seconds.
const END_SECONDS_MAX: i64 = 3;

/// Starts a service, through the gate like everything that starts a process.
pub(crate) async fn start(settings: &Settings, service: &ServiceName) -> anyhow::Result<()> {
    let gate = gate_of(settings);
    let action = Action::RestartProcess { service: service.clone() };
    let judgement = gate.admit(&action, Clock::System.now());
    let admitted = judgement.admitted.with_context(|| judgement.verdict.reason.clone())?;
    let outcome =
        Executor::Live.execute(admitted, START_MAX, &Surroundings::new(Clock::System)).await;
    anyhow::ensure!(outcome.status.is_success(), "starting {service}: {}", outcome.output);
    Ok(())
}

/// Sends a signal to the process of a service that was started, and to no other.
pub(crate) fn tell(
    settings: &Settings,
    service: &ServiceName,
    signal: Signal,
) -> anyhow::Result<()> {
    rustix::process::pidfd_send_signal(open(settings, service)?, signal)?;
    Ok(())
}

/// Kills the process of a service that was started and waits until it is gone.
pub(crate) fn end(settings: &Settings, service: &ServiceName) -> anyhow::Result<()> {
    let pidfd = open(settings, service)?;
    rustix::process::pidfd_send_signal(&pidfd, Signal::KILL)?;
    let limit = rustix::event::Timespec { tv_sec: END_SECONDS_MAX, tv_nsec: 0 };
    rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit))?;
    Ok(())
}

fn open(settings: &Settings, service: &ServiceName) -> anyhow::Result<OwnedFd> {
    let file = settings.run_dir().join(format!("{service}.pid"));
    let identity = process::read_child_pid_file(&file)?.context("the service has no process")?;
    Ok(process::open(identity)?)
}

/// A port of this machine that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
