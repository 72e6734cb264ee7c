//! `chat`: the services whose buttons are believed.

use crate::decode::Context;
use crate::fields::{self, Fields};
use crate::settings::{Chat, Secret};
use crate::tree::At;

/// Reads `chat`.
pub(crate) fn chat(at: &At<'_>, cx: &mut Context<'_>) -> Chat {
    let mut chat = Chat::default();
    let Some(mut fields) = Fields::open(at, "an object of chat services", &mut cx.report) else {
        return chat;
    };
    if let Some(at) = fields.take("slack") {
        chat.slack = secret(&at, "signing_secret", cx);
    }
    if let Some(at) = fields.take("telegram") {
        chat.telegram = secret(&at, "secret_token", cx);
    }
    if let Some(at) = fields.take("discord") {
        chat.discord = public_key(&at, cx);
    }
    fields.finish(&mut cx.report);
    chat
}

fn secret(at: &At<'_>, key: &str, cx: &mut Context<'_>) -> Option<Secret> {
    let mut fields = Fields::open(at, &format!("an object with `{key}`"), &mut cx.report)?;
    let secret = fields.text(key, &mut cx.report).map(Secret::new);
    fields.finish(&mut cx.report);
    if secret.as_ref().is_none_or(|secret| secret.expose().is_empty()) {
        cx.report
            .error(at, format!("without `{key}` anybody could press its buttons"))
            .hint(format!("add `{key}: \"${{…}}\"`, as the service shows it"));
        return None;
    }
    secret
}

fn public_key(at: &At<'_>, cx: &mut Context<'_>) -> Option<[u8; 32]> {
    let mut fields = Fields::open(at, "an object with `public_key`", &mut cx.report)?;
    let key_at = fields.take("public_key");
    fields.finish(&mut cx.report);
    let Some(key_at) = key_at else {
        cx.report.error(at, "without `public_key` anybody could press its buttons");
        return None;
    };
    let text = fields::text(&key_at, &mut cx.report)?;
    let key = bytes(text);
    if key.is_none() {
        cx.report
            .expected(&key_at, "the public key of a Discord application")
            .hint("64 hexadecimal digits, from \"General Information\" of the application");
    }
    key
}

/// 32 bytes from hexadecimal digits.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    let digit = |c: char| u8::try_from(c.to_digit(16)?).ok();
    let digits: Vec<u8> = hex.chars().map(digit).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert_eq!(bytes(&"0f".repeat(32)), Some([15; 32]));
        for bad in ["", "0f", &"0f".repeat(33), &"0".repeat(63), &"가".repeat(64)] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
