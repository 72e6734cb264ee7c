//! Trackers of tickets: Jira, and the issues of GitHub and GitLab, by the same few operations.
//!
//! Each operation makes one try, of a bounded number of requests, and says what came of it:
//! done, later ([`Undone::Retry`]), gone, or never.  When there is a next try, and whether a
//! ticket is wanted at all, [`keeper`] decides.
//!
//! **Invariant:** an incident has one ticket.  The crew keeps its key.  Where a crash or a lost
//! answer left an intent without a key, [`Client::look_again`] looks for the label that only this
//! finding has, and lets a ticket be made only when the tracker's search has had the time to see the
//! first one ([`Client::settles_after`]): the search of Jira Cloud lags behind its writes ("Search
//! and reconcile", "eventually consistent").  The intent is noted anew before each request that
//! makes one.
//!
//! **Invariant:** text from outside is text.  It is bounded and made harmless by [`document`] for
//! each form: nobody is mentioned, no macro, quick action or link comes of it.
//!
//! Stages are found by what a tracker says a status means, then by its name, and never by the
//! number of a transition, which every project has its own of.

mod adf;
pub mod compose;
mod desk;
pub mod document;
mod github;
mod gitlab;
mod jira;
mod jira_workflow;
pub mod keeper;
mod markdown;
pub mod reading;
mod stage_label;
mod wiki;

use std::fmt;

use jiff::Timestamp;
use nightcrew_config::settings::{JiraFlavour, Tracker, TrackerKind};
use nightcrew_model::id::TicketKey;
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;

use self::document::Document;
use self::github::Github;
use self::gitlab::Gitlab;
use self::jira::Jira;
use crate::message::Sending;

/// How many of the latest comments are read to find one that a try may have added.
const COMMENTS_READ: usize = 50;

/// How long the search of Jira Cloud may lag behind.
const CLOUD_SETTLES: Millis = Millis::from_secs(60);

/// How long a list of another tracker may lag behind.
const SETTLES: Millis = Millis::from_secs(10);

/// The longest a resolver looks back for tickets of people.
pub const LOOK_BACK_MAX: Millis = Millis::from_secs(30 * 24 * 3_600);

/// A ticket that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The label by which it is found again; no other finding has it.
    pub label: String,
    /// One line, at most [`compose::SUMMARY_CHARS_MAX`] characters.
    pub summary: String,
    /// Its other labels, without spaces.
    pub labels: Vec<String>,
    /// How bad it is; a tracker that has priorities chooses by it.
    pub severity: Severity,
    /// The description.
    pub body: Document,
}

/// A ticket as a tracker shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What the tracker calls it.
    pub key: TicketKey,
    /// Where people see it.
    pub url: Option<String>,
    /// Its one line.
    pub summary: String,
    /// Its description, as text.
    pub description: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Where it stands.
    pub stage: Stage,
    /// What the tracker calls that.
    pub status_name: String,
}

/// A ticket that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What the tracker calls it.
    pub key: TicketKey,
    /// Where people see it.
    pub url: Option<String>,
    /// Whether it was there already, found by its label.
    pub found: bool,
    /// What the tracker did not take, in its words: such a ticket is better than none.
    pub left_out: Vec<String>,
}

/// What came of moving a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It stands there now, or stood there before.
    To {
        /// What the tracker calls that.
        status_name: String,
    },
    /// Its workflow does not lead there from where it stands.  That is to be noted as if it stood
    /// there, and to be said ([`Moved::shortfall`]): asking again changes nothing.
    NoWay {
        /// Where it stands.
        status_name: String,
        /// Where it could go.
        available: Vec<String>,
    },
}

impl Moved {
    /// What a person has to know of a ticket that stands elsewhere; none: it stands where it should.
    #[must_use]
    pub fn shortfall(&self) -> Option<String> {
        match self {
            Self::To { .. } => None,
            Self::NoWay { status_name, available } if available.is_empty() => {
                Some(format!("status: its workflow leads nowhere from `{status_name}`"))
            }
            Self::NoWay { status_name, available } => Some(format!(
                "status: its workflow does not lead there from `{status_name}`, only to {}",
                available.join(", ")
            )),
        }
    }
}

/// What could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Not now; not before this time has passed if the tracker named one.
    Retry {
        /// The tracker's own word.
        after: Option<Millis>,
        /// Why.
        error: String,
    },
    /// The ticket is not there any more, or not for this account: a person deleted it or moved it
    /// away, and it is not made anew.
    Gone {
        /// In the tracker's words.
        error: String,
    },
    /// Never in this form; what to do about it is part of it.
    Permanent {
        /// In the tracker's words.
        error: String,
    },
}

impl Undone {
    /// Why, in words.
    #[must_use]
    pub fn error(&self) -> &str {
        match self {
            Self::Retry { error, .. } | Self::Gone { error } | Self::Permanent { error } => error,
        }
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error())
    }
}

impl std::error::Error for Undone {}

/// What came of one try.
pub type Done<T> = Result<T, Undone>;

/// One tracker.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    tracker: &'a Tracker,
    http: &'a Http,
}

