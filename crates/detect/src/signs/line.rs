//! What a log line is: a request, or a message of a program with a time and a level.
//!
//! **Invariant:** every line is something: what no shape fits is a message at the reference time.

use jiff::Timestamp;

use crate::signs::clock::{self, AHEAD_SECONDS_MAX};
use crate::signs::level::{self, Level};
use crate::signs::request::{self, Request};
use crate::signs::scan::{cut, rest, word};

/// The largest number of bytes of a line that are looked at; the rest is not read.
pub const LINE_BYTES_MAX: usize = 16_384;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// The whole line, without its end.
    pub raw: &'a [u8],
    /// When it was written; the reference time where the line does not say, or says a time that
    /// is more than a day ahead of it.
    pub time: Timestamp,
    /// What it says.
    pub body: Body<'a>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// An HTTP request of an access log.
    Request(Request<'a>),
    /// Anything else.
    Message(Message<'a>),
}

/// What a program wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// The program, without its process id; empty where the line does not say.
    pub program: &'a [u8],
    /// The level, where the line has a field for it.
    pub level: Option<Level>,
    /// The text, after time, host, program and level.
    pub text: &'a [u8],
}

/// Reads one line.  `reference` is a time not before the line was written: now, or when the file
/// last changed; it gives the year where the line has none.
#[must_use]
pub fn parse(line: &[u8], reference: Timestamp) -> Line<'_> {
    let line = line.get(..LINE_BYTES_MAX).unwrap_or(line).trim_ascii_end();
    let (body, time) = read(line, reference);
    let is_believed =
        |time: &Timestamp| time.as_second() <= reference.as_second() + AHEAD_SECONDS_MAX;
    Line { raw: line, time: time.filter(is_believed).unwrap_or(reference), body }
}

fn read(line: &[u8], reference: Timestamp) -> (Body<'_>, Option<Timestamp>) {
    if line.first() == Some(&b'{') {
        if let Some((request, time)) = request::json(line) {
            return (Body::Request(request), time);
        }
        let (message, time) = json_message(line);
        return (Body::Message(message), time);
    }
    let start = without_priority(line);
    if let Some((time, left)) = clock::without_year(start, reference) {
        return (Body::Message(syslog(left)), Some(time));
    }
    let bare = start.strip_prefix(b"[").unwrap_or(start);
    if let Some((time, left)) = clock::iso(bare) {
        return (Body::Message(after_time(left)), Some(time));
    }
    if let Some((request, time)) = request::combined(line) {
        return (Body::Request(request), time);
    }
    let (level, text) = level::leading(line);
    (Body::Message(Message { program: b"", level, text }), None)
}

/// The line behind `<34>` or `<34>1 `.
fn without_priority(line: &[u8]) -> &[u8] {
    let Some((number, left)) = line.strip_prefix(b"<").and_then(|left| cut(left, b'>')) else {
        return line;
    };
    if number.len() > 3 || number.iter().any(|byte| !byte.is_ascii_digit()) {
        return line;
    }
    left.strip_prefix(b"1 ").unwrap_or(left)
}

/// ` host program[pid]: text`.
fn syslog(left: &[u8]) -> Message<'_> {
    let left = left.trim_ascii_start();
    let (_, left) = cut(left, b' ').unwrap_or((b"", left));
    let (program, text) = program(left).unwrap_or((b"", left));
    if program == b"kernel" {
        // Its "INFO: task hung" is the worst that it says.
        return Message { program, level: None, text };
    }
    let (level, text) = level::leading(text);
    Message { program, level, text }
}

/// What follows an ISO time: host and program, or a level and a message.
fn after_time(left: &[u8]) -> Message<'_> {
    let left = left.strip_prefix(b"]").unwrap_or(left).trim_ascii_start();
    let (level, text) = level::leading(left);
    let of_program = cut(left, b' ').and_then(|(_, left)| program(left));
    if let (None, Some((program, text))) = (level, of_program) {
        let (level, text) = level::leading(text);
        return Message { program, level, text };
    }
    Message { program: b"", level, text }
}

/// `program[pid]: text` or `program: text`.
fn program(left: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = word(left);
    let name = head.strip_suffix(b":")?;
    let name = cut(name, b'[').map_or(name, |(name, _)| name);
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let is_name = !name.is_empty() && name.iter().all(is_part);
    is_name.then(|| (name, rest(left, head.len()).trim_ascii_start()))
}

/// The level, the message and the time of a JSON line.
fn json_message(line: &[u8]) -> (Message<'_>, Option<Timestamp>) {
    let mut message = Message { text: line, ..Message::default() };
    let mut time = None;
    for (key, value) in request::fields(line) {
        match key {
            b"level" | b"severity" | b"lvl" | b"loglevel" | b"log.level" => {
                message.level = Level::from_word(value);
            }
            b"msg" | b"message" | b"error" | b"text" if message.text.len() == line.len() => {
                message.text = value;
            }
            b"service" | b"logger" | b"app" | b"program" | b"name" => message.program = value,
            b"time" | b"ts" | b"timestamp" | b"@timestamp" => {
                time = request::read_time(value).or(time);
            }
            _ => {}
        }
    }
    (message, time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference() -> Timestamp {
        "2026-01-02T00:00:00Z".parse().unwrap()
    }

    fn message(line: &str) -> (String, String, Option<Level>, String) {
        let read = parse(line.as_bytes(), reference());
        let Body::Message(message) = read.body else { panic!("a request: {line}") };
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (read.time.to_string(), text(message.program), message.level, text(message.text))
    }

    #[test]
    fn each_shape_of_message_is_read() {
        let rows = [
            (
                "Mar 27 13:06:56 h sshd[1291]: Server on",
                "2025-03-27T13:06:56Z",
                "sshd",
                None,
                "Server on",
            ),
            ("<34>Mar 27 13:06:56 h su: x y", "2025-03-27T13:06:56Z", "su", None, "x y"),
            (
                "2025-03-27T13:06:56.5+00:00 h sshd[1]: x",
                "2025-03-27T13:06:56.5Z",
                "sshd",
                None,
                "x",
            ),
            (
                "2025-03-27 13:06:56,5 ERROR pay: x",
                "2025-03-27T13:06:56.5Z",
                "",
                Some(Level::Error),
                "pay: x",
            ),
            (
                "2025/03/27 13:06:56 [error] 9#9: x",
                "2025-03-27T13:06:56Z",
                "",
                Some(Level::Error),
                "9#9: x",
            ),
            ("WARN: low", "2026-01-02T00:00:00Z", "", Some(Level::Warning), "low"),
            ("hello", "2026-01-02T00:00:00Z", "", None, "hello"),
        ];
        for (line, time, program, level, text) in rows {
            let expected = (time.to_owned(), program.to_owned(), level, text.to_owned());
            assert_eq!(message(line), expected, "{line}");
        }
        let line = r#"{"ts":"2025-03-27T13:06:56Z","level":"error","service":"pay","msg":"no"}"#;
        let expected =
            ("2025-03-27T13:06:56Z".into(), "pay".into(), Some(Level::Error), "no".into());
        assert_eq!(message(line), expected);
    }

    #[test]
    fn a_time_far_ahead_is_not_believed() {
        assert_eq!(message("9999-01-01T00:00:00Z ERROR x").0, "2026-01-02T00:00:00Z");
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = vec![b'a'; LINE_BYTES_MAX + 5];
        assert_eq!(parse(&long, reference()).raw.len(), LINE_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line, reference());
        }
    }
}
