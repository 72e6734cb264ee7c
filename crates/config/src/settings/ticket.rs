//! Where tickets are kept, and which.

use std::collections::BTreeMap;

use nightcrew_model::id::TrackerName;
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::settings::{Rate, Secret};

/// One system that keeps tickets.
#[derive(Clone, Debug, Serialize)]
pub struct Tracker {
    /// Its name.
    pub name: TrackerName,
    /// What it is.
    pub kind: TrackerKind,
    /// Of which incidents a ticket is made.
    pub open: OpenTicket,
    /// The labels of every ticket, beside the one by which it is found again; no spaces.
    pub labels: Vec<String>,
    /// How many tickets are made at most; what is beyond it waits.
    pub limit: Rate,
    /// How long after the end of an incident its ticket is opened again instead of a new one.
    pub reopen_window: Millis,
    /// Which tickets of people are taken on; none: none.
    pub resolver: Option<Resolver>,
    /// The URL of the crew's page, put into tickets; none: no link.
    pub page_url: Option<String>,
}

/// A kind of tracker.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum TrackerKind {
    /// Jira.
    Jira {
        /// Without a path: `https://example.atlassian.net`.
        url: String,
        /// Which version of its API.
        flavour: JiraFlavour,
        /// The account, for Cloud; none: the token is a personal access token.
        email: Option<String>,
        /// The token.
        token: Secret,
        /// The key of the project, such as `OPS`.
        project: String,
        /// The type of the issues.
        issue_type: String,
        /// The priority for each severity; where none is given, the project's default.
        priorities: BTreeMap<Severity, String>,
        /// The names of statuses, where the category does not say enough (`in_review`).
        statuses: BTreeMap<Stage, Vec<String>>,
    },
    /// Issues of GitHub.
    Github {
        /// `https://api.github.com`, or that of an enterprise server.
        url: String,
        /// `owner/name`.
        repository: String,
        /// The token.
        token: Secret,
    },
    /// Issues of GitLab.
    Gitlab {
        /// Without a path: `https://gitlab.com`.
        url: String,
        /// The project's number or path.
        project: String,
        /// The token.
        token: Secret,
    },
}

/// Which API a Jira has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JiraFlavour {
    /// Cloud: version 3, with texts in the Atlassian Document Format.
    Cloud,
    /// Data Center: version 2, with texts in wiki markup.
    DataCenter,
}

/// Of which incidents a ticket is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenTicket {
    /// Of every one.
    Every,
    /// Of those that go to a person.
    Escalated,
}

/// Which tickets of people are taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resolver {
    /// Those with this label.
    pub label: String,
    /// How often is looked.
    pub interval: Millis,
}
