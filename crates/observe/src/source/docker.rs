//! The Docker Engine of this machine, over its Unix socket.
//!
//! <https://docs.docker.com/reference/api/engine/version/v1.43/>: `GET /containers/json`,
//! `/containers/ID/json`, `/containers/ID/stats`.  Podman answers the same paths.
//!
//! | metric | from |
//! |---|---|
//! | `process_status` | `State.Status`; what is paused does not run |
//! | `health_status` | `State.Health`, where the image has a check |
//! | `process_cpu` | two looks at `cpu_stats`, 100 for one core |
//! | `process_memory_mb`, `container_memory` | `memory_stats` without the file cache |
//! | `container_restarts` | `RestartCount` |
//!
//! A container that ended and is not to be started again by the Engine is a job, not a service: it
//! is told of only when it was seen running.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::Endpoint;
use nightcrew_model::catalogue;
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::sample::{Reading, Sample, Status, Unknown};
use nightcrew_model::unit::{Millis, Unit};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use serde::Deserialize;

use crate::sampling::{float, number, percent, sample, share, size};
use crate::source::exchange::{Exchange, Heard, json};
use crate::source::expected::missing;

/// The largest number of containers that are looked at.
const CONTAINERS_MAX: usize = 200;

/// How long a container is expected after it was last listed.
const EXPECTED_FOR: Millis = Millis::from_secs(3_600);

/// The version of the API; every Engine since 2021 answers it.
const VERSION: &str = "/v1.41";

/// Asks one Docker Engine.
#[derive(Debug)]
pub(crate) struct Docker {
    it: settings::source::Docker,
    exchange: Exchange,
    /// Over the socket; made at the first look.
    http: Option<Http>,
    cpu: BTreeMap<String, Cpu>,
    /// The containers that were seen running.
    ran: BTreeSet<String>,
    /// The targets whose state was told, and when.
    told: BTreeMap<Target, Timestamp>,
}

/// What a container had used at the last look.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    at: Timestamp,
    /// Nanoseconds of CPU time.
    used: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
    #[serde(default)]
    restart_count: u64,
    #[serde(default)]
    host_config: HostConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    restart_policy: RestartPolicy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    error: String,
    #[serde(default)]
    health: Option<Health>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: String,
    #[serde(default)]
    log: Option<Vec<HealthLog>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthLog {
    #[serde(default)]
    output: String,
}

#[derive(Debug, Deserialize)]
struct Stats {
    #[serde(default)]
    cpu_stats: CpuStats,
    #[serde(default)]
    memory_stats: MemoryStats,
}

#[derive(Debug, Default, Deserialize)]
struct CpuStats {
    #[serde(default)]
    cpu_usage: CpuUsage,
}

