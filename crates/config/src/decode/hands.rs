//! The keys of a service that say what may be done to it, and how: its supervisor, how it reads
//! its configuration anew, its log files, its limits.

use std::path::PathBuf;

use nightcrew_model::approval::Autonomy;

use crate::decode::{Context, command};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::settings::{ContainerGrants, ContainerVerb, Reload, Service, Signal, Supervisor};
use crate::tree::{At, Value};
use crate::web;

/// The largest number of log files or URLs of one service.
const LISTED_MAX: usize = 64;

/// The longest name of a container, a formula, a job or a group, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The smallest memory limit, in MB: Docker takes none below 6.
const MEMORY_MB_MIN: u32 = 6;

/// The largest memory limit, in MB.
const MEMORY_MB_MAX: u32 = 16_000_000;

/// The verbs of containers, as they are written.
const VERBS: [(&str, ContainerVerb); 5] = [
    ("logs", ContainerVerb::Logs),
    ("restart", ContainerVerb::Restart),
    ("start", ContainerVerb::Start),
    ("stop", ContainerVerb::Stop),
    ("update", ContainerVerb::Update),
];

/// Reads the keys into a service.
pub(crate) fn hands(fields: &mut Fields<'_>, service: &mut Service, cx: &mut Context<'_>) {
    service.supervisor = supervisor(fields, cx);
    service.reload = fields.take("reload").and_then(|at| reload(&at, cx));
    if let Some(at) = fields.take("log_files") {
        service.log_files = log_files(&at, cx);
    }
    service.log_reopen = fields.take("log_reopen").and_then(|at| signal(&at, cx));
    if let Some(at) = fields.take("http_actions") {
        service.http_actions = http_actions(&at, cx);
    }
    let range = MEMORY_MB_MIN..=MEMORY_MB_MAX;
    let most = fields.integer("memory_limit_max_mb", range, &mut cx.report);
    service.memory_limit_max_mb = most.map(u64::from);
    service.autonomy = fields.take("autonomy").and_then(|at| autonomy(&at, cx));
    if let Some(at) = fields.take("containers") {
        service.containers = containers(&at, cx).unwrap_or_default();
    }
    service.group = fields.take("group").and_then(|at| plain(&at, "the name of a group", cx));
    if let (Some(Reload::Unit), None) = (&service.reload, &service.unit) {
        let at = fields.take("reload");
        cx.report
            .error(at.as_ref().unwrap_or(fields.at()), "the service has no `unit` to be reloaded")
            .hint("add `unit`, or give a signal such as \"HUP\" or a command");
    }
}

/// What the crew may do by itself.
pub(crate) fn autonomy(at: &At<'_>, cx: &mut Context<'_>) -> Option<Autonomy> {
    let word = fields::text(at, &mut cx.report)?;
    let found = Autonomy::ALL.into_iter().find(|known| known.as_str() == word);
    if found.is_none() {
        let hint = suggestion(word, Autonomy::ALL.map(Autonomy::as_str));
        cx.report.expected(at, "a level of autonomy").hint(hint);
    }
    found
}

/// At most one of the ways to be supervised.
fn supervisor(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Supervisor> {
    const KEYS: [&str; 5] = ["container", "compose", "brew", "launchd", "openclaw_gateway"];
    let [container, compose, brew, launchd, gateway] = KEYS.map(|key| fields.take(key));
    let gateway = gateway.filter(|at| !matches!(at.node.value, Value::Bool(false)));
    let given: Vec<&At<'_>> =
        [&container, &compose, &brew, &launchd, &gateway].into_iter().flatten().collect();
    // A unit of systemd supervises too; a `start` is what is done without any supervisor.
    let others = ["unit", "start"].iter().filter(|key| fields.has(key)).count();
    if let Some(second) = given.get(1).or(given.first().filter(|_| others > 0)) {
        cx.report
            .error(*second, "two ways to restart the service are given")
            .hint(format!("keep one of `unit`, `start`, `{}`", KEYS.join("`, `")));
        return None;
    }
    if let Some(at) = container {
        let container = plain(&at, "the name of a container", cx)?;
        return Some(Supervisor::Docker { container });
    }
    if let Some(at) = compose {
        return self::compose(&at, cx);
    }
    if let Some(at) = brew {
        return Some(Supervisor::Brew { formula: plain(&at, "the name of a formula", cx)? });
    }
    if let Some(at) = launchd {
        return self::launchd(&at, cx);
    }
    let at = gateway?;
    if !matches!(at.node.value, Value::Bool(true)) {
        cx.report.expected(&at, "true or false");
        return None;
    }
    Some(Supervisor::OpenclawGateway)
}

fn compose(at: &At<'_>, cx: &mut Context<'_>) -> Option<Supervisor> {
    const WHAT: &str = "the name of a service of Docker Compose";
    if at.node.text().is_some() {
        return Some(Supervisor::Compose { service: plain(at, WHAT, cx)?, file: None });
    }
    let mut fields = Fields::open(at, "a name, or an object with `service`", &mut cx.report)?;
    let service = fields.take("service");
    let file = crate::decode::service::path(&mut fields, "file", cx);
    fields.finish(&mut cx.report);
    let Some(service) = service else {
        cx.report.error(at, "nothing says the `service`").hint("compose: { service: \"web\" }");
        return None;
    };
    Some(Supervisor::Compose { service: plain(&service, WHAT, cx)?, file })
}

/// `gui/501/com.example.web` or `system/com.example.web` (launchctl(1), service-target).
fn launchd(at: &At<'_>, cx: &mut Context<'_>) -> Option<Supervisor> {
    let text = fields::text(at, &mut cx.report)?;
    let parts: Vec<&str> = text.split('/').collect();
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|c| c.is_ascii_digit());
    let label = match parts.as_slice() {
        ["system", label] => Some(*label),
        ["gui" | "user", id, label] if is_id(id) => Some(*label),
        _ => None,
    };
    if !label.is_some_and(is_plain) {
        cx.report
            .expected(at, "the target of a job of launchd")
            .hint("such as \"gui/501/com.example.web\" or \"system/com.example.web\"");
        return None;
    }
    Some(Supervisor::Launchd { target: text.to_owned() })
}

