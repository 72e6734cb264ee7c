//! Jira: Cloud (REST API version 3) and Data Center (version 2).
//!
//! Cloud knows an account by its mail address and a token (Basic), Data Center by a personal access
//! token (Bearer).  Version 3 takes texts as documents ([`super::adf`]), version 2 as wiki markup
//! ([`super::wiki`]).
//!
//! Limits: summary 255 characters in one line; a label 255 without spaces; a text 32,767.
//!
//! Answers: 201 makes an issue, 204 moves or changes one.  400 says in `errors` which field does
//! not please and in `errorMessages` what else is wrong; a `priority` that is not on the screen, or
//! that the project does not know, is left out and the issue made without it.  A label is not left
//! out: without it a crash could make a second issue.  429 carries `Retry-After`.  409 is somebody
//! else's change at the same time.
//!
//! `POST /rest/api/3/search/jql` took the place of `/search`, which Cloud removed; it is eventually
//! consistent.  JQL reads dates in the time zone of the account, so times are given relative to now.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nightcrew_config::settings::{JiraFlavour, TrackerKind};
use nightcrew_model::id::TicketKey;
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Method, Response};
use serde_json::{Value, json};

use super::desk::{About, Desk, secrets_of, texts};
use super::document::Document;
use super::jira_workflow::{HOPS_MAX, Names, Status, Transition, next};
use super::stage_label::ESCALATED;
use super::{COMMENTS_READ, Done, Draft, Moved, Opened, Ticket, Undone, adf, wiki};
use crate::receiver::{self, body_text};

/// How many issues are asked for at once.
const PAGE: usize = 50;

/// How many pages are read.
const PAGES_MAX: usize = 4;

/// The fields that are read of an issue.
const FIELDS: [&str; 4] = ["summary", "description", "status", "labels"];

/// One project of Jira.
pub(super) struct Jira<'a> {
    desk: Desk<'a>,
    flavour: JiraFlavour,
    site: &'a str,
    project: &'a str,
    issue_type: &'a str,
    priorities: &'a BTreeMap<Severity, String>,
    statuses: &'a Names,
}

impl<'a> Jira<'a> {
    pub(super) fn of(kind: &'a TrackerKind, http: &'a Http) -> Done<Self> {
        let TrackerKind::Jira {
            url,
            flavour,
            email,
            token,
            project,
            issue_type,
            priorities,
            statuses,
        } = kind
        else {
            return Err(Undone::Permanent { error: "this tracker is no Jira".to_owned() });
        };
        if !is_project(project) {
            return Err(Undone::Permanent {
                error: "`project` of the tracker is not the key of one, such as `OPS`".to_owned(),
            });
        }
        let site = url.trim_end_matches('/');
        let api = match flavour {
            JiraFlavour::Cloud => "/rest/api/3",
            JiraFlavour::DataCenter => "/rest/api/2",
        };
        let mut secrets = secrets_of(token);
        let authorization = match email {
            Some(email) => {
                let pair = STANDARD.encode(format!("{email}:{}", token.expose()));
                secrets.add_whole(&pair);
                format!("Basic {pair}")
            }
            None => format!("Bearer {}", token.expose()),
        };
        let desk = Desk {
            service: "Jira",
            base: format!("{site}{api}"),
            authorization: ("authorization", authorization),
            headers: &[("accept", "application/json")],
            words,
            reset: |_| None,
            secrets,
            http,
        };
        let flavour = *flavour;
        Ok(Self { desk, flavour, site, project, issue_type, priorities, statuses })
    }

    fn text(&self, document: &Document) -> Value {
        match self.flavour {
            JiraFlavour::Cloud => adf::render(document),
            JiraFlavour::DataCenter => Value::String(wiki::render(document)),
        }
    }

    fn url(&self, key: &str) -> Option<String> {
        Some(format!("{}/browse/{key}", self.site))
    }

    pub(super) async fn find(&self, label: &str) -> Done<Option<Ticket>> {
        let jql = format!("labels = {} ORDER BY created DESC", quoted(label));
        Ok(self.search(&jql, 1).await?.into_iter().next())
    }

    pub(super) async fn search_open(&self, label: &str, within: Millis) -> Done<Vec<Ticket>> {
        let minutes = within.0.div_ceil(60_000).max(1);
        let jql = format!(
            "labels = {} AND statusCategory != Done AND created >= -{minutes}m \
             ORDER BY created DESC",
            quoted(label)
        );
        self.search(&jql, PAGES_MAX).await
    }

    async fn search(&self, jql: &str, pages: usize) -> Done<Vec<Ticket>> {
        let path = match self.flavour {
            JiraFlavour::Cloud => "/search/jql",
            JiraFlavour::DataCenter => "/search",
        };
        let jql = format!("project = {} AND {jql}", quoted(self.project));
        let mut body = json!({"jql": jql, "maxResults": PAGE, "fields": FIELDS});
        let mut tickets = Vec::new();
        for page in 1..=pages {
            let answer = self.desk.ask(Method::POST, path, Some(&body)).await?;
            let read = receiver::json(&answer);
            let (200, Some(issues)) = (answer.status.as_u16(), read["issues"].as_array()) else {
                return Err(self.desk.judge(&answer, About::Project));
            };
            tickets.extend(issues.iter().filter_map(|issue| self.ticket(issue)));
            match (self.flavour, &read["nextPageToken"]) {
                (JiraFlavour::Cloud, Value::String(token)) => body["nextPageToken"] = json!(token),
                (JiraFlavour::DataCenter, _) if issues.len() == PAGE => {
                    body["startAt"] = json!(page * PAGE);
                }
                _ => break,
            }
        }
        Ok(tickets)
    }

