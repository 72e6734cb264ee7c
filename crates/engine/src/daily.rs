//! The daily word that the crew is there: once a day at its time, late when the crew was down
//! then, and not at all when it would be too late to mean anything.

use std::collections::VecDeque;

use jiff::{Timestamp, ToSpan as _};
use nightcrew_model::decision::{CrewTopic, Fact, NotificationKind, Reason, Subject};
use nightcrew_model::unit::Millis;

use serde::{Deserialize, Serialize};

use crate::Step;
use crate::settings::AllClear;

/// How late the word may be said.
pub const LATE_MAX: Millis = Millis::from_secs(6 * 3_600);

/// How many of the last words are remembered: a clock that was wrong for some days and is right
/// again must not say one twice.
const WORDS_KEPT: usize = 16;

/// When the word was said, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Words(VecDeque<Timestamp>);

impl Words {
    pub(crate) fn apply(&mut self, at: Timestamp, fact: &Fact) {
        let word = Subject::Crew { crew: CrewTopic::AllClear };
        let is_word = matches!(fact, Fact::NotificationQueued { subject, .. } if *subject == word);
        // It goes to several channels at the same moment.
        if !is_word || self.0.back() == Some(&at) {
            return;
        }
        if self.0.len() >= WORDS_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(at);
    }
}

impl Step<'_> {
    pub(crate) fn say_all_clear(&mut self) {
        let settings = self.settings;
        let Some(word) = &settings.all_clear else {
            return;
        };
        let Some(due) = last_due(word, self.now).filter(|due| LATE_MAX.after(*due) > self.now)
        else {
            return;
        };
        let in_time = due..LATE_MAX.after(due);
        if self.state.words.0.iter().any(|said| in_time.contains(said)) {
            return;
        }
        for channel in &word.channels {
            let subject = Subject::Crew { crew: CrewTopic::AllClear };
            let kind = NotificationKind::AllClear;
            self.queue(subject, channel.clone(), kind, Vec::new(), Reason::Daily);
        }
    }
}

/// The latest moment at which the word was due, on the clock of its place.
fn last_due(word: &AllClear, now: Timestamp) -> Option<Timestamp> {
    let today = now.to_zoned(word.zone.tz().clone()).date();
    let days = [Some(today), today.checked_sub(1.day()).ok()];
    let due = days.into_iter().flatten().filter_map(|day| {
        let due = day.to_datetime(word.at).to_zoned(word.zone.tz().clone()).ok()?;
        Some(due.timestamp())
    });
    due.filter(|due| *due <= now).max()
}
