//! The key of what a message is about.  Receivers that hold something over its life (an incident
//! at `PagerDuty`, an alert at Opsgenie, an issue) find it again by this key.

use std::fmt::Write as _;

use crate::message::{About, Message};

/// The longest key, in characters: the limit of `PagerDuty`'s `dedup_key`.
pub const CHARS_MAX: usize = 255;

/// The longest name of an installation inside a key, in characters.
const INSTALLATION_CHARS_MAX: usize = 64;

/// The longest other name inside a key, in characters.
const NAME_CHARS_MAX: usize = 64;

/// How many bytes of a hash stand for a group: no two groups of an installation share them.
const HASH_BYTES: usize = 16;

/// The key of the subject over its life.
pub(crate) fn of(message: &Message) -> String {
    let installation = plain(&message.installation, INSTALLATION_CHARS_MAX);
    let subject = short(&message.about);
    let (number, second) = (message.notification.0, message.at.as_second());
    match &message.about {
        About::Incident(content) => {
            // Numbers begin again with a new data folder; the second in which it began does not.
            let opened = content.opened_at.as_second();
            format!("nightcrew/{installation}/{subject}/{opened}")
        }
        // The same group of two crews that watch the same is the same trouble.
        About::Group(_) => format!("nightcrew/{installation}/{subject}"),
        About::Digest(_) | About::Crew(_) => {
            format!("nightcrew/{installation}/{subject}/{number}-{second}")
        }
    }
}

/// The subject in a word without spaces.
pub(crate) fn short(about: &About) -> String {
    match about {
        About::Incident(content) => content.incident.to_string(),
        About::Group(content) => {
            // The separator occurs in no name of a receiver.
            let named = format!("{}\0{}", content.receiver, content.group_key);
            format!("group-{}", hash(&named))
        }
        About::Digest(content) => {
            format!("digest-{}", plain(&content.scope.to_string(), NAME_CHARS_MAX))
        }
        About::Crew(topic) => topic.to_string(),
    }
}

/// Letters, digits and `._-`; everything else is a hyphen.
fn plain(text: &str, chars_max: usize) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let cleaned: String =
        text.chars().take(chars_max).map(|c| if keep(c) { c } else { '-' }).collect();
    if cleaned.is_empty() { "-".to_owned() } else { cleaned }
}

/// The start of the SHA-256 of a text, in hexadecimal digits.
pub(crate) fn hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut hex = String::with_capacity(2 * HASH_BYTES);
    for byte in digest.as_ref().iter().take(HASH_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nightcrew_model::decision::{CrewTopic, NotificationKind};
    use nightcrew_model::id::{IncidentId, NotificationId, Target};
    use nightcrew_model::incident::IncidentKey;
    use nightcrew_model::unit::Millis;
    use proptest::prelude::*;

    use super::*;
    use crate::group::GroupContent;
    use crate::message::{DigestContent, IncidentContent};

    fn key(about: About, kind: NotificationKind, number: u64, second: i64) -> String {
        let at = Timestamp::from_second(second).unwrap();
        let mut message = Message::new(NotificationId(number), kind, about, at);
        message.installation = "night-1".into();
        message.subject_key()
    }

    fn incident() -> About {
        About::Incident(IncidentContent {
            incident: IncidentId(42),
            key: IncidentKey {
                target: Target::service("결제".into()),
                symptom: "process_down".into(),
            },
            opened_at: Timestamp::from_second(1_795_230_005).unwrap(),
        })
    }

    fn group(receiver: &str, group_key: &str) -> About {
        About::Group(GroupContent::new(receiver.into(), group_key.into()))
    }

    #[test]
    fn trigger_acknowledge_and_resolve_meet_the_same_thing() {
        let first = key(incident(), NotificationKind::Escalated, 7, 1_795_230_100);
        assert_eq!(first, "nightcrew/night-1/INC-42/1795230005");
        assert_eq!(first, key(incident(), NotificationKind::Resolved, 9, 1_795_230_200));
        let firing = key(group("team", "{}:{a=\"1\"}"), NotificationKind::Firing, 1, 1);
        assert_eq!(firing, "nightcrew/night-1/group-7f0f0702c742b45ab00ef49a05da76a6");
        assert_eq!(firing, key(group("team", "{}:{a=\"1\"}"), NotificationKind::Resolved, 2, 2));
    }

    #[test]
    fn groups_of_different_receivers_and_labels_are_apart() {
        let keys = [("a", "bc"), ("ab", "c"), ("a", "bd")]
            .map(|(receiver, group_key)| short(&group(receiver, group_key)));
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[0], keys[2]);
    }

    #[test]
    fn what_has_no_later_has_a_key_of_its_own() {
        let test = || About::Crew(CrewTopic::Test);
        let kind = NotificationKind::Test;
        assert_ne!(key(test(), kind, 1, 5), key(test(), kind, 2, 5));
        assert_ne!(key(test(), kind, 1, 5), key(test(), kind, 1, 6));
    }

    proptest! {
        #[test]
        fn keys_are_short_and_plain(installation in "\\PC{0,300}", service in "\\PC{0,300}", number: u64) {
            let scope = nightcrew_model::mute::Scope::Service(service.as_str().into());
            let digest = About::Digest(DigestContent {
                scope,
                suppressed: 1,
                window: Millis::from_secs(300),
                sample: Vec::new(),
            });
            for about in [incident(), group(&service, &service), digest, About::Crew(CrewTopic::AllClear)] {
                let mut message = Message::new(NotificationId(number), NotificationKind::Digest, about, Timestamp::MAX);
                message.installation.clone_from(&installation);
                for key in [message.subject_key(), message.dedup_key()] {
                    prop_assert!(key.len() <= CHARS_MAX, "{key}");
                    prop_assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"./_-".contains(&b)), "{key}");
                }
            }
        }
    }
}
