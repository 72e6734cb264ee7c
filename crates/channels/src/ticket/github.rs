//! Issues of GitHub as tickets (REST API, version 2022-11-28).
//!
//! An issue is open or closed; where it stands otherwise is one of the labels of
//! [`super::stage_label`].  Labels that do not exist are made by GitHub with the issue.
//!
//! Limits, in characters: title 256, body 65,536, a label 50.
//!
//! Answers: 201 makes, 200 changes.  403 and 429 with `retry-after`, or with
//! `x-ratelimit-remaining: 0`, are rate limits.  410 means that the repository has no issues, or
//! that this one was deleted.  422 says what does not please.

use jiff::Timestamp;
use nightcrew_config::settings::Secret;
use nightcrew_model::id::TicketKey;
use nightcrew_model::ticket::Stage;
use nightcrew_runtime::http::{Http, Method, Response};
use serde_json::{Value, json};

use super::desk::{About, Desk, encoded, secrets_of};
use super::document::Document;
use super::{COMMENTS_READ, Done, Draft, Moved, Opened, Ticket, Undone, markdown, stage_label};
use crate::github::{is_repository, until_reset};
use crate::receiver::{self, body_text};

/// The longest label, in characters.
const LABEL_CHARS_MAX: usize = 50;

/// How many issues are asked for at once.
const PAGE: usize = 50;

/// How many pages are read.
const PAGES_MAX: usize = 4;

/// One repository.
pub(super) struct Github<'a> {
    desk: Desk<'a>,
    repository: &'a str,
}

impl<'a> Github<'a> {
    pub(super) fn new(
        url: &str,
        repository: &'a str,
        token: &Secret,
        http: &'a Http,
    ) -> Done<Self> {
        if !is_repository(repository) {
            return Err(Undone::Permanent {
                error: "`repository` of the tracker is not of the form `owner/name`".to_owned(),
            });
        }
        let desk = Desk {
            service: "GitHub",
            base: format!("{}/repos/{repository}", url.trim_end_matches('/')),
            authorization: ("authorization", format!("Bearer {}", token.expose())),
            headers: &[
                ("accept", "application/vnd.github+json"),
                ("x-github-api-version", "2022-11-28"),
            ],
            words,
            reset: until_reset,
            secrets: secrets_of(token),
            http,
        };
        Ok(Self { desk, repository })
    }

    fn ticket(&self, issue: &Value) -> Option<Ticket> {
        // The list of issues holds pull requests, too.
        if issue["pull_request"].is_object() {
            return None;
        }
        let number = issue["number"].as_u64()?;
        let labels: Vec<String> = labels_of(issue);
        let stage = stage_label::read(&labels, issue["state"] == "closed");
        let text = |name: &str| issue[name].as_str().map(str::to_owned);
        Some(Ticket {
            key: format!("{}#{number}", self.repository).into(),
            url: text("html_url"),
            summary: text("title").unwrap_or_default(),
            description: text("body").unwrap_or_default(),
            labels,
            stage,
            status_name: stage_label::of(stage).to_owned(),
        })
    }

    async fn list(&self, query: &str, pages: usize) -> Done<Vec<Ticket>> {
        let mut tickets = Vec::new();
        for page in 1..=pages {
            let path =
                format!("/issues?per_page={PAGE}&page={page}&sort=created&direction=desc&{query}");
            let answer = self.desk.ask(Method::GET, &path, None).await?;
            let list = serde_json::from_slice(&answer.body).unwrap_or_default();
            let (200, Value::Array(issues)) = (answer.status.as_u16(), list) else {
                return Err(self.desk.judge(&answer, About::Project));
            };
            tickets.extend(issues.iter().filter_map(|issue| self.ticket(issue)));
            if issues.len() < PAGE {
                break;
            }
        }
        Ok(tickets)
    }

    pub(super) async fn find(&self, label: &str) -> Done<Option<Ticket>> {
        let query = format!("state=all&labels={}", encoded(label));
        Ok(self.list(&query, 1).await?.into_iter().next())
    }

    pub(super) async fn search_open(&self, label: &str, since: Timestamp) -> Done<Vec<Ticket>> {
        // What was made since then was changed since then.
        let query = format!("state=open&since={since:.0}&labels={}", encoded(label));
        self.list(&query, PAGES_MAX).await
    }