/// Its API.
enum Api<'a> {
    Jira(Jira<'a>),
    Github(Github<'a>),
    Gitlab(Gitlab<'a>),
}

impl<'a> Client<'a> {
    /// A client of this tracker.  It keeps nothing between two tries.
    #[must_use]
    pub fn new(tracker: &'a Tracker, http: &'a Http) -> Self {
        Self { tracker, http }
    }

    /// How long after a ticket was made this tracker may still not find it by its label.
    #[must_use]
    pub fn settles_after(&self) -> Millis {
        match &self.tracker.kind {
            TrackerKind::Jira { flavour: JiraFlavour::Cloud, .. } => CLOUD_SETTLES,
            TrackerKind::Jira { flavour: JiraFlavour::DataCenter, .. }
            | TrackerKind::Github { .. }
            | TrackerKind::Gitlab { .. } => SETTLES,
        }
    }

    fn api(&self) -> Done<Api<'a>> {
        Ok(match &self.tracker.kind {
            TrackerKind::Jira { .. } => Api::Jira(Jira::of(&self.tracker.kind, self.http)?),
            TrackerKind::Github { url, repository, token } => {
                Api::Github(Github::new(url, repository, token, self.http)?)
            }
            TrackerKind::Gitlab { url, project, token } => {
                Api::Gitlab(Gitlab::new(url, project, token, self.http)?)
            }
        })
    }

    /// The ticket with this label, the newest if there are several; none: the tracker shows none,
    /// which says little until [`Self::settles_after`] has passed.
    ///
    /// # Errors
    /// See [`Undone`].
    pub async fn find(&self, label: &str) -> Done<Option<Ticket>> {
        match self.api()? {
            Api::Jira(api) => api.find(label).await,
            Api::Github(api) => api.find(label).await,
            Api::Gitlab(api) => api.find(label).await,
        }
    }

    /// Makes a ticket, when no earlier try could have made it.
    ///
    /// # Errors
    /// See [`Undone`].  After [`Undone::Retry`] the ticket may be there: go on with
    /// [`Self::look_again`].
    pub async fn open(&self, draft: &Draft) -> Done<Opened> {
        match self.api()? {
            Api::Jira(api) => api.open(draft).await,
            Api::Github(api) => api.open(draft).await,
            Api::Gitlab(api) => api.open(draft).await,
        }
    }

    /// The ticket that an earlier try may have made; none: there is none, so that the intent can
    /// be noted anew and [`Self::open`] make one.  `since_try` is how long ago the last try to
    /// make it began.
    ///
    /// # Errors
    /// See [`Undone`]; [`Undone::Retry`] while the tracker may not show the ticket yet.
    pub async fn look_again(&self, label: &str, since_try: Millis) -> Done<Option<Opened>> {
        if let Some(ticket) = self.find(label).await? {
            let Ticket { key, url, .. } = ticket;
            return Ok(Some(Opened { key, url, found: true, left_out: Vec::new() }));
        }
        let settles = self.settles_after();
        if since_try >= settles {
            return Ok(None);
        }
        Err(Undone::Retry {
            after: Some(Millis(settles.0 - since_try.0)),
            error: format!(
                "an earlier try may have made the ticket, and the tracker shows it up to {settles} \
                 later only"
            ),
        })
    }

    /// Adds a comment.  Where an earlier try may have added it, the latest comments are read first,
    /// and one with the same words is the one.
    ///
    /// # Errors
    /// See [`Undone`].
    pub async fn comment(&self, key: &TicketKey, text: &Document, sending: Sending) -> Done<()> {
        let api = self.api()?;
        if sending == Sending::PossibleRepeat {
            let (said, text) = match &api {
                Api::Jira(api) => (api.comments(key).await?, api.plain(text)),
                Api::Github(api) => (api.comments(key).await?, markdown::render(text)),
                Api::Gitlab(api) => (api.comments(key).await?, markdown::render(text)),
            };
            if said.iter().any(|said| said.split_whitespace().eq(text.split_whitespace())) {
                return Ok(());
            }
        }
        match api {
            Api::Jira(api) => api.comment(key, text).await,
            Api::Github(api) => api.comment(key, text).await,
            Api::Gitlab(api) => api.comment(key, text).await,
        }
    }

    /// Moves a ticket to where its incident stands; to do so twice is to do it once.
    ///
    /// # Errors
    /// See [`Undone`].
    pub async fn move_to(&self, key: &TicketKey, stage: Stage) -> Done<Moved> {
        match self.api()? {
            Api::Jira(api) => api.move_to(key, stage).await,
            Api::Github(api) => api.move_to(key, stage).await,
            Api::Gitlab(api) => api.move_to(key, stage).await,
        }
    }

    /// Opens a ticket again that was done.
    ///
    /// # Errors
    /// See [`Undone`].
    pub async fn reopen(&self, key: &TicketKey) -> Done<Moved> {
        match self.move_to(key, Stage::ToDo).await? {
            Moved::NoWay { .. } => self.move_to(key, Stage::InProgress).await,
            moved @ Moved::To { .. } => Ok(moved),
        }
    }

    /// The open tickets with this label that were made since then, newest first, in bounded number.
    ///
    /// # Errors
    /// See [`Undone`].
    pub async fn search_open(
        &self,
        label: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Done<Vec<Ticket>> {
        let within = Millis::between(since, now).min(LOOK_BACK_MAX);
        match self.api()? {
            Api::Jira(api) => api.search_open(label, within).await,
            Api::Github(api) => api.search_open(label, since).await,
            Api::Gitlab(api) => api.search_open(label, since).await,
        }
    }
}
