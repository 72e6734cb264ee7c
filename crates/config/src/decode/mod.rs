//! From the tree to settings.

mod allowed;
pub(crate) mod calm;
pub(crate) mod channel;
mod chat;
pub(crate) mod command;
pub(crate) mod condition;
pub(crate) mod cover;
mod defaults;
pub(crate) mod detection;
pub(crate) mod escalation;
pub(crate) mod expression;
mod hands;
mod inbound;
pub(crate) mod interval;
pub(crate) mod later;
mod levels;
mod local_check;
mod logs;
mod machine;
pub(crate) mod matchers;
pub(crate) mod moment;
pub(crate) mod people;
pub(crate) mod playbook;
mod retention;
pub(crate) mod routing;
pub(crate) mod seen;
mod service;
pub(crate) mod slo;
mod source;
pub(crate) mod threshold;
mod tracker;
mod triage;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_detect::threshold::Threshold;
use nightcrew_model::condition::Condition;
use nightcrew_model::id::{MetricName, ServiceName};
use nightcrew_model::plan::{Mode, Playbook};
use nightcrew_model::unit::Millis;

use crate::decode::later::{Later, Shared};
use crate::decode::playbook::runbook::Shelf;
use crate::decode::playbook::{Ground, Written};
use crate::decode::seen::Seen;
use crate::fields::{self, Fields};
use crate::import::Counts;
use crate::problem::{Place, Report, Severity};
use crate::read;
use crate::settings::{Probe, Settings};
use crate::text::{FileId, Files};
use crate::tree::{At, Node};

/// What every part of decoding works with.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    pub(crate) report: Report,
    pub(crate) files: &'c Files,
    /// The folder from which relative paths count.
    root: PathBuf,
    pub(crate) later: Later,
    /// Files that are not only ours: `openclaw.json`, and layers that nothing includes.
    foreign: BTreeSet<FileId>,
    /// The moment of loading, for what is judged by the calendar; none: nobody says.
    pub(crate) now: Option<Timestamp>,
    /// The Alertmanager's configuration that gives the routing.
    pub(crate) imported: Option<&'c Node>,
    /// What of it cannot be carried over.
    pub(crate) cannot: Report,
    /// The metrics that sources are asked for.
    pub(crate) asked_for: BTreeSet<MetricName>,
    /// Further files that were read: templates and secrets.
    pub(crate) beside: Vec<PathBuf>,
}

impl<'c> Context<'c> {
    pub(crate) fn new(
        files: &'c Files,
        root: &Path,
        foreign: BTreeSet<FileId>,
        report: Report,
    ) -> Self {
        Self {
            report,
            files,
            root: root.to_owned(),
            later: Later::default(),
            foreign,
            now: None,
            imported: None,
            cannot: Report::default(),
            asked_for: BTreeSet::new(),
            beside: Vec::new(),
        }
    }

    /// The text of a file that the configuration names.
    pub(crate) fn read_beside(&mut self, written: &str, at: &At<'_>) -> Option<String> {
        let path = self.absolute(written);
        match read::read(&path) {
            Ok(text) => {
                self.beside.push(path);
                Some(text)
            }
            Err(error) => {
                let found = self.report.error(at, format!("the file cannot be used: {error}"));
                if let Some(hint) = error.hint() {
                    found.hint(hint);
                }
                None
            }
        }
    }

    /// A path of the configuration; a relative one counts from its folder.
    pub(crate) fn absolute(&self, written: &str) -> PathBuf {
        // Collecting the parts leaves out `.` and repeated slashes.
        self.root.join(written).components().collect()
    }

    /// Whether the key stands in a file that is not only ours.
    pub(crate) fn is_foreign(&self, at: &At<'_>) -> bool {
        self.foreign.contains(&at.key_span.file)
    }
}

/// A check and where it is written.
#[derive(Debug)]
pub(crate) struct SeenCheck {
    pub(crate) service: ServiceName,
    pub(crate) probe: Probe,
    pub(crate) place: Place,
}

/// Settings in the making, with the places that the lints need.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) settings: Settings,
    pub(crate) checks: Vec<SeenCheck>,
    /// The operator's playbooks; none where he has given none.
    pub(crate) playbooks: Option<Vec<Written>>,
    /// The services that thresholds name.
    pub(crate) threshold_services: Vec<(ServiceName, Place)>,
    /// The places of triage.
    pub(crate) seen: Seen,
    /// What an Alertmanager's configuration holds, where one gives the routing.
    pub(crate) counts: Option<Counts>,
}

/// Whether a key has a meaning at the root.
pub(crate) fn is_root_key(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "listen",
        "data_dir",
        "workspace_dir",
        "dry_run",
        "host",
        "services",
        "thresholds",
        "detection",
        "slos",
        "playbooks",
        "patterns",
        "runbooks",
        "healing",
        "channels",
        "policy",
        "tickets",
        "breaker",
        "healthchecks",
        "prometheus",
        "logs",
        "retention",
    ];
    KEYS.contains(&key) || triage::KEYS.contains(&key) || later::is_later(key)
}

