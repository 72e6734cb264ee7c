//! One project of Jira: REST API version 3 (Cloud) and version 2 (Data Center), whichever is asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::jira_form::{Errors, check_fields, check_labels, check_text, failed, is_authorised};

/// One project of Jira.
#[derive(Clone, Debug, Default)]
pub struct Jira {
    desk: Arc<Desk>,
    held: Arc<Mutex<Held>>,
    server: Option<Arc<Server>>,
}

#[derive(Debug)]
struct Held {
    authorization: Option<String>,
    project: String,
    priorities: Option<BTreeSet<String>>,
    workflow: Workflow,
    lag: Duration,
    issues: Vec<JiraIssue>,
}

/// The statuses of a project and what leads from where to where.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Name and category; a new issue has the first.
    pub statuses: Vec<(&'static str, &'static str)>,
    /// From status, to status, by their position; none: from every status.
    pub ways: Option<Vec<(usize, usize)>>,
    /// The field that a way to a status of the category `done` wants, with its allowed values.
    pub done_wants: Option<(&'static str, Vec<&'static str>)>,
    /// Why a validator refuses every way to such a status; none: it does not.
    pub done_refused: Option<&'static str>,
}

impl Workflow {
    /// The simplified workflow: every status from every other.
    #[must_use]
    pub fn simple() -> Self {
        let statuses = vec![
            ("To Do", "new"),
            ("In Progress", "indeterminate"),
            ("In Review", "indeterminate"),
            ("Done", "done"),
        ];
        Self { statuses, ways: None, done_wants: None, done_refused: None }
    }

    /// A Korean one without short cuts: each status leads to its neighbours only.
    #[must_use]
    pub fn korean() -> Self {
        let statuses = vec![
            ("해야 할 일", "new"),
            ("진행 중", "indeterminate"),
            ("검토 중", "indeterminate"),
            ("완료", "done"),
        ];
        let ways = vec![(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 0)];
        Self { statuses, ways: Some(ways), done_wants: None, done_refused: None }
    }

    /// One without a status for reviews.
    #[must_use]
    pub fn without_review() -> Self {
        let statuses = vec![("Backlog", "new"), ("Doing", "indeterminate"), ("Closed", "done")];
        let ways = Some(vec![(0, 1), (1, 0), (1, 2), (2, 1)]);
        Self { statuses, ways, done_wants: None, done_refused: None }
    }
}

impl Default for Held {
    fn default() -> Self {
        Self {
            authorization: None,
            project: "OPS".to_owned(),
            priorities: None,
            workflow: Workflow::simple(),
            lag: Duration::ZERO,
            issues: Vec::new(),
        }
    }
}

/// An issue.
#[derive(Clone, Debug, PartialEq)]
pub struct JiraIssue {
    /// Its key: `OPS-1`.
    pub key: String,
    /// Its fields as they were sent.
    pub fields: Value,
    /// Its labels.
    pub labels: Vec<String>,
    /// The names of the statuses that it had, the present one last.
    pub statuses: Vec<String>,
    /// Its comments as they were sent.
    pub comments: Vec<Value>,
    /// When it was made.
    pub at: Instant,
    status: usize,
    gone: bool,
}

over_http!(Jira);

impl Jira {
    /// Only this `Authorization` may write.
    pub fn only(&self, authorization: &str) {
        lock(&self.held).authorization = Some(authorization.to_owned());
    }

    /// Only these priorities are known; without any, the field is not on the screen.
    pub fn only_priorities(&self, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned());
        lock(&self.held).priorities = Some(names.collect());
    }

    /// The workflow of the project.
    pub fn workflow(&self, workflow: Workflow) {
        lock(&self.held).workflow = workflow;
    }

    /// How long a search does not see an issue after it was made.
    pub fn search_lags(&self, lag: Duration) {
        lock(&self.held).lag = lag;
    }

    /// The issues, oldest first.
    #[must_use]
    pub fn issues(&self) -> Vec<JiraIssue> {
        lock(&self.held).issues.clone()
    }

    /// Deletes every issue, as an administrator would.
    pub fn clear(&self) {
        lock(&self.held).issues.iter_mut().for_each(|issue| issue.gone = true);
    }

    /// An issue that a person made.
    pub fn add(&self, summary: &str, labels: &[&str], description: &Value) {
        let fields = json!({"summary": summary, "labels": labels, "description": description});
        lock(&self.held).create(&fields);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    Search,
    Read(String),
    Change(String),
    Comment(String),
    Comments(String),
    Transitions(String),
    Move(String),
}

