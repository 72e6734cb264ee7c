//! `services`: what is watched, how it is started, what is asked of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nightcrew_model::argv::Word;
use nightcrew_model::id::ServiceName;
use nightcrew_model::unit::Millis;

use crate::decode::{Context, Draft, SeenCheck, calm, command, hands};
use crate::fields::{self, Fields};
use crate::problem::Place;
use crate::settings::{Check, Probe, ProcessMatch, Service, Start};
use crate::tree::{At, Value};
use crate::web;

/// The longest name of a service, in characters.
const NAME_CHARS_MAX: usize = 64;

/// How often a check is asked, where nothing is said.
const CHECK_INTERVAL: Millis = Millis::from_secs(15);

/// How often a certificate on disk is looked at, where nothing is said.
const FILE_INTERVAL: Millis = Millis::from_secs(300);

/// How long a check may take, where nothing is said.
const CHECK_TIMEOUT: Millis = Millis::from_secs(5);

/// How often anything may be looked at.
pub(crate) const INTERVAL: std::ops::RangeInclusive<Millis> =
    Millis(100)..=Millis::from_secs(86_400);

/// How long anything may take.
pub(crate) const TIMEOUT: std::ops::RangeInclusive<Millis> = Millis(10)..=Millis::from_secs(600);

/// Keys of a later version: limits per service as the second source document writes them.
const LATER_KEYS: [&str; 6] = [
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "error_rate_threshold",
    "description",
];

/// Reads `services` into the draft.
pub(crate) fn services(at: &At<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    for (name, at) in fields::named(at, "an object of services", &mut cx.report) {
        if !check_name(name, &at, cx) {
            continue;
        }
        let name = ServiceName::from(name);
        if let Some(service) = service(&name, &at, draft, cx) {
            draft.settings.services.insert(name, service);
        }
    }
}

/// A name becomes a file name (`run/<name>.pid`) and a word of commands.
fn check_name(name: &str, at: &At<'_>, cx: &mut Context<'_>) -> bool {
    let place = || Place::new(at.key_span, at.path.clone());
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    let first = name.chars().next();
    if name == ServiceName::HOST {
        cx.report
            .error(place(), "`host` stands for this machine and cannot name a service")
            .hint("choose another name");
        return false;
    }
    if !first.is_some_and(char::is_alphanumeric)
        || !name.chars().all(plain)
        || name.chars().count() > NAME_CHARS_MAX
    {
        cx.report
            .error(place(), "expected a name that can be a file name and a word of a command")
            .hint(format!(
                "at most {NAME_CHARS_MAX} letters, digits, `-`, `_`, `.`, `@` and `:`, the first \
                 one a letter or digit"
            ));
        return false;
    }
    true
}

