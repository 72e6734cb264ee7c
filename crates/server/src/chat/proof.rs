//! How a service of chats proves who it is.

use axum::http::HeaderMap;
use jiff::Timestamp;
use nightcrew_model::unit::Millis;
use ring::{hmac, signature};

use crate::problem::{Kind, Problem};

/// How far the time that was signed may be from ours, in either direction: an old message may be
/// a recorded one.
pub(crate) const SIGNED_AGE_MAX: Millis = Millis::from_secs(300);

/// The proof is not one.  What is wrong with it is not told to whoever sent it.
pub(crate) fn refused(why: &str) -> Problem {
    tracing::warn!("a pressed button is not believed: {why}");
    Problem::new(
        Kind::Unauthorized,
        "the proof of who sent this is missing, wrong or old",
        "compare the secret of `chat` in the configuration with the service's, and both clocks",
    )
}

/// No secret is configured for this service.
pub(crate) fn closed(service: &str) -> Problem {
    Problem::not_found(
        format!("door for the buttons of {service}"),
        format!("add `chat.{service}` to the configuration"),
    )
}

/// A header as text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Problem> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| refused(&format!("there is no header {name}")))
}

/// Whether a time in seconds since 1970 is near enough.
pub(crate) fn fresh(seconds: &str, now: Timestamp) -> Result<(), Problem> {
    let at = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.ok_or_else(|| refused("the time is not one"))?;
    let apart = Millis::between(at.min(now), at.max(now));
    if apart > SIGNED_AGE_MAX {
        return Err(refused("it is too old, or from the future"));
    }
    Ok(())
}

/// Whether an HMAC-SHA256, in hexadecimal digits, is the one of these parts.
pub(crate) fn hmac_sha256(secret: &str, parts: &[&[u8]], mac: &str) -> Result<(), Problem> {
    let mac = bytes(mac).ok_or_else(|| refused("the signature is not hexadecimal"))?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, &parts.concat(), &mac).map_err(|_| refused("the signature is wrong"))
}

/// Whether an Ed25519 signature, in hexadecimal digits, is the one of these parts.
pub(crate) fn ed25519(key: &[u8], parts: &[&[u8]], signature: &str) -> Result<(), Problem> {
    let signature = bytes(signature).ok_or_else(|| refused("the signature is not hexadecimal"))?;
    let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
    key.verify(&parts.concat(), &signature).map_err(|_| refused("the signature is wrong"))
}

/// Whether two secrets are the same, in a time that does not tell how much of them is.
pub(crate) fn same(ours: &str, told: &str) -> Result<(), Problem> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"same length for all");
    let tag = hmac::sign(&key, ours.as_bytes());
    hmac::verify(&key, told.as_bytes(), tag.as_ref()).map_err(|_| refused("the secret is wrong"))
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slack_s_own_example_is_believed() {
        // From "Verifying requests from Slack" (docs.slack.dev).
        let secret = "8f742231b10e8888abcd99yyyzzz85a5";
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
                    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA\
                    &user_name=roadrunner&command=%2Fwebhook-collect&text=\
                    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let mac = "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let parts = ["v0:1531420618:".as_bytes(), body.as_bytes()];
        assert!(hmac_sha256(secret, &parts, mac).is_ok());
        assert!(hmac_sha256("other", &parts, mac).is_err());
        assert!(hmac_sha256(secret, &parts[1..], mac).is_err());
        assert!(hmac_sha256(secret, &parts, mac.get(2..).unwrap()).is_err());
    }

    #[test]
    fn a_signature_of_rfc_8032_is_believed() {
        // Section 7.1, test 3.
        let key =
            bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025").unwrap();
        let signature = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
        assert!(ed25519(&key, &[b"\xaf", b"\x82"], signature).is_ok());
        assert!(ed25519(&key, &[b"\xaf\x83"], signature).is_err());
        assert!(ed25519(&key[1..], &[b"\xaf\x82"], signature).is_err());
    }

    #[test]
    fn a_time_is_believed_five_minutes_before_and_after() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (seconds, good) in [
            ("1000000", true),
            ("999700", true),
            ("999699", false),
            ("1000300", true),
            ("1000301", false),
            ("", false),
            ("x", false),
            ("99999999999999999", false),
        ] {
            assert_eq!(fresh(seconds, now).is_ok(), good, "{seconds}");
        }
        assert!(same("a", "a").is_ok() && same("a", "b").is_err() && same("a", "").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = bytes(&text);
            prop_assert!(hmac_sha256("s", &[b"x"], &text).is_err());
            prop_assert!(ed25519(&[0; 32], &[b"x"], &text).is_err());
        }
    }
}
