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

use crate::audit::Auditor;
use crate::collect::{CgroupTask, ChecksTask, HostTask, ProcessTask};
use crate::core::{Core, Inbox, chain};
use crate::handle::{COMMANDS_WAITING_MAX, Counters, Handle, LOOKS_WAITING_MAX, Shared, Work};
use crate::heal::Heal;
use crate::heartbeat::Caller;
use crate::insight::Insight;
use crate::locks::Locks;
use crate::logs::LogsTask;
use crate::outbox::Outbox;
use crate::oversee::Oversee;
use crate::record::{self, Records};
use crate::recorder::{self, Recorder, Upkeep};
use crate::recording::Recording;
use crate::sources::{self, SourceTask};
use crate::telemetry::{SpansTask, Telemetry};
use crate::tickets::{Keeper, ResolverTask};

/// How long a stop waits for actions under way.
pub const ACTIONS_END_MAX: Millis = Millis::from_secs(20);

/// How long a stop waits for messages under way: longer than one request may take.
pub const MESSAGES_END_MAX: Millis = Millis::from_secs(12);

/// How long a stop waits for the state to be stored.
pub const STORE_MAX: Millis = Millis::from_secs(10);

/// How long a stop waits for tasks to end.
pub const STOP_MAX: Millis = Millis::from_secs(10);

/// The members of the crew.
pub const AGENTS: [&str; 6] =
    [ORCHESTRATOR, METRICS_COLLECTOR, LOGS_ANALYZER, ALERT_HANDLER, AUTOHEAL, REPORTER];