impl Verb {
    /// What is asked, and whether in version 3.
    fn of(received: &Received) -> Option<(Self, bool)> {
        let path = received.uri.path();
        let (cloud, path) = match (path.split_once("/rest/api/3/"), path.split_once("/rest/api/2/"))
        {
            (Some((_, path)), _) => (true, path),
            (None, Some((_, path))) => (false, path),
            (None, None) => return None,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let verb = match (received.method.as_str(), parts.as_slice()) {
            ("POST", ["issue"]) => Self::Create,
            ("POST", ["search", "jql"]) if cloud => Self::Search,
            ("POST", ["search"]) if !cloud => Self::Search,
            ("GET", ["issue", key]) => Self::Read((*key).to_owned()),
            ("PUT", ["issue", key]) => Self::Change((*key).to_owned()),
            ("POST", ["issue", key, "comment"]) => Self::Comment((*key).to_owned()),
            ("GET", ["issue", key, "comment"]) => Self::Comments((*key).to_owned()),
            ("GET", ["issue", key, "transitions"]) => Self::Transitions((*key).to_owned()),
            ("POST", ["issue", key, "transitions"]) => Self::Move((*key).to_owned()),
            _ => return None,
        };
        Some((verb, cloud))
    }
}

fn refused(status: u16, why: &str) -> Ruling {
    Ruling::refused(why, |why| failed(status, &[why], &Errors::new()))
}

impl Service for Jira {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        let held = lock(&self.held);
        if !is_authorised(received, held.authorization.as_deref()) {
            let why = "Client must be authenticated to access this resource.";
            return Err(refused(401, why));
        }
        let Some((verb, cloud)) = Verb::of(received) else {
            return Err(refused(404, "null for uri"));
        };
        let wrong = |errors: Errors| {
            if errors.is_empty() {
                return Ok(());
            }
            let why = json!(errors).to_string();
            Err(Ruling::refused(why, |_| failed(400, &[], &errors)))
        };
        let field = |name: &str, why: String| Errors::from_iter([(name.to_owned(), json!(why))]);
        let body = &received.body;
        match verb {
            Verb::Create => {
                let mut errors = check_fields(&body["fields"], cloud);
                errors.extend(held.check(&body["fields"]));
                wrong(errors)
            }
            Verb::Comment(_) => match check_text(&body["body"], cloud) {
                Ok(()) if !body["body"].is_null() => Ok(()),
                Ok(()) => wrong(field("comment", "Comment body can not be empty!".into())),
                Err(why) => wrong(field("comment", why)),
            },
            Verb::Change(_) => {
                let added = body["update"]["labels"].as_array().into_iter().flatten();
                let added = added.filter_map(|change| change.get("add"));
                check_labels(added).map_err(|why| field("labels", why)).or_else(wrong)
            }
            Verb::Search
            | Verb::Read(_)
            | Verb::Comments(_)
            | Verb::Transitions(_)
            | Verb::Move(_) => Ok(()),
        }
    }

