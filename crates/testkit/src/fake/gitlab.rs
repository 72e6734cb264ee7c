//! GitLab's REST API, version 4, for the issues of one project.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, lock, over_http};
use super::text;

/// One project.
#[derive(Clone, Debug, Default)]
pub struct Gitlab {
    desk: Arc<Desk>,
    issues: Arc<Mutex<Vec<Value>>>,
    server: Option<Arc<Server>>,
}

over_http!(Gitlab);

impl Gitlab {
    /// The issues as they are shown, oldest first; notes are in `notes_sent`.
    #[must_use]
    pub fn issues(&self) -> Vec<Value> {
        lock(&self.issues).clone()
    }
}

fn failed(status: u16, message: &Value) -> Answer {
    Answer::json(status, &json!({"message": message}))
}

fn refused(status: u16, why: &str) -> Ruling {
    Ruling::refused(why, |why| failed(status, &json!(why)))
}

/// The parts of the path behind the project.
fn parts(received: &Received) -> Vec<String> {
    let path = received.uri.path().split_once("/api/v4/projects/").map_or("", |(_, path)| path);
    path.split('/').skip(1).map(str::to_owned).collect()
}

fn names(list: &Value) -> Vec<String> {
    let names = list.as_str().unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Quick actions are lines that begin with a `/`, outside of code.
fn quick_action(text: &str) -> Option<&str> {
    let mut in_code = false;
    text.lines().find(|line| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        !in_code && line.starts_with('/')
    })
}

impl Service for Gitlab {
    fn check(&self, received: &Received, _: &[u8]) -> Result<(), Ruling> {
        if received.header("private-token").is_none() {
            return Err(refused(401, "401 Unauthorized"));
        }
        let body = &received.body;
        let checked = match (received.method.as_str(), parts(received).len()) {
            ("POST", 1) => text::required(body, "title")
                .and_then(|title| text::at_most("title", title.chars().count(), 255)),
            ("POST", 3) => text::required(body, "body").map(drop),
            _ => Ok(()),
        };
        checked.map_err(|why| Ruling::refused(why, |why| failed(400, &json!({"title": [why]}))))?;
        let texts = [&body["description"], &body["body"]];
        match texts.iter().find_map(|text| quick_action(text.as_str().unwrap_or_default())) {
            Some(action) => Err(refused(400, &format!("a quick action: {action}"))),
            None => Ok(()),
        }
    }

    fn take(&self, received: &Received) -> Ruling {
        let mut issues = lock(&self.issues);
        let parts = parts(received);
        let number = parts.get(1).and_then(|part| part.parse::<usize>().ok());
        let body = &received.body;
        match (received.method.as_str(), parts.len()) {
            ("POST", 1) => {
                let iid = issues.len() + 1;
                let issue = json!({
                    "iid": iid,
                    "title": body["title"],
                    "description": body["description"],
                    "state": "opened",
                    "labels": names(&body["labels"]),
                    "web_url": format!("https://gitlab.example/acme/ops/-/issues/{iid}"),
                });
                issues.push(issue.clone());
                return Ruling::Taken(Answer::json(201, &issue));
            }
            ("GET", 1) => return Ruling::Taken(Answer::json(200, &list(&issues, received))),
            _ => {}
        }
        let Some(issue) = number.and_then(|number| issues.get_mut(number.checked_sub(1)?)) else {
            return refused(404, "404 Issue Not Found");
        };
        match (received.method.as_str(), parts.len()) {
            ("GET", 2) => {}
            ("PUT", 2) => match change(issue, body) {
                Ok(()) => {}
                Err(why) => return refused(400, why),
            },
            ("POST", 3) => {
                let mut sent = issue["notes_sent"].as_array().cloned().unwrap_or_default();
                sent.push(body["body"].clone());
                let id = sent.len();
                issue["notes_sent"] = Value::Array(sent);
                return Ruling::Taken(Answer::json(201, &json!({"id": id})));
            }
            ("GET", 3) => {
                let sent = issue["notes_sent"].as_array().into_iter().flatten().rev();
                let notes: Vec<Value> = sent.take(50).map(|body| json!({"body": body})).collect();
                return Ruling::Taken(Answer::json(200, &Value::Array(notes)));
            }
            _ => return refused(404, "404 Not Found"),
        }
        Ruling::Taken(Answer::json(200, issue))
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        failed(429, &json!("Too Many Requests")).header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        failed(403, &json!("403 Forbidden"))
    }
}

fn change(issue: &mut Value, body: &Value) -> Result<(), &'static str> {
    match (body["state_event"].as_str(), issue["state"].as_str()) {
        (None, _) => {}
        (Some("close"), Some("opened")) => issue["state"] = json!("closed"),
        (Some("reopen"), Some("closed")) => issue["state"] = json!("opened"),
        (Some(_), _) => return Err("Cannot transition state"),
    }
    let removed = names(&body["remove_labels"]);
    let labels = issue["labels"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut labels: Vec<String> =
        labels.map(str::to_owned).filter(|label| !removed.contains(label)).collect();
    labels.extend(names(&body["add_labels"]));
    labels.dedup();
    issue["labels"] = json!(labels);
    Ok(())
}

/// The issues with a label and a state, newest first.
fn list(issues: &[Value], received: &Received) -> Value {
    let label = received.query("labels").unwrap_or_default();
    let state = received.query("state").unwrap_or("all");
    let wanted = issues.iter().rev().filter(|issue| {
        let labels = issue["labels"].as_array().into_iter().flatten();
        labels.into_iter().any(|has| has == label) && (state == "all" || issue["state"] == state)
    });
    Value::Array(wanted.cloned().collect())
}
