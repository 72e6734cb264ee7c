//! Secrets in text that is quoted: passwords, tokens and keys are shown as `***`.
//!
//! A value is taken for a secret by the name before it (`password=`, `Authorization: Bearer`), or
//! by a form that only secrets have (keys of AWS, GitHub, Slack and Stripe, JSON web tokens, the
//! password of a URL).  It is better to mask too much than to show one.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// What stands for a secret.
pub const MASK: &str = "***";

/// Names after which a secret stands, in small letters.
const NAMES: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "private_key",
    "authorization",
    "credential",
    "session_id",
    "sessionid",
    "cookie",
];

/// Beginnings of secrets, and how many more letters, digits, `-`, `_` and `.` make one.
const FORMS: [(&str, usize); 12] = [
    ("akia", 16),
    ("asia", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("sk_live_", 10),
    ("sk-", 20),
    ("glpat-", 10),
    ("eyj", 20),
];

const URL: &str = "://";
const KEY_BLOCK: &str = "private key-----";

static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = NAMES.iter().copied().chain(FORMS.iter().map(|(start, _)| *start));
    AhoCorasick::builder().ascii_case_insensitive(true).build(words.chain([URL, KEY_BLOCK])).ok()
});

/// The text with its secrets masked.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    // Without its finder nothing is known to be harmless.
    let Some(finder) = &*FINDER else { return Cow::Borrowed(MASK) };
    let mut hidden: Vec<Range<usize>> = Vec::new();
    for found in finder.find_overlapping_iter(text) {
        let (n, start, end) = (found.pattern().as_usize(), found.start(), found.end());
        let range = if n < NAMES.len() {
            value_after(text, end)
        } else if let Some((_, more)) = FORMS.get(n - NAMES.len()) {
            form(text, start, end, *more)
        } else if n == NAMES.len() + FORMS.len() {
            user_info(text, end)
        } else {
            Some(end..text.len())
        };
        hidden.extend(range);
    }
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    hidden.sort_by_key(|range| (range.start, range.end));
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for range in hidden {
        if range.start >= at {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(MASK);
        }
        at = at.max(range.end);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

/// The value behind a name: after `=` or `:`, through quotes, and through the word of a scheme.
fn value_after(text: &str, end: usize) -> Option<Range<usize>> {
    let rest = text.get(end..)?;
    // `passwords`, `token_type`: the rest of the name.
    let name = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))?;
    let after = rest.get(name..)?;
    let sign = after.trim_start_matches(['"', '\'', '\\', ']', ' ']);
    let behind = sign.strip_prefix([':', '='])?;
    let quoted = behind.trim_start_matches([' ', '=', '>']).trim_start_matches('\\');
    let (value, quote) = match quoted.chars().next()? {
        quote @ ('"' | '\'') => (quoted.get(1..)?, Some(quote)),
        _ => (quoted, None),
    };
    let start = text.len() - value.len();
    let scheme = ["Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token ", "Digest "];
    let skipped = scheme.iter().find(|word| value.starts_with(**word)).map_or(0, |word| word.len());
    let secret = value.get(skipped..)?;
    let ends = |c: char| match quote {
        Some(quote) => c == quote,
        None => c.is_whitespace() || matches!(c, '&' | ',' | ';' | '"' | '\'' | ')' | '}' | ']'),
    };
    let len = secret.find(ends).unwrap_or(secret.len());
    let is_template = secret.get(..len)?.trim_matches('\\').starts_with("<*>");
    (len > 0 && !is_template).then(|| start + skipped..start + skipped + len)
}

/// A secret by its form: it begins a word and is long enough.
fn form(text: &str, start: usize, end: usize, more: usize) -> Option<Range<usize>> {
    let before = text.get(..start)?.chars().next_back();
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let rest = text.get(end..)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    (len >= more).then(|| start..end + len)
}

/// The password in `scheme://user:password@host`.
fn user_info(text: &str, end: usize) -> Option<Range<usize>> {
    let rest = text.get(end..)?;
    let host = rest.find(['/', ' ', '"', '?', '#']).unwrap_or(rest.len());
    let info = rest.get(..host)?.rfind('@')?;
    let colon = rest.get(..info)?.find(':')?;
    Some(end + colon + 1..end + info)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        for (text, shown) in [
            ("login password=hunter2 ok", "login password=*** ok"),
            ("{\"api_key\": \"a b c\", \"n\": 1}", "{\"api_key\": \"***\", \"n\": 1}"),
            ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
            ("GET /x?token=abc&page=2", "GET /x?token=***&page=2"),
            ("postgres://shop:geheim@db/x", "postgres://shop:***@db/x"),
            ("key AKIAABCDEFGHIJKLMNOP used", "key *** used"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt ***"),
            ("-----BEGIN RSA PRIVATE KEY----- MIIE", "-----BEGIN RSA PRIVATE KEY-----***"),
            ("비밀 password: 암호말 끝", "비밀 password: *** 끝"),
            ("DB_PASSWORD='a b' next", "DB_PASSWORD='***' next"),
        ] {
            assert_eq!(masked(text), shown);
        }
        for harmless in [
            "Failed password for root from 1.2.3.4 port 22 ssh2",
            "Unexpected token < in JSON",
            "the task-force asked http://host/path",
            "password=<*> for user <*>",
        ] {
            assert_eq!(masked(harmless), harmless);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "((password|token|://|eyj)?[=:\"' @가a-z\\\\]{0,6}){0,8}") {
            let _ = masked(&text);
        }

        #[test]
        fn a_secret_is_not_shown(secret in "[A-Za-z0-9]{8,30}") {
            for text in [format!("x password={secret} y"), format!("a://u:{secret}@h")] {
                prop_assert!(!masked(&text).contains(&secret));
            }
        }
    }
}