/// A name that becomes a word of a command or a part of a URL.
fn plain(at: &At<'_>, what: &str, cx: &mut Context<'_>) -> Option<String> {
    let text = fields::text(at, &mut cx.report)?;
    if !is_plain(text) {
        cx.report
            .expected(at, what)
            .hint("letters, digits, `_`, `.`, `@` and `-`, the first one a letter or digit");
        return None;
    }
    Some(text.to_owned())
}

fn is_plain(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.-@".contains(&c))
}

/// `"HUP"`, `"unit"`, or a command.
fn reload(at: &At<'_>, cx: &mut Context<'_>) -> Option<Reload> {
    let text = fields::text(at, &mut cx.report)?;
    if text == "unit" {
        return Some(Reload::Unit);
    }
    if let Some(signal) = known_signal(text) {
        return Some(Reload::Signal(signal));
    }
    command::parse(at, cx).map(Reload::Command)
}

fn known_signal(text: &str) -> Option<Signal> {
    match text.strip_prefix("SIG").unwrap_or(text) {
        "HUP" => Some(Signal::Hup),
        "USR1" => Some(Signal::Usr1),
        "USR2" => Some(Signal::Usr2),
        _ => None,
    }
}

fn signal(at: &At<'_>, cx: &mut Context<'_>) -> Option<Signal> {
    let text = fields::text(at, &mut cx.report)?;
    let found = known_signal(text);
    if found.is_none() {
        cx.report.expected(at, "a signal that ends nothing").hint("one of HUP, USR1, USR2");
    }
    found
}

fn log_files(at: &At<'_>, cx: &mut Context<'_>) -> Vec<PathBuf> {
    let texts = fields::texts(at, &mut cx.report);
    if texts.len() > LISTED_MAX {
        cx.report.error(at, format!("expected at most {LISTED_MAX} files, found {}", texts.len()));
        return Vec::new();
    }
    let mut files = Vec::new();
    for (at, text) in texts {
        let path = cx.absolute(text);
        let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
        if text.contains(['*', '?', '[', '\0']) || climbs {
            cx.report
                .error(&at, "expected the path of one file, without patterns and `..`")
                .hint("such as \"/var/log/nginx/access.log\"");
        } else {
            files.push(path);
        }
    }
    files
}

fn http_actions(at: &At<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let texts = fields::texts(at, &mut cx.report);
    if texts.len() > LISTED_MAX {
        cx.report.error(at, format!("expected at most {LISTED_MAX} URLs, found {}", texts.len()));
        return Vec::new();
    }
    let mut urls = Vec::new();
    for (at, url) in texts {
        match web::http_url(url) {
            Ok(_) => urls.push(url.to_owned()),
            Err(why) => {
                cx.report
                    .error(&at, format!("expected an HTTP URL, but {why}"))
                    .hint("such as \"http://127.0.0.1:8080/admin/pool/reset\"");
            }
        }
    }
    urls
}

fn containers(at: &At<'_>, cx: &mut Context<'_>) -> Option<ContainerGrants> {
    let mut fields = Fields::open(at, "an object with `allowed`", &mut cx.report)?;
    let allowed = fields.take("allowed").map(|at| verbs(&at, true, cx));
    let blocked = fields.take("blocked").map(|at| verbs(&at, false, cx));
    fields.finish(&mut cx.report);
    let default = ContainerGrants::default();
    Some(ContainerGrants {
        allowed: allowed.unwrap_or(default.allowed),
        blocked: blocked.unwrap_or(default.blocked),
    })
}

/// `sandbox.docker` of the second source document: what agents may ask of containers.
pub(crate) fn docker_grants(at: &At<'_>, cx: &mut Context<'_>) -> Option<ContainerGrants> {
    let mut fields = Fields::open(at, "an object with `allowed_commands`", &mut cx.report)?;
    let allowed = fields.take("allowed_commands").map(|at| verbs(&at, true, cx));
    let blocked = fields.take("blocked_commands").map(|at| verbs(&at, false, cx));
    // Other keys are those of `OpenClaw`'s own sandbox.
    let default = ContainerGrants::default();
    Some(ContainerGrants {
        allowed: allowed.unwrap_or(default.allowed),
        blocked: blocked.unwrap_or_default(),
    })
}