fn service(
    name: &ServiceName,
    at: &At<'_>,
    draft: &mut Draft,
    cx: &mut Context<'_>,
) -> Option<Service> {
    let mut fields = Fields::open(at, "an object", &mut cx.report)?;
    let later = LATER_KEYS.iter().filter_map(|key| Some((*key, fields.take_unlisted(key)?)));
    let later: Vec<(&str, At<'_>)> = later.collect();
    for (key, at) in &later {
        cx.later.note(&format!("services.*.{key}"), at);
    }
    let is_only_later = !later.is_empty()
        && at.node.object().is_some_and(|object| object.entries.len() == later.len());
    let start = fields.take("start");
    let start = start.and_then(|at| self::start(&at, cx));
    let process_at = fields.take("process");
    let process = match &process_at {
        Some(at) => process(at, start.is_some(), cx),
        None => start.is_some().then_some(ProcessMatch::Child),
    };
    let unit = fields.take("unit").and_then(|at| self::unit(&at, cx));
    let stop_timeout = fields.duration("stop_timeout", TIMEOUT, &mut cx.report);
    let interval = fields.duration("interval", INTERVAL, &mut cx.report);
    let checks = match fields.take("checks") {
        Some(at) => checks(name, &at, draft, cx),
        None => Vec::new(),
    };
    if let Some(needed) = fields.take("depends_on") {
        let place = Place::new(at.key_span, at.path.clone());
        let found = &mut draft.settings.triage.dependencies;
        calm::need(name.as_str(), &place, &needed, found, &mut draft.seen, cx);
    }
    let mut service = Service { start, unit, ..Service::new(name.clone()) };
    hands::hands(&mut fields, &mut service, cx);
    let can_restart = service.can_restart() || has_any_way(at);
    let allowed = fields.boolean("restart_allowed", &mut cx.report);
    if allowed == Some(true)
        && !can_restart
        && let Some(at) = fields.take("restart_allowed")
    {
        cx.report
            .error(&at, "restarts are allowed, but nothing says how to restart the service")
            .hint("add `start`, `unit`, `container`, `compose`, `brew` or `launchd`");
    }
    fields.finish(&mut cx.report);
    if is_only_later {
        return None;
    }
    let is_watched =
        ["process", "checks", "container", "compose"].iter().any(|key| at_has(at, key));
    if process.is_none() && checks.is_empty() && !is_watched {
        cx.report
            .warning(
                Place::new(at.key_span, at.path.clone()),
                "nothing of this service is looked at",
            )
            .hint("add `process` or `checks`");
    }
    Some(Service {
        process,
        stop_timeout: stop_timeout.unwrap_or(Service::STOP_TIMEOUT),
        interval: interval.unwrap_or(Service::INTERVAL),
        checks,
        restart_allowed: allowed.unwrap_or(can_restart),
        ..service
    })
}

/// Whether a way to restart it is given, even one that could not be read.
fn has_any_way(at: &At<'_>) -> bool {
    ["start", "unit", "container", "compose", "brew", "launchd"].iter().any(|key| at_has(at, key))
}

fn at_has(at: &At<'_>, key: &str) -> bool {
    at.get(key).is_some()
}

fn process(at: &At<'_>, has_start: bool, cx: &mut Context<'_>) -> Option<ProcessMatch> {
    const FORMS: &str = "one of `name`, `pid_file`, `command_line`, `child: true`";
    let mut fields = Fields::open(at, "an object", &mut cx.report)?;
    let name = fields.text("name", &mut cx.report).map(str::to_owned);
    let pid_file = path(&mut fields, "pid_file", cx);
    let command_line_at = fields.take("command_line");
    let command_line = fields.text("command_line", &mut cx.report);
    let child = fields.boolean("child", &mut cx.report);
    let given =
        ["name", "pid_file", "command_line", "child"].iter().filter(|key| fields.has(key)).count();
    fields.finish(&mut cx.report);
    if given != 1 {
        cx.report
            .error(at, format!("expected exactly one way to find the process, found {given}"))
            .hint(FORMS);
        return None;
    }
    if let (Some(pattern), Some(at)) = (command_line, command_line_at) {
        return regex(pattern, &at, cx).map(ProcessMatch::CommandLine);
    }
    if let Some(name) = name {
        if name.contains('/') {
            cx.report
                .error(at, "the name of a process is the file name of its program, without a path")
                .hint("to match the whole command line, use `command_line`");
            return None;
        }
        return Some(ProcessMatch::Name(name));
    }
    if let Some(file) = pid_file {
        return Some(ProcessMatch::PidFile(file));
    }
    match child {
        Some(true) if has_start => Some(ProcessMatch::Child),
        Some(true) => {
            cx.report
                .error(at, "the process cannot be a child of the crew without a `start`")
                .hint("add `start`, or find the process by name");
            None
        }
        Some(false) => {
            cx.report.error(at, "`child: false` finds no process").hint(FORMS);
            None
        }
        None => None,
    }
}

/// A path; a relative one counts from the folder of the configuration.
pub(crate) fn path(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> Option<PathBuf> {
    let at = fields.take(key)?;
    let text = fields.text(key, &mut cx.report)?;
    if text.contains('\0') {
        cx.report.error(&at, "a path cannot hold a NUL character");
        return None;
    }
    Some(cx.absolute(text))
}

pub(crate) fn regex(pattern: &str, at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    /// The largest compiled pattern, in bytes.
    const COMPILED_BYTES_MAX: usize = 1 << 20;
    let built = regex::RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build();
    match built {
        Ok(_) => Some(pattern.to_owned()),
        Err(regex::Error::CompiledTooBig(_)) => {
            cx.report.error(at, "the regular expression is too large");
            None
        }
        Err(_) => {
            // The error of the parser quotes the pattern, which may hold what must not be shown.
            cx.report
                .error(at, "expected a regular expression")
                .hint("escape `( [ { * + ? .` with `\\\\` where they are meant literally");
            None
        }
    }
}

fn unit(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    let unit = fields::text(at, &mut cx.report)?;
    // systemd.unit(5): letters, digits and ":-_.\@"; a leading dash would be an option.
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    if unit.starts_with('-') || !unit.chars().all(plain) || unit.len() > 255 {
        cx.report.error(at, "expected the name of a systemd unit").hint("such as `nginx.service`");
        return None;
    }
    Some(unit.to_owned())
}

fn start(at: &At<'_>, cx: &mut Context<'_>) -> Option<Start> {
    let mut fields = Fields::open(at, "an object with `argv` or `command`", &mut cx.report)?;
    let argv_at = fields.take("argv");
    let command_at = fields.take("command");
    let dir = path(&mut fields, "dir", cx);
    let log = path(&mut fields, "log", cx);
    let env = fields.take("env").map(|at| environment(&at, cx));
    fields.finish(&mut cx.report);
    let argv = match (argv_at, command_at) {
        (Some(at), None) => {
            let words = fields::texts(&at, &mut cx.report);
            let argv: Vec<String> = words.into_iter().map(|(_, word)| word.to_owned()).collect();
            if argv.is_empty() && matches!(&at.node.value, Value::Array(items) if items.is_empty())
            {
                cx.report.error(&at, "expected a program, found an empty list");
            }
            argv
        }
        (None, Some(at)) => start_command(&at, cx)?,
        (given, _) => {
            let place = given.as_ref().unwrap_or(at);
            cx.report
                .error(place, "expected either `argv` or `command`")
                .hint("argv: [\"/usr/bin/program\", \"--flag\"]");
            return None;
        }
    };
    if argv.is_empty() {
        return None;
    }
    Some(Start { argv, dir, env: env.unwrap_or_default(), log })
}

fn start_command(at: &At<'_>, cx: &mut Context<'_>) -> Option<Vec<String>> {
    let argv = command::parse(at, cx)?;
    let globs = argv.0.iter().find(|word| matches!(word, Word::Glob(_)));
    if globs.is_some() {
        cx.report
            .error(at, "`*`, `?` and `[` are not expanded when a service is started")
            .hint("quote the word with '…' if it is meant literally");
        return None;
    }
    let words = argv.0.iter().map(|word| word.as_str().to_owned());
    Some(words.collect())
}

fn environment(at: &At<'_>, cx: &mut Context<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, at) in fields::named(at, "an object of variables", &mut cx.report) {
        if name.is_empty() || name.contains(['=', '\0']) {
            cx.report
                .error(Place::new(at.key_span, at.path.clone()), "expected the name of a variable");
            continue;
        }
        match at.node.text() {
            Some(value) if !value.contains('\0') => {
                env.insert(name.to_owned(), value.to_owned());
            }
            Some(_) => {
                cx.report.error(&at, "a variable cannot hold a NUL character");
            }
            None => {
                cx.report.expected(&at, "a text").hint("put it into quotes");
            }
        }
    }
    env
}

fn checks(
    service: &ServiceName,
    at: &At<'_>,
    draft: &mut Draft,
    cx: &mut Context<'_>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    for at in fields::items(at, &mut cx.report) {
        if let Some((check, place)) = check(&at, cx) {
            draft.checks.push(SeenCheck {
                service: service.clone(),
                probe: check.probe.clone(),
                place,
            });
            checks.push(check);
        }
    }
    checks
}

