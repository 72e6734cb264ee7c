//! `tickets`: the systems that keep tickets; and a Jira that agents of other programs are given.

use std::collections::BTreeMap;

use nightcrew_model::id::TrackerName;
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::channel::{api_url, http, required};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::settings::{JiraFlavour, OpenTicket, Rate, Resolver, Secret, Tracker, TrackerKind};
use crate::tree::{At, Value};
use crate::web;

/// How many tickets are made, where nothing is said: as the second source document has it.
const LIMIT: Rate = Rate { messages: 10, window: Millis::from_secs(3_600) };

/// How long after the end of an incident its ticket is opened again, where nothing is said.
const REOPEN_WINDOW: Millis = Millis::from_secs(86_400);

/// How often tickets of people are looked for, where nothing is said.
const RESOLVER_INTERVAL: Millis = Millis::from_secs(60);

/// The type of Jira's issues, where nothing is said: as the second source document has it.
const ISSUE_TYPE: &str = "Bug";

/// The largest number of labels of one tracker.
const LABELS_MAX: usize = 32;

/// The longest label, in characters: Jira's own limit.
const LABEL_CHARS_MAX: usize = 255;

/// The kinds of trackers, as they are written.
const KINDS: [&str; 3] = ["jira", "github", "gitlab"];

/// The severities, as they are written.
const SEVERITIES: [(&str, Severity); 3] =
    [("critical", Severity::Critical), ("warning", Severity::Warning), ("info", Severity::Info)];

/// The stages, as they are written.
const STAGES: [(&str, Stage); 5] = [
    ("to_do", Stage::ToDo),
    ("in_progress", Stage::InProgress),
    ("in_review", Stage::InReview),
    ("done", Stage::Done),
    ("escalated", Stage::Escalated),
];

/// Reads `tickets`; `limit` is that of `guardrails.rate_limits`.
pub(crate) fn trackers(at: &At<'_>, limit: Option<Rate>, cx: &mut Context<'_>) -> Vec<Tracker> {
    fields::named(at, "an object of trackers", &mut cx.report)
        .into_iter()
        .filter_map(|(name, at)| tracker(name, &at, limit, cx))
        .collect()
}

fn tracker(name: &str, at: &At<'_>, limit: Option<Rate>, cx: &mut Context<'_>) -> Option<Tracker> {
    let mut fields = Fields::open(at, "an object with `type`", &mut cx.report)?;
    let kind_at = fields.take("type");
    let kind = fields.text("type", &mut cx.report);
    let open = fields.take("open").and_then(|at| open(&at, cx));
    let labels = fields.take("labels").map(|at| labels(&at, cx)).unwrap_or_default();
    let own_limit = fields.take("limit").and_then(|at| rate(&at, cx));
    let month = Millis::from_secs(31 * 86_400);
    let reopen_window = fields.duration("reopen_window", Millis(0)..=month, &mut cx.report);
    let resolver = fields.take("resolver").and_then(|at| resolver(&at, cx));
    let page_url = page_url(&mut fields, cx);
    let kind = match kind {
        Some("jira") => jira(&mut fields, cx),
        Some("github") => github(&mut fields, cx),
        Some("gitlab") => gitlab(&mut fields, cx),
        Some(other) => {
            if let Some(at) = &kind_at {
                cx.report.expected(at, "the type of a tracker").hint(suggestion(other, KINDS));
            }
            return None;
        }
        None => {
            if kind_at.is_none() {
                cx.report
                    .error(at, "the tracker has no `type`")
                    .hint(format!("known are {}", KINDS.join(", ")));
            }
            return None;
        }
    };
    fields.finish(&mut cx.report);
    Some(Tracker {
        name: TrackerName::from(name),
        kind: kind?,
        open: open.unwrap_or(OpenTicket::Every),
        labels,
        limit: own_limit.or(limit).unwrap_or(LIMIT),
        reopen_window: reopen_window.unwrap_or(REOPEN_WINDOW),
        resolver,
        page_url,
    })
}