    pub(super) async fn open(&self, draft: &Draft) -> Done<Opened> {
        let labels = draft.labels.iter().map(|label| label.chars().take(LABEL_CHARS_MAX).collect());
        let labels: Vec<String> =
            labels.chain([draft.label.clone(), stage_label::of(Stage::ToDo).to_owned()]).collect();
        let issue = json!({
            "title": draft.summary,
            "body": markdown::render(&draft.body),
            "labels": labels,
        });
        let answer = self.desk.ask(Method::POST, "/issues", Some(&issue)).await?;
        match self.ticket(&receiver::json(&answer)) {
            Some(made) if answer.status.as_u16() == 201 => {
                // Whoever may not write to the repository may make issues, but no labels.
                let left_out = if made.labels.contains(&draft.label) {
                    Vec::new()
                } else {
                    vec!["labels: give the token the permission to write to the repository".into()]
                };
                Ok(Opened { key: made.key, url: made.url, found: false, left_out })
            }
            _ => Err(self.desk.judge(&answer, About::Project)),
        }
    }

    pub(super) async fn comment(&self, key: &TicketKey, text: &Document) -> Done<()> {
        let path = format!("{}/comments", self.path_of(key)?);
        let body = json!({"body": markdown::render(text)});
        let answer = self.desk.ask(Method::POST, &path, Some(&body)).await?;
        match answer.status.as_u16() {
            201 if receiver::json(&answer)["id"].is_u64() => Ok(()),
            _ => Err(self.desk.judge(&answer, About::Ticket)),
        }
    }

    /// The latest comments.  GitHub gives the oldest first, so the issue says which page is last.
    pub(super) async fn comments(&self, key: &TicketKey) -> Done<Vec<String>> {
        let path = self.path_of(key)?;
        let issue = self.desk.ask(Method::GET, &path, None).await?;
        if issue.status.as_u16() != 200 {
            return Err(self.desk.judge(&issue, About::Ticket));
        }
        let count = receiver::json(&issue)["comments"].as_u64().unwrap_or(0);
        let last = count.div_ceil(COMMENTS_READ as u64).max(1);
        let path = format!("{path}/comments?per_page={COMMENTS_READ}&page={last}");
        let answer = self.desk.ask(Method::GET, &path, None).await?;
        bodies(&answer).ok_or_else(|| self.desk.judge(&answer, About::Ticket))
    }

    pub(super) async fn move_to(&self, key: &TicketKey, stage: Stage) -> Done<Moved> {
        let path = self.path_of(key)?;
        let answer = self.desk.ask(Method::GET, &path, None).await?;
        let issue = receiver::json(&answer);
        if answer.status.as_u16() != 200 || !issue["number"].is_u64() {
            return Err(self.desk.judge(&answer, About::Ticket));
        }
        let name = stage_label::of(stage);
        let mut labels = labels_of(&issue);
        labels.retain(|label| !stage_label::others(stage).any(|other| other == label));
        if !labels.iter().any(|label| label == name) {
            labels.push(name.to_owned());
        }
        let mut change = json!({"labels": labels});
        let closed = issue["state"] == "closed";
        if stage == Stage::Done {
            change["state"] = json!("closed");
            change["state_reason"] = json!("completed");
        } else {
            change["state"] = json!("open");
            if closed {
                change["state_reason"] = json!("reopened");
            }
        }
        let answer = self.desk.ask(Method::PATCH, &path, Some(&change)).await?;
        if answer.status.as_u16() != 200 || !receiver::json(&answer)["number"].is_u64() {
            return Err(self.desk.judge(&answer, About::Ticket));
        }
        Ok(Moved::To { status_name: name.to_owned() })
    }

    fn path_of(&self, key: &TicketKey) -> Done<String> {
        let number = key
            .as_str()
            .strip_prefix(self.repository)
            .and_then(|rest| rest.strip_prefix('#')?.parse::<u64>().ok());
        number.map(|number| format!("/issues/{number}")).ok_or_else(|| Undone::Permanent {
            error: "the key is not one of this repository, such as `owner/name#7`".to_owned(),
        })
    }
}

/// The texts of a list of comments.
pub(super) fn bodies(answer: &Response) -> Option<Vec<String>> {
    let list: Vec<Value> = serde_json::from_slice(&answer.body).ok()?;
    let texts = list.iter().filter_map(|comment| comment["body"].as_str());
    (answer.status.as_u16() == 200).then(|| texts.map(str::to_owned).collect())
}

fn labels_of(issue: &Value) -> Vec<String> {
    let labels = issue["labels"].as_array().into_iter().flatten();
    let names = labels.filter_map(|label| label["name"].as_str().or_else(|| label.as_str()));
    names.map(str::to_owned).collect()
}

fn words(answer: &Response) -> String {
    let body = receiver::json(answer);
    body["message"].as_str().map_or_else(|| body_text(answer), str::to_owned)
}