    fn ticket(&self, issue: &Value) -> Option<Ticket> {
        let key = issue["key"].as_str().filter(|key| is_key(key))?;
        let fields = &issue["fields"];
        let status = Status::read(&fields["status"], self.statuses);
        Some(Ticket {
            key: key.into(),
            url: self.url(key),
            summary: fields["summary"].as_str().unwrap_or_default().to_owned(),
            description: plain(&fields["description"]),
            labels: texts(&fields["labels"]),
            stage: status.stage,
            status_name: status.name,
        })
    }

    pub(super) async fn open(&self, draft: &Draft) -> Done<Opened> {
        let mut labels = draft.labels.clone();
        labels.push(draft.label.clone());
        let mut fields = json!({
            "project": {"key": self.project},
            "issuetype": {"name": self.issue_type},
            "summary": draft.summary,
            "description": self.text(&draft.body),
            "labels": labels,
        });
        let priority = self.priorities.get(&draft.severity);
        if let Some(name) = priority {
            fields["priority"] = json!({"name": name});
        }
        let mut left_out = Vec::new();
        let mut answer = self.create(&fields).await?;
        let refused = receiver::json(&answer);
        if answer.status.as_u16() == 400
            && priority.is_some()
            && let Some(error) = refused["errors"]["priority"].as_str()
        {
            let said = self.desk.secrets.quote(error);
            tracing::warn!("Jira refused the priority{said}; making the ticket without it");
            left_out.push(format!("priority{said}"));
            if let Some(fields) = fields.as_object_mut() {
                fields.remove("priority");
            }
            answer = self.create(&fields).await?;
        }
        let made = receiver::json(&answer);
        match made["key"].as_str() {
            Some(key) if answer.status.as_u16() == 201 && is_key(key) => {
                Ok(Opened { key: key.into(), url: self.url(key), found: false, left_out })
            }
            _ if answer.status.as_u16() == 400 => Err(Undone::Permanent {
                error: format!(
                    "Jira answered HTTP 400{}; {}",
                    self.desk.said(&answer),
                    advice(&made["errors"])
                ),
            }),
            _ => Err(self.desk.judge(&answer, About::Project)),
        }
    }

    async fn create(&self, fields: &Value) -> Done<Response> {
        self.desk.ask(Method::POST, "/issue", Some(&json!({"fields": fields}))).await
    }

    pub(super) async fn comment(&self, key: &TicketKey, text: &Document) -> Done<()> {
        let path = format!("{}/comment", path_of(key)?);
        let body = json!({"body": self.text(text)});
        let answer = self.desk.ask(Method::POST, &path, Some(&body)).await?;
        match answer.status.as_u16() {
            201 if receiver::json(&answer)["id"].is_string() => Ok(()),
            _ => Err(self.desk.judge(&answer, About::Ticket)),
        }
    }

    /// The latest comments, as text.
    pub(super) async fn comments(&self, key: &TicketKey) -> Done<Vec<String>> {
        let path = format!("{}/comment?orderBy=-created&maxResults={COMMENTS_READ}", path_of(key)?);
        let answer = self.desk.ask(Method::GET, &path, None).await?;
        let read = receiver::json(&answer);
        let (200, Some(comments)) = (answer.status.as_u16(), read["comments"].as_array()) else {
            return Err(self.desk.judge(&answer, About::Ticket));
        };
        Ok(comments.iter().map(|comment| plain(&comment["body"])).collect())
    }

    /// The words of a document, as [`Self::comments`] has them.
    pub(super) fn plain(&self, document: &Document) -> String {
        plain(&self.text(document))
    }

    pub(super) async fn move_to(&self, key: &TicketKey, stage: Stage) -> Done<Moved> {
        let path = path_of(key)?;
        let (status, labels) = self.read(&path).await?;
        let moved = self.walk(&path, status, stage).await?;
        // What is done keeps the label: it was with a person once.
        let has = labels.iter().any(|label| label == ESCALATED);
        let change = match stage {
            Stage::Escalated if !has => Some("add"),
            Stage::ToDo | Stage::InProgress | Stage::InReview if has => Some("remove"),
            _ => None,
        };
        if let Some(change) = change {
            let body = json!({"update": {"labels": [{change: ESCALATED}]}});
            let answer = self.desk.ask(Method::PUT, &path, Some(&body)).await?;
            if !matches!(answer.status.as_u16(), 200 | 204) {
                return Err(self.desk.judge(&answer, About::Ticket));
            }
        }
        Ok(moved)
    }

