//! How many messages a channel gets: a limit over a sliding window, as a value.  The caller keeps
//! the clock, and feeds back what was sent before a restart.

use std::collections::VecDeque;

use jiff::Timestamp;
use nightcrew_config::settings::{ChannelKind, Rate};
use nightcrew_model::unit::Millis;

/// The largest number of messages per window that is counted exactly; a larger limit is this one.
pub const MESSAGES_MAX: u32 = 10_000;

/// The limit of a channel for which the operator set none; none: as many as there are.
///
/// Discord: 5 messages a minute and tickets: 10 an hour, as the source documents have it.  Slack:
/// about one a second for a conversation ("Rate limits").  Telegram: 20 a minute in a group ("Bots
/// FAQ").
#[must_use]
pub fn default_rate(kind: &ChannelKind) -> Option<Rate> {
    let rate = |messages, seconds| Some(Rate { messages, window: Millis::from_secs(seconds) });
    match kind {
        ChannelKind::Discord { .. } => rate(5, 60),
        ChannelKind::Github { .. } => rate(10, 3_600),
        ChannelKind::SlackWebhook { .. } | ChannelKind::SlackApi { .. } => rate(1, 1),
        ChannelKind::Telegram { .. } => rate(20, 60),
        ChannelKind::Console
        | ChannelKind::Webhook { .. }
        | ChannelKind::Pagerduty { .. }
        | ChannelKind::Opsgenie { .. }
        | ChannelKind::Email { .. } => None,
    }
}

/// How many messages are under way to a channel at a time.  A crash repeats each of them: one where
/// the receiver would show a repeat, more where it knows a repeat by its key.
#[must_use]
pub fn at_a_time(kind: &ChannelKind) -> usize {
    match kind {
        ChannelKind::Pagerduty { .. } | ChannelKind::Opsgenie { .. } => 2,
        ChannelKind::Discord { .. }
        | ChannelKind::Github { .. }
        | ChannelKind::SlackWebhook { .. }
        | ChannelKind::SlackApi { .. }
        | ChannelKind::Telegram { .. }
        | ChannelKind::Console
        | ChannelKind::Webhook { .. }
        | ChannelKind::Email { .. } => 1,
    }
}

/// What a channel was sent lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limiter {
    messages: usize,
    window: Millis,
    /// When the last messages went out, oldest first; at most `messages`.
    sent: VecDeque<Timestamp>,
}

impl Limiter {
    /// A limiter of a channel that was sent nothing.  A limit of no messages is one of one: a
    /// channel that may never be sent anything should not be configured.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let messages = usize::try_from(rate.messages.clamp(1, MESSAGES_MAX)).unwrap_or(1);
        Self { messages, window: rate.window, sent: VecDeque::new() }
    }

    /// The same limiter after a message went out at this time, whatever the limit says of it.
    #[must_use]
    pub fn after(mut self, sent_at: Timestamp) -> Self {
        self.note(sent_at);
        self
    }

    /// Takes one message, if there is room for one now; otherwise says how long there is none.
    ///
    /// # Errors
    /// The time until the next message may go.
    pub fn at(&mut self, now: Timestamp) -> Result<(), Millis> {
        let wait = self.wait(now);
        if wait > Millis(0) {
            return Err(wait);
        }
        self.note(now);
        Ok(())
    }

    /// How long there is no room for a message; zero: there is.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Millis {
        if self.sent.len() < self.messages {
            return Millis(0);
        }
        let Some(oldest) = self.sent.front() else {
            return Millis(0);
        };
        // A clock that was set back must not close the channel for longer than a window.
        let since = Millis::between((*oldest).min(now), now);
        Millis(self.window.0.saturating_sub(since.0))
    }

    /// Gives back room taken by a message that was not sent after all.
    pub fn give_back(&mut self) {
        self.sent.pop_back();
    }

    fn note(&mut self, at: Timestamp) {
        if self.sent.len() >= self.messages {
            self.sent.pop_front();
        }
        // Times rise, also where the clock does not.
        for earlier in self.sent.iter_mut().filter(|earlier| **earlier > at) {
            *earlier = at;
        }
        self.sent.push_back(at);
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_config::settings::Secret;
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_230_000_000 + millis).unwrap()
    }

    fn five_a_minute() -> Limiter {
        Limiter::new(Rate { messages: 5, window: Millis::from_secs(60) })
    }

    #[test]
    fn five_a_minute_are_five_in_any_minute() {
        let mut limiter = five_a_minute();
        for n in 0..5 {
            assert_eq!(limiter.at(at(n * 10_000)), Ok(()));
        }
        assert_eq!(limiter.at(at(50_000)), Err(Millis::from_secs(10)));
        assert_eq!(limiter.at(at(59_999)), Err(Millis(1)));
        assert_eq!(limiter.at(at(60_000)), Ok(()));
        assert_eq!(limiter.at(at(60_000)), Err(Millis::from_secs(10)));
        limiter.give_back();
        assert_eq!(limiter.at(at(60_000)), Ok(()));
    }

    #[test]
    fn what_was_sent_before_a_restart_counts() {
        let mut limiter = (0..5).fold(five_a_minute(), |limiter, n| limiter.after(at(n)));
        assert_eq!(limiter.at(at(30_000)), Err(Millis(30_000)));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_close_the_channel() {
        let mut limiter = five_a_minute();
        for _ in 0..5 {
            limiter.at(at(3_600_000)).unwrap();
        }
        assert_eq!(limiter.at(at(0)), Err(Millis::from_secs(60)));
    }

    #[test]
    fn a_limit_of_nothing_and_of_too_much_are_limits() {
        let window = Millis::from_secs(1);
        let mut limiter = Limiter::new(Rate { messages: 0, window });
        assert_eq!(limiter.at(at(0)), Ok(()));
        assert_eq!(limiter.at(at(0)), Err(window));
        let mut limiter = Limiter::new(Rate { messages: u32::MAX, window });
        let taken = (0..=MESSAGES_MAX).take_while(|_| limiter.at(at(0)).is_ok()).count();
        assert_eq!(taken, MESSAGES_MAX as usize);
    }

    #[test]
    fn the_defaults_are_those_of_the_services() {
        let discord = ChannelKind::Discord { webhook_url: Secret::new("x") };
        let five = Rate { messages: 5, window: Millis::from_secs(60) };
        assert_eq!(default_rate(&discord), Some(five));
        assert_eq!(default_rate(&ChannelKind::Console), None);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_too_many(messages in 1u32..8, window in 1u64..100, gaps in prop::collection::vec(0i64..40, 0..120)) {
            let mut limiter = Limiter::new(Rate { messages, window: Millis(window) });
            let (mut now, mut taken) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                match limiter.at(at(now)) {
                    Ok(()) => taken.push(now),
                    Err(wait) => prop_assert!(wait > Millis(0) && wait <= Millis(window)),
                }
            }
            for group in taken.windows(messages as usize + 1) {
                prop_assert!(group[group.len() - 1] - group[0] >= i64::try_from(window).unwrap());
            }
        }
    }
}