fn check(at: &At<'_>, cx: &mut Context<'_>) -> Option<(Check, Place)> {
    let mut fields = Fields::open(
        at,
        "an object with `http`, `tcp`, `command` or `certificate_file`",
        &mut cx.report,
    )?;
    if fields.has("command") || fields.has("certificate_file") {
        return super::local_check::check(at, fields, cx);
    }
    let http = fields.take("http");
    let tcp = fields.take("tcp");
    let expect_status = fields.take("expect_status");
    let expect_body = fields.take("expect_body");
    let interval = fields.duration("interval", INTERVAL, &mut cx.report);
    let timeout = fields.duration("timeout", TIMEOUT, &mut cx.report);
    fields.finish(&mut cx.report);
    let (probe, place) = match (http, tcp) {
        (Some(url), None) => {
            let place = Place::from(&url);
            let expect_status = expect_status.map_or_else(Vec::new, |at| statuses(&at, cx));
            let expect_body = expect_body.and_then(|at| {
                let pattern = fields::text(&at, &mut cx.report)?;
                regex(pattern, &at, cx)
            });
            let url = http_url(&url, cx)?;
            let probe = Probe::Http { url, expect_status, expect_body };
            (probe, place)
        }
        (None, Some(at)) => {
            for key in [expect_status, expect_body].iter().flatten() {
                cx.report
                    .error(key, "a TCP check has no answer that could be looked at")
                    .hint("leave it out, or check with `http`");
            }
            let place = Place::from(&at);
            let address = tcp_address(&at, cx)?;
            (Probe::Tcp { address }, place)
        }
        (None, None) | (Some(_), Some(_)) => {
            cx.report
                .error(at, "expected one of `http`, `tcp`, `command` and `certificate_file`")
                .hint("{ http: \"http://127.0.0.1:8080/health\" } or { tcp: \"127.0.0.1:5432\" }");
            return None;
        }
    };
    Some((paced(at, probe, (interval, timeout), cx), place))
}

