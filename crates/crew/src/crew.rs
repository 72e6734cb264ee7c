//! Starting and stopping the crew, in named steps.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use nightcrew_channels::console::Console;
use nightcrew_config::settings::Settings;
use nightcrew_journal::error::OpenError;
use nightcrew_journal::journal::Journal;
use nightcrew_model::id::AgentName;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::driver::{Boxed, Driver, Spec, Task};
use nightcrew_runtime::http::Http;
use tokio::sync::{Notify, RwLock, mpsc, watch};

use crate::collect::{ChecksTask, HostTask, ProcessTask};
use crate::core::{Core, Inbox, chain};
use crate::handle::{COMMANDS_WAITING_MAX, Counters, Handle, LOOKS_WAITING_MAX, Shared, Work};
use crate::heal::Heal;
use crate::outbox::Outbox;
use crate::oversee::Oversee;
use crate::record::{self, Records};

/// How long a stop waits for actions under way.
pub const ACTIONS_END_MAX: Millis = Millis::from_secs(20);

/// How long a stop waits for tasks to end.
pub const STOP_MAX: Millis = Millis::from_secs(10);

/// The members of the crew.
pub const AGENTS: [&str; 5] = [ORCHESTRATOR, METRICS_COLLECTOR, ALERT_HANDLER, AUTOHEAL, REPORTER];
const ORCHESTRATOR: &str = "orchestrator";
const METRICS_COLLECTOR: &str = "metrics-collector";
const ALERT_HANDLER: &str = "alert-handler";
const AUTOHEAL: &str = "autoheal";
const REPORTER: &str = "reporter";

/// The doors to the world that a crew is given; tests give others.
pub struct Doors {
    /// The clock.
    pub clock: Clock,
    /// The HTTP client.
    pub http: Http,
    /// Where the console channel writes.
    pub console: Console,
}

/// Why a crew could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder could not be made.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal could not be opened.
    #[error("cannot open the journal in {}", path.display())]
    Journal {
        /// The data folder.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The settings hold something that only shows when it is used.
    #[error("the configuration cannot be used: {0}")]
    Settings(String),
}

/// A running crew.
pub struct Crew {
    handle: Handle,
    driver: Driver,
}

impl Crew {
    /// Opens the journal and starts every agent.  When it returns, the core has its state; the
    /// first round of every task is under way.
    ///
    /// # Errors
    /// When a folder or the journal is not to be had.
    pub async fn start(settings: Settings, doors: Doors) -> Result<Self, StartError> {
        for path in [settings.data_dir.clone(), settings.run_dir(), settings.workspace_dir.clone()]
        {
            std::fs::create_dir_all(&path).map_err(|source| StartError::Folder { path, source })?;
        }
        let data_dir = settings.data_dir.clone();
        let opened = tokio::task::spawn_blocking(move || Journal::open(&data_dir)).await;
        let journal = match opened {
            Ok(opened) => opened.map_err(|source| StartError::Journal {
                path: settings.data_dir.clone(),
                source,
            })?,
            Err(_) => return Err(StartError::Settings("opening the journal panicked".to_owned())),
        };
        let mut driver = Driver::new(doors.clock.clone());
        let (commands, commands_in) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (looks, looks_in) = mpsc::channel(LOOKS_WAITING_MAX);
        let handle = Handle(Arc::new(Shared {
            clock: doors.clock,
            http: doors.http,
            journal,
            board: driver.board(),
            commands,
            looks,
            work: watch::channel(Work::default()).0,
            latest: Mutex::new(HashMap::new()),
            storage: watch::channel(None).0,
            changed: Mutex::default(),
            incident_changed: Notify::new(),
            message_queued: Notify::new(),
            acting: RwLock::new(()),
            counters: Counters::default(),
            settings,
        }));
        let inbox = Inbox { commands: commands_in, looks: looks_in };
        start_core(&mut driver, &handle, inbox);
        start_healing(&mut driver, &handle);
        start_collectors(&mut driver, &handle)?;
        start_reporting(&mut driver, &handle, doors.console);
        let overseer = handle.clone();
        task(&mut driver, "oversee", ORCHESTRATOR, Millis::from_secs(30), move || {
            ready(Oversee::new(overseer.clone()))
        });
        Ok(Self { handle, driver })
    }

