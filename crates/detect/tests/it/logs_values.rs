//! Values of request parameters, one a line: `requests/attacks.txt` and `requests/ordinary.txt`.

use std::fmt::Write as _;

use jiff::Timestamp;
use nightcrew_detect::access;

/// The lines whose judgement is not the one expected.
fn misjudged(values: &str, is_attack: bool) -> Vec<&str> {
    values.lines().filter(|value| is_found(value) != is_attack).collect()
}

fn is_found(value: &str) -> bool {
    let encoded = value.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    });
    let line = format!(
        "10.0.0.1 - - [02/Mar/2026:08:00:00 +0000] \"GET /x?p={encoded} HTTP/1.1\" 200 1 \"-\" \"a\""
    );
    let now: Timestamp = "2026-03-03T00:00:00Z".parse().unwrap();
    let mut watcher = access::Watcher::new();
    watcher.line(line.as_bytes(), now);
    !watcher.findings(now).is_empty()
}

#[test]
fn ordinary_values_are_no_attacks() {
    assert_eq!(misjudged(include_str!("requests/ordinary.txt"), false), Vec::<&str>::new());
}

#[test]
fn attacks_are_found_but_for_one_in_a_hundred() {
    let attacks = include_str!("requests/attacks.txt");
    let missed = misjudged(attacks, true);
    assert!(missed.len() * 100 <= attacks.lines().count(), "{missed:?}");
}
