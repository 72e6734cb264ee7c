//! Acting on one container through the Docker Engine's API, over its socket.
//!
//! <https://docs.docker.com/reference/api/engine/version/v1.43/>: `GET /containers/ID/json`,
//! `POST /containers/ID/restart`, `POST /containers/ID/update`.  Podman answers the same paths.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Method, Request, Response};
use serde::Deserialize;
use serde_json::json;

use crate::done::Done;

/// The version of the API; every Engine since 2021 answers it.
const VERSION: &str = "/v1.41";

/// How long a restarted container must stay up before its restart counts.
const UP_GRACE: Duration = Duration::from_secs(1);

/// How much of an answer is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How much of an Engine's error is shown, in characters.
const ERROR_CHARS_MAX: usize = 300;

/// A container that the gate has let be asked for something.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) socket: PathBuf,
    /// Its name: plain ASCII, so it is part of a path as it is.
    pub(crate) name: String,
}

/// What is done to it.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Stop it, start it, and see that it is up.
    Restart {
        /// How long it gets to end by itself.
        patience: Duration,
    },
}

/// What the Engine says of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspected {
    pub(crate) state: State,
    #[serde(default)]
    pub(crate) host_config: HostConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    #[serde(default)]
    running: bool,
    #[serde(default)]
    restarting: bool,
    #[serde(default)]
    pub(crate) pid: i32,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    error: String,
    #[serde(default)]
    started_at: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HostConfig {
    /// In bytes; 0: unlimited.
    #[serde(default)]
    pub(crate) memory: u64,
    /// Memory and swap together, in bytes; 0: twice the memory, -1: unlimited.
    #[serde(default)]
    pub(crate) memory_swap: i64,
}

impl Container {
    /// Carries a task out.
    pub(crate) async fn carry_out(&self, task: &Task, http: &Http, limit: Duration) -> Done {
        match task {
            Task::Restart { patience } => {
                self.restart(http, *patience, limit).await.unwrap_or_else(Done::failed)
            }
        }
    }

    async fn restart(
        &self,
        http: &Http,
        patience: Duration,
        limit: Duration,
    ) -> Result<Done, String> {
        let before = self.inspect(http).await?;
        // The Engine answers when the container is up again, which includes its patience.
        let path = format!("/restart?t={}", patience.as_secs());
        let answer = self.ask(http, Method::POST, &path, None, limit).await?;
        if !answer.status.is_success() {
            return Err(self.refusal("restarted", &answer));
        }
        let first = self.inspect(http).await?;
        tokio::time::sleep(UP_GRACE).await;
        let second = self.inspect(http).await?;
        let stayed = first.state.running
            && second.state.running
            && !second.state.restarting
            && first.state.started_at == second.state.started_at;
        if !stayed {
            return Err(format!(
                "container {} was restarted and did not stay up: exit code {}{}{}",
                self.name,
                second.state.exit_code,
                if second.state.error.is_empty() { "" } else { ", " },
                second.state.error
            ));
        }
        if before.state.running && before.state.started_at == second.state.started_at {
            return Err(format!("container {} was not restarted by the Engine", self.name));
        }
        Ok(Done::succeeded(format!(
            "container {} restarted; pid {} instead of {}",
            self.name, second.state.pid, before.state.pid
        )))
    }

    /// What the Engine says of it.
    pub(crate) async fn inspect(&self, http: &Http) -> Result<Inspected, String> {
        let answer = self.ask(http, Method::GET, "/json", None, ASK_TIMEOUT).await?;
        if !answer.status.is_success() {
            return Err(self.refusal("looked at", &answer));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|why| format!("the Engine's answer about {} cannot be read: {why}", self.name))
    }

    /// Gives it another memory limit, and as much swap as before.
    pub(crate) async fn limit_memory(
        &self,
        http: &Http,
        before: &HostConfig,
        bytes: u64,
    ) -> Result<(), String> {
        let swap = match before.memory_swap {
            -1 => -1,
            0 => 0,
            both => {
                let more = bytes.saturating_sub(before.memory);
                both.saturating_add(i64::try_from(more).unwrap_or(i64::MAX))
            }
        };
        let body = json!({ "Memory": bytes, "MemorySwap": swap });
        let answer = self.ask(http, Method::POST, "/update", Some(&body), ASK_TIMEOUT).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refusal("updated", &answer)) }
    }

    async fn ask(
        &self,
        http: &Http,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        limit: Duration,
    ) -> Result<Response, String> {
        let path = format!("/containers/{}{path}", self.name);
        ask(http, &self.socket, method, &path, body, limit).await
    }

    fn refusal(&self, what: &str, answer: &Response) -> String {
        format!("container {} could not be {what}: {}", self.name, said(answer))
    }
}

/// What an Engine says about why not.
pub(crate) fn said(answer: &Response) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    let said = serde_json::from_slice::<Said>(&answer.body).map_or(String::new(), |said| {
        said.message.chars().filter(|c| !c.is_control()).take(ERROR_CHARS_MAX).collect()
    });
    format!("{} {said}", answer.status)
}

/// Asks the Engine at a socket.
pub(crate) async fn ask(
    http: &Http,
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&serde_json::Value>,
    limit: Duration,
) -> Result<Response, String> {
    let url = format!("http://docker{VERSION}{path}");
    let limit = Millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    let mut request = match body {
        Some(body) => Request::post_json(url, body, limit),
        None => Request::get(url, limit).method(method),
    };
    request.body_bytes_max = ANSWER_BYTES_MAX;
    http.over_socket(socket).send(request).await.map_err(|why| {
        format!(
            "the Docker Engine at {} does not answer: {why}; see policy.docker_socket",
            socket.display()
        )
    })
}

/// How long a short question to the Engine may take.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(10);