/// A check with its times; a certificate on disk is looked at rarely.
pub(super) fn paced(
    at: &At<'_>,
    probe: Probe,
    (interval, timeout): (Option<Millis>, Option<Millis>),
    cx: &mut Context<'_>,
) -> Check {
    let usual = match probe {
        Probe::CertificateFile { .. } => FILE_INTERVAL,
        Probe::Http { .. } | Probe::Tcp { .. } | Probe::Command { .. } => CHECK_INTERVAL,
    };
    let check = Check {
        probe,
        interval: interval.unwrap_or(usual),
        timeout: timeout.unwrap_or(CHECK_TIMEOUT),
    };
    if check.timeout > check.interval {
        cx.report
            .warning(
                at,
                format!(
                    "an answer may take {}, but the next question comes after {}",
                    check.timeout, check.interval
                ),
            )
            .hint("make `timeout_ms` shorter than the interval");
    }
    check
}

fn statuses(at: &At<'_>, cx: &mut Context<'_>) -> Vec<u16> {
    let single = !matches!(at.node.value, Value::Array(_));
    let items = if single { vec![at.clone()] } else { fields::items(at, &mut cx.report) };
    items
        .iter()
        .filter_map(|item| {
            let status = fields::integer(item, 100..=599, &mut cx.report)?;
            u16::try_from(status).ok()
        })
        .collect()
}

fn http_url(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    let url = fields::text(at, &mut cx.report)?;
    match web::http_url(url) {
        Ok(_) => Some(url.to_owned()),
        Err(why) => {
            cx.report
                .error(at, format!("expected an HTTP URL, but {why}"))
                .hint("such as \"http://127.0.0.1:8080/health\"");
            None
        }
    }
}

fn tcp_address(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    let address = fields::text(at, &mut cx.report)?;
    match web::address(address) {
        Ok(_) => Some(address.to_owned()),
        Err(why) => {
            cx.report
                .error(at, format!("expected `host:port`, but {why}"))
                .hint("such as \"127.0.0.1:5432\"");
            None
        }
    }
}

/// Reads `healthchecks` of the first source document: a list of `{ name, url, interval }`, the
/// interval in seconds.  Each one becomes a service, or one more check of the service of that
/// name.
pub(crate) fn healthchecks(at: &At<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    for at in fields::items(at, &mut cx.report) {
        let Some(mut fields) = Fields::open(&at, "an object with `name` and `url`", &mut cx.report)
        else {
            continue;
        };
        let name = fields.text("name", &mut cx.report);
        let url_at = fields.take("url");
        let interval = fields.take("interval");
        let interval =
            interval.and_then(|at| fields::duration(&at, 1_000, INTERVAL, &mut cx.report));
        let timeout = fields.duration("timeout", TIMEOUT, &mut cx.report);
        for key in ["name", "url"] {
            if !fields.has(key) {
                cx.report.error(&at, format!("the health check has no `{key}`"));
            }
        }
        fields.finish(&mut cx.report);
        let (Some(name), Some(url_at)) = (name, url_at) else {
            continue;
        };
        let slug = slug(name);
        if slug.is_empty() || slug == ServiceName::HOST {
            cx.report
                .error(&at, "the name of the health check cannot name a service")
                .hint("use letters and digits, and not `host`");
            continue;
        }
        let Some(url) = http_url(&url_at, cx) else {
            continue;
        };
        let probe = Probe::Http { url, expect_status: Vec::new(), expect_body: None };
        let name = ServiceName::from(slug);
        draft.checks.push(SeenCheck {
            service: name.clone(),
            probe: probe.clone(),
            place: Place::from(&url_at),
        });
        let services = &mut draft.settings.services;
        let service = services.entry(name.clone()).or_insert_with(|| Service::new(name));
        service.checks.push(Check {
            probe,
            interval: interval.unwrap_or(CHECK_INTERVAL),
            timeout: timeout.unwrap_or(CHECK_TIMEOUT),
        });
    }
}

/// A name in small letters, digits of any script, and single dashes.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(NAME_CHARS_MAX) {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_every_script() {
        assert_eq!(slug("API"), "api");
        assert_eq!(slug("  My  Shop (EU) "), "my-shop-eu");
        assert_eq!(slug("주문 데이터베이스"), "주문-데이터베이스");
        assert_eq!(slug("--"), "");
    }
}
