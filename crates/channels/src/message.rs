//! What people are told.
//!
//! A [`Message`] is the same at every try; only [`Sending`] differs.  Its texts are already
//! composed; what it is [`About`] is there for channels that have fields of their own, and for
//! programs that read it.

use std::path::PathBuf;

use jiff::Timestamp;
use nightcrew_model::decision::{CrewTopic, NotificationKind, Receipt, Subject};
use nightcrew_model::id::{IncidentId, NotificationId, PersonName};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::mute::Scope;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::approval::ApprovalView;
use crate::group::GroupContent;
use crate::subject_key;
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

/// The largest number of people or groups that one message calls by name.
pub const MENTIONS_MAX: usize = 20;

/// The longest name by which somebody is called, in characters.
pub const MENTION_CHARS_MAX: usize = 100;

/// The largest number of things that one message offers to do.
pub const ACTIONS_MAX: usize = 5;

/// The largest number of examples that a digest shows.
pub const SAMPLE_LINES_MAX: usize = 10;

/// One message to people.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its number in the outbox, the same at every try.
    pub notification: NotificationId,
    /// What it says happened.
    pub kind: NotificationKind,
    /// What it is about.
    pub about: About,
    /// What tells the incidents of this crew from those of another one at the same receiver, such
    /// as the name of the machine.
    pub installation: String,
    /// How bad it is.
    pub severity: Severity,
    /// When that happened of which it tells, the same at every try.
    pub at: Timestamp,
    /// One line.
    pub title: String,
    /// One paragraph.
    pub summary: String,
    /// What was detected, what was tried, with which outcome, and why it is with a person now; or
    /// the alerts of a group; one entry is one line.
    pub story: Vec<String>,
    /// Where the record of the incident lies; none where there is none.
    pub record: Option<PathBuf>,
    /// Who is called by name, in the form of the channel, as the operator configured it: the only
    /// text that can call anybody.
    pub mentions: Vec<String>,
    /// The plan that waits for a yes or a no.  Its lines stand before the story, whatever the channel.
    pub approval: Option<ApprovalView>,
    /// What a person can do about it.
    pub actions: Vec<Action>,
    /// The earlier message about the same subject through the same channel.
    pub edits: Option<Receipt>,
    /// Whether it may have arrived before.
    pub sending: Sending,
}

/// What a message is about, with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// An incident.
    Incident(IncidentContent),
    /// A group of alerts.
    Group(GroupContent),
    /// What was kept back in a storm.
    Digest(DigestContent),
    /// The crew itself.
    Crew(CrewTopic),
}

/// What is known of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentContent {
    /// Its number.
    pub incident: IncidentId,
    /// The target and the symptom.
    pub key: IncidentKey,
    /// When it began.
    pub opened_at: Timestamp,
}

/// What was kept back in a storm.
#[derive(Clone, Debug, PartialEq)]
pub struct DigestContent {
    /// What was flooded.
    pub scope: Scope,
    /// How many messages were kept back.
    pub suppressed: u64,
    /// How long the storm was.
    pub window: Millis,
    /// Some of them, a line each.
    pub sample: Vec<String>,
}

/// Something that a person can do about what a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What it does.
    pub kind: ActionKind,
    /// The command line that does it: `nightcrew incidents ack INC-7`.
    pub command: String,
    /// What a chat sends back when the button is pressed (`ack:INC-7`), at most [`BUTTON_BYTES_MAX`]
    /// bytes; none where no door listens for buttons of that chat.
    pub button: Option<String>,
}

/// The longest text behind a button, in bytes (Telegram's `callback_data`).
pub const BUTTON_BYTES_MAX: usize = 64;

/// What a person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Take care of it.
    Acknowledge,
    /// Say that it is over.
    Resolve,
    /// Let a plan run.
    Approve,
    /// Do not let a plan run.
    Deny,
}