/// Decodes the root.  Whatever is missing or wrong leaves the default; the report says whether the
/// settings may be used.
///
/// `data_dir` is what the environment says of it, which wins.
pub(crate) fn decode(at: &At<'_>, data_dir: Option<&Path>, cx: &mut Context<'_>) -> Draft {
    let default = || PathBuf::from(Settings::DATA_DIR);
    let mut draft = Draft {
        settings: Settings::zero(data_dir.map_or_else(default, Path::to_owned)),
        checks: Vec::new(),
        playbooks: None,
        threshold_services: Vec::new(),
        seen: Seen::default(),
        counts: None,
    };
    let defaults = defaults::read();
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return draft;
    };
    simple(&mut fields, &mut draft.settings, data_dir.is_some(), cx);
    if let Some(at) = fields.take("services") {
        service::services(&at, &mut draft, cx);
    }
    if let Some(at) = fields.take_unlisted("healthchecks") {
        service::healthchecks(&at, &mut draft, cx);
    }
    if let Some(at) = fields.take_unlisted("prometheus") {
        draft.settings.sources.extend(source::first_document(&at, cx));
    }
    if let Some(at) = fields.take("logs") {
        logs::logs(&at, &mut draft.settings, cx);
    }
    let shared = times(&mut fields, &mut draft.settings, cx);
    if let Some(at) = fields.take("sources") {
        let asked = source::sources(&at, shared.signoz_per_minute, cx);
        // What is said of the same source in our own words wins.
        draft.settings.sources.retain(|first| asked.iter().all(|own| own.name != first.name));
        draft.settings.sources.extend(asked);
    }
    cx.asked_for = draft.settings.sources.iter().flat_map(|it| it.kind.metrics()).collect();
    if let Some(at) = fields.take("policy") {
        machine::policy(&at, &mut draft.settings.policy, cx);
    }
    grants(fields.at(), &shared, &mut draft.settings);
    tickets(&mut fields, &shared, &mut draft.settings, cx);
    thresholds(&mut fields, &mut draft, &defaults.thresholds, cx);
    detection(&mut fields, &mut draft, cx);
    let watched = remedies(&mut fields, &shared, &defaults, &mut draft, cx);
    triage::triage(&mut fields, &shared, &mut draft, cx);
    later::sections(&mut fields, cx);
    fields.finish_with(&mut cx.report, |at| {
        if cx.foreign.contains(&at.key_span.file) { Severity::Warning } else { Severity::Error }
    });
    for condition in &watched {
        cover::watch(condition, &mut draft.settings);
    }
    cover::cover(&mut draft.settings, &defaults.thresholds);
    draft
}

/// `tickets`, and the Jira that agents are given, unless one of `tickets` is called so.
fn tickets(
    fields: &mut Fields<'_>,
    shared: &Shared,
    settings: &mut Settings,
    cx: &mut Context<'_>,
) {
    if let Some(at) = fields.take("tickets") {
        settings.trackers = tracker::trackers(&at, shared.tickets, cx);
    }
    if settings.trackers.iter().all(|known| known.name.as_str() != "jira") {
        let given = tracker::given_to_agents(fields.at(), shared.tickets, cx);
        settings.trackers.extend(given);
    }
}

/// Services that say nothing about their containers have the grants of the shared sections.
fn grants(root: &At<'_>, shared: &Shared, settings: &mut Settings) {
    let Some(granted) = &shared.containers else { return };
    let services = root.get("services");
    for (name, service) in &mut settings.services {
        let own = services.as_ref().and_then(|at| at.get(name.as_str()));
        if own.is_none_or(|at| at.get("containers").is_none()) {
            service.containers = granted.clone();
        }
    }
}

/// The playbooks and runbooks; returns what has to be watched for the latter.
///
/// Runbooks come after the operator's playbooks, and before those that hold by default.
fn remedies(
    fields: &mut Fields<'_>,
    shared: &Shared,
    defaults: &defaults::Defaults,
    draft: &mut Draft,
    cx: &mut Context<'_>,
) -> Vec<Condition> {
    let settings = &mut draft.settings;
    let stop_timeout = settings.services.values().map(|service| service.stop_timeout);
    let stop_timeout = stop_timeout.max().unwrap_or(Millis(0));
    let ground = Ground {
        healing: &settings.healing,
        stop_timeout,
        action_timeout_max: settings.policy.action_timeout_max,
    };
    let own = fields.take("playbooks").map(|at| playbook::playbooks(&at, &ground, cx));
    let has_checks = settings.services.values().any(|service| !service.checks.is_empty());
    let alive = playbook::runbook::alive(has_checks);
    let shelf = Shelf { ground, criteria: shared.criteria(), alive };
    let agents = fields.at().get("agents").filter(|at| at.node.object().is_none());
    let mut unused = Report::default();
    let agents = agents.map(|at| fields::items(&at, &mut unused)).unwrap_or_default();
    let beside = agents.iter().flat_map(|at| [at.get("runbooks"), at.get("patterns")]).flatten();
    let places = ["patterns", "runbooks"].map(|key| fields.take(key)).into_iter().flatten();
    let mut watched = Vec::new();
    let mut written: Vec<Written> = Vec::new();
    for at in places.chain(beside) {
        for found in playbook::runbook::runbooks(&at, &shelf, cx) {
            let name = &found.written.playbook.name;
            if own.iter().flatten().chain(&written).any(|known| known.playbook.name == *name) {
                cx.report
                    .warning(found.written.place, format!("there is a playbook {name} already"))
                    .hint("give one of the two another name; this one is not used");
                continue;
            }
            watched.extend(found.watched);
            written.push(found.written);
        }
    }
    let mut playbooks: Vec<Playbook> = Vec::new();
    playbooks.extend(own.iter().flatten().chain(&written).map(|it| it.playbook.clone()));
    if own.is_none() {
        let by_default = defaults.playbooks_for(settings, stop_timeout).into_iter();
        let new = |it: &Playbook| written.iter().all(|known| known.playbook.name != it.name);
        playbooks.extend(by_default.filter(new));
    }
    settings.playbooks = playbooks;
    if own.is_some() || !written.is_empty() {
        draft.playbooks = Some(own.into_iter().flatten().chain(written).collect());
    }
    watched
}

