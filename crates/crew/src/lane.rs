//! The way to one channel: how many messages are on it, when the next one may go, and how it went
//! so far.
//!
//! **Invariant:** a lane never waits for another one, so a receiver that answers slowly, or asks to
//! be left alone, holds up nobody else's messages.

use jiff::Timestamp;
use nightcrew_channels::rate::{Limiter, at_a_time, default_rate};
use nightcrew_config::settings::{Channel, Rate};
use nightcrew_model::id::ChannelName;
use nightcrew_model::unit::Millis;

/// How telling people through one channel goes, since the start of the crew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStats {
    /// The channel.
    pub channel: ChannelName,
    /// How many messages arrived.
    pub sent: u64,
    /// How many tries have to be repeated.
    pub retried: u64,
    /// How many messages will never arrive.
    pub failed: u64,
    /// How many tries in a row did not succeed.
    pub failed_in_a_row: u32,
    /// How many messages are under way.
    pub under_way: usize,
    /// When the last message arrived.
    pub sent_at: Option<Timestamp>,
    /// What went wrong last, and when.
    pub last_error: Option<(Timestamp, String)>,
    /// What the messages of this channel wait for; none: for nothing but their own next try.
    pub waits: Option<Wait>,
    /// When a try last began or ended; the start of the crew where there was none.
    pub moved_at: Timestamp,
}

/// What every message of a channel waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub because: WaitsFor,
}

/// Why a channel gets nothing for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// It has had as many messages as its limit allows.
    Limit,
    /// Its receiver asked to be left alone.
    Receiver,
}

impl WaitsFor {
    /// The reason in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Receiver => "receiver",
        }
    }
}

/// What came of a try, as far as its channel is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The receiver has it.
    Sent,
    /// Later.
    Later { asked: Option<Millis>, error: String },
    /// Never.
    Never { error: String },
    /// Nothing was sent: it is no longer to be sent, or its text could not be made.
    NotTried,
}

/// The way to one channel.
pub(crate) struct Lane {
    limit: Option<(Rate, Limiter)>,
    /// How many messages may be under way.
    at_a_time: usize,
    stats: LaneStats,
}

impl Lane {
    pub(crate) fn new(channel: ChannelName, now: Timestamp) -> Self {
        let stats = LaneStats {
            channel,
            sent: 0,
            retried: 0,
            failed: 0,
            failed_in_a_row: 0,
            under_way: 0,
            sent_at: None,
            last_error: None,
            waits: None,
            moved_at: now,
        };
        Self { limit: None, at_a_time: 1, stats }
    }

    pub(crate) fn stats(&self) -> &LaneStats {
        &self.stats
    }

    /// Goes by these settings from now on; what was sent lately counts on under the same limit.
    pub(crate) fn configure(&mut self, channel: &Channel) {
        self.at_a_time = at_a_time(&channel.kind);
        let rate = channel.rate.or_else(|| default_rate(&channel.kind));
        if self.limit.as_ref().map(|(known, _)| *known) != rate {
            self.limit = rate.map(|rate| (rate, Limiter::new(rate)));
            self.stats.waits = self.stats.waits.filter(|wait| wait.because == WaitsFor::Receiver);
        }
    }

    /// Counts a message that went out before the crew began.
    pub(crate) fn remember(&mut self, sent_at: Timestamp) {
        if let Some((_, limiter)) = &mut self.limit {
            *limiter = limiter.clone().after(sent_at);
        }
    }

    /// How many messages may begin now.
    pub(crate) fn room(&mut self, now: Timestamp) -> usize {
        if self.stats.waits.is_some_and(|wait| wait.until <= now) {
            self.stats.waits = None;
        }
        match self.stats.waits {
            Some(_) => 0,
            None => self.at_a_time.saturating_sub(self.stats.under_way),
        }
    }

    /// Takes room for one message; false when its limit has none, which is then waited for.
    pub(crate) fn take(&mut self, now: Timestamp) -> bool {
        if self.room(now) == 0 {
            return false;
        }
        if let Some((_, limiter)) = &mut self.limit
            && let Err(wait) = limiter.at(now)
        {
            self.stats.waits = Some(Wait { until: wait.after(now), because: WaitsFor::Limit });
            return false;
        }
        self.stats.under_way += 1;
        self.stats.moved_at = now;
        true
    }

