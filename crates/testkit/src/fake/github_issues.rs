//! GitHub's REST API for issues as tickets: labels and states, beside what [`super::Github`] knows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text;

/// The issues of one repository.
#[derive(Clone, Debug, Default)]
pub struct GithubIssues {
    desk: Arc<Desk>,
    issues: Arc<Mutex<Vec<Value>>>,
    server: Option<Arc<Server>>,
}

over_http!(GithubIssues);

impl GithubIssues {
    /// The issues as they are shown, oldest first; comments are in `comments_sent`.
    #[must_use]
    pub fn issues(&self) -> Vec<Value> {
        lock(&self.issues).clone()
    }
}

fn failed(status: u16, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"message": message, "documentation_url": "https://docs.github.com"}),
    )
}

fn refused(status: u16, why: &str) -> Ruling {
    Ruling::refused(why, |why| failed(status, why))
}

/// The parts of the path behind the name of the repository.
fn parts(received: &Received) -> Vec<String> {
    let path = received.uri.path().split_once("/repos/").map_or("", |(_, path)| path);
    path.split('/').skip(2).map(str::to_owned).collect()
}

fn labels(list: &Value) -> Result<Vec<Value>, String> {
    let names = list.as_array().into_iter().flatten();
    names
        .map(|name| {
            let name = name.as_str().filter(|name| !name.is_empty()).ok_or("a label is no text")?;
            text::at_most("label", name.chars().count(), 50)?;
            Ok(json!({"name": name}))
        })
        .collect()
}

impl Service for GithubIssues {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        if received.header("user-agent").is_none() {
            return Err(refused(403, "User-Agent is missing"));
        }
        if !received.header("authorization").is_some_and(|text| text.starts_with("Bearer ")) {
            return Err(refused(401, "Bad credentials"));
        }
        if received.header("x-github-api-version") != Some("2022-11-28") {
            return Err(refused(400, "not a supported version"));
        }
        let body = &received.body;
        let checked = match (received.method.as_str(), parts(received).len()) {
            ("POST", 1) => text::required(body, "title")
                .and_then(|title| {
                    text::calm(title)?;
                    text::at_most("title", title.chars().count(), 256)
                })
                .and_then(|()| text::at_most("body", text::chars(&body["body"]), 65_536))
                .and_then(|()| labels(&body["labels"]).map(drop)),
            ("POST", 3) => text::required(body, "body")
                .and_then(|text| text::at_most("body", text.chars().count(), 65_536)),
            ("PATCH", 2) => labels(&body["labels"]).map(drop),
            _ => Ok(()),
        };
        checked.map_err(|why| refused(422, &why))
    }

    fn take(&self, received: &Received) -> Ruling {
        let mut issues = lock(&self.issues);
        let parts = parts(received);
        let number = parts.get(1).and_then(|part| part.parse::<usize>().ok());
        let body = &received.body;
        match (received.method.as_str(), parts.len()) {
            ("POST", 1) => {
                let number = issues.len() + 1;
                let issue = json!({
                    "number": number,
                    "title": body["title"],
                    "body": body["body"],
                    "state": "open",
                    "labels": labels(&body["labels"]).unwrap_or_default(),
                    "html_url": format!("https://github.example/acme/ops/issues/{number}"),
                });
                issues.push(issue.clone());
                return Ruling::Taken(Answer::json(201, &issue));
            }
            ("GET", 1) => return Ruling::Taken(Answer::json(200, &list(&issues, received))),
            _ => {}
        }
        let Some(issue) = number.and_then(|number| issues.get_mut(number.checked_sub(1)?)) else {
            return refused(404, "Not Found");
        };
        match (received.method.as_str(), parts.len()) {
            ("GET", 2) => {}
            ("PATCH", 2) => {
                for field in ["state", "state_reason"] {
                    if let Some(value) = body.get(field) {
                        issue[field] = value.clone();
                    }
                }
                if body["labels"].is_array() {
                    issue["labels"] = Value::Array(labels(&body["labels"]).unwrap_or_default());
                }
            }
            ("POST", 3) => {
                let mut sent = issue["comments_sent"].as_array().cloned().unwrap_or_default();
                sent.push(body["body"].clone());
                let id = sent.len();
                issue["comments_sent"] = Value::Array(sent);
                issue["comments"] = json!(id);
                return Ruling::Taken(Answer::json(201, &json!({"id": id})));
            }
            ("GET", 3) => {
                let sent = issue["comments_sent"].as_array().into_iter().flatten();
                let number = |name| received.query(name).and_then(|n| n.parse::<usize>().ok());
                let size = number("per_page").unwrap_or(30).min(100);
                let sent = sent.skip(size * number("page").unwrap_or(1).saturating_sub(1));
                let page: Vec<Value> = sent.take(size).map(|body| json!({"body": body})).collect();
                return Ruling::Taken(Answer::json(200, &Value::Array(page)));
            }
            _ => return refused(404, "Not Found"),
        }
        Ruling::Taken(Answer::json(200, issue))
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        failed(403, "You have exceeded a secondary rate limit")
            .header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        failed(410, "Issues are disabled for this repo")
    }
}

/// The issues with a label and a state, newest first.
fn list(issues: &[Value], received: &Received) -> Value {
    let label = received.query("labels").unwrap_or_default();
    let state = received.query("state").unwrap_or("open");
    let wanted = issues.iter().rev().filter(|issue| {
        let labels = issue["labels"].as_array().into_iter().flatten();
        labels.into_iter().any(|has| has["name"] == label)
            && (state == "all" || issue["state"] == state)
    });
    Value::Array(wanted.cloned().collect())
}
