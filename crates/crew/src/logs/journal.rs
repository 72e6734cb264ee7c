//! systemd's journal: `journalctl --follow`, started anew when it ends.

use nightcrew_act::listen::Listener;
use nightcrew_detect::signs::level::Level;
use nightcrew_detect::signs::line::{self, Body, Line, Message};
use nightcrew_model::unit::Millis;
use nightcrew_observe::follow::journal::{From, JournalEntry, PROGRAM, Priority, arguments};
use tokio::time::{Instant, sleep_until};

use crate::core::chain;

/// How long after its end the program is started again.
pub(crate) const PAUSE: Millis = Millis::from_secs(30);

/// A program that ends sooner did not find the entry after which it was to begin.
const SOON: Millis = Millis::from_secs(2);

/// What an entry says, as a line does.
pub(crate) fn line_of(entry: &JournalEntry) -> Line<'_> {
    let text = entry.message.get(..line::LINE_BYTES_MAX).unwrap_or(&entry.message);
    let inner = line::parse(text, entry.at);
    let body = match inner.body {
        Body::Request(request) => Body::Request(request),
        // A program that writes to its standard output says its level in the text, if at all.
        Body::Message(message) => Body::Message(Message {
            program: entry.program.as_bytes(),
            level: message.level.or_else(|| entry.priority.and_then(level_of)),
            text: message.text,
        }),
    };
    Line { raw: text, time: entry.at, body }
}

/// The level of a priority; what is only said by default says nothing.
fn level_of(priority: Priority) -> Option<Level> {
    match priority.0 {
        0..=2 => Some(Level::Fatal),
        3 => Some(Level::Error),
        4 => Some(Level::Warning),
        5 | 7 => Some(Level::Quiet),
        _ => None,
    }
}

/// The program while it is followed.
pub(crate) struct Journal {
    listener: Option<Listener>,
    started: Instant,
    next_start: Instant,
    /// Whether the last start was after an entry that may be gone.
    was_after: bool,
    /// Whether the next start is not.
    forget: bool,
    /// Why it is not followed now.
    trouble: Option<String>,
    /// Whether that is news.
    is_news: bool,
}

impl Journal {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            listener: None,
            started: now,
            next_start: now,
            was_after: false,
            forget: false,
            trouble: None,
            is_news: false,
        }
    }

    /// Waits until there is something to take or to do.
    pub(crate) async fn heard(&mut self) {
        match &mut self.listener {
            Some(listener) => listener.heard().await,
            None => sleep_until(self.next_start).await,
        }
    }

    /// Takes the lines that came, and starts the program where it does not run.
    pub(crate) fn take(&mut self, cursor: Option<&str>) -> Vec<u8> {
        let Some(listener) = &mut self.listener else {
            self.start(cursor);
            return Vec::new();
        };
        let lines = listener.take_lines();
        if let Some(end) = listener.end() {
            let ran = self.started.elapsed();
            self.forget = self.was_after && ran < SOON.duration();
            self.fail(format!("{PROGRAM}: {end}"));
        }
        lines
    }

    /// Why it is not followed now.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Why it is not followed, once.
    pub(crate) fn news(&mut self) -> Option<String> {
        std::mem::take(&mut self.is_news).then(|| self.trouble.clone()).flatten()
    }

    fn start(&mut self, cursor: Option<&str>) {
        if Instant::now() < self.next_start {
            return;
        }
        let from = match cursor {
            Some(cursor) if !self.forget => From::After(cursor),
            _ => From::Now,
        };
        self.was_after = from != From::Now;
        self.started = Instant::now();
        match Listener::start(PROGRAM, &arguments(&from)) {
            Ok(listener) => {
                self.trouble = None;
                self.listener = Some(listener);
            }
            Err(error) => self.fail(chain(&error)),
        }
    }

    fn fail(&mut self, trouble: String) {
        self.listener = None;
        self.next_start = Instant::now() + PAUSE.duration();
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!("the journal is not followed: {trouble}");
            self.is_news = true;
        }
        self.trouble = Some(trouble);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_an_entry_is_in_its_text_or_its_priority() {
        let entry = |message: &str, priority| JournalEntry {
            cursor: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
            message: message.as_bytes().to_vec(),
            priority: Some(Priority(priority)),
            program: "web".to_owned(),
            unit: None,
        };
        let level = |message: &str, priority| {
            let entry = entry(message, priority);
            let Body::Message(message) = line_of(&entry).body else { panic!("no message") };
            assert_eq!(message.program, b"web");
            message.level
        };
        assert_eq!(level("it broke", 3), Some(Level::Error));
        assert_eq!(level("ERROR it broke", 6), Some(Level::Error));
        assert_eq!(level("all is well", 6), None);
        assert_eq!(level("", 0), Some(Level::Fatal));
    }
}