    /// The way in.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Lets actions under way end, lets no other begin, and stops every agent.  What was
    /// acknowledged is durable already; an action that needs longer than [`ACTIONS_END_MAX`] is
    /// taken up by the next start.
    pub async fn stop(self) {
        let acting = &self.handle.0.acting;
        let ended = tokio::time::timeout(ACTIONS_END_MAX.duration(), acting.write()).await;
        if ended.is_err() {
            tracing::warn!("an action goes on after {ACTIONS_END_MAX}; the next start takes it up");
        }
        self.driver.stop(STOP_MAX).await;
        if let Err(error) = record::write_changed(&self.handle).await {
            tracing::warn!("some records are not up to date: {error}");
        }
        if let Err(error) = self.handle.journal().close().await {
            tracing::warn!("the journal was not closed cleanly: {}", chain(&error));
        }
    }
}

fn start_core(driver: &mut Driver, handle: &Handle, inbox: Inbox) {
    let inbox = Arc::new(tokio::sync::Mutex::new(inbox));
    let handle = handle.clone();
    task(driver, "core", ALERT_HANDLER, Millis::from_secs(60), move || {
        let (handle, inbox) = (handle.clone(), inbox.clone());
        async move { Ok(Box::new(Core::new(handle, inbox).await?) as Box<dyn Task>) }
    });
}

fn start_healing(driver: &mut Driver, handle: &Handle) {
    let handle = handle.clone();
    task(driver, "heal", AUTOHEAL, Millis::from_secs(30), move || {
        let handle = handle.clone();
        async move { Ok(Box::new(Heal::new(handle).await?) as Box<dyn Task>) }
    });
}

fn start_collectors(driver: &mut Driver, handle: &Handle) -> Result<(), StartError> {
    let settings = handle.settings();
    let slack = Millis::from_secs(30);
    let host = handle.clone();
    let round_max = Millis(settings.host.interval.0 + settings.host.timeout.0 + slack.0);
    task(driver, "host", METRICS_COLLECTOR, round_max, move || ready(HostTask::new(host.clone())));
    for service in settings.services.values() {
        let name = &service.name;
        // Made once here, so that what cannot be used is known before the start and not at night.
        let process = ProcessTask::new(handle.clone(), service.clone());
        if process.map_err(StartError::Settings)?.is_some() {
            let (handle, service) = (handle.clone(), service.clone());
            let round_max = Millis(service.interval.0 + slack.0);
            task(driver, &format!("process {name}"), METRICS_COLLECTOR, round_max, move || {
                made(ProcessTask::new(handle.clone(), service.clone()))
            });
        }
        let checks = ChecksTask::new(handle.clone(), service.clone());
        if checks.map_err(StartError::Settings)?.is_some() {
            let (handle, service) = (handle.clone(), service.clone());
            let longest =
                service.checks.iter().map(|check| check.interval.0 + check.timeout.0).max();
            let round_max = Millis(longest.unwrap_or(0) + slack.0);
            task(driver, &format!("checks {name}"), METRICS_COLLECTOR, round_max, move || {
                made(ChecksTask::new(handle.clone(), service.clone()))
            });
        }
    }
    Ok(())
}

fn start_reporting(driver: &mut Driver, handle: &Handle, console: Console) {
    let outbox = handle.clone();
    // A round sends; each channel bounds its own requests.
    task(driver, "outbox", REPORTER, Millis::from_secs(180), move || {
        ready(Outbox::new(outbox.clone(), console.clone()))
    });
    let records = handle.clone();
    task(driver, "records", REPORTER, Millis::from_secs(60), move || {
        let handle = records.clone();
        async move { Ok(Box::new(Records::new(handle).await?) as Box<dyn Task>) }
    });
}

fn task<F>(
    driver: &mut Driver,
    name: &str,
    agent: &str,
    round_max: Millis,
    mut make: impl FnMut() -> F + Send + 'static,
) where
    F: Future<Output = Result<Box<dyn Task>, String>> + Send + 'static,
{
    driver.start(Spec {
        name: name.to_owned(),
        agent: AgentName::from(agent),
        round_max,
        make: Box::new(move || Box::pin(make()) as Boxed<'static, _>),
    });
}

/// A task that needs nothing to be made.
fn ready(task: impl Task) -> std::future::Ready<Result<Box<dyn Task>, String>> {
    std::future::ready(Ok(Box::new(task)))
}

/// A task that the settings allowed at the start.
fn made<T: Task>(
    task: Result<Option<T>, String>,
) -> std::future::Ready<Result<Box<dyn Task>, String>> {
    std::future::ready(match task {
        Ok(Some(task)) => Ok(Box::new(task)),
        Ok(None) => Err("there is nothing to look at".to_owned()),
        Err(error) => Err(error),
    })
}