fn open(at: &At<'_>, cx: &mut Context<'_>) -> Option<OpenTicket> {
    match fields::text(at, &mut cx.report)? {
        "every" => Some(OpenTicket::Every),
        "escalated" => Some(OpenTicket::Escalated),
        other => {
            let hint = suggestion(other, ["every", "escalated"]);
            cx.report.expected(at, "which incidents get a ticket").hint(hint);
            None
        }
    }
}

fn labels(at: &At<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let texts = fields::texts(at, &mut cx.report);
    if texts.len() > LABELS_MAX {
        cx.report.error(at, format!("expected at most {LABELS_MAX} labels, found {}", texts.len()));
        return Vec::new();
    }
    let good = texts.into_iter().filter(|(at, text)| is_label(at, text, cx));
    good.map(|(_, text)| text.to_owned()).collect()
}

/// Jira takes no label with a space.
fn is_label(at: &At<'_>, text: &str, cx: &mut Context<'_>) -> bool {
    let is_good = !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && text.chars().count() <= LABEL_CHARS_MAX;
    if !is_good {
        cx.report.expected(at, "a label without spaces").hint("such as \"auto-detected\"");
    }
    is_good
}

/// `{ tickets: 10, per_hours: 1 }`.
fn rate(at: &At<'_>, cx: &mut Context<'_>) -> Option<Rate> {
    let mut fields = Fields::open(at, "an object with `tickets` and `per_hours`", &mut cx.report)?;
    let messages = fields.integer("tickets", 1..=100_000, &mut cx.report);
    let range = Millis(1_000)..=Millis::from_secs(7 * 86_400);
    let window = fields.duration("per", range, &mut cx.report);
    if !fields.has("tickets") || !fields.has_duration("per") {
        cx.report
            .error(at, "a limit is a number of tickets and a time")
            .hint("such as { tickets: 10, per_hours: 1 }");
    }
    fields.finish(&mut cx.report);
    Some(Rate { messages: messages?, window: window? })
}

fn resolver(at: &At<'_>, cx: &mut Context<'_>) -> Option<Resolver> {
    let mut fields = Fields::open(at, "an object with `label`", &mut cx.report)?;
    let label = required(&mut fields, "label", "tickets with this label are taken on", cx);
    let range = Millis::from_secs(10)..=Millis::from_secs(86_400);
    let interval = fields.duration("interval", range, &mut cx.report);
    fields.finish(&mut cx.report);
    let (label_at, label) = label?;
    is_label(&label_at, label, cx).then(|| Resolver {
        label: label.to_owned(),
        interval: interval.unwrap_or(RESOLVER_INTERVAL),
    })
}

