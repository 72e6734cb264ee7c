//! Entries of systemd's journal, as `journalctl -o json` prints them (systemd.journal-fields(7),
//! journalctl(1)): one object in a line; a field that is no UTF-8 is a list of bytes, one that is
//! given several times is a list of values.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// The program that reads the journal.
pub const PROGRAM: &str = "journalctl";

/// Where reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From<'a> {
    /// With the next entry.
    Now,
    /// After an entry that was read before.
    After(&'a str),
}

/// What the program is told, so that it prints every new entry until it is ended.
#[must_use]
pub fn arguments(from: &From<'_>) -> Vec<String> {
    let fields = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_COMM";
    let mut arguments = vec![
        "--follow".to_owned(),
        "--all".to_owned(),
        "--quiet".to_owned(),
        "--no-pager".to_owned(),
        "--output=json".to_owned(),
        format!("--output-fields={fields}"),
    ];
    match from {
        From::Now => arguments.push("--lines=0".to_owned()),
        From::After(cursor) => {
            // Otherwise it begins with the last ten.
            arguments.push("--lines=all".to_owned());
            arguments.push(format!("--after-cursor={cursor}"));
        }
    }
    arguments
}

/// How bad an entry is, by `syslog(3)`: 0 is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(pub u8);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Where it is, to go on after it.
    pub cursor: String,
    /// When the journal received it.
    pub at: Timestamp,
    /// What it says.
    pub message: Vec<u8>,
    /// How bad it says that it is.
    pub priority: Option<Priority>,
    /// The program, as it calls itself; else as the kernel knows it; empty where neither is known.
    pub program: String,
    /// The systemd unit that it runs in.
    pub unit: Option<String>,
}

#[derive(Deserialize)]
struct Printed {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: String,
    #[serde(rename = "MESSAGE", default)]
    message: Value,
    #[serde(rename = "PRIORITY", default)]
    priority: Value,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    identifier: Value,
    #[serde(rename = "_COMM", default)]
    comm: Value,
    #[serde(rename = "_SYSTEMD_UNIT", default)]
    unit: Value,
}

/// Reads one line; none: it is no entry.
#[must_use]
pub fn parse(line: &[u8]) -> Option<JournalEntry> {
    let printed: Printed = serde_json::from_slice(line).ok()?;
    let at = Timestamp::from_microsecond(printed.at.parse().ok()?).ok()?;
    let text = |value: &Value| {
        let bytes = bytes(value);
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    };
    let priority = text(&printed.priority).and_then(|text| text.parse().ok());
    Some(JournalEntry {
        cursor: printed.cursor,
        at,
        message: bytes(&printed.message),
        priority: priority.filter(|n| *n <= 7).map(Priority),
        program: text(&printed.identifier).or_else(|| text(&printed.comm)).unwrap_or_default(),
        unit: text(&printed.unit),
    })
}

/// The bytes of a field; of one that was given several times the first.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(items) if items.iter().all(Value::is_u64) => {
            items.iter().filter_map(|item| u8::try_from(item.as_u64()?).ok()).collect()
        }
        Value::Array(items) => items.first().map(bytes).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_is_read() {
        let line = br#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1767323045600000","__MONOTONIC_TIMESTAMP":"7","_BOOT_ID":"b","MESSAGE":"Failed password for root","PRIORITY":"3","SYSLOG_IDENTIFIER":"sshd","_COMM":"sshd","_SYSTEMD_UNIT":"ssh.service"}"#;
        let entry = parse(line).unwrap();
        assert_eq!(entry.at.to_string(), "2026-01-02T03:04:05.6Z");
        assert_eq!((entry.cursor.as_str(), entry.priority), ("s=1;i=2", Some(Priority(3))));
        assert_eq!((entry.program.as_str(), entry.unit.as_deref()), ("sshd", Some("ssh.service")));
        assert_eq!(entry.message, b"Failed password for root");
    }

    #[test]
    fn fields_of_bytes_lists_and_nothing_are_read() {
        let of = |rest: &str| {
            let line = format!("{{\"__CURSOR\":\"c\",\"__REALTIME_TIMESTAMP\":\"1\",{rest}}}");
            parse(line.as_bytes()).unwrap()
        };
        assert_eq!(of("\"MESSAGE\":[97,255,98]").message, b"a\xffb");
        assert_eq!(of("\"MESSAGE\":[\"one\",\"two\"]").message, b"one");
        assert_eq!(of("\"MESSAGE\":null").message, b"");
        assert_eq!(of("\"PRIORITY\":\"9\"").priority, None);
        assert_eq!(of("\"_COMM\":\"x\"").program, "x");
        assert_eq!(parse(b"Failed to open"), None);
        assert_eq!(parse(b"{\"__CURSOR\":\"c\",\"__REALTIME_TIMESTAMP\":\"soon\"}"), None);
    }

    #[test]
    fn reading_goes_on_after_the_last_entry() {
        assert!(arguments(&From::Now).contains(&"--lines=0".to_owned()));
        let after = arguments(&From::After("s=1"));
        assert!(after.contains(&"--after-cursor=s=1".to_owned()), "{after:?}");
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in "\\{?(\"(__CURSOR|MESSAGE|PRIORITY)\":[\\[\"0-9,a\\]]{0,8},?){0,4}\\}?") {
            let _ = parse(line.as_bytes());
        }
    }
}
