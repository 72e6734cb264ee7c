//! When a message that did not arrive is tried again, and when no longer.
//!
//! Pure rules over the number of tries: the outbox keeps the number and the due time, so they
//! survive a restart.

use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;

/// The pause after the first try.
pub const PAUSE_MIN: Millis = Millis::from_secs(2);

/// The longest pause that is chosen here; a receiver may ask for a longer one.
pub const PAUSE_MAX: Millis = Millis::from_secs(15 * 60);

/// The longest pause that a receiver may ask for: a person waits for the message.
pub const ASKED_MAX: Millis = Millis::from_secs(60 * 60);

/// How many tries a message gets.  With the pauses above, the last one is about 20 hours after the
/// first.
pub const TRIES_MAX: u32 = 100;

/// How the error of a try begins that got no answer in time.
pub(crate) const NO_ANSWER: &str = "no answer within";

/// How the error of a try begins whose connection could not be made or broke.
pub(crate) const CONNECTION_FAILED: &str = "the connection failed";

/// Whether a message may have arrived although its try ended with this error: no whole answer came.
/// The next try is a possible repeat ([`crate::message::Sending::PossibleRepeat`]).  Nothing was
/// sent where the connection was refused, so that one is not.
#[must_use]
pub fn end_unknown(error: &str) -> bool {
    let refused = error.contains("refused (os error");
    error.starts_with(NO_ANSWER) || error.starts_with(CONNECTION_FAILED) && !refused
}

/// The pause after the `tries`-th try (from 1): 2 s, 4 s, 8 s … up to 15 minutes, each shortened
/// by up to a quarter.  How much is decided by `seed` (the number of the notification), so that
/// messages that failed together do not come back together, and a replay waits as long.
#[must_use]
pub fn backoff(tries: u32, seed: u64) -> Millis {
    let doublings = tries.saturating_sub(1).min(32);
    let whole = PAUSE_MIN.0.saturating_mul(1 << doublings).min(PAUSE_MAX.0);
    let quarter = whole / 4;
    let shortened = mix(seed ^ mix(u64::from(tries))) % (quarter + 1);
    Millis(whole - shortened)
}

/// The pause before the next try: never shorter than [`backoff`], and as long as the receiver asked
/// for, up to [`ASKED_MAX`].
#[must_use]
pub fn pause(tries: u32, asked: Option<Millis>, seed: u64) -> Millis {
    let asked = asked.unwrap_or_default().min(ASKED_MAX);
    backoff(tries, seed).max(asked)
}

/// What came of the `tries`-th try (from 1), when tries are limited: the last one has no later.
#[must_use]
pub fn limited(delivery: Delivery, tries: u32) -> Delivery {
    match delivery {
        Delivery::Retry { error, .. } if tries >= TRIES_MAX => Delivery::Permanent {
            error: format!("given up after {tries} tries; the last one: {error}"),
        },
        other @ (Delivery::Delivered { .. }
        | Delivery::Retry { .. }
        | Delivery::Permanent { .. }) => other,
    }
}

/// The output function of `SplitMix64` (Steele, Lea and Flood, 2014): every bit of the result depends
/// on every bit of the argument.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_tried_for_the_better_part_of_a_day_and_no_longer() {
        let total: u64 = (1..TRIES_MAX).map(|tries| backoff(tries, 42).0).sum();
        let hours = total / 3_600_000;
        assert!((18..=24).contains(&hours), "{hours} h");
        let failed = Delivery::Retry { after: None, error: "HTTP 502".into() };
        assert_eq!(limited(failed.clone(), TRIES_MAX - 1), failed);
        assert_eq!(
            limited(failed, TRIES_MAX),
            Delivery::Permanent {
                error: "given up after 100 tries; the last one: HTTP 502".into()
            }
        );
        assert_eq!(
            limited(Delivery::Delivered { receipt: None }, TRIES_MAX + 1),
            Delivery::Delivered { receipt: None }
        );
    }

    #[test]
    fn the_receiver_can_ask_for_more_but_not_for_ever() {
        assert_eq!(pause(1, Some(Millis::from_secs(60)), 1), Millis::from_secs(60));
        assert_eq!(pause(1, Some(Millis(1)), 1), backoff(1, 1));
        assert_eq!(pause(1, Some(Millis(u64::MAX)), 1), ASKED_MAX);
        assert_eq!(pause(3, None, 1), backoff(3, 1));
    }

    #[test]
    fn without_a_whole_answer_the_end_is_not_known() {
        for error in ["no answer within 10 s", "the connection failed: `reset by peer`"] {
            assert!(end_unknown(error), "{error}");
        }
        for error in [
            "the connection failed: `Connection refused (os error 111)`",
            "Discord answered HTTP 503",
            "",
        ] {
            assert!(!end_unknown(error), "{error}");
        }
    }

    proptest! {
        #[test]
        fn pauses_grow_to_their_cap_and_spread(tries: u32, seed: u64) {
            let pause = backoff(tries, seed);
            prop_assert!(pause >= Millis(PAUSE_MIN.0 / 4 * 3) && pause <= PAUSE_MAX);
            prop_assert_eq!(pause, backoff(tries, seed));
            if tries >= 10 {
                prop_assert!(pause >= Millis(PAUSE_MAX.0 / 4 * 3));
            }
        }
    }

    #[test]
    fn messages_that_failed_together_do_not_come_back_together() {
        let mut pauses: Vec<u64> = (0..20).map(|seed| backoff(8, seed).0).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() >= 19, "{pauses:?}");
    }
}
