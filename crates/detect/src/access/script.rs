//! Whether a value carries a script for a browser: a tag that runs something, an event handler
//! behind a broken attribute, a script address, or a broken string with a call in it.

use crate::access::sql::CERTAIN;
use crate::signs::scan::{has, rest};

const LIKELY: u32 = 3;

/// How many quotes and how many opened tags of a value are looked behind.
const BREAKS_MAX: usize = 16;

/// Tags that run or load something by themselves.
const TAGS: &[&[u8]] =
    &[b"script", b"iframe", b"object", b"embed", b"applet", b"svg", b"math", b"base", b"meta"];

/// Schemes whose address is a program.
const SCHEMES: &[&[u8]] = &[b"javascript:", b"vbscript:", b"data:text/html", b"livescript:"];

/// Calls by which a try shows that it ran, and what a theft reads.
const CALLS: &[&[u8]] = &[
    b"alert(",
    b"prompt(",
    b"confirm(",
    b"eval(",
    b"document.cookie",
    b"document.write",
    b"string.fromcharcode",
    b"window.location",
    b"alert`",
    b"settimeout(",
    b"fetch(",
    b"document.domain",
    b".innerhtml",
];

/// How much a decoded value in small letters looks like a script that was put in.
pub(crate) fn score(value: &[u8]) -> u32 {
    let mut most = 0;
    for at in memchr::memchr_iter(b'<', value).take(BREAKS_MAX) {
        most = most.max(score_tag(rest(value, at + 1)));
    }
    for at in memchr::memchr2_iter(b'"', b'\'', value).take(BREAKS_MAX) {
        let behind = rest(value, at + 1);
        if has_handler(behind) {
            most = most.max(CERTAIN);
        }
        let is_broken = matches!(
            behind.trim_ascii_start().first(),
            Some(b';' | b'-' | b'+' | b'*' | b'/' | b')' | b'}' | b'>')
        );
        if is_broken && has_call(behind) {
            most = most.max(CERTAIN);
        }
    }
    // Browsers skip white space and control characters in a scheme.
    let is_shown = |byte: &u8| *byte > b' ';
    let packed: Vec<u8> = value.iter().copied().filter(is_shown).take(64).collect();
    let is_scheme = SCHEMES.iter().any(|scheme| packed.starts_with(scheme));
    if is_scheme && (has_call(value) || value.contains(&b'(') || has(value, b"base64")) {
        most = most.max(CERTAIN);
    }
    if most > 0 && has_call(value) { most + LIKELY } else { most }
}

/// What follows a `<`.
fn score_tag(behind: &[u8]) -> u32 {
    let behind = behind.strip_prefix(b"/").unwrap_or(behind);
    let n = behind.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (name, left) = behind.split_at_checked(n).unwrap_or((b"", b""));
    if name.is_empty() {
        return 0;
    }
    let is_end = matches!(left.first(), None | Some(b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r'));
    let is_tag = is_end && !left.is_empty();
    if name == b"script" && is_end {
        return CERTAIN;
    }
    let inner = left.get(..memchr::memchr(b'<', left).unwrap_or(left.len())).unwrap_or(left);
    if is_tag && (has_handler(left) || SCHEMES.iter().any(|scheme| has(inner, scheme))) {
        return CERTAIN;
    }
    if is_tag && has(inner, b"style") && has(inner, b"expression(") {
        return CERTAIN;
    }
    if is_tag && TAGS.contains(&name) {
        return if has(inner, b"src") || has(inner, b"data") || has(inner, b"href") {
            CERTAIN
        } else {
            LIKELY
        };
    }
    0
}

/// Whether an event handler stands as an attribute: ` onload=`, `/onerror =`.
fn has_handler(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"on").any(|at| {
        let is_apart = at == 0
            || matches!(
                text.get(at - 1),
                Some(b' ' | b'/' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | 0x0c)
            );
        let name = rest(text, at + 2);
        let n = name.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        let behind = rest(name, n).trim_ascii_start();
        is_apart && (3..=24).contains(&n) && behind.first() == Some(&b'=') && behind.len() > 1
    })
}

fn has_call(text: &[u8]) -> bool {
    CALLS.iter().any(|call| has(text, call))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scripts_are_found() {
        for value in [
            "<script>alert(1)</script>",
            "\"><script src=//x.example/a.js>",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "\" onmouseover=\"alert(1)",
            "' autofocus onfocus=alert(1) x='",
            "javascript:alert(document.cookie)",
            "java\tscript:alert(1)",
            "';alert(1)//",
            "\"-alert(1)-\"",
            "<iframe src=javascript:alert(1)>",
            "<body onload=alert`1`>",
            "<div style=\"width: expression(alert(1));\">",
            "<details open ontoggle=alert(1)>",
        ] {
            assert!(score(value.as_bytes()) >= CERTAIN, "{value}");
        }
    }

    #[test]
    fn prose_is_no_script() {
        for value in [
            "a < b and c > d",
            "i <3 you",
            "how to use onclick= in html",
            "learn javascript: the good parts",
            "<b>bold</b>",
            "<p>one</p>",
            "it's on=1",
            "\"on sale = yes\"",
            "price <100",
            "script writing",
            "'hello', she said",
            "<user@example.org>",
        ] {
            assert!(score(value.as_bytes()) < CERTAIN, "{value}: {}", score(value.as_bytes()));
        }
    }

    #[test]
    fn only_so_many_breaks_are_looked_behind() {
        let hidden = "<i>".repeat(BREAKS_MAX) + "<script>";
        assert_eq!(score(hidden.as_bytes()), 0);
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "[ -~]{0,60}") {
            let _ = score(value.as_bytes());
        }
    }
}