const ORCHESTRATOR: &str = "orchestrator";
const METRICS_COLLECTOR: &str = "metrics-collector";
const LOGS_ANALYZER: &str = "logs-analyzer";
const ALERT_HANDLER: &str = "alert-handler";
const AUTOHEAL: &str = "autoheal";
const REPORTER: &str = "reporter";
/// The members that are there where a tracker of tickets is configured.
const TICKET_KEEPER: &str = "ticket-keeper";
const TICKET_RESOLVER: &str = "ticket-resolver";

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
        if let Err(error) = nightcrew_act::sandbox::clear(&settings.data_dir) {
            tracing::warn!("what programs left in their private folders stays: {error}");
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
            telemetry: Telemetry::default(),
            storage: watch::channel(None).0,
            changed: Mutex::default(),
            incident_changed: Notify::new(),
            message_queued: Notify::new(),
            acting: RwLock::new(()),
            sending: RwLock::new(()),
            counters: Counters::default(),
            lanes: Mutex::default(),
            audit: Mutex::default(),
            insight: Mutex::default(),
            reloader: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
            last_reload: Mutex::default(),
            sources: Mutex::default(),
            recording: Recording::default(),
            settings: watch::channel(Arc::new(settings)).0,
        }));
        let inbox = Inbox { commands: commands_in, looks: looks_in };
        start_core(&mut driver, &handle, inbox);
        start_locks(&mut driver, &handle);
        start_healing(&mut driver, &handle);
        start_collectors(&mut driver, &handle)?;
        start_sources(&mut driver, &handle)?;
        start_logs(&mut driver, &handle)?;
        start_recording(&mut driver, &handle);
        start_reporting(&mut driver, &handle, doors.console);
        start_tickets(&mut driver, &handle);
        start_overseeing(&mut driver, &handle);
        Ok(Self { handle, driver })
    }

    /// The way in.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Lets actions and messages under way end, lets no other begin, and stops every agent.  What
    /// was acknowledged is durable already; an action that needs longer than [`ACTIONS_END_MAX`]
    /// is taken up by the next start, and a message whose end is not known after
    /// [`MESSAGES_END_MAX`] is sent again by it, as a possible repeat.
    pub async fn stop(self) {
        let Shared { acting, sending, .. } = &*self.handle.0;
        let acting = tokio::time::timeout(ACTIONS_END_MAX.duration(), acting.write());
        let sending = tokio::time::timeout(MESSAGES_END_MAX.duration(), sending.write());
        let (acted, sent) = tokio::join!(acting, sending);
        if acted.is_err() {
            tracing::warn!("an action goes on after {ACTIONS_END_MAX}; the next start takes it up");
        }
        if sent.is_err() {
            tracing::warn!("a message is cut off after {MESSAGES_END_MAX}; it is sent again");
        }
        let stored = self.handle.store_state();
        if tokio::time::timeout(STORE_MAX.duration(), stored).await.is_err() {
            tracing::warn!(
                "the state is not stored after {STORE_MAX}; the next start folds the log"
            );
        }
        self.driver.stop(STOP_MAX).await;
        recorder::finish(&self.handle).await;
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

fn start_locks(driver: &mut Driver, handle: &Handle) {
    let handle = handle.clone();
    task(driver, "locks", ALERT_HANDLER, Millis::from_secs(30), move || {
        ready(Locks::new(handle.clone()))
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
    let spans = handle.clone();
    task(driver, "spans", METRICS_COLLECTOR, slack, move || ready(SpansTask::new(spans.clone())));
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
        if CgroupTask::new(handle.clone(), service.clone()).is_some() {
            let (handle, service) = (handle.clone(), service.clone());
            let round_max = Millis(settings.host.interval.0 + slack.0);
            task(driver, &format!("cgroup {name}"), METRICS_COLLECTOR, round_max, move || {
                made(Ok(CgroupTask::new(handle.clone(), service.clone())))
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

fn start_sources(driver: &mut Driver, handle: &Handle) -> Result<(), StartError> {
    for source in &handle.settings().sources {
        // Made once here, so that what cannot be used is known before the start and not at night.
        SourceTask::new(handle.clone(), source).map_err(StartError::Settings)?;
        let (handle, source) = (handle.clone(), source.clone());
        let name = format!("source {}", source.name);
        task(driver, &name, METRICS_COLLECTOR, sources::round_max(&source), move || {
            made(SourceTask::new(handle.clone(), &source).map(Some))
        });
    }
    Ok(())
}

fn start_logs(driver: &mut Driver, handle: &Handle) -> Result<(), StartError> {
    // Made once here, so that what cannot be used is known before the start and not at night.
    let task_now = LogsTask::new(handle.clone()).map_err(StartError::Settings)?;
    if task_now.is_some() {
        let handle = handle.clone();
        task(driver, "logs", LOGS_ANALYZER, Millis::from_secs(60), move || {
            made(LogsTask::new(handle.clone()))
        });
    }
    Ok(())
}

fn start_recording(driver: &mut Driver, handle: &Handle) {
    let recorder = handle.clone();
    // What has to be sealed first takes its time.
    task(driver, "recorder", METRICS_COLLECTOR, Millis::from_secs(300), move || {
        let handle = recorder.clone();
        async move { Ok(Box::new(Recorder::new(handle).await) as Box<dyn Task>) }
    });
    let upkeep = handle.clone();
    task(driver, "series upkeep", METRICS_COLLECTOR, Millis::from_secs(3_600), move || {
        ready(Upkeep::new(upkeep.clone()))
    });
}

fn start_reporting(driver: &mut Driver, handle: &Handle, console: Console) {
    let outbox = handle.clone();
    // A round sends; each channel bounds its own requests.
    task(driver, "outbox", REPORTER, Millis::from_secs(180), move || {
        let (handle, console) = (outbox.clone(), console.clone());
        async move { Ok(Box::new(Outbox::new(handle, console).await?) as Box<dyn Task>) }
    });
    let records = handle.clone();
    task(driver, "records", REPORTER, Millis::from_secs(60), move || {
        let handle = records.clone();
        async move { Ok(Box::new(Records::new(handle).await?) as Box<dyn Task>) }
    });
    let insight = handle.clone();
    // A fold of the whole log, after a start.
    task(driver, "insight", REPORTER, Millis::from_secs(600), move || {
        ready(Insight::new(insight.clone()))
    });
}

fn start_tickets(driver: &mut Driver, handle: &Handle) {
    for tracker in handle.settings().trackers.clone() {
        // A round asks; each request is bounded by itself.
        let round_max = Millis::from_secs(600);
        let (keeping, kept) = (handle.clone(), tracker.clone());
        let name = format!("tickets {}", tracker.name);
        task(driver, &name, TICKET_KEEPER, round_max, move || {
            ready(Keeper::new(keeping.clone(), kept.clone()))
        });
        if let Some(resolver) = &tracker.resolver {
            let round_max = Millis(round_max.0 + resolver.interval.0);
            let (handle, name) = (handle.clone(), format!("tickets of people {}", tracker.name));
            task(driver, &name, TICKET_RESOLVER, round_max, move || {
                made(Ok(ResolverTask::new(handle.clone(), tracker.clone())))
            });
        }
    }
}

fn start_overseeing(driver: &mut Driver, handle: &Handle) {
    let round_max = Millis::from_secs(30);
    let overseer = handle.clone();
    task(driver, "oversee", ORCHESTRATOR, round_max, move || ready(Oversee::new(overseer.clone())));
    let audited = handle.clone();
    task(driver, "audit", ORCHESTRATOR, Millis::from_secs(60), move || {
        ready(Auditor::new(audited.clone()))
    });
    let caller = handle.clone();
    task(driver, "heartbeat", ORCHESTRATOR, round_max, move || ready(Caller::new(caller.clone())));
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