    /// Notes how a try ended.
    pub(crate) fn end(&mut self, end: End, now: Timestamp) {
        let stats = &mut self.stats;
        stats.under_way = stats.under_way.saturating_sub(1);
        stats.moved_at = now;
        match end {
            End::Sent => {
                stats.sent += 1;
                stats.failed_in_a_row = 0;
                stats.sent_at = Some(now);
            }
            End::Later { asked, error } => {
                stats.retried += 1;
                stats.failed_in_a_row = stats.failed_in_a_row.saturating_add(1);
                stats.last_error = Some((now, error));
                if let Some(asked) = asked {
                    let asked = asked.min(nightcrew_channels::retry::ASKED_MAX);
                    let until = asked.after(now);
                    let until = stats.waits.map_or(until, |wait| wait.until.max(until));
                    stats.waits = Some(Wait { until, because: WaitsFor::Receiver });
                }
            }
            End::Never { error } => {
                stats.failed += 1;
                stats.failed_in_a_row = stats.failed_in_a_row.saturating_add(1);
                stats.last_error = Some((now, error));
            }
            End::NotTried => {
                if let Some((_, limiter)) = &mut self.limit {
                    limiter.give_back();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_config::settings::{ChannelKind, Secret};
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_230_000 + seconds).unwrap()
    }

    /// How many messages are under way to a receiver that knows repeats.
    const UNDER_WAY_MAX: usize = 2;

    fn lane(rate: Option<Rate>) -> Lane {
        let url = "http://x/".to_owned();
        lane_to(ChannelKind::Pagerduty { routing_key: Secret::new("k"), url }, rate)
    }

    fn lane_to(kind: ChannelKind, rate: Option<Rate>) -> Lane {
        let mut lane = Lane::new("결제".into(), at(0));
        lane.configure(&Channel {
            name: "결제".into(),
            kind,
            notify: Vec::new(),
            send_resolved: true,
            fallback: None,
            rate,
        });
        lane
    }

    fn later(asked: Option<u64>) -> End {
        End::Later { asked: asked.map(Millis::from_secs), error: "HTTP 429".into() }
    }

    #[test]
    fn no_more_than_a_few_messages_are_under_way() {
        let mut lane = lane(None);
        for _ in 0..UNDER_WAY_MAX {
            assert!(lane.take(at(0)));
        }
        assert!(!lane.take(at(0)));
        assert_eq!(lane.stats().waits, None, "its own messages are waited for, nothing else");
        lane.end(End::Sent, at(1));
        assert!(lane.take(at(1)));
        assert_eq!((lane.stats().sent, lane.stats().under_way), (1, UNDER_WAY_MAX));
    }

    #[test]
    fn one_at_a_time_goes_to_a_receiver_that_would_show_a_repeat() {
        let mut lane = lane_to(ChannelKind::Console, None);
        assert!(lane.take(at(0)) && !lane.take(at(0)));
        lane.end(End::Sent, at(1));
        assert!(lane.take(at(1)));
    }

    #[test]
    fn a_limit_is_waited_for_visibly_and_holds_what_was_sent_before_the_start() {
        let mut lane = lane(Some(Rate { messages: 2, window: Millis::from_secs(60) }));
        lane.remember(at(-30));
        assert!(lane.take(at(0)));
        lane.end(End::Sent, at(0));
        assert!(!lane.take(at(1)));
        let wait = Wait { until: at(30), because: WaitsFor::Limit };
        assert_eq!(lane.stats().waits, Some(wait));
        assert_eq!((lane.room(at(29)), lane.room(at(30))), (0, UNDER_WAY_MAX));
        assert!(lane.take(at(30)));
        // A text that could not be made is no message.
        lane.end(End::NotTried, at(30));
        assert!(lane.take(at(30)));
    }

    #[test]
    fn a_receiver_that_asks_for_rest_gets_it_and_no_more_than_an_hour() {
        let mut lane = lane(None);
        assert!(lane.take(at(0)) && lane.take(at(0)));
        lane.end(later(Some(300)), at(0));
        lane.end(later(Some(10)), at(0));
        assert_eq!(lane.stats().waits.unwrap().until, at(300), "the longest word counts");
        assert_eq!(lane.room(at(299)), 0);
        assert!(lane.take(at(300)));
        lane.end(later(Some(u64::from(u32::MAX))), at(300));
        assert_eq!(lane.stats().waits.unwrap().until, at(3_900));
        assert_eq!(lane.stats().failed_in_a_row, 3);
    }

    proptest! {
        #[test]
        fn neither_room_nor_limit_is_ever_exceeded(steps in prop::collection::vec((0..40_i64, 0..5_u8), 1..200)) {
            let mut lane = lane(Some(Rate { messages: 3, window: Millis::from_secs(60) }));
            let (mut now, mut under_way, mut sent) = (0, 0, Vec::new());
            for (passes, step) in steps {
                now += passes;
                if step < 2 {
                    if lane.take(at(now)) {
                        under_way += 1;
                        sent.push(now);
                    }
                } else if under_way > 0 {
                    under_way -= 1;
                    let end = match step {
                        2 => End::Sent,
                        3 => later(Some(30)),
                        _ => later(None),
                    };
                    lane.end(end, at(now));
                }
                prop_assert_eq!(lane.stats().under_way, under_way);
                prop_assert!(under_way <= UNDER_WAY_MAX);
            }
            for few in sent.windows(4) {
                prop_assert!(few[3] - few[0] >= 60, "{:?}", few);
            }
        }
    }

    #[test]
    fn without_a_word_about_later_the_other_messages_go_on() {
        let mut lane = lane(None);
        assert!(lane.take(at(0)));
        lane.end(later(None), at(10));
        assert_eq!(lane.room(at(10)), UNDER_WAY_MAX);
        assert_eq!(lane.stats().last_error, Some((at(10), "HTTP 429".into())));
    }
}
