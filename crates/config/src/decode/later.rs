//! Sections that other versions or other programs act on.
//!
//! They are read well enough to be judged, and each one is told of once, so that nobody believes
//! that something happens which does not.  What has a counterpart here (`guardrails`,
//! `verification`, `deduplication`) is taken over where the operator has not said it himself.

use std::collections::BTreeSet;

use nightcrew_model::catalogue;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::expression::Expression;
use nightcrew_model::unit::Millis;

use crate::decode::machine::is_section;
use crate::decode::{Context, hands};
use crate::fields::{self, Fields};
use crate::problem::{Place, Report};
use crate::settings::{Breaker, ContainerGrants, Healing, Rate};
use crate::tree::At;

/// Sections of the source documents.
const SECTIONS: [&str; 13] = [
    "agents",
    "bindings",
    "detection_rules",
    "healthcheck",
    "integrations",
    "learning",
    "locust",
    "mcp",
    "mcpServers",
    "quality_metrics",
    "scenarios",
    "security_instructions",
    "tools",
];

/// Sections of which a part is taken over.
const SHARED: [&str; 4] = ["guardrails", "verification", "deduplication", "sandbox"];

/// Keys of `OpenClaw`'s own file that have no meaning here.
const OPENCLAW: [&str; 40] = [
    "meta",
    "env",
    "wizard",
    "diagnostics",
    "logging",
    "update",
    "telemetry",
    "browser",
    "ui",
    "secrets",
    "auth",
    "accessGroups",
    "acp",
    "models",
    "nodeHost",
    "worktreeRoot",
    "worktreeAcceleration",
    "security",
    "broadcast",
    "attachments",
    "messages",
    "tts",
    "commands",
    "approvals",
    "session",
    "cron",
    "transcripts",
    "hooks",
    "discovery",
    "talk",
    "gateway",
    "cloudWorkers",
    "desktop",
    "memory",
    "skills",
    "plugins",
    "surfaces",
    "proxy",
    "nodes",
    "canvas",
];

/// Whether a key is a section of this kind.
pub(crate) fn is_later(key: &str) -> bool {
    SECTIONS.contains(&key) || SHARED.contains(&key)
}

/// The sections that were told of.
#[derive(Debug, Default)]
pub(crate) struct Later {
    seen: BTreeSet<String>,
    places: Vec<(String, Place)>,
}

impl Later {
    /// Notes a section; the second time it is silent.
    pub(crate) fn note(&mut self, section: &str, at: &At<'_>) {
        if self.seen.insert(section.to_owned()) {
            let place = Place::new(at.key_span, at.path.clone());
            self.places.push((section.to_owned(), place));
        }
    }

    /// Tells of every section once.
    pub(crate) fn tell(self, report: &mut Report) {
        for (section, place) in self.places {
            let message = if section == place.key {
                "read, not acted on by this version".to_owned()
            } else {
                format!("{section}: read, not acted on by this version")
            };
            report.warning(place, message);
        }
    }
}

/// Declares the sections of the root, and notes those that are there.
pub(crate) fn sections(fields: &mut Fields<'_>, cx: &mut Context<'_>) {
    fields.take_unlisted("$schema");
    for key in SECTIONS {
        let Some(at) = fields.take_unlisted(key) else { continue };
        if is_section(&at) {
            cx.later.note(key, &at);
        } else {
            let found = at.describe();
            cx.report.warning(&at, format!("expected an object or an array, found {found}"));
        }
    }
    let openclaw: Vec<At<'_>> = OPENCLAW
        .iter()
        .filter_map(|key| {
            let at = fields.at().get(key)?;
            // Elsewhere such a key is a slip, and stays unknown.
            cx.is_foreign(&at).then(|| fields.take_unlisted(key)).flatten()
        })
        .collect();
    for at in openclaw {
        cx.later.note("settings of OpenClaw itself", &at);
    }
}

/// What is taken over from the shared sections.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    breaker: Option<Breaker>,
    dedup_window: Option<Millis>,
    verification: Option<Verification>,
    /// The labels that make two alerts the same incident, with their places.
    pub(crate) dedup_fields: Option<Vec<(String, Place)>>,
    /// The limit of channels of Discord.
    pub(crate) discord: Option<Rate>,
    /// The limit of channels that write tickets.
    pub(crate) tickets: Option<Rate>,
    /// What containers may be asked.
    pub(crate) containers: Option<ContainerGrants>,
    /// How many questions a `SigNoz` is asked in a minute.
    pub(crate) signoz_per_minute: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Verification {
    wait: Option<Millis>,
    interval: Option<Millis>,
    needed: Option<u32>,
    criteria: Criteria,
}