impl ActionKind {
    /// The word on a button.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Acknowledge => "Acknowledge",
            Self::Resolve => "Resolve",
            Self::Approve => "Approve",
            Self::Deny => "Deny",
        }
    }

    /// The word in an identifier.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
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
    /// A message without any text, sent for the first time.
    #[must_use]
    pub fn new(
        notification: NotificationId,
        kind: NotificationKind,
        about: About,
        at: Timestamp,
    ) -> Self {
        Self {
            notification,
            kind,
            about,
            installation: String::new(),
            severity: Severity::Info,
            at,
            title: String::new(),
            summary: String::new(),
            story: Vec::new(),
            record: None,
            mentions: Vec::new(),
            approval: None,
            actions: Vec::new(),
            edits: None,
            sending: Sending::First,
        }
    }

    /// The message by which somebody sees whether messages arrive.
    #[must_use]
    pub fn test(notification: NotificationId, by: &PersonName, at: Timestamp) -> Self {
        let about = About::Crew(CrewTopic::Test);
        let mut message = Self::new(notification, NotificationKind::Test, about, at);
        message.title = "Test message of Nightcrew".to_owned();
        message.summary = format!(
            "{by} asked for it at {at:.0} to see whether messages arrive here. Nothing is wrong."
        );
        message
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match &self.about {
            About::Incident(content) => content.incident.into(),
            About::Group(content) => Subject::Group { group: content.group_key.clone() },
            About::Digest(content) => Subject::Digest { digest: content.scope.clone() },
            About::Crew(topic) => Subject::Crew { crew: *topic },
        }
    }

    /// The incident, if it is about one.
    #[must_use]
    pub fn incident(&self) -> Option<&IncidentContent> {
        match &self.about {
            About::Incident(content) => Some(content),
            About::Group(_) | About::Digest(_) | About::Crew(_) => None,
        }
    }

    /// The group of alerts, if it is about one.
    #[must_use]
    pub fn group(&self) -> Option<&GroupContent> {
        match &self.about {
            About::Group(content) => Some(content),
            About::Incident(_) | About::Digest(_) | About::Crew(_) => None,
        }
    }

    /// The key by which a receiver recognises a repeat of this message:
    /// `nightcrew-INC-42-escalated-7-1792…`.  It ends with the second of what it tells, because
    /// numbers begin again with a new data folder and a receiver must not take that for a repeat.
    #[must_use]
    pub fn dedup_key(&self) -> String {
        let subject = subject_key::short(&self.about);
        let Self { kind, notification, at, .. } = self;
        format!("nightcrew-{subject}-{kind}-{}-{}", notification.0, at.as_second())
    }

    /// The key of what it is about, the same from its beginning to its end, at most
    /// [`subject_key::CHARS_MAX`] characters: `nightcrew/night-1/INC-42/1792…`.  What has no later
    /// (a digest, a test) has a key of its own for each message.
    #[must_use]
    pub fn subject_key(&self) -> String {
        subject_key::of(self)
    }

    /// The earlier message that this one takes the place of, where the channel can change one.  A
    /// change makes no sound, so only what wakes nobody replaces an earlier message.
    pub(crate) fn replaces(&self) -> Option<&Receipt> {
        use NotificationKind as Kind;
        match self.kind {
            Kind::Resolved | Kind::ApprovalEnded | Kind::Acknowledged => self.edits.as_ref(),
            Kind::Escalated
            | Kind::ApprovalWanted
            | Kind::Firing
            | Kind::Digest
            | Kind::AllClear
            | Kind::Test => None,
        }
    }

    /// What is known in a few words each: name and value, the values one line each.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let short = |text: &str| one_line(text, NAME_CHARS_MAX);
        let mut facts = match &self.about {
            About::Incident(content) => vec![
                ("Incident", content.incident.to_string()),
                ("Service", short(&content.key.target.to_string())),
                ("Symptom", short(content.key.symptom.as_str())),
            ],
            About::Group(content) => vec![
                ("Receiver", short(content.receiver.as_str())),
                ("Group", short(&content.group_labels.to_string())),
                ("Alerts", content.counts()),
            ],
            About::Digest(content) => vec![
                ("Flooded", short(&content.scope.to_string())),
                ("Kept back", content.suppressed.to_string()),
                ("Within", content.window.to_string()),
            ],
            About::Crew(_) => Vec::new(),
        };
        if !matches!(self.about, About::Crew(_)) {
            facts.push(("Severity", self.severity.to_string()));
        }
        facts
    }

    /// The lines below the summary: the story, or the examples of a digest where it has none.
    pub(crate) fn lines(&self) -> &[String] {
        match &self.about {
            About::Digest(content) if self.story.is_empty() => &content.sample,
            _ => &self.story,
        }
    }

    /// The message as channels may show it: every text is one line, without control characters
    /// and within its limit.  The labels of alerts stay as they are, for programs.
    pub(crate) fn presentable(&self) -> Self {
        let mut shown = self.clone();
        let name = |text: &str| one_line(text, NAME_CHARS_MAX);
        match &mut shown.about {
            About::Incident(IncidentContent { key, .. }) => {
                key.target.service = name(key.target.service.as_str()).into();
                let resource = key.target.resource.take();
                key.target.resource = resource.map(|resource| name(resource.as_str()).into());
                key.symptom = name(key.symptom.as_str()).into();
            }
            About::Digest(content) => {
                content.sample.truncate(SAMPLE_LINES_MAX);
                for line in &mut content.sample {
                    *line = one_line(line, STORY_LINE_CHARS_MAX);
                }
            }
            About::Group(_) | About::Crew(_) => {}
        }
        shown.title = one_line(&self.title, TITLE_CHARS_MAX);
        shown.summary = one_line(&self.summary, SUMMARY_CHARS_MAX);
        shown.story = bounded_story(&self.story);
        if let Some(approval) = &mut shown.approval {
            shown.story.splice(0..0, approval.lines());
            approval.bound();
        }
        shown.record = self
            .record
            .as_ref()
            .map(|path| PathBuf::from(one_line(&path.display().to_string(), RECORD_CHARS_MAX)));
        shown.mentions.retain(|mention| {
            !mention.is_empty()
                && mention.chars().count() <= MENTION_CHARS_MAX
                && !mention.chars().any(char::is_control)
        });
        shown.mentions.truncate(MENTIONS_MAX);
        shown.actions.truncate(ACTIONS_MAX);
        for action in &mut shown.actions {
            action.command = name(&action.command);
            action.button = action.button.take().filter(|text| text.len() <= BUTTON_BYTES_MAX);
        }
        shown
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
        let about = About::Incident(IncidentContent {
            incident: IncidentId(42),
            key: IncidentKey {
                target: Target::part("host".into(), "/var\u{1b}[31m"),
                symptom: "disk_space_low".into(),
            },
            opened_at: Timestamp::UNIX_EPOCH,
        });
        let kind = NotificationKind::Escalated;
        let new = Message::new(NotificationId(7), kind, about, Timestamp::UNIX_EPOCH);
        Message {
            severity: Severity::Critical,
            title: "가".repeat(TITLE_CHARS_MAX + 1),
            summary: "두 줄\n요약".into(),
            story: (0..200).map(|n| format!("줄 {n}\n계속")).collect(),
            record: Some("incidents/2026-11-21-INC-42.md".into()),
            ..new
        }
    }

    #[test]
    fn the_dedup_key_names_subject_kind_and_number() {
        assert_eq!(message().dedup_key(), "nightcrew-INC-42-escalated-7-0");
    }

    #[test]
    fn what_is_shown_is_one_line_each_and_within_limits() {
        let shown = message().presentable();
        assert_eq!(shown.title.chars().count(), TITLE_CHARS_MAX);
        assert!(shown.title.ends_with('…'));
        assert_eq!(shown.summary, "두 줄 요약");
        assert_eq!(shown.facts()[1], ("Service", "host:/var\\u001b[31m".to_owned()));
        assert_eq!(shown.story.len(), STORY_LINES_MAX);
        assert_eq!(shown.story[0], "줄 0 계속");
        assert_eq!(shown.story[30], "… 141 lines left out; see the record …");
        assert_eq!(shown.story[59], "줄 199 계속");
    }

    #[test]
    fn what_the_operator_wrote_is_bounded_too() {
        let mut message = message();
        message.mentions = vec!["<@1>".into(); MENTIONS_MAX + 1];
        message.mentions.insert(0, "@".repeat(MENTION_CHARS_MAX + 1));
        message.mentions.insert(0, "<@2>\n@everyone".into());
        let action = Action {
            kind: ActionKind::Acknowledge,
            command: "nightcrew incidents ack INC-42".into(),
            button: Some("가".repeat(BUTTON_BYTES_MAX / 3 + 1)),
        };
        message.actions = vec![action; ACTIONS_MAX + 1];
        let shown = message.presentable();
        assert_eq!(shown.mentions, vec!["<@1>"; MENTIONS_MAX]);
        assert_eq!(shown.actions.len(), ACTIONS_MAX);
        assert_eq!(shown.actions[0].button, None, "it would be cut by the chat");
    }

    #[test]
    fn only_what_wakes_nobody_replaces_an_earlier_message() {
        let mut message = message();
        message.edits = Some(Receipt("99".into()));
        for kind in NotificationKind::ALL {
            message.kind = kind;
            let silent = matches!(
                kind,
                NotificationKind::Resolved
                    | NotificationKind::ApprovalEnded
                    | NotificationKind::Acknowledged
            );
            assert_eq!(message.replaces().is_some(), silent, "{kind}");
        }
    }

    #[test]
    fn a_test_says_who_asked_and_when() {
        let at = "2026-11-21T03:00:05.25Z".parse().unwrap();
        let message = Message::test(NotificationId(1), &"김하나".into(), at);
        assert_eq!(message.subject(), Subject::Crew { crew: CrewTopic::Test });
        assert!(message.summary.starts_with("김하나 asked for it at 2026-11-21T03:00:05Z"));
        assert!(message.facts().is_empty());
    }
}
