//! The throw-away service: a small HTTP server whose health depends on a file, and that can be
//! told to have a trouble.  A trouble ends with the process, at SIGHUP, or at a request to
//! `/action`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use nightcrew_runtime::clock::Clock;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli;
use crate::output::Exit;

/// The latest answer that is given, in milliseconds.
const ANSWER_MS_MAX: u64 = 60_000;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "trouble")]
pub(crate) enum Ailment {
    /// It answers with an error.
    Failing,
    /// It answers late.
    Slow {
        /// So late.
        answer_ms: u64,
    },
}

#[derive(Clone)]
struct Service {
    needs: Option<PathBuf>,
    ailment: Arc<Mutex<Option<Ailment>>>,
    log: Option<Arc<Log>>,
}

/// The log that it writes, opened anew at SIGUSR1.
struct Log {
    path: PathBuf,
    file: Mutex<File>,
}

pub(crate) async fn run(args: cli::DemoService) -> anyhow::Result<Exit> {
    let listener =
        TcpListener::bind(("127.0.0.1", args.port)).await.context("listening for requests")?;
    let log = args.log.map(Log::open).transpose().context("opening the log")?.map(Arc::new);
    let service = Service { needs: args.needs, ailment: Arc::default(), log: log.clone() };
    let mut router = Router::new().route("/health", get(health));
    if log.is_some() {
        router = router.route("/break", post(fall_ill)).route("/action", any(act));
    }
    let serve = axum::serve(listener, router.with_state(service.clone()));
    let Some(log) = log else {
        serve.await.context("serving requests")?;
        return Ok(Exit::Done);
    };
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let mut reopen = signal(SignalKind::user_defined1()).context("listening for SIGUSR1")?;
    let mut serve = std::pin::pin!(serve.into_future());
    loop {
        tokio::select! {
            served = &mut serve => {
                served.context("serving requests")?;
                return Ok(Exit::Done);
            }
            _ = hangup.recv() => {
                service.heal();
                service.write("INFO configuration read anew");
            }
            _ = reopen.recv() => {
                log.reopen().context("opening the log anew")?;
                service.write("INFO log opened anew");
            }
        }
    }
}

impl Log {
    fn open(path: PathBuf) -> std::io::Result<Self> {
        let file = Mutex::new(appending(&path)?);
        Ok(Self { path, file })
    }

    fn reopen(&self) -> std::io::Result<()> {
        let file = appending(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

fn appending(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Service {
    fn write(&self, what: &str) {
        let Some(log) = &self.log else { return };
        let mut file = log.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Where it cannot be written, there is nobody to tell.
        let _ = writeln!(file, "{:.3} {what}", Clock::System.now());
    }

    fn heal(&self) {
        *self.ailment.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn health(State(service): State<Service>) -> (StatusCode, String) {
    let ailment = *service.ailment.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = match (ailment, service.needs.as_ref().filter(|path| !path.exists())) {
        (Some(Ailment::Failing), _) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "it was told to fail\n".to_owned())
        }
        (Some(Ailment::Slow { answer_ms }), _) => {
            tokio::time::sleep(Duration::from_millis(answer_ms.min(ANSWER_MS_MAX))).await;
            (StatusCode::OK, "healthy, and late\n".to_owned())
        }
        (None, None) => (StatusCode::OK, "healthy\n".to_owned()),
        (None, Some(path)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{} is missing\n", path.display()))
        }
    };
    let level = if answer.0.is_success() { "INFO" } else { "ERROR" };
    service.write(&format!("{level} GET /health {}", answer.0.as_u16()));
    answer
}

async fn fall_ill(State(service): State<Service>, Json(ailment): Json<Ailment>) -> Json<Ailment> {
    *service.ailment.lock().unwrap_or_else(PoisonError::into_inner) = Some(ailment);
    service.write("ERROR told to have a trouble");
    Json(ailment)
}

async fn act(State(service): State<Service>) -> &'static str {
    service.heal();
    service.write("INFO action taken");
    "done\n"
}