/// What proves a repair, by the words of the second source document.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Criteria {
    /// The part of the requests that may fail, 0 to 1.
    error_ratio_below: Option<f64>,
    /// How long 99 of 100 requests may take, in milliseconds.
    latency_ms_below: Option<f64>,
    /// How long is waited after a restart, where the runbook does not say.
    pub(crate) wait: Option<Millis>,
}

impl Criteria {
    /// The criteria as conditions over our own metrics.
    pub(crate) fn conditions(&self) -> Vec<Expression> {
        let below = |metric: &str, limit| {
            let (operator, operand) = (Operator::Less, Operand::Number(limit));
            Expression::Metric(Condition { metric: metric.into(), operator, operand })
        };
        let ratio = self.error_ratio_below.map(|limit| below(catalogue::ERROR_RATIO, limit));
        let latency = self.latency_ms_below.map(|limit| below(catalogue::LATENCY_P99_MS, limit));
        ratio.into_iter().chain(latency).collect()
    }
}

impl Shared {
    /// Reads the shared sections of one object: the root, or an agent.  The first word counts.
    pub(crate) fn read(&mut self, fields: &mut Fields<'_>, cx: &mut Context<'_>) {
        if let Some(at) = fields.take_unlisted("guardrails") {
            self.guardrails(&at, cx);
        }
        if let Some(at) = fields.take_unlisted("deduplication") {
            self.deduplication(&at, cx);
        }
        if let Some(at) = fields.take_unlisted("sandbox") {
            self.sandbox(&at, cx);
        }
        if let Some(at) = fields.take_unlisted("verification") {
            let found = verification(&at, cx);
            self.verification = self.verification.or(found);
        }
    }

    /// Reads the shared sections of each agent.
    pub(crate) fn read_agents(&mut self, agents: &At<'_>, cx: &mut Context<'_>) {
        if agents.node.object().is_some() {
            return;
        }
        for at in fields::items(agents, &mut cx.report) {
            // Other keys of an agent belong to other versions, and are not judged.
            if let Some(mut fields) = Fields::open(&at, "an object", &mut cx.report) {
                self.read(&mut fields, cx);
            }
        }
    }

    /// What proves a repair.
    pub(crate) fn criteria(&self) -> Criteria {
        self.verification.map(|found| found.criteria).unwrap_or_default()
    }

    /// Puts what was read in the place of the defaults; what the operator says in our own keys
    /// is read after this, and wins.
    pub(crate) fn apply(&self, healing: &mut Healing, breaker: &mut Breaker) {
        if let Some(own) = self.breaker {
            *breaker = own;
        }
        if let Some(window) = self.dedup_window {
            healing.dedup_window = window;
        }
        let Some(found) = self.verification else {
            return;
        };
        healing.verify_interval = found.interval.unwrap_or(healing.verify_interval);
        healing.verify_needed = found.needed.unwrap_or(healing.verify_needed);
        // Time to wait, time for the good samples, and one look in reserve.
        let looks = u64::from(healing.verify_needed) + 1;
        let span = healing.verify_interval.0.saturating_mul(looks);
        let wait = found.wait.unwrap_or(Millis(0));
        let least = Millis(wait.0.saturating_add(span));
        healing.verify_deadline = healing.verify_deadline.max(least);
    }
}

