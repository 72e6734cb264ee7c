//! Restarting a service of Docker Compose whose file nobody gave: its containers are known by the
//! labels that Compose puts on them.
//!
//! `GET /containers/json?filters=…` of the Engine's API; the labels are
//! `com.docker.compose.service` and `com.docker.compose.project`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use nightcrew_model::plan::StepStatus;
use nightcrew_runtime::http::{Http, Method};
use serde::Deserialize;

use crate::container::{ASK_TIMEOUT, Container, Task, ask, said};
use crate::done::Done;
use crate::inventory::{is_ourselves, well_formed};

/// The largest number of containers of one service that are restarted.
const CONTAINERS_MAX: usize = 32;

const PROJECT: &str = "com.docker.compose.project";

/// A service of Compose that the gate has let be restarted.
#[derive(Clone, Debug)]
pub(crate) struct ComposeService {
    pub(crate) socket: PathBuf,
    /// Its name: plain ASCII, so it is part of a question as it is.
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl ComposeService {
    /// Restarts its containers one after the other, so that they are not all down at a time.
    pub(crate) async fn restart(&self, patience: Duration, http: &Http, limit: Duration) -> Done {
        let names = match self.containers(http).await {
            Ok(names) => names,
            Err(why) => return Done::failed(why),
        };
        let mut told = Vec::new();
        for name in names {
            let container = Container { socket: self.socket.clone(), name };
            let done = container.carry_out(&Task::Restart { patience }, http, limit).await;
            told.push(done.output);
            if done.status != StepStatus::Succeeded {
                return Done::new(done.status, told.join("; "));
            }
        }
        Done::succeeded(told.join("; "))
    }

    /// The names of its containers, all of one project.
    async fn containers(&self, http: &Http) -> Result<Vec<String>, String> {
        // {"label":["com.docker.compose.service=NAME"]}
        let path = format!(
            "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22com.docker.compose.service%3D{}\
             %22%5D%7D",
            self.name
        );
        let answer = ask(http, &self.socket, Method::GET, &path, None, ASK_TIMEOUT).await?;
        if !answer.status.is_success() {
            return Err(format!("the Engine does not list containers: {}", said(&answer)));
        }
        let listed: Vec<Listed> = serde_json::from_slice(&answer.body)
            .map_err(|why| format!("the Engine's list cannot be read: {why}"))?;
        let projects: BTreeSet<&str> =
            listed.iter().filter_map(|one| one.labels.get(PROJECT)).map(String::as_str).collect();
        if projects.len() > 1 {
            let projects: Vec<&str> = projects.into_iter().collect();
            return Err(format!(
                "several projects of Compose have a service {}: {}; give its file",
                self.name,
                projects.join(", ")
            ));
        }
        let names = listed.iter().filter_map(|one| one.names.first());
        let names: Vec<String> =
            names.map(|name| name.trim_start_matches('/').to_owned()).collect();
        if names.is_empty() || names.len() > CONTAINERS_MAX {
            return Err(format!(
                "{} containers belong to the service {} of Compose; 1 to {CONTAINERS_MAX} are \
                 restarted",
                names.len(),
                self.name
            ));
        }
        match names.iter().find(|name| well_formed(name).is_err() || is_ourselves(name)) {
            Some(odd) => Err(format!("`{odd}` is not a container that is acted on")),
            None => Ok(names),
        }
    }
}