    fn take(&self, received: &Received) -> Ruling {
        let mut held = lock(&self.held);
        let Some((verb, cloud)) = Verb::of(received) else {
            return refused(404, "null for uri");
        };
        let key = match &verb {
            Verb::Create => {
                let key = held.create(&received.body["fields"]);
                let made = json!({"id": "1", "key": key, "self": format!("/issue/{key}")});
                return Ruling::Taken(Answer::json(201, &made));
            }
            Verb::Search => return held.search(&received.body, cloud),
            Verb::Read(key)
            | Verb::Change(key)
            | Verb::Comment(key)
            | Verb::Comments(key)
            | Verb::Transitions(key)
            | Verb::Move(key) => key.clone(),
        };
        let workflow = held.workflow.clone();
        let Some(issue) = held.issue(&key) else {
            return refused(404, "Issue does not exist or you do not have permission to see it.");
        };
        let body = &received.body;
        match verb {
            Verb::Read(_) => {
                let asked = received.query("fields").map(|names| names.split(',').collect());
                Ruling::Taken(Answer::json(200, &issue.shown(&workflow, asked)))
            }
            Verb::Comment(_) => {
                issue.comments.push(body["body"].clone());
                let id = issue.comments.len().to_string();
                Ruling::Taken(Answer::json(201, &json!({"id": id})))
            }
            Verb::Comments(_) => {
                let latest = issue.comments.iter().rev().take(50);
                let latest: Vec<Value> = latest.map(|body| json!({"body": body})).collect();
                Ruling::Taken(Answer::json(200, &json!({"comments": latest})))
            }
            Verb::Change(_) => {
                issue.change(body);
                Ruling::Taken(Answer::new(204, ""))
            }
            Verb::Transitions(_) => {
                let open = issue.transitions(&workflow);
                Ruling::Taken(Answer::json(200, &json!({"transitions": open})))
            }
            Verb::Move(_) => issue.walk(body, &workflow),
            Verb::Create | Verb::Search => refused(404, "null for uri"),
        }
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        failed(429, &["Rate limit exceeded"], &Errors::new()).header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        failed(400, &["The project is archived."], &Errors::new())
    }
}

impl Held {
    fn check(&self, fields: &Value) -> Errors {
        let mut errors = Errors::new();
        if fields["project"]["key"] != json!(self.project) {
            errors.insert("project".to_owned(), json!("valid project is required"));
        }
        let known = match (&self.priorities, &fields["priority"]["name"]) {
            (None, _) | (_, Value::Null) => Ok(()),
            (Some(known), _) if known.is_empty() => {
                let why = "Field 'priority' cannot be set. It is not on the appropriate screen, or \
                           unknown.";
                Err(why)
            }
            (Some(known), Value::String(name)) if known.contains(name) => Ok(()),
            (Some(_), _) => Err("Specify the Priority (name) by a valid one"),
        };
        if let Err(why) = known {
            errors.insert("priority".to_owned(), json!(why));
        }
        errors
    }

    fn create(&mut self, fields: &Value) -> String {
        let key = format!("{}-{}", self.project, self.issues.len() + 1);
        let first = self.workflow.statuses.first().map_or("", |status| status.0);
        self.issues.push(JiraIssue {
            key: key.clone(),
            fields: fields.clone(),
            labels: texts(&fields["labels"]),
            statuses: vec![first.to_owned()],
            comments: Vec::new(),
            at: Instant::now(),
            status: 0,
            gone: false,
        });
        key
    }

    fn issue(&mut self, key: &str) -> Option<&mut JiraIssue> {
        self.issues.iter_mut().find(|issue| issue.key == key && !issue.gone)
    }