/// What containers can be asked.  What the crew never asks needs not be blocked.
fn verbs(at: &At<'_>, is_grant: bool, cx: &mut Context<'_>) -> Vec<ContainerVerb> {
    let mut found = Vec::new();
    for (at, word) in fields::texts(at, &mut cx.report) {
        match VERBS.iter().find(|(known, _)| *known == word) {
            Some((_, verb)) if found.contains(verb) => {}
            Some((_, verb)) => found.push(*verb),
            None if is_grant => {
                cx.report
                    .warning(&at, "the crew never asks this of a container, so nothing is granted")
                    .hint(suggestion(word, VERBS.map(|(known, _)| known)));
            }
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Service, Vec<String>) {
        decode_one(text, |at, cx| {
            let mut service = Service::new("web".into());
            let mut fields = Fields::open(at, "an object", &mut cx.report).unwrap();
            fields.take("unit");
            fields.take("start");
            hands(&mut fields, &mut service, cx);
            fields.finish(&mut cx.report);
            service
        })
    }

    #[test]
    fn every_way_to_be_supervised_is_read() {
        let docker = |name: &str| Supervisor::Docker { container: name.to_owned() };
        let compose = |file: Option<&str>| Supervisor::Compose {
            service: "cart".to_owned(),
            file: file.map(PathBuf::from),
        };
        let launchd = Supervisor::Launchd { target: "gui/501/com.example.web".to_owned() };
        let cases = [
            ("{ container: 'shop-web.1' }", docker("shop-web.1")),
            ("{ compose: 'cart' }", compose(None)),
            (
                "{ compose: { service: 'cart', file: 'compose.yml' } }",
                compose(Some("/etc/nightcrew/compose.yml")),
            ),
            ("{ brew: 'postgresql@16' }", Supervisor::Brew { formula: "postgresql@16".to_owned() }),
            ("{ launchd: 'gui/501/com.example.web' }", launchd),
            ("{ openclaw_gateway: true }", Supervisor::OpenclawGateway),
        ];
        for (text, expected) in cases {
            let (service, problems) = read(text);
            assert_eq!(problems, [""; 0], "{text}");
            assert_eq!(service.supervisor, Some(expected), "{text}");
            assert!(service.can_restart());
        }
    }

    #[test]
    fn grants_and_limits_are_read() {
        let (service, problems) = read(
            "{ reload: 'SIGHUP', log_files: ['/var/log/a.log'], log_reopen: 'USR1', \
             http_actions: ['http://127.0.0.1/reset'], memory_limit_max_mb: 512, autonomy: \
             'approve', containers: { allowed: ['restart', 'update'], blocked: ['stop', 'rm'] }, \
             group: 'shop' }",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(service.reload, Some(Reload::Signal(Signal::Hup)));
        assert_eq!(service.log_reopen, Some(Signal::Usr1));
        assert_eq!(service.memory_limit_max_mb, Some(512));
        assert_eq!(service.autonomy, Some(Autonomy::Approve));
        assert!(service.containers.permits(ContainerVerb::Update));
        assert!(!service.containers.permits(ContainerVerb::Stop));
        assert_eq!(service.group.as_deref(), Some("shop"));
        let (service, _) = read("{ reload: 'nginx -s reload' }");
        let Some(Reload::Command(argv)) = service.reload else { panic!("{service:?}") };
        assert_eq!(argv.to_string(), "nginx -s reload");
    }

    #[test]
    fn what_cannot_be_is_told() {
        let long = format!("{{ log_files: [{}] }}", "'/a', ".repeat(LISTED_MAX + 1));
        let cases = [
            ("{ container: '--all' }", "expected the name of a container"),
            ("{ container: 'a', compose: 'b' }", "two ways to restart"),
            ("{ container: 'a', unit: 'b' }", "two ways to restart"),
            ("{ launchd: 'com.example.web' }", "the target of a job of launchd"),
            ("{ launchd: 'gui/x/com.example.web' }", "the target of a job of launchd"),
            ("{ openclaw_gateway: 'yes' }", "expected true or false"),
            ("{ compose: {} }", "nothing says the `service`"),
            ("{ reload: 'unit' }", "has no `unit` to be reloaded"),
            ("{ reload: 'kill -9 1; x' }", "needs a shell"),
            ("{ log_reopen: 'KILL' }", "a signal that ends nothing"),
            ("{ log_files: ['/var/log/*.log'] }", "the path of one file"),
            (long.as_str(), "at most 64 files, found 65"),
            ("{ http_actions: ['x'] }", "expected an HTTP URL"),
            ("{ autonomy: 'autos' }", "did you mean `auto`?"),
            ("{ containers: { allowed: ['exec'] } }", "the crew never asks this"),
            ("{ memory_limit_max_mb: 1 }", "a whole number from 6"),
            ("{ group: 'a b' }", "the name of a group"),
        ];
        for (text, expected) in cases {
            let said = read(text).1.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
