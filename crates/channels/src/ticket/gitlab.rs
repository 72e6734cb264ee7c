//! Issues of GitLab as tickets (REST API, version 4).
//!
//! An issue is opened or closed (`state_event`); where it stands otherwise is one of the labels of
//! [`super::stage_label`].  Labels that do not exist are made by GitLab.  A label holds no comma,
//! because a list of them is a text with commas.
//!
//! Limits, in characters: title 255, description and note 1,048,576.
//!
//! Answers: 201 makes, 200 changes.  400 says in `message` which field does not please, 404 that
//! the project or the issue is not there for this token.  429 carries `Retry-After`.

use jiff::Timestamp;
use nightcrew_config::settings::Secret;
use nightcrew_model::id::TicketKey;
use nightcrew_model::ticket::Stage;
use nightcrew_runtime::http::{Http, Method, Response};
use serde_json::{Value, json};

use super::desk::{About, Desk, encoded, secrets_of, texts};
use super::document::Document;
use super::github::bodies;
use super::{COMMENTS_READ, Done, Draft, Moved, Opened, Ticket, Undone, markdown, stage_label};
use crate::receiver::{self, body_text};

/// How many issues are asked for at once.
const PAGE: usize = 50;

/// How many pages are read.
const PAGES_MAX: usize = 4;

/// One project.
pub(super) struct Gitlab<'a> {
    desk: Desk<'a>,
    project: &'a str,
}

impl<'a> Gitlab<'a> {
    pub(super) fn new(url: &str, project: &'a str, token: &Secret, http: &'a Http) -> Done<Self> {
        if project.trim().is_empty() {
            return Err(Undone::Permanent {
                error: "`project` of the tracker is empty: set its number or `group/name`"
                    .to_owned(),
            });
        }
        let desk = Desk {
            service: "GitLab",
            base: format!("{}/api/v4/projects/{}", url.trim_end_matches('/'), encoded(project)),
            authorization: ("private-token", token.expose().to_owned()),
            headers: &[("accept", "application/json")],
            words,
            reset: |_| None,
            secrets: secrets_of(token),
            http,
        };
        Ok(Self { desk, project })
    }

    fn ticket(&self, issue: &Value) -> Option<Ticket> {
        let number = issue["iid"].as_u64()?;
        let labels = texts(&issue["labels"]);
        let stage = stage_label::read(&labels, issue["state"] == "closed");
        let text = |name: &str| issue[name].as_str().map(str::to_owned);
        Some(Ticket {
            key: format!("{}#{number}", self.project).into(),
            url: text("web_url"),
            summary: text("title").unwrap_or_default(),
            description: text("description").unwrap_or_default(),
            labels,
            stage,
            status_name: stage_label::of(stage).to_owned(),
        })
    }

    async fn list(&self, query: &str, pages: usize) -> Done<Vec<Ticket>> {
        let mut tickets = Vec::new();
        for page in 1..=pages {
            let path = format!(
                "/issues?per_page={PAGE}&page={page}&order_by=created_at&sort=desc&{query}"
            );
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
        let since = encoded(&format!("{since:.0}"));
        let query = format!("state=opened&created_after={since}&labels={}", encoded(label));
        self.list(&query, PAGES_MAX).await
    }

    pub(super) async fn open(&self, draft: &Draft) -> Done<Opened> {
        let labels = draft.labels.iter().map(|label| label.replace(',', "-"));
        let labels: Vec<String> =
            labels.chain([draft.label.clone(), stage_label::of(Stage::ToDo).to_owned()]).collect();
        let issue = json!({
            "title": draft.summary,
            "description": markdown::render(&draft.body),
            "labels": labels.join(","),
        });
        let answer = self.desk.ask(Method::POST, "/issues", Some(&issue)).await?;
        match self.ticket(&receiver::json(&answer)) {
            Some(made) if answer.status.as_u16() == 201 => {
                Ok(Opened { key: made.key, url: made.url, found: false, left_out: Vec::new() })
            }
            _ => Err(self.desk.judge(&answer, About::Project)),
        }
    }

    pub(super) async fn comment(&self, key: &TicketKey, text: &Document) -> Done<()> {
        let path = format!("{}/notes", self.path_of(key)?);
        let body = json!({"body": markdown::render(text)});
        let answer = self.desk.ask(Method::POST, &path, Some(&body)).await?;
        match answer.status.as_u16() {
            201 if receiver::json(&answer)["id"].is_u64() => Ok(()),
            _ => Err(self.desk.judge(&answer, About::Ticket)),
        }
    }

    /// The latest comments.
    pub(super) async fn comments(&self, key: &TicketKey) -> Done<Vec<String>> {
        let path = self.path_of(key)?;
        let order = "order_by=created_at&sort=desc";
        let path = format!("{path}/notes?per_page={COMMENTS_READ}&{order}");
        let answer = self.desk.ask(Method::GET, &path, None).await?;
        bodies(&answer).ok_or_else(|| self.desk.judge(&answer, About::Ticket))
    }

    pub(super) async fn move_to(&self, key: &TicketKey, stage: Stage) -> Done<Moved> {
        let path = self.path_of(key)?;
        let answer = self.desk.ask(Method::GET, &path, None).await?;
        let issue = receiver::json(&answer);
        if answer.status.as_u16() != 200 || !issue["iid"].is_u64() {
            return Err(self.desk.judge(&answer, About::Ticket));
        }
        let name = stage_label::of(stage);
        let gone: Vec<&str> = stage_label::others(stage).collect();
        let mut change = json!({"add_labels": name, "remove_labels": gone.join(",")});
        // GitLab refuses to close what is closed.
        match (stage == Stage::Done, issue["state"] == "closed") {
            (true, false) => change["state_event"] = json!("close"),
            (false, true) => change["state_event"] = json!("reopen"),
            (true, true) | (false, false) => {}
        }
        let answer = self.desk.ask(Method::PUT, &path, Some(&change)).await?;
        if answer.status.as_u16() != 200 || !receiver::json(&answer)["iid"].is_u64() {
            return Err(self.desk.judge(&answer, About::Ticket));
        }
        Ok(Moved::To { status_name: name.to_owned() })
    }

    fn path_of(&self, key: &TicketKey) -> Done<String> {
        let number = key
            .as_str()
            .strip_prefix(self.project)
            .and_then(|rest| rest.strip_prefix('#')?.parse::<u64>().ok());
        number.map(|number| format!("/issues/{number}")).ok_or_else(|| Undone::Permanent {
            error: "the key is not one of this project, such as `group/name#7`".to_owned(),
        })
    }
}

/// `{"message": "…"}`, `{"message": {"title": ["is too long"]}}` or `{"error": "…"}`.
fn words(answer: &Response) -> String {
    let body = receiver::json(answer);
    match (&body["message"], &body["error"]) {
        (Value::String(text), _) | (Value::Null, Value::String(text)) => text.clone(),
        (Value::Object(fields), _) => {
            let fields = fields.iter();
            let fields =
                fields.map(|(name, errors)| format!("{name}: {}", texts(errors).join(", ")));
            fields.collect::<Vec<_>>().join("; ")
        }
        _ => body_text(answer),
    }
}