    /// Understands the project, one label, and the category.
    fn search(&self, body: &Value, cloud: bool) -> Ruling {
        let jql = body["jql"].as_str().unwrap_or_default();
        let quoted = |after: &str| {
            let rest = jql.split_once(after)?.1.strip_prefix('"')?;
            rest.split_once('"').map(|(text, _)| text)
        };
        let Some(label) = quoted("labels = ") else {
            return refused(400, "Error in the JQL Query");
        };
        if quoted("project = ") != Some(&self.project) {
            return refused(400, "The value does not exist for the field 'project'.");
        }
        let open_only = jql.contains("statusCategory != Done");
        let done = |issue: &JiraIssue| {
            self.workflow.statuses.get(issue.status).is_some_and(|status| status.1 == "done")
        };
        let now = Instant::now();
        let found = self.issues.iter().rev().filter(|issue| {
            !issue.gone
                && issue.labels.iter().any(|has| has == label)
                && now.duration_since(issue.at) >= self.lag
                && !(open_only && done(issue))
        });
        let asked = body["fields"].as_array();
        let asked: Option<Vec<&str>> =
            asked.map(|names| names.iter().filter_map(Value::as_str).collect());
        let number = |name: &str, or: usize| {
            body[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(or)
        };
        let token = body["nextPageToken"].as_str().and_then(|token| token.parse().ok());
        let (from, size) =
            (token.unwrap_or_else(|| number("startAt", 0)), number("maxResults", 50));
        let shown: Vec<Value> =
            found.skip(from).map(|issue| issue.shown(&self.workflow, asked.clone())).collect();
        let mut answer = json!({"issues": shown.iter().take(size).collect::<Vec<_>>()});
        if shown.len() > size && cloud {
            answer["nextPageToken"] = json!((from + size).to_string());
        }
        Ruling::Taken(Answer::json(200, &answer))
    }
}

impl JiraIssue {
    /// The issue with the fields that were asked for; none: with all of them.
    fn shown(&self, workflow: &Workflow, asked: Option<Vec<&str>>) -> Value {
        let mut fields = self.fields.clone();
        fields["labels"] = json!(self.labels);
        fields["status"] = status(workflow, self.status);
        if let (Some(asked), Some(fields)) = (asked, fields.as_object_mut()) {
            fields.retain(|name, _| asked.contains(&name.as_str()));
        }
        json!({"id": "1", "key": self.key, "fields": fields})
    }

    fn change(&mut self, body: &Value) {
        for change in body["update"]["labels"].as_array().into_iter().flatten() {
            if let Some(label) = change["add"].as_str() {
                self.labels.push(label.to_owned());
            }
            if let Some(label) = change["remove"].as_str() {
                self.labels.retain(|has| has != label);
            }
        }
    }

    fn ways(&self, workflow: &Workflow) -> Vec<usize> {
        let all = 0..workflow.statuses.len();
        all.filter(|to| match &workflow.ways {
            None => *to != self.status,
            Some(ways) => ways.contains(&(self.status, *to)),
        })
        .collect()
    }

    fn transitions(&self, workflow: &Workflow) -> Vec<Value> {
        let ways = self.ways(workflow).into_iter();
        ways.map(|to| {
            let to_status = status(workflow, to);
            let mut fields = json!({});
            if let (Some((name, values)), "done") =
                (&workflow.done_wants, workflow.statuses.get(to).map_or("", |status| status.1))
            {
                let values: Vec<Value> = values.iter().map(|name| json!({"name": name})).collect();
                fields[*name] = json!({"required": true, "name": name, "allowedValues": values});
            }
            json!({"id": id(to), "name": "…", "to": to_status, "fields": fields})
        })
        .collect()
    }

    fn walk(&mut self, body: &Value, workflow: &Workflow) -> Ruling {
        let wanted = body["transition"]["id"].as_str().unwrap_or_default();
        let Some(to) = self.ways(workflow).into_iter().find(|to| id(*to) == wanted) else {
            let why = format!("Transition id '{wanted}' is not valid for this issue.");
            return refused(400, &why);
        };
        let (name, category) = workflow.statuses.get(to).copied().unwrap_or_default();
        if let (Some((field, _)), "done") = (&workflow.done_wants, category)
            && body["fields"][*field].is_null()
        {
            let errors = Errors::from_iter([((*field).to_owned(), json!("is required."))]);
            return Ruling::refused("a field is required", |_| failed(400, &[], &errors));
        }
        if let (Some(why), "done") = (workflow.done_refused, category) {
            return refused(400, why);
        }
        self.status = to;
        self.statuses.push(name.to_owned());
        Ruling::Taken(Answer::new(204, ""))
    }
}

/// The number of the transition to a status: not one that anybody could guess.
fn id(to: usize) -> String {
    (to * 10 + 711).to_string()
}

fn status(workflow: &Workflow, at: usize) -> Value {
    let (name, category) = workflow.statuses.get(at).copied().unwrap_or_default();
    json!({"name": name, "statusCategory": {"key": category}})
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
