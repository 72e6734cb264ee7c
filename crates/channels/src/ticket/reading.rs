//! What a ticket of people asks the resolver to heal.
//!
//! The service is named by a label (`service:cartservice`), by a line of the description
//! (`Service: cartservice`, `서비스: cartservice`), or by the first word of the summary, whatever
//! stands in brackets before it.  The symptom is named by a label (`symptom:high_error_rate`) or is
//! the summary.
//!
//! **Invariant:** only a service that the operator declared is ever named, so no text of a ticket
//! chooses anything else to act on; and a ticket that the crew made is never taken on.

use jiff::Timestamp;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::id::{ServiceName, Symptom, TrackerName};

use super::Ticket;
use super::compose::is_finding_label;
use crate::text::one_line;

/// The longest symptom, in characters.
pub const SYMPTOM_CHARS_MAX: usize = 200;

/// The longest summary and description that go into an alert, in characters.
const ANNOTATION_CHARS_MAX: usize = 1_000;

/// How many lines of a description are read.
const LINES_MAX: usize = 200;

/// How the line with the service begins, in lower case.
const SERVICE_LINES: [&str; 2] = ["service", "서비스"];

/// What should be healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which service.
    pub service: ServiceName,
    /// Of what.
    pub symptom: Symptom,
}

impl Asked {
    /// The alert that a ticket is, until then; to be told anew at every look, so that it ends when
    /// the ticket is closed.  Its labels name the ticket, so that the incident finds its way back.
    #[must_use]
    pub fn alert(&self, ticket: &Ticket, tracker: &TrackerName, until: Timestamp) -> IncomingAlert {
        let severity = by_label(ticket, "severity:").into_iter().next();
        let severity = one_line(severity.as_deref().unwrap_or("warning"), SYMPTOM_CHARS_MAX);
        let labels = [
            ("alertname", self.symptom.as_str()),
            ("service", self.service.as_str()),
            ("severity", severity.as_str()),
            ("ticket", ticket.key.as_str()),
            ("tracker", tracker.as_str()),
        ];
        let annotations = [
            ("summary", one_line(&ticket.summary, ANNOTATION_CHARS_MAX)),
            ("description", one_line(&ticket.description, ANNOTATION_CHARS_MAX)),
        ];
        IncomingAlert {
            labels: labels.into_iter().collect(),
            annotations: annotations.into_iter().collect(),
            starts_at: None,
            ends_at: Some(until),
            generator_url: ticket.url.clone().unwrap_or_default(),
        }
    }
}

/// Why a ticket is not taken on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The crew made it itself.
    #[error("the crew made this ticket")]
    Ours,
    /// It names no service.
    #[error(
        "it names no service: add a label `service:NAME`, or a line `Service: NAME` to the \
         description"
    )]
    NoService,
    /// The service is not in the configuration.
    #[error("`{0}` is not a service of the configuration")]
    Unknown(String),
    /// It names several.
    #[error("it names several services: {}", .0.join(", "))]
    Several(Vec<String>),
    /// It says nothing of a symptom.
    #[error("it names no symptom: add a label `symptom:NAME`, or a summary")]
    NoSymptom,
}

/// What a ticket asks for.
///
/// # Errors
/// When it is not one to be taken on; the text says what a person can do.
pub fn read<'a>(
    ticket: &Ticket,
    services: impl IntoIterator<Item = &'a ServiceName>,
) -> Result<Asked, NotTaken> {
    if ticket.labels.iter().any(|label| is_finding_label(label)) {
        return Err(NotTaken::Ours);
    }
    let services: Vec<&ServiceName> = services.into_iter().collect();
    let declared = |name: &str| services.iter().find(|service| service.as_str() == name);
    let mut named = by_label(ticket, "service:");
    if named.is_empty() {
        named = by_line(&ticket.description);
    }
    let service = match named.as_slice() {
        [name] => declared(name).ok_or_else(|| NotTaken::Unknown(one_line(name, 100)))?,
        [] => {
            let first = first_word(&ticket.summary);
            first.and_then(declared).ok_or(NotTaken::NoService)?
        }
        several => {
            let names = several.iter().take(5).map(|name| one_line(name, 100));
            return Err(NotTaken::Several(names.collect()));
        }
    };
    let symptom = match by_label(ticket, "symptom:").into_iter().next() {
        Some(symptom) => symptom,
        None => without_service(&ticket.summary, service.as_str()),
    };
    let symptom = one_line(&symptom, SYMPTOM_CHARS_MAX);
    if symptom.is_empty() {
        return Err(NotTaken::NoSymptom);
    }
    Ok(Asked { service: (*service).clone(), symptom: symptom.as_str().into() })
}

