//! A message in GitHub's Markdown.
//!
//! The lines of the story stand in a block of code, where nothing acts.  Elsewhere every sign of
//! markup stands behind a backslash, and a word joiner behind every `@` and `#` from outside keeps
//! them from calling anybody and from linking to anything.

use crate::message::{MENTION_CHARS_MAX, Message};
use crate::sign::sign;
use crate::text::{Piece, lines_within, one_line, within};

/// The longest title, in characters.
const TITLE_CHARS_MAX: usize = 256;

/// The longest body, in characters.
const BODY_CHARS_MAX: usize = 65_536;

/// The room inside the body for what is not the story, in characters.
const REST_CHARS_MAX: usize = 20_000;

/// The longest story inside the body, in characters.
const STORY_CHARS_MAX: usize = BODY_CHARS_MAX - REST_CHARS_MAX;

/// The longest summary inside the body, in characters: each may be three signs.
const SUMMARY_CHARS_MAX: usize = 3_000;

/// The longest value of a fact, in characters.
const VALUE_CHARS_MAX: usize = 600;

/// What keeps an `@` or a `#` from acting.
pub(crate) const WORD_JOINER: char = '\u{2060}';

/// The hidden marker of a key.
pub(crate) fn marker(key: &str) -> String {
    format!("<!-- nightcrew:{key} -->")
}

pub(crate) fn title(message: &Message) -> String {
    one_line(&format!("{} {}", sign(message.kind), message.title), TITLE_CHARS_MAX)
}

/// The body of an issue or a comment, with the markers of these keys.
pub(crate) fn body(message: &Message, keys: &[&str]) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(notice) = message.sending.notice() {
        parts.push(format!("*{notice}*"));
    }
    let called = called(&message.mentions);
    if !called.is_empty() {
        parts.push(called);
    }
    parts.push(format!("**{}**", escaped(&message.title, SUMMARY_CHARS_MAX)));
    if !message.summary.is_empty() {
        parts.push(escaped(&message.summary, SUMMARY_CHARS_MAX));
    }
    let facts = message.facts().into_iter();
    let facts: Vec<String> = facts
        .map(|(name, value)| format!("- {name}: {}", escaped(&value, VALUE_CHARS_MAX)))
        .collect();
    if !facts.is_empty() {
        parts.push(facts.join("\n"));
    }
    let story = lines_within(message.lines(), STORY_CHARS_MAX);
    if !story.is_empty() {
        parts.push(code(&story));
    }
    let actions = message.actions.iter();
    let actions: Vec<String> =
        actions.map(|action| format!("# {}\n{}", action.kind.label(), action.command)).collect();
    if !actions.is_empty() {
        parts.push(code(&actions.join("\n")));
    }
    if let Some(record) = &message.record {
        parts.push(format!("Record: {}", escaped(&record.display().to_string(), VALUE_CHARS_MAX)));
    }
    let markers: Vec<String> = keys.iter().map(|key| marker(key)).collect();
    parts.push(format!("{:.0}\n{}", message.at, markers.join("\n")));
    parts.join("\n\n")
}

/// A block of code whose fence is longer than any run of backticks inside.
pub(crate) fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}text\n{text}\n{fence}")
}

/// Who is called: `@name` and `@team/name` as they are, anything else as text.
fn called(mentions: &[String]) -> String {
    let name = |text: &str| {
        let name = text.strip_prefix('@').unwrap_or_default();
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'))
    };
    let words = mentions.iter().map(|mention| {
        if name(mention) { mention.clone() } else { escaped(mention, MENTION_CHARS_MAX) }
    });
    words.collect::<Vec<_>>().join(" ")
}

pub(crate) fn escaped(text: &str, chars_max: usize) -> String {
    let pieces = text.trim().chars().flat_map(|c| {
        let piece = match c {
            '<' => Piece::Entity("&lt;"),
            '>' => Piece::Entity("&gt;"),
            '&' => Piece::Entity("&amp;"),
            c if c.is_ascii_punctuation() && !matches!(c, ',' | '.' | ':' | ';' | '/' | '%') => {
                Piece::Escaped(c)
            }
            c => Piece::of(c),
        };
        let joiner = matches!(c, '@' | '#').then_some(Piece::Plain(WORD_JOINER));
        [Some(piece), joiner].into_iter().flatten()
    });
    within(pieces, chars_max)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nightcrew_model::decision::{CrewTopic, NotificationKind};
    use nightcrew_model::id::NotificationId;
    use proptest::prelude::*;

    use super::*;
    use crate::message::About;

    fn message() -> Message {
        let about = About::Crew(CrewTopic::Test);
        Message::new(NotificationId(1), NotificationKind::Test, about, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn outside_text_is_text() {
        let mut message = message();
        message.title = "**x** @all #12 <b>".into();
        message.story = vec!["```".into(), "@team".into()];
        message.mentions = vec!["@acme/night".into(), "@here now".into()];
        insta::assert_snapshot!(body(&message, &["k"]).replace(WORD_JOINER, "⁀"), @r"
        @acme/night \@⁀here now

        **\*\*x\*\* \@⁀all \#⁀12 &lt;b&gt;**

        ````text
        ```
        @team
        ````

        1970-01-01T00:00:00Z
        <!-- nightcrew:k -->
        ");
    }

    proptest! {
        #[test]
        fn the_longest_message_fits(line in "(\\PC|[`@#*<]){0,400}", lines in 0usize..60) {
            let mut message = message();
            message.summary = "@".repeat(1_000);
            message.story = vec![line.replace(char::is_control, " "); lines];
            let body = body(&message, &["k"]);
            prop_assert!(body.chars().count() <= BODY_CHARS_MAX);
            prop_assert!(body.ends_with(&marker("k")), "the marker is cut");
        }
    }
}
