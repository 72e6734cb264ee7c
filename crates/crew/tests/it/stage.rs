//! A crew on a throw-away folder.

use std::path::Path;
use std::time::Duration;

use nightcrew_act::executor::Executor;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_channels::console::Console;
use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, load};
use nightcrew_config::settings::Settings;
use nightcrew_crew::crew::{Crew, Doors};
use nightcrew_crew::handle::Handle;
use nightcrew_crew::heal::gate_of;
use nightcrew_journal::entry::Position;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::plan::Action;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use nightcrew_runtime::process;
use rustix::process::Signal;

/// How long anything in a test may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings from a configuration text, with everything below `folder`.
pub(crate) fn settings(folder: &Path, json5: &str) -> Settings {
    let file = folder.join("nightcrew.json5");
    std::fs::write(&file, json5).unwrap();
    let loaded = load(ConfigSource::Path(file), &Env::default());
    let mut settings = loaded.settings.unwrap_or_else(|| panic!("{:#?}", loaded.problems));
    settings.data_dir = folder.join("data");
    settings.workspace_dir = folder.join("workspace");
    settings
}

pub(crate) async fn start(settings: Settings, http: Http) -> Crew {
    let doors = Doors { clock: Clock::System, http, console: Console::new(std::io::sink()) };
    Crew::start(settings, doors).await.unwrap()
}

/// Starts the process of a service as the crew would.
pub(crate) async fn start_service(settings: &Settings, service: &str) {
    std::fs::create_dir_all(settings.run_dir()).unwrap();
    let action = Action::RestartProcess { service: service.into() };
    let judgement = gate_of(settings).admit(&action, Clock::System.now());
    let admitted = judgement.admitted.unwrap_or_else(|| panic!("{:?}", judgement.verdict));
    let outcome = Executor::Live
        .execute(admitted, Millis::from_secs(5), &Surroundings::new(Clock::System))
        .await;
    assert!(outcome.status.is_success(), "{}", outcome.output);
}

/// Ends the process of a service that a test started.
pub(crate) fn signal(settings: &Settings, service: &str, signal: Signal) -> i32 {
    let file = settings.run_dir().join(format!("{service}.pid"));
    let identity = process::read_child_pid_file(&file).unwrap().expect("a process");
    let pidfd = process::open(identity).unwrap();
    rustix::process::pidfd_send_signal(&pidfd, signal).unwrap();
    identity.pid.as_raw_nonzero().get()
}

/// Waits until a decision of that kind is in the journal, and gives everything up to there.
pub(crate) async fn until(handle: &Handle, wanted: impl Fn(&Fact) -> bool) -> Vec<Decision> {
    let mut tail = handle.journal().subscribe(Position::default());
    let mut all = Vec::new();
    let found = async {
        loop {
            for entry in tail.next().await.unwrap() {
                let found = wanted(&entry.decision.fact);
                all.push(entry.decision);
                if found {
                    return;
                }
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    let said: Vec<String> = all.iter().map(|decision| decision.fact.to_string()).collect();
    assert!(found.is_ok(), "it never came:\n{}\n{:#?}", said.join("\n"), handle.board().statuses());
    all
}

/// Waits until something is so.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"))
}

pub(crate) fn alert(labels: &[(&str, &str)]) -> IncomingAlert {
    IncomingAlert {
        labels: labels.iter().copied().collect(),
        annotations: Default::default(),
        starts_at: None,
        ends_at: None,
        generator_url: String::new(),
    }
}