#[derive(Debug, Default, Deserialize)]
struct CpuUsage {
    #[serde(default)]
    total_usage: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct MemoryStats {
    #[serde(default)]
    usage: Option<u64>,
    #[serde(default)]
    limit: Option<u64>,
    #[serde(default)]
    stats: BTreeMap<String, u64>,
}

impl MemoryStats {
    /// What is used without the file cache, as `docker stats` shows it.
    fn used(&self) -> Option<u64> {
        // The name is that of control groups version 2, then of version 1.
        let names = ["inactive_file", "total_inactive_file"];
        let cache = names.iter().find_map(|name| self.stats.get(*name)).copied().unwrap_or(0);
        Some(self.usage?.saturating_sub(cache))
    }
}

impl Docker {
    pub(crate) fn new(source: &settings::source::Source, it: &settings::source::Docker) -> Self {
        let endpoint =
            Endpoint { url: format!("http://docker{VERSION}"), headers: BTreeMap::new() };
        Self {
            it: it.clone(),
            exchange: Exchange::new(&endpoint, source.timeout),
            http: None,
            cpu: BTreeMap::new(),
            ran: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    /// The list, and two questions about each container; over a socket they cost nothing.
    pub(crate) fn questions(&self) -> usize {
        1
    }

    pub(crate) fn take_heard(&mut self) -> Heard {
        self.exchange.take_heard()
    }

    pub(crate) async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let http = self.http.get_or_insert_with(|| http.over_socket(&self.it.socket)).clone();
        let at = clock.now();
        self.told.retain(|_, told| EXPECTED_FOR.after(*told) >= at);
        let listed = match self.list(&http).await {
            Ok(listed) => listed,
            Err(why) => return self.all_unknown(at, &why),
        };
        let mut found = Vec::new();
        for one in listed {
            let inspected = self.inspect(&http, &one.id).await;
            if self.is_job(&one.id, &inspected) {
                continue;
            }
            found.push((one, inspected));
        }
        let mut n_of: BTreeMap<ServiceName, usize> = BTreeMap::new();
        for (one, _) in &found {
            *n_of.entry(self.service(one)).or_default() += 1;
        }
        let ids: BTreeSet<&str> = found.iter().map(|(one, _)| one.id.as_str()).collect();
        self.cpu.retain(|id, _| ids.contains(id.as_str()));
        self.ran.retain(|id| ids.contains(id.as_str()));
        let (mut samples, mut there) = (Vec::new(), BTreeSet::new());
        for (one, inspected) in &found {
            let service = self.service(one);
            let target = match n_of.get(&service) {
                // One container is the service; of several each is a part.
                Some(1) => Target::service(service),
                _ => Target::part(service, name(one)),
            };
            self.told.insert(target.clone(), at);
            there.insert(target.clone());
            samples.extend(self.container(&http, clock, one, &target, inspected).await);
        }
        let gone = self.told.keys().filter(|target| !there.contains(target));
        let gone = gone.map(|target| status(at, target, Err(missing()), None));
        samples.extend(gone.collect::<Vec<_>>());
        samples
    }

    async fn list(&mut self, http: &Http) -> Result<Vec<Listed>, Unknown> {
        let response = self.exchange.get(http, "/containers/json?all=true").await?;
        let mut listed: Vec<Listed> = json(&response)?;
        if listed.len() > CONTAINERS_MAX {
            tracing::warn!(
                containers = listed.len(),
                containers_max = CONTAINERS_MAX,
                "there are more containers than are looked at; the oldest are left out"
            );
            listed.truncate(CONTAINERS_MAX);
        }
        Ok(listed)
    }

    async fn inspect(&mut self, http: &Http, id: &str) -> Result<Inspected, Unknown> {
        let response = self.exchange.get(http, &format!("/containers/{id}/json")).await?;
        json(&response)
    }

    /// Whether it ended and nobody expects otherwise.
    fn is_job(&mut self, id: &str, inspected: &Result<Inspected, Unknown>) -> bool {
        let Ok(inspected) = inspected else { return false };
        if inspected.state.status == "running" {
            self.ran.insert(id.to_owned());
        }
        let policy = inspected.host_config.restart_policy.name.as_str();
        let is_kept = !matches!(policy, "" | "no");
        let has_ended = matches!(inspected.state.status.as_str(), "exited" | "created" | "dead");
        has_ended && !is_kept && !self.ran.contains(id)
    }

    fn service(&self, one: &Listed) -> ServiceName {
        let label = one.labels.as_ref().and_then(|labels| labels.get(&self.it.service_label));
        ServiceName::from(label.map_or_else(|| name(one), String::as_str))
    }

    fn all_unknown(&self, at: Timestamp, why: &Unknown) -> Vec<Sample> {
        self.told.keys().map(|target| status(at, target, Err(why.clone()), None)).collect()
    }

    /// Everything of one container.
    async fn container(
        &mut self,
        http: &Http,
        clock: &Clock,
        one: &Listed,
        target: &Target,
        inspected: &Result<Inspected, Unknown>,
    ) -> Vec<Sample> {
        let at = clock.now();
        let inspected = match inspected {
            Ok(inspected) => inspected,
            Err(why) => return vec![status(at, target, Err(why.clone()), None)],
        };
        let state = &inspected.state;
        let runs = state.status == "running";
        let seen = if runs { Status::Running } else { Status::Stopped };
        let detail = format!("container {}: {}", name(one), words(state));
        let mut samples = vec![status(at, target, Ok(Reading::Status(seen)), Some(detail))];
        let restarts = number(float(inspected.restart_count), Unit::Count);
        samples.push(sample(at, target, catalogue::CONTAINER_RESTARTS, restarts, None));
        samples.extend(state.health.as_ref().and_then(|health| checked(at, target, health)));
        if runs {
            samples.extend(self.used(http, clock, one, target).await);
        } else {
            self.cpu.remove(&one.id);
        }
        samples
    }

    /// What a running container uses.
    async fn used(
        &mut self,
        http: &Http,
        clock: &Clock,
        one: &Listed,
        target: &Target,
    ) -> Vec<Sample> {
        let at = clock.now();
        let path = format!("/containers/{}/stats?stream=false&one-shot=true", one.id);
        let stats = match self.exchange.get(http, &path).await {
            Ok(response) => json::<Stats>(&response),
            Err(why) => Err(why),
        };
        let (stats, memory) = match &stats {
            Ok(stats) => (Ok(stats), &stats.memory_stats),
            Err(why) => (Err(why.clone()), &MemoryStats::default()),
        };
        let mut samples = Vec::new();
        let cpu = stats
            .clone()
            .and_then(|stats| stats.cpu_stats.cpu_usage.total_usage.ok_or(Unknown::Absent));
        // The first look has nothing to compare with.
        if let Some(cpu) = self.cpu_since(&one.id, at, cpu) {
            let cpu = cpu.and_then(|cpu| number(cpu, Unit::Percent));
            samples.push(sample(at, target, catalogue::PROCESS_CPU, cpu, None));
        }
        let used = stats.and_then(|_| memory.used().ok_or(Unknown::Absent));
        let megabytes = used.clone().and_then(|used| number(float(used) / 1e6, Unit::Megabytes));
        samples.push(sample(at, target, catalogue::PROCESS_MEMORY_MB, megabytes, None));
        if let Some(limit) = memory.limit.filter(|limit| *limit > 0) {
            let detail = used.as_ref().ok();
            let detail = detail.map(|used| format!("{} of {} used", size(*used), size(limit)));
            let part = used.and_then(|used| share(used, limit)).and_then(percent);
            samples.push(sample(at, target, catalogue::CONTAINER_MEMORY, part, detail));
        }
        samples
    }

    /// CPU time in percent of one core since the last look.
    fn cpu_since(
        &mut self,
        id: &str,
        at: Timestamp,
        used: Result<u64, Unknown>,
    ) -> Option<Result<f64, Unknown>> {
        let used = match used {
            Ok(used) => used,
            Err(why) => return Some(Err(why)),
        };
        let before = self.cpu.insert(id.to_owned(), Cpu { at, used })?;
        let seconds = at.duration_since(before.at).as_secs_f64();
        // A container that was begun anew counts from zero.
        let grown = used.checked_sub(before.used).filter(|_| seconds > 0.0)?;
        Some(Ok(float(grown) / 1e9 / seconds * 100.0))
    }
}

/// The name of a container, without the slash before it.
fn name(one: &Listed) -> &str {
    let name = one.names.first().map_or(one.id.as_str(), String::as_str);
    name.strip_prefix('/').unwrap_or(name)
}

fn status(
    at: Timestamp,
    target: &Target,
    seen: Result<Reading, Unknown>,
    detail: Option<String>,
) -> Sample {
    sample(at, target, catalogue::PROCESS_STATUS, seen, detail)
}

/// The state as people say it.
fn words(state: &State) -> String {
    let why = match (state.oom_killed, state.error.as_str()) {
        (true, _) => ", killed for lack of memory".to_owned(),
        (false, "") => String::new(),
        (false, error) => format!(": {error}"),
    };
    match state.status.as_str() {
        "exited" | "dead" => format!("{} with code {}{why}", state.status, state.exit_code),
        other => format!("{other}{why}"),
    }
}

/// What the check of the image says; nothing where it has none.
fn checked(at: Timestamp, target: &Target, health: &Health) -> Option<Sample> {
    let seen = match health.status.as_str() {
        "healthy" => Ok(Reading::Status(Status::Passing)),
        "unhealthy" => Ok(Reading::Status(Status::Failing)),
        "starting" => Err(Unknown::Failed("its check has not passed since its start".to_owned())),
        _ => return None,
    };
    let last = health.log.as_ref().and_then(|log| log.last());
    let detail = last.map(|last| last.output.trim().to_owned()).filter(|said| !said.is_empty());
    Some(sample(at, target, catalogue::HEALTH_STATUS, seen, detail))
}
