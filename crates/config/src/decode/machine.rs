//! The sections about the crew itself: `listen`, folders, `host`, `healing`, `policy`, `breaker`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;

use crate::decode::service::{INTERVAL, TIMEOUT, path};
use crate::decode::{Context, allowed, hands, playbook};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::settings::{Breaker, Disk, Disks, GatePolicy, Healing, Host, SandboxPolicy};
use crate::tree::{At, Value};

/// Bytes in a megabyte.
const MEGABYTE: f64 = 1_000_000.0;

/// A day, in milliseconds: the longest time of most settings.
const DAY: Millis = Millis::from_secs(86_400);

/// Reads `listen`: a loopback address and a port.
pub(crate) fn listen(at: &At<'_>, cx: &mut Context<'_>) -> Option<SocketAddr> {
    const FORM: &str = "write it like \"127.0.0.1:7979\"";
    let text = fields::text(at, &mut cx.report)?;
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let Ok(address) = local.as_deref().unwrap_or(text).parse::<SocketAddr>() else {
        cx.report.expected(at, "an address and a port").hint(FORM);
        return None;
    };
    let is_loopback = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if !is_loopback {
        cx.report
            .error(
                at,
                format!(
                    "expected a loopback address, found {}: this version has no users and \
                         roles, so whoever reaches it may do everything",
                    at.describe()
                ),
            )
            .hint("use 127.0.0.1 and put a proxy that asks for a password before it");
        return None;
    }
    Some(address)
}

/// Reads `host`.
pub(crate) fn host(at: &At<'_>, host: &mut Host, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return;
    };
    if let Some(interval) = fields.duration("interval", INTERVAL, &mut cx.report) {
        host.interval = interval;
    }
    if let Some(timeout) = fields.duration("timeout", TIMEOUT, &mut cx.report) {
        host.timeout = timeout;
    }
    if let Some(at) = fields.take("disks") {
        let listed = fields::items(&at, &mut cx.report);
        let disks = listed.iter().filter_map(|at| disk(at, cx)).collect();
        host.disks = Disks::Listed(disks);
    }
    fields.finish(&mut cx.report);
}

fn disk(at: &At<'_>, cx: &mut Context<'_>) -> Option<Disk> {
    if at.node.text().is_some() {
        let text = fields::text(at, &mut cx.report)?;
        return Some(Disk { path: cx.absolute(text), quota_bytes: None });
    }
    let mut fields = Fields::open(at, "a path, or an object with `path`", &mut cx.report)?;
    let path = path(&mut fields, "path", cx);
    let quota_at = fields.take("quota_mb");
    let quota = fields.number("quota_mb", &mut cx.report);
    if !fields.has("path") {
        cx.report.error(at, "the disk has no `path`");
    }
    fields.finish(&mut cx.report);
    let quota_bytes = match (quota, quota_at) {
        (Some(quota), Some(at)) => {
            let bytes = (quota * MEGABYTE).round();
            // The largest whole number that a float holds exactly.
            if !(1.0..=9_007_199_254_740_992.0).contains(&bytes) {
                cx.report.expected(&at, "a size in megabytes above 0");
                return None;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole, positive and below 2^53"
            )]
            Some(bytes as u64)
        }
        _ => None,
    };
    Some(Disk { path: path?, quota_bytes })
}

/// Reads `healing`.
pub(crate) fn healing(at: &At<'_>, healing: &mut Healing, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return;
    };
    let month = Millis(DAY.0 * 30);
    if let Some(cooldown) = fields.duration("cooldown", Millis(0)..=month, &mut cx.report) {
        if cooldown == Millis(0) {
            crate::lint::playbook::no_rest(at, &mut cx.report);
        }
        healing.cooldown = cooldown;
    }
    if let Some(window) = fields.duration("dedup_window", Millis(1)..=month, &mut cx.report) {
        healing.dedup_window = window;
    }
    if let Some(window) = fields.duration("relapse_window", Millis(0)..=month, &mut cx.report) {
        healing.relapse_window = window;
    }
    if let Some(timeout) = fields.duration("resolve_timeout", Millis(1_000)..=month, &mut cx.report)
    {
        healing.resolve_timeout = timeout;
    }
    if let Some(at) = fields.take("verify") {
        verify(&at, healing, cx);
    }
    trust(&mut fields, healing, cx);
    fields.finish(&mut cx.report);
}

/// How far the crew is trusted, and how often it may act.
fn trust(fields: &mut Fields<'_>, healing: &mut Healing, cx: &mut Context<'_>) {
    if let Some(autonomy) = fields.take("autonomy").and_then(|at| hands::autonomy(&at, cx)) {
        healing.autonomy = autonomy;
    }
    if let Some(at) = fields.take("ask_from") {
        healing.ask_from = ask_from(&at, cx);
    }
    let range = Millis(1_000)..=DAY;
    if let Some(timeout) = fields.duration("approval_timeout", range, &mut cx.report) {
        healing.approval_timeout = timeout;
    }
    if let Some(limit) = fields.take("run_limit").and_then(|at| playbook::limit(&at, cx)) {
        healing.run_limit = limit;
    }
    if let Some(limit) = fields.take("playbook_breaker").and_then(|at| playbook::limit(&at, cx)) {
        healing.playbook_breaker = limit;
    }
    if let Some(most) = fields.integer("actions_per_hour", 0..=100_000, &mut cx.report) {
        healing.actions_per_hour = most;
    }
    let most = fields.integer("group_down_max_percent", 1..=100, &mut cx.report);
    if let Some(percent) = most.and_then(|percent| u8::try_from(percent).ok()) {
        healing.group_down_max_percent = percent;
    }
}

