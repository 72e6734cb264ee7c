//! GitHub's REST API for issues: create, list, change, comment, list comments.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text;

/// One repository of GitHub.
#[derive(Clone, Debug, Default)]
pub struct Github {
    desk: Arc<Desk>,
    held: Arc<Mutex<Held>>,
    server: Option<Arc<Server>>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<String>,
    assignable: Option<Vec<String>>,
    issues: Vec<Issue>,
}

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who is assigned.
    pub assignees: Vec<String>,
    /// Whether it is open.
    pub open: bool,
    /// Its comments.
    pub comments: Vec<Comment>,
    /// Whether it was deleted.
    pub gone: bool,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its text.
    pub body: String,
}

over_http!(Github);

impl Github {
    /// Only this token may write.
    pub fn only_token(&self, token: &str) {
        lock(&self.held).token = Some(token.to_owned());
    }

    /// Only these people can be assigned.
    pub fn only_assignees(&self, names: &[&str]) {
        lock(&self.held).assignable = Some(names.iter().map(|name| (*name).to_owned()).collect());
    }

    /// The issues, oldest first.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        lock(&self.held).issues.clone()
    }

    /// Deletes every issue, as an administrator would.
    pub fn clear(&self) {
        lock(&self.held).issues.iter_mut().for_each(|issue| issue.gone = true);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    List,
    Change(u64),
    Comment(u64),
    Comments(u64),
}

impl Verb {
    fn of(received: &Received) -> Option<Self> {
        let (_, path) = received.uri.path().split_once("/repos/")?;
        let mut parts = path.split('/').skip(2);
        let kind = (parts.next(), parts.next(), parts.next(), parts.next());
        match (received.method.as_str(), kind) {
            ("POST", (Some("issues"), None, ..)) => Some(Self::Create),
            ("GET", (Some("issues"), None, ..)) => Some(Self::List),
            ("PATCH", (Some("issues"), Some(n), None, _)) => n.parse().ok().map(Self::Change),
            ("POST", (Some("issues"), Some(n), Some("comments"), None)) => {
                n.parse().ok().map(Self::Comment)
            }
            ("GET", (Some("issues"), Some(n), Some("comments"), None)) => {
                n.parse().ok().map(Self::Comments)
            }
            _ => None,
        }
    }
}

fn failed(status: u16, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"message": message, "documentation_url": "https://docs.github.com/rest"}),
    )
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Service for Github {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        let held = lock(&self.held);
        if received.header("user-agent").is_none() {
            return Err(Ruling::refused("no user agent", |_| failed(403, "User-Agent is missing")));
        }
        let bearer = received.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        if bearer.is_none() || held.token.as_deref().is_some_and(|token| bearer != Some(token)) {
            return Err(Ruling::refused("not this token", |_| failed(401, "Bad credentials")));
        }
        let Some(verb) = Verb::of(received) else {
            return Err(Ruling::refused("unknown path", |_| failed(404, "Not Found")));
        };
        let checked = match verb {
            Verb::Create => text::json(received).and_then(|()| held.check(&received.body)),
            Verb::Comment(_) => text::json(received).and_then(|()| body(&received.body)),
            Verb::Change(_) => {
                text::json(received).and_then(|()| match received.body["state"].as_str() {
                    Some("open" | "closed") => Ok(()),
                    other => Err(format!("the state is {other:?}")),
                })
            }
            Verb::List | Verb::Comments(_) => Ok(()),
        };
        checked.map_err(|why| Ruling::refused(why, |why| failed(422, why)))
    }

    fn take(&self, received: &Received) -> Ruling {
        let mut held = lock(&self.held);
        let body = &received.body;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let gone = || Ruling::refused("no such issue", |_| failed(410, "This issue was deleted"));
        let answer = match Verb::of(received) {
            Some(Verb::Create) => {
                let number = held.issues.len() as u64 + 1;
                held.issues.push(Issue {
                    number,
                    title: text("title"),
                    body: text("body"),
                    labels: strings(&body["labels"]),
                    assignees: strings(&body["assignees"]),
                    open: true,
                    comments: Vec::new(),
                    gone: false,
                });
                Answer::json(201, &json!({"number": number, "state": "open"}))
            }
            Some(Verb::List) => {
                let issues = held.issues.iter().rev().filter(|issue| !issue.gone);
                let issues = issues.map(|issue| {
                    let state = if issue.open { "open" } else { "closed" };
                    json!({"number": issue.number, "body": issue.body, "state": state})
                });
                Answer::json(200, &page(received, issues))
            }
            Some(Verb::Change(number)) => match held.issue(number) {
                None => return gone(),
                Some(issue) => {
                    issue.open = body["state"] == "open";
                    Answer::json(200, &json!({"number": number, "state": body["state"]}))
                }
            },
            Some(Verb::Comment(number)) => match held.issue(number) {
                None => return gone(),
                Some(issue) => {
                    issue.comments.push(Comment { body: text("body") });
                    Answer::json(201, &json!({"id": issue.comments.len()}))
                }
            },
            Some(Verb::Comments(number)) => match held.issue(number) {
                None => return gone(),
                Some(issue) => {
                    let comments = issue.comments.iter().enumerate();
                    let comments =
                        comments.map(|(n, comment)| json!({"id": n + 1, "body": comment.body}));
                    Answer::json(200, &page(received, comments))
                }
            },
            None => return gone(),
        };
        Ruling::Taken(answer)
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        failed(403, "You have exceeded a secondary rate limit")
            .header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        failed(404, "Not Found")
    }
}

/// The page of a list that a request asks for.
fn page(received: &Received, list: impl Iterator<Item = Value>) -> Value {
    let number = |name, or| received.query(name).and_then(|n| n.parse().ok()).unwrap_or(or);
    let (size, page): (usize, usize) = (number("per_page", 30), number("page", 1));
    Value::Array(list.skip(size * page.saturating_sub(1)).take(size.min(100)).collect())
}

fn body(body: &Value) -> Result<(), String> {
    let text = text::required(body, "body")?;
    text::at_most("body", text.chars().count(), 65_536)
}

impl Held {
    fn check(&self, issue: &Value) -> Result<(), String> {
        let title = text::required(issue, "title")?;
        text::at_most("title", title.chars().count(), 256)?;
        text::calm(title)?;
        let known = |name: &String| {
            self.assignable.as_ref().is_none_or(|assignable| assignable.contains(name))
        };
        if let Some(stranger) = strings(&issue["assignees"]).iter().find(|name| !known(name)) {
            return Err(format!("{stranger} cannot be assigned"));
        }
        body(issue)
    }

    fn issue(&mut self, number: u64) -> Option<&mut Issue> {
        self.issues.iter_mut().find(|issue| issue.number == number && !issue.gone)
    }
}
