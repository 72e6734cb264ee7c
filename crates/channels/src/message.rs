//! What people are told.

use std::path::PathBuf;

use jiff::Timestamp;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{IncidentId, NotificationId};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::severity::Severity;

use crate::text::one_line;

/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 250;

/// The longest summary, in characters.
pub const SUMMARY_CHARS_MAX: usize = 1_000;

/// The largest number of lines of a story; the lines in the middle make room.
pub const STORY_LINES_MAX: usize = 60;

/// The longest line of a story, in characters.
pub const STORY_LINE_CHARS_MAX: usize = 400;

/// The longest name of a target or a symptom, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// The longest path of a record, in characters.
pub const RECORD_CHARS_MAX: usize = 500;

/// One message to people about one incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its number in the outbox, the same at every try.
    pub notification: NotificationId,
    /// What it says happened.
    pub kind: NotificationKind,
    /// The incident it is about.
    pub incident: IncidentId,
    /// The target and the symptom of that incident.
    pub key: IncidentKey,
    /// How bad the incident is.
    pub severity: Severity,
    /// When that happened of which it tells, the same at every try.
    pub at: Timestamp,
    /// One line.
    pub title: String,
    /// One paragraph.
    pub summary: String,
    /// What was detected, what was tried, with which outcome, and why it is with a person now;
    /// one entry is one line.
    pub story: Vec<String>,
    /// Where the record of the incident lies; none where it could not be written.
    pub record: Option<PathBuf>,
    /// Whether it may have arrived before.
    pub sending: Sending,
}

/// Whether a message may have arrived before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It did not arrive before: no try was begun, or each one was refused.
    First,
    /// A try was begun and its end is not known: a crash cut it off, or the answer never came.
    PossibleRepeat,
}

impl Sending {
    /// What a message that may be a repeat says about itself.
    #[must_use]
    pub fn notice(self) -> Option<&'static str> {
        match self {
            Self::First => None,
            Self::PossibleRepeat => Some(
                "This may be a repeat of a message cut off by a crash or by a lost answer: \
                 whether it arrived is not known.",
            ),
        }
    }
}

impl Message {
    /// The key by which a receiver recognises a repeat: `nightcrew-INC-42-escalated-7-1792…`.  It
    /// ends with the second of what it tells, because numbers begin again with a new data folder
    /// and a receiver must not take that for a repeat.
    #[must_use]
    pub fn dedup_key(&self) -> String {
        let Self { incident, kind, notification, at, .. } = self;
        format!("nightcrew-{incident}-{kind}-{}-{}", notification.0, at.as_second())
    }

    /// The message as channels may show it: every text is one line, without control characters
    /// and within its limit.
    pub(crate) fn presentable(&self) -> Self {
        let name = |text: &str| one_line(text, NAME_CHARS_MAX);
        let mut key = self.key.clone();
        key.target.service = name(key.target.service.as_str()).into();
        let resource = key.target.resource.take();
        key.target.resource = resource.map(|resource| name(resource.as_str()).into());
        key.symptom = name(key.symptom.as_str()).into();
        Self {
            key,
            title: one_line(&self.title, TITLE_CHARS_MAX),
            summary: one_line(&self.summary, SUMMARY_CHARS_MAX),
            story: bounded_story(&self.story),
            record: self
                .record
                .as_ref()
                .map(|path| PathBuf::from(one_line(&path.display().to_string(), RECORD_CHARS_MAX))),
            ..*self
        }
    }
}

fn bounded_story(story: &[String]) -> Vec<String> {
    let line = |text: &String| one_line(text, STORY_LINE_CHARS_MAX);
    if story.len() <= STORY_LINES_MAX {
        return story.iter().map(line).collect();
    }
    let head = STORY_LINES_MAX / 2;
    let tail = STORY_LINES_MAX - head - 1;
    let gap = format!("… {} lines left out; see the record …", story.len() - head - tail);
    let first = story.iter().take(head).map(line);
    let last = story.iter().skip(story.len() - tail).map(line);
    first.chain([gap]).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::Target;

    use super::*;

    fn message() -> Message {
        Message {
            notification: NotificationId(7),
            kind: NotificationKind::Escalated,
            incident: IncidentId(42),
            key: IncidentKey {
                target: Target::part("host".into(), "/var\u{1b}[31m"),
                symptom: "disk_space_low".into(),
            },
            severity: Severity::Critical,
            at: Timestamp::UNIX_EPOCH,
            title: "가".repeat(TITLE_CHARS_MAX + 1),
            summary: "두 줄\n요약".into(),
            story: (0..200).map(|n| format!("줄 {n}\n계속")).collect(),
            record: Some("incidents/2026-11-21-INC-42.md".into()),
            sending: Sending::First,
        }
    }

    #[test]
    fn the_dedup_key_names_incident_kind_and_number() {
        assert_eq!(message().dedup_key(), "nightcrew-INC-42-escalated-7-0");
    }

    #[test]
    fn what_is_shown_is_one_line_each_and_within_limits() {
        let shown = message().presentable();
        assert_eq!(shown.title.chars().count(), TITLE_CHARS_MAX);
        assert!(shown.title.ends_with('…'));
        assert_eq!(shown.summary, "두 줄 요약");
        assert_eq!(shown.key.target.to_string(), "host:/var\\u001b[31m");
        assert_eq!(shown.story.len(), STORY_LINES_MAX);
        assert_eq!(shown.story[0], "줄 0 계속");
        assert_eq!(shown.story[30], "… 141 lines left out; see the record …");
        assert_eq!(shown.story[59], "줄 199 계속");
    }
}