fn simple(
    fields: &mut Fields<'_>,
    settings: &mut Settings,
    has_data_dir: bool,
    cx: &mut Context<'_>,
) {
    if let Some(at) = fields.take("listen")
        && let Some(listen) = machine::listen(&at, cx)
    {
        settings.listen = listen;
    }
    if let Some(folder) = service::path(fields, "data_dir", cx)
        && !has_data_dir
    {
        settings.data_dir = folder;
    }
    settings.workspace_dir = settings.data_dir.clone();
    if let Some(folder) = service::path(fields, "workspace_dir", cx) {
        settings.workspace_dir = folder;
    }
    if let Some(true) = fields.boolean("dry_run", &mut cx.report) {
        settings.mode = Mode::DryRun;
    }
    if let Some(at) = fields.take("host") {
        machine::host(&at, &mut settings.host, cx);
    }
}

/// The times of healing and the breaker: first what other sections say, then our own words.
fn times(fields: &mut Fields<'_>, settings: &mut Settings, cx: &mut Context<'_>) -> Shared {
    let mut shared = Shared::default();
    shared.read(fields, cx);
    if let Some(at) = fields.take_unlisted("agents") {
        shared.read_agents(&at, cx);
    }
    shared.apply(&mut settings.healing, &mut settings.breaker);
    if let Some(at) = fields.take("healing") {
        machine::healing(&at, &mut settings.healing, cx);
    }
    if let Some(at) = fields.take("breaker") {
        machine::breaker(&at, &mut settings.breaker, cx);
    }
    if let Some(at) = fields.take("retention") {
        retention::retention(&at, &mut settings.retention, cx);
    }
    shared
}

/// The operator's thresholds and those that stay on beside them: all of the defaults where he has
/// given none, and always those of states, unless he speaks of their metric himself.
fn thresholds(
    fields: &mut Fields<'_>,
    draft: &mut Draft,
    defaults: &[Threshold],
    cx: &mut Context<'_>,
) {
    let at = fields.take("thresholds");
    let given = at.is_some();
    let found = at.map(|at| threshold::thresholds(&at, defaults, cx));
    let found = found.unwrap_or_default();
    let named: BTreeSet<MetricName> = found.named.into_iter().collect();
    let stays = |rule: &&Threshold| {
        let is_state = defaults::is_state(&rule.metric);
        !named.contains(&rule.metric) && (!given || named.is_empty() || is_state)
    };
    draft.settings.thresholds = found.rules;
    draft.settings.detection.relatives = found.relatives;
    let kept = defaults.iter().filter(stays).cloned();
    draft.settings.thresholds.extend(kept);
    draft.threshold_services = found.services;
}

/// The methods beside thresholds, and the objectives.
fn detection(fields: &mut Fields<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let services = &mut draft.threshold_services;
    if let Some(at) = fields.take("detection") {
        detection::detection(&at, &mut draft.settings.detection, services, cx);
    }
    if let Some(at) = fields.take("slos") {
        draft.settings.slos = slo::slos(&at, services, cx);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::json5;

    /// Decodes one value with one function, in a file called `f`.
    pub(crate) fn decode_one<T>(
        text: &str,
        decode: impl Fn(&At<'_>, &mut Context<'_>) -> T,
    ) -> (T, Vec<String>) {
        let mut files = Files::default();
        let file = files.add("f".into(), text.to_owned());
        let mut report = Report::default();
        let node = json5::parse(text, file, &files, &mut report).unwrap();
        let mut cx = Context::new(&files, Path::new("/etc/nightcrew"), BTreeSet::new(), report);
        let found = decode(&At::root(&node), &mut cx);
        let Context { report, .. } = cx;
        let problems = report.into_problems(&files);
        (found, problems.iter().map(ToString::to_string).collect())
    }
}