/// The names behind the labels that begin so, each once.
fn by_label(ticket: &Ticket, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = ticket
        .labels
        .iter()
        .filter_map(|label| label.strip_prefix(prefix))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The names on the lines that begin with `Service:`, each once; marks of lists and of emphasis
/// around the word and the name are not read.
fn by_line(description: &str) -> Vec<String> {
    let mut names: Vec<String> = description
        .lines()
        .take(LINES_MAX)
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim_matches(is_mark).to_lowercase();
            let value = value.trim_matches(is_mark).to_owned();
            (SERVICE_LINES.contains(&name.as_str()) && !value.is_empty()).then_some(value)
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_mark(c: char) -> bool {
    c.is_whitespace() || matches!(c, '*' | '-' | '`' | '_' | '#' | '>' | '"' | '\'')
}

/// The summary behind what stands in brackets at its start.
fn unmarked(summary: &str) -> &str {
    let mut rest = summary.trim();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        rest = after.trim_start();
    }
    rest
}

fn first_word(summary: &str) -> Option<&str> {
    unmarked(summary).split(|c: char| c.is_whitespace() || matches!(c, ':' | ',')).next()
}

fn without_service(summary: &str, service: &str) -> String {
    let rest = unmarked(summary);
    let behind = rest
        .strip_prefix(service)
        .filter(|rest| rest.starts_with(|c: char| c.is_whitespace() || matches!(c, ':' | ',')));
    behind.unwrap_or(rest).trim_start_matches([':', ',', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use nightcrew_model::ticket::Stage;
    use proptest::prelude::*;

    use super::*;

    fn ticket(summary: &str, labels: &[&str], description: &str) -> Ticket {
        Ticket {
            key: "OPS-7".into(),
            url: None,
            summary: summary.into(),
            description: description.into(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            stage: Stage::ToDo,
            status_name: "To Do".into(),
        }
    }

    fn asked(ticket: &Ticket) -> Result<(String, String), NotTaken> {
        let services = ["cartservice".into(), "frontend".into()];
        let asked = read(ticket, &services)?;
        Ok((asked.service.into(), asked.symptom.into()))
    }

    #[test]
    fn a_service_is_named_by_label_by_line_or_by_the_first_word() {
        let cart = |symptom: &str| Ok(("cartservice".to_owned(), symptom.to_owned()));
        let summary = "[Auto] cartservice: 에러율 급증 (12.3%)";
        assert_eq!(asked(&ticket(summary, &[], "")), cart("에러율 급증 (12.3%)"));
        let labels = ["service:cartservice", "symptom:high_error_rate"];
        assert_eq!(asked(&ticket("장바구니가 안 됩니다", &labels, "")), cart("high_error_rate"));
        let line = "설명\n- **서비스**: `cartservice`\n기타";
        assert_eq!(asked(&ticket("장바구니 느림", &[], line)), cart("장바구니 느림"));
        let line = "Service: cartservice";
        assert_eq!(asked(&ticket("frontend slow", &[], line)), cart("frontend slow"));
    }

    #[test]
    fn what_is_not_certain_is_not_taken_on() {
        let labels = ["service:cartservice", "service:frontend"];
        let several = NotTaken::Several(vec!["cartservice".into(), "frontend".into()]);
        assert_eq!(asked(&ticket("x", &labels, "")), Err(several));
        let unknown = NotTaken::Unknown("cart; rm -rf /".into());
        assert_eq!(asked(&ticket("x", &["service:cart; rm -rf /"], "")), Err(unknown));
        assert_eq!(asked(&ticket("cartservice2: x", &[], "")), Err(NotTaken::NoService));
        assert_eq!(asked(&ticket("cartservice:", &[], "")), Err(NotTaken::NoSymptom));
        let ours = ["nightcrew-0123456789abcdef", "service:cartservice"];
        assert_eq!(asked(&ticket("x", &ours, "")), Err(NotTaken::Ours));
    }

    #[test]
    fn the_alert_names_the_ticket() {
        let ticket = ticket("cartservice: 느림", &["severity:critical"], "두 줄\n설명");
        let asked = read(&ticket, &["cartservice".into()]).unwrap();
        let alert = asked.alert(&ticket, &"jira".into(), Timestamp::UNIX_EPOCH);
        assert_eq!(
            alert.labels.to_string(),
            r#"{alertname="느림", service="cartservice", severity="critical", ticket="OPS-7", tracker="jira"}"#
        );
        assert_eq!(alert.annotations.get("description"), Some("두 줄 설명"));
        assert_eq!(nightcrew_model::alert::identify(&alert.labels).1, asked.symptom);
    }

    proptest! {
        #[test]
        fn only_a_declared_service_is_ever_named(
            summary in "\\PC{0,40}|cartservice.{0,20}",
            label in "(service:)?\\PC{0,20}",
            description in "(Service:)?(\\PC|\n){0,60}",
        ) {
            if let Ok((service, symptom)) = asked(&ticket(&summary, &[&label], &description)) {
                prop_assert!(["cartservice", "frontend"].contains(&service.as_str()));
                prop_assert!(!symptom.is_empty() && symptom.chars().count() <= SYMPTOM_CHARS_MAX);
                prop_assert!(!symptom.contains('\n'));
            }
        }
    }
}