impl Shared {
    fn guardrails(&mut self, at: &At<'_>, cx: &mut Context<'_>) {
        let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
            return;
        };
        if let Some(limits) = fields.take("rate_limits") {
            self.rate_limits(&limits, cx);
        }
        let breaker = fields.take("circuit_breaker").and_then(|at| circuit_breaker(&at, cx));
        self.breaker = self.breaker.or(breaker);
        fields.finish(&mut cx.report);
    }

    /// What is limited by a name that says per what; limits of other programs are only noted.
    fn rate_limits(&mut self, at: &At<'_>, cx: &mut Context<'_>) {
        let Some(mut fields) = Fields::open(at, "an object of limits", &mut cx.report) else {
            return;
        };
        let range = 1..=100_000;
        let minute = fields.integer("discord_messages_per_minute", range.clone(), &mut cx.report);
        let hour = fields.integer("jira_issues_per_hour", range.clone(), &mut cx.report);
        let signoz = fields.integer("signoz_queries_per_minute", range, &mut cx.report);
        self.signoz_per_minute = self.signoz_per_minute.or(signoz);
        let rate = |seconds| move |messages| Rate { messages, window: Millis::from_secs(seconds) };
        self.discord = self.discord.or(minute.map(rate(60)));
        self.tickets = self.tickets.or(hour.map(rate(3_600)));
        let others = at.node.object().into_iter().flat_map(|object| &object.entries);
        let known =
            ["discord_messages_per_minute", "jira_issues_per_hour", "signoz_queries_per_minute"];
        for entry in others.filter(|entry| !known.contains(&entry.key.as_str())) {
            cx.later.note("guardrails.rate_limits", &at.entry(entry));
        }
    }

    /// What containers may be asked is taken over; what agents may read and write is theirs.
    fn sandbox(&mut self, at: &At<'_>, cx: &mut Context<'_>) {
        let entries = at.node.object().into_iter().flat_map(|object| &object.entries);
        for entry in entries {
            let inner = at.entry(entry);
            let says = |key| inner.get(key).is_some();
            if entry.key == "docker" && (says("allowed_commands") || says("blocked_commands")) {
                let found = hands::docker_grants(&inner, cx);
                self.containers = self.containers.take().or(found);
            } else {
                cx.later.note("sandbox", &inner);
            }
        }
    }

    fn deduplication(&mut self, at: &At<'_>, cx: &mut Context<'_>) {
        let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
            return;
        };
        let range = Millis(1)..=Millis::from_secs(30 * 86_400);
        let window = fields.duration("window", range, &mut cx.report);
        self.dedup_window = self.dedup_window.or(window);
        fields.take("action");
        if let Some(at) = fields.take("key_fields") {
            let texts = fields::texts(&at, &mut cx.report);
            if texts.is_empty() {
                cx.report
                    .error(&at, "without a key field, every alert would be the same incident")
                    .hint("write [\"service\", \"symptom_type\"]");
            } else if self.dedup_fields.is_none() {
                let places = texts.iter().map(|(at, name)| ((*name).to_owned(), Place::from(at)));
                self.dedup_fields = Some(places.collect());
            }
        }
        fields.finish(&mut cx.report);
    }
}

fn circuit_breaker(at: &At<'_>, cx: &mut Context<'_>) -> Option<Breaker> {
    let mut fields = Fields::open(at, "an object", &mut cx.report)?;
    let default = Breaker::default();
    let failures = fields.integer("failure_threshold", 1..=1_000, &mut cx.report);
    let range = Millis(1_000)..=Millis::from_secs(86_400);
    let reset = fields.duration("reset_timeout", range, &mut cx.report);
    fields.finish(&mut cx.report);
    Some(Breaker {
        failures: failures.unwrap_or(default.failures),
        reset: reset.unwrap_or(default.reset),
    })
}

/// The second source document gives these times in seconds, without saying so in the key.
fn verification(at: &At<'_>, cx: &mut Context<'_>) -> Option<Verification> {
    let mut fields = Fields::open(at, "an object", &mut cx.report)?;
    let range = Millis(0)..=Millis::from_secs(86_400);
    let wait = fields.take("wait_after_restart");
    let wait = wait.and_then(|at| fields::duration(&at, 1_000, range, &mut cx.report));
    let range = Millis(100)..=Millis::from_secs(86_400);
    let interval = fields.take("check_interval");
    let interval = interval.and_then(|at| fields::duration(&at, 1_000, range, &mut cx.report));
    let criteria = fields.take("success_criteria");
    fields.finish(&mut cx.report);
    let mut needed = None;
    let mut found = Criteria { wait, ..Criteria::default() };
    if let Some(at) = criteria
        && let Some(mut fields) = Fields::open(&at, "an object", &mut cx.report)
    {
        needed = fields.integer("consecutive_checks", 1..=1_000, &mut cx.report);
        let ratio_at = fields.take("error_rate_below");
        let ratio = fields.number("error_rate_below", &mut cx.report);
        let latency_at = fields.take("latency_below_ms");
        let latency = fields.number("latency_below_ms", &mut cx.report);
        found.error_ratio_below = ratio.filter(|ratio| *ratio > 0.0 && *ratio < 1.0);
        if let (Some(_), None, Some(at)) = (ratio, found.error_ratio_below, ratio_at) {
            cx.report
                .warning(&at, "this is no ratio between 0 and 1, so it is not clear what is meant")
                .hint("for one percent write 0.01");
        }
        found.latency_ms_below = latency.filter(|latency| *latency > 0.0);
        if let (Some(_), None, Some(at)) = (latency, found.latency_ms_below, latency_at) {
            cx.report.error(&at, "no answer takes less than nothing").hint("such as 3000");
        }
        fields.finish(&mut cx.report);
    }
    Some(Verification { wait, interval, needed, criteria: found })
}