/// A risk class, or null for never.
fn ask_from(at: &At<'_>, cx: &mut Context<'_>) -> Option<RiskClass> {
    const CLASSES: [(&str, RiskClass); 4] = [
        ("observe", RiskClass::Observe),
        ("reversible", RiskClass::Reversible),
        ("disruptive", RiskClass::Disruptive),
        ("destructive", RiskClass::Destructive),
    ];
    if let Value::Null = at.node.value {
        return None;
    }
    let word = fields::text(at, &mut cx.report)?;
    let found = CLASSES.iter().find(|(known, _)| *known == word);
    if found.is_none() {
        let hint = suggestion(word, CLASSES.map(|(known, _)| known));
        cx.report.expected(at, "a risk class").hint(hint);
    }
    found.map(|(_, class)| *class)
}

fn verify(at: &At<'_>, healing: &mut Healing, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return;
    };
    if let Some(needed) = fields.integer("consecutive_checks", 1..=1_000, &mut cx.report) {
        healing.verify_needed = needed;
    }
    if let Some(interval) = fields.duration("interval", Millis(100)..=DAY, &mut cx.report) {
        healing.verify_interval = interval;
    }
    if let Some(deadline) = fields.duration("deadline", Millis(100)..=DAY, &mut cx.report) {
        healing.verify_deadline = deadline;
    }
    fields.finish(&mut cx.report);
    let least = u64::from(healing.verify_needed - 1).saturating_mul(healing.verify_interval.0);
    if least >= healing.verify_deadline.0 {
        cx.report
            .error(
                at,
                format!(
                    "verification can never succeed: {} good samples need {}, and the deadline \
                     is {}",
                    healing.verify_needed,
                    Millis(least),
                    healing.verify_deadline
                ),
            )
            .hint("make the deadline longer or the interval shorter");
    }
}

/// Reads `policy`.
pub(crate) fn policy(at: &At<'_>, policy: &mut GatePolicy, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return;
    };
    if let Some(at) = fields.take("clean_roots") {
        let roots = fields::texts(&at, &mut cx.report);
        policy.clean_roots = roots
            .iter()
            .filter_map(|(at, text)| crate::lint::folder::clean_root(at, text, &mut cx.report))
            .collect();
    }
    let range = Millis(1_000)..=Millis::from_secs(3_600);
    if let Some(max) = fields.duration("action_timeout_max", range, &mut cx.report) {
        policy.action_timeout_max = max;
    }
    if let Some(at) = fields.take("files") {
        policy.files = files(&at, cx);
    }
    if let Some(socket) = path(&mut fields, "docker_socket", cx) {
        policy.docker_socket = socket;
    }
    if let Some(at) = fields.take("sandbox")
        && let Some(sandbox) = sandbox(&at, cx)
    {
        policy.sandbox = sandbox;
    }
    if let Some(at) = fields.take("allowed_commands") {
        allowed::patterns(&at, &policy.clean_roots, cx);
    }
    fields.finish(&mut cx.report);
}

/// Files with further grammars; they are read by the gate.
fn files(at: &At<'_>, cx: &mut Context<'_>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (at, text) in fields::texts(at, &mut cx.report) {
        let path = cx.absolute(text);
        if path.is_file() {
            files.push(path);
        } else {
            cx.report.error(&at, "there is no such file").hint("paths count from this folder");
        }
    }
    files
}

fn sandbox(at: &At<'_>, cx: &mut Context<'_>) -> Option<SandboxPolicy> {
    match fields::text(at, &mut cx.report)? {
        "best_effort" => Some(SandboxPolicy::BestEffort),
        "required" => Some(SandboxPolicy::Required),
        "off" => {
            cx.report
                .warning(at, "programs of playbooks run with everything that the crew may do")
                .hint("write \"best_effort\" for as much as the kernel can keep from them");
            Some(SandboxPolicy::Off)
        }
        other => {
            let hint = suggestion(other, ["best_effort", "required", "off"]);
            cx.report.expected(at, "how programs are kept from things").hint(hint);
            None
        }
    }
}

/// Reads `breaker`.
pub(crate) fn breaker(at: &At<'_>, breaker: &mut Breaker, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return;
    };
    if let Some(failures) = fields.integer("failures", 1..=1_000, &mut cx.report) {
        breaker.failures = failures;
    }
    if let Some(reset) = fields.duration("reset", Millis(1_000)..=DAY, &mut cx.report) {
        breaker.reset = reset;
    }
    fields.finish(&mut cx.report);
}

/// Whether the value is an array or an object: a section, not a slip.
pub(crate) fn is_section(at: &At<'_>) -> bool {
    matches!(at.node.value, Value::Array(_) | Value::Object(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn only_loopback_is_served() {
        for (text, expected) in [
            ("'127.0.0.1:7979'", None),
            ("'localhost:80'", None),
            ("'[::1]:7979'", None),
            ("'0.0.0.0:7979'", Some("expected a loopback address")),
            ("'[::]:7979'", Some("expected a loopback address")),
            ("'7979'", Some("expected an address and a port")),
            ("7979", Some("expected a text, found 7979")),
        ] {
            let (found, problems) = decode_one(text, listen);
            assert_eq!(found.is_some(), expected.is_none(), "{text}");
            let said = problems.join("\n");
            assert!(said.contains(expected.unwrap_or("")), "{text}: {said}");
        }
    }

    #[test]
    fn disks_may_have_a_quota() {
        let (found, problems) = decode_one("{ path: '/데이터', quota_mb: 1.5 }", disk);
        assert_eq!(problems, [""; 0]);
        assert_eq!(found.unwrap().quota_bytes, Some(1_500_000));
        let (_, problems) = decode_one("{ path: '/', quota_mb: 0 }", disk);
        assert!(problems[0].contains("a size in megabytes above 0"));
    }
}