fn page_url(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<String> {
    let at = fields.take("page_url")?;
    let url = fields::text(&at, &mut cx.report)?;
    http(&at, url, "\"https://crew.example.com\"", cx)?;
    Some(url.trim_end_matches('/').to_owned())
}

fn jira(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<TrackerKind> {
    let url = required(fields, "url", "such as \"https://example.atlassian.net\"", cx);
    let flavour = fields.take("flavour").map(|at| flavour(&at, cx));
    let email = fields.text("email", &mut cx.report).map(str::to_owned);
    let token = required(fields, "token", "an API token, from .env", cx);
    let project = required(fields, "project", "the key of the project, such as \"OPS\"", cx);
    let issue_type = fields.text("issue_type", &mut cx.report);
    let priorities = fields.take("priorities").map(|at| priorities(&at, cx));
    let statuses = fields.take("statuses").map(|at| statuses(&at, cx));
    let (url_at, url) = url?;
    let url = base(&url_at, url, cx);
    let flavour = match flavour {
        None => JiraFlavour::Cloud,
        Some(read) => read?,
    };
    if flavour == JiraFlavour::Cloud && email.is_none() && !fields.has("email") {
        cx.report
            .error(fields.at(), "Jira Cloud takes a token only together with its account")
            .hint("add `email`, or `flavour: \"data_center\"` for a personal access token");
        return None;
    }
    let (project_at, project) = project?;
    if !is_project(project) {
        cx.report.expected(&project_at, "the key of a project").hint("such as \"OPS\"");
        return None;
    }
    Some(TrackerKind::Jira {
        url: url?,
        flavour,
        email,
        token: Secret::new(token?.1),
        project: project.to_owned(),
        issue_type: issue_type.unwrap_or(ISSUE_TYPE).to_owned(),
        priorities: priorities.unwrap_or_default(),
        statuses: statuses.unwrap_or_default(),
    })
}

/// A key of a project: it stands in queries (Atlassian, "Changing the project key format").
fn is_project(key: &str) -> bool {
    key.bytes().next().is_some_and(|c| c.is_ascii_uppercase())
        && key.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
        && key.len() <= 255
}

/// A URL without a query, and without the slash at its end.
fn base(at: &At<'_>, url: &str, cx: &mut Context<'_>) -> Option<String> {
    http(at, url, "\"https://example.atlassian.net\"", cx)?;
    if url.contains(['?', '#']) {
        cx.report.error(at, "this is the address of a page").hint("leave out what follows the `?`");
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn flavour(at: &At<'_>, cx: &mut Context<'_>) -> Option<JiraFlavour> {
    match fields::text(at, &mut cx.report)? {
        "cloud" => Some(JiraFlavour::Cloud),
        "data_center" => Some(JiraFlavour::DataCenter),
        other => {
            let hint = suggestion(other, ["cloud", "data_center"]);
            cx.report.expected(at, "a flavour of Jira").hint(hint);
            None
        }
    }
}

fn priorities(at: &At<'_>, cx: &mut Context<'_>) -> BTreeMap<Severity, String> {
    let mut found = BTreeMap::new();
    let Some(mut fields) = Fields::open(at, "an object of severities", &mut cx.report) else {
        return found;
    };
    for (word, severity) in SEVERITIES {
        if let Some(priority) = fields.text(word, &mut cx.report) {
            found.insert(severity, priority.to_owned());
        }
    }
    fields.finish(&mut cx.report);
    found
}

/// The names of statuses for each stage: one, or a list of which the first that exists is taken.
fn statuses(at: &At<'_>, cx: &mut Context<'_>) -> BTreeMap<Stage, Vec<String>> {
    let mut found = BTreeMap::new();
    let Some(mut fields) = Fields::open(at, "an object of stages", &mut cx.report) else {
        return found;
    };
    for (word, stage) in STAGES {
        let Some(at) = fields.take(word) else { continue };
        let names: Vec<String> = if let Value::Array(_) = at.node.value {
            let texts = fields::texts(&at, &mut cx.report);
            texts.into_iter().map(|(_, text)| text.to_owned()).collect()
        } else {
            fields::text(&at, &mut cx.report).into_iter().map(str::to_owned).collect()
        };
        found.insert(stage, names);
    }
    fields.finish(&mut cx.report);
    found
}

fn github(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<TrackerKind> {
    let url = api_url(fields, "url", "https://api.github.com", cx);
    let repository = required(fields, "repository", "such as \"example/operations\"", cx);
    let token = required(fields, "token", "a token that may write issues, from .env", cx);
    let (at, repository) = repository?;
    let parts: Vec<&str> = repository.split('/').collect();
    if parts.len() != 2 || !parts.iter().all(|part| is_slug(part)) {
        cx.report.expected(&at, "a repository").hint("such as \"example/operations\"");
        return None;
    }
    let repository = repository.to_owned();
    Some(TrackerKind::Github { url: url?, repository, token: Secret::new(token?.1) })
}

fn gitlab(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<TrackerKind> {
    let url = api_url(fields, "url", "https://gitlab.com", cx);
    let project_at = fields.take("project");
    let number = project_at.as_ref().and_then(fields::as_number);
    let project = match number {
        Some(number) if number.fract() == 0.0 && number > 0.0 => Some(number.to_string()),
        _ => {
            let hint = "the number or the path of the project, such as \"example/operations\"";
            required(fields, "project", hint, cx).map(|(_, text)| text.to_owned())
        }
    };
    let token = required(fields, "token", "a token that may write issues, from .env", cx);
    let project = project?;
    if !project.split('/').all(is_slug) {
        if let Some(at) = project_at {
            cx.report.expected(&at, "a project").hint("its number, or \"example/operations\"");
        }
        return None;
    }
    Some(TrackerKind::Gitlab { url: url?, project, token: Secret::new(token?.1) })
}

fn is_slug(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A Jira of which an agent's MCP server is told by `env`: where its address, account and token
/// are all there, and a project is known, it is a tracker.
pub(crate) fn given_to_agents(
    root: &At<'_>,
    limit: Option<Rate>,
    cx: &mut Context<'_>,
) -> Option<Tracker> {
    let servers = ["mcpServers", "integrations"].into_iter().filter_map(|key| root.get(key));
    let env = servers.filter_map(|at| at.get("jira")?.get("env")).next()?;
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| env.get(name));
        found.filter(|at| at.node.text().is_some_and(|text| !text.trim().is_empty()))
    };
    let url = first(&["JIRA_URL", "JIRA_BASE_URL", "JIRA_HOST"])?;
    let email = first(&["JIRA_EMAIL", "JIRA_USERNAME", "JIRA_USER_EMAIL"])?;
    let token = first(&["JIRA_API_TOKEN", "JIRA_TOKEN"])?;
    let issue = root.get("integrations").and_then(|at| at.get("jira-issue"));
    let of_issue = |key: &str| {
        let at = issue.as_ref()?.get(key)?;
        at.node.text().map(str::to_owned)
    };
    let project = first(&["JIRA_PROJECT", "JIRA_PROJECT_KEY"]);
    let project = project.and_then(|at| at.node.text().map(str::to_owned));
    let project = project.or_else(|| of_issue("project")).filter(|key| is_project(key))?;
    let address = url.node.text()?.trim_end_matches('/');
    if web::http_url(address).is_err() {
        cx.report
            .warning(&url, "this is no HTTP URL, so no tickets are made there")
            .hint("such as \"https://example.atlassian.net\"");
        return None;
    }
    let labels = issue.as_ref().and_then(|at| at.get("labels"));
    let mut unused = crate::problem::Report::default();
    let labels = labels.map(|at| fields::texts(&at, &mut unused).into_iter().map(|(_, it)| it));
    let labels = labels.into_iter().flatten().filter(|it| !it.contains(char::is_whitespace));
    Some(Tracker {
        name: TrackerName::from("jira"),
        kind: TrackerKind::Jira {
            url: address.to_owned(),
            flavour: JiraFlavour::Cloud,
            email: email.node.text().map(str::to_owned),
            token: Secret::new(token.node.text()?),
            project,
            issue_type: of_issue("issueType").unwrap_or_else(|| ISSUE_TYPE.to_owned()),
            priorities: BTreeMap::new(),
            statuses: BTreeMap::new(),
        },
        open: OpenTicket::Every,
        labels: labels.take(LABELS_MAX).map(str::to_owned).collect(),
        limit: limit.unwrap_or(LIMIT),
        reopen_window: REOPEN_WINDOW,
        resolver: None,
        page_url: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Vec<Tracker>, Vec<String>) {
        decode_one(text, |at, cx| trackers(at, None, cx))
    }

    #[test]
    fn every_kind_is_read() {
        let (found, problems) = read(
            "{ jira: { type: 'jira', url: 'https://example.atlassian.net/', email: \
             'a@example.org', token: 't', project: 'OPS', issue_type: 'Task', priorities: { \
             critical: 'Highest' }, statuses: { in_review: ['검토 중', 'In Review'], done: '완료' }, \
             labels: ['auto'], open: 'escalated', limit: { tickets: 3, per_hours: 2 }, \
             reopen_window_days: 2, resolver: { label: 'crew', interval_minutes: 5 }, page_url: \
             'http://localhost:7979/' }, \
             github: { type: 'github', repository: 'a/b', token: 't' }, \
             gitlab: { type: 'gitlab', url: 'https://git.example.org', project: 42, token: 't' } }",
        );
        assert_eq!(problems, [""; 0]);
        let TrackerKind::Jira { url, flavour, priorities, statuses, .. } = &found[0].kind else {
            panic!("{found:?}")
        };
        assert_eq!((url.as_str(), *flavour), ("https://example.atlassian.net", JiraFlavour::Cloud));
        assert_eq!(priorities[&Severity::Critical], "Highest");
        assert_eq!(statuses[&Stage::InReview].len(), 2);
        assert_eq!(found[0].open, OpenTicket::Escalated);
        assert_eq!(found[0].limit, Rate { messages: 3, window: Millis::from_secs(7_200) });
        assert_eq!(found[0].resolver.as_ref().unwrap().interval, Millis::from_secs(300));
        assert_eq!(found[0].page_url.as_deref(), Some("http://localhost:7979"));
        assert_eq!((found[1].limit, found[1].open), (LIMIT, OpenTicket::Every));
        let TrackerKind::Gitlab { project, .. } = &found[2].kind else { panic!("{found:?}") };
        assert_eq!(project, "42");
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        let jira = |keys: &str| {
            format!(
                "{{ j: {{ type: 'jira', url: 'https://x.example', token: 't', project: 'OPS', {keys} }} }}"
            )
        };
        let cases = [
            ("{ j: {} }".to_owned(), "the tracker has no `type`"),
            ("{ j: { type: 'jiira' } }".to_owned(), "did you mean `jira`?"),
            ("{ j: { type: 'jira' } }".to_owned(), "nothing says the `url`"),
            (jira(""), "only together with its account"),
            (jira("flavour: 'data_centre'"), "did you mean `data_center`?"),
            (jira("email: 'a', open: 'never'"), "which incidents get a ticket"),
            (jira("email: 'a', labels: ['a b']"), "a label without spaces"),
            (jira("email: 'a', limit: { tickets: 1 }"), "a number of tickets and a time"),
            (jira("email: 'a', resolver: {}"), "nothing says the `label`"),
            (jira("email: 'a', priorities: { high: 'x' }"), "unknown key"),
            (jira("email: 'a', statuses: { review: 'x' }"), "unknown key"),
            (jira("email: 'a', page_url: 'x'"), "expected an HTTP URL"),
            (
                "{ j: { type: 'jira', url: 'https://x', email: 'a', token: 't', project: 'ops' } }"
                    .to_owned(),
                "expected the key of a project",
            ),
            ("{ g: { type: 'github', repository: 'a', token: 't' } }".to_owned(), "a repository"),
            ("{ g: { type: 'gitlab', project: '../x', token: 't' } }".to_owned(), "a project"),
        ];
        for (text, expected) in cases {
            let said = read(&text).1.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
        }
        let many = "'a', ".repeat(LABELS_MAX + 1);
        let said = read(&jira(&format!("email: 'a', labels: [{many}]"))).1.join("\n");
        assert!(said.contains("at most 32 labels, found 33"), "{said}");
    }

    #[test]
    fn a_jira_of_an_agent_is_a_tracker_where_all_of_it_is_there() {
        let text = |env: &str| {
            format!(
                "{{ mcpServers: {{ jira: {{ env: {{ JIRA_API_TOKEN: 't', {env} }} }} }}, \
                 integrations: {{ 'jira-issue': {{ project: 'OPS', issueType: 'Task', labels: \
                 ['auto-detected'] }} }} }}"
            )
        };
        let read = |env: &str| decode_one(&text(env), |at, cx| given_to_agents(at, None, cx));
        assert!(read("").0.is_none());
        let (found, problems) =
            read("JIRA_URL: 'https://x.atlassian.net', JIRA_EMAIL: 'a@example.org'");
        assert_eq!(problems, [""; 0]);
        let found = found.unwrap();
        assert_eq!(found.labels, ["auto-detected"]);
        let TrackerKind::Jira { project, issue_type, .. } = &found.kind else {
            panic!("{found:?}")
        };
        assert_eq!((project.as_str(), issue_type.as_str()), ("OPS", "Task"));
        let (found, problems) = read("JIRA_URL: 'x', JIRA_EMAIL: 'a@example.org'");
        assert!(found.is_none() && problems[0].contains("no HTTP URL"), "{problems:?}");
    }
}