    /// One hop after the other, as far as the workflow leads.
    async fn walk(&self, path: &str, from: Status, stage: Stage) -> Done<Moved> {
        let mut at = from;
        let mut visited = vec![at.name.clone()];
        let mut available = Vec::new();
        for _ in 0..HOPS_MAX {
            if at.is(stage, self.statuses) {
                break;
            }
            let hops = self.transitions(path).await?;
            available = hops.iter().map(Transition::shown).collect();
            let Some(hop) = next(&at, stage, &hops, &visited) else { break };
            let mut body = json!({"transition": {"id": hop.id}});
            if let Some(fields) = &hop.fields {
                body["fields"] = fields.clone();
            }
            let walked = format!("{path}/transitions");
            let answer = self.desk.ask(Method::POST, &walked, Some(&body)).await?;
            match answer.status.as_u16() {
                204 => {}
                400 => return self.refused(path, at, hop, &answer).await,
                _ => return Err(self.desk.judge(&answer, About::Ticket)),
            }
            at = hop.to.clone();
            visited.push(at.name.clone());
        }
        if at.is(stage, self.statuses) {
            Ok(Moved::To { status_name: at.name })
        } else {
            Ok(Moved::NoWay { status_name: at.name, available })
        }
    }

    /// A hop that Jira offered and then refused: somebody moved the ticket meanwhile, or a
    /// validator of the workflow wants what only a person knows.
    async fn refused(
        &self,
        path: &str,
        at: Status,
        hop: &Transition,
        answer: &Response,
    ) -> Done<Moved> {
        let said = self.desk.said(answer);
        let (now, _) = self.read(path).await?;
        if now != at {
            let error = format!("somebody else moved the ticket to `{}` meanwhile", now.name);
            return Err(Undone::Retry { after: None, error });
        }
        let available = vec![format!("{} (refused{said})", hop.to.name)];
        Ok(Moved::NoWay { status_name: at.name, available })
    }

    /// Where a ticket stands, and its labels.
    async fn read(&self, path: &str) -> Done<(Status, Vec<String>)> {
        let answer =
            self.desk.ask(Method::GET, &format!("{path}?fields=status,labels"), None).await?;
        let fields = &receiver::json(&answer)["fields"];
        if answer.status.as_u16() != 200 || !fields["status"]["name"].is_string() {
            return Err(self.desk.judge(&answer, About::Ticket));
        }
        Ok((Status::read(&fields["status"], self.statuses), texts(&fields["labels"])))
    }

    async fn transitions(&self, path: &str) -> Done<Vec<Transition>> {
        let asked = format!("{path}/transitions?expand=transitions.fields");
        let answer = self.desk.ask(Method::GET, &asked, None).await?;
        let read = receiver::json(&answer);
        if answer.status.as_u16() != 200 || !read["transitions"].is_array() {
            return Err(self.desk.judge(&answer, About::Ticket));
        }
        Ok(Transition::read_all(&read, self.statuses))
    }
}

/// What to do about fields that Jira refused.
fn advice(errors: &Value) -> &'static str {
    let refused = |name: &str| !errors[name].is_null();
    if errors.as_object().is_none_or(serde_json::Map::is_empty) {
        "check the settings of the tracker, and the state of the project"
    } else if refused("project") {
        "check `project` of the tracker, and whether the account may make issues in it"
    } else if refused("issuetype") {
        "check `issue_type` of the tracker: the project does not have it"
    } else if refused("labels") {
        "put the field `labels` on the create screen of the project: tickets are found again by it"
    } else {
        "the crew fills in no other field: make it optional for this type of issue, or give the \
         tracker another `issue_type`"
    }
}

/// What Jira says is wrong: the messages, and the fields with theirs.
fn words(answer: &Response) -> String {
    let body = receiver::json(answer);
    let messages = texts(&body["errorMessages"]);
    let fields = body["errors"].as_object().into_iter().flatten();
    let fields = fields.filter_map(|(name, error)| Some(format!("{name}: {}", error.as_str()?)));
    let all: Vec<String> = messages.into_iter().chain(fields).collect();
    if all.is_empty() { body_text(answer) } else { all.join("; ") }
}

/// A text with form, without it: a document of version 3, or the wiki markup of version 2.
fn plain(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        document => adf::plain(document),
    }
}

/// A text in JQL ("Special characters").
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// `OPS`: capital letters, digits and `_` (the operator may write it small).
fn is_project(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `OPS-12`.
fn is_key(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(project, number)| {
        is_project(project) && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn path_of(key: &TicketKey) -> Done<String> {
    if is_key(key.as_str()) {
        Ok(format!("/issue/{key}"))
    } else {
        Err(Undone::Permanent { error: "the key is not one of Jira, such as `OPS-12`".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_key() {
        assert!(is_key("OPS-12") && is_key("A1_B-7"));
        for bad in ["OPS", "OPS-", "-1", "OPS-1/comment", "OPS-1?x", "../OPS-1", "야간-1"] {
            assert!(!is_key(bad), "{bad}");
        }
    }

    #[test]
    fn nothing_leaves_a_text_of_jql() {
        assert_eq!(quoted("a\" OR project = B \\\n"), r#""a\" OR project = B \\""#);
    }
}
