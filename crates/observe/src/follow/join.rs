//! Lines that belong together: a message and the stack trace under it.
//!
//! A line continues the one before it when it is indented and that one is not, or when it begins
//! as only a part of a stack trace does.  In the trace of a Python program the line after the
//! indented ones belongs to it too.

use jiff::Timestamp;

use crate::follow::lines::LINE_BYTES_MAX;

/// How many lines make up one entry; what follows is another one.
pub const ENTRY_LINES_MAX: usize = 512;

/// Whether lines are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Joining {
    /// A stack trace belongs to the message above it.
    #[default]
    Traces,
    /// Each line is for itself.
    Never,
}

/// Where a trace of Python is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Python {
    #[default]
    Outside,
    Head,
    Frames,
}

/// Holds an entry until the next one begins.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    joining: Joining,
    text: Vec<u8>,
    /// Where its first byte is in the file; none: nothing is held.
    start: Option<u64>,
    time: Option<Timestamp>,
    n_lines: usize,
    python: Python,
}

impl Joiner {
    pub(crate) fn new(joining: Joining) -> Self {
        Self { joining, ..Self::default() }
    }

    /// Where the held entry begins, where there is one.
    pub(crate) fn held(&self) -> Option<u64> {
        self.start
    }

    /// Takes a line that begins at `start`, and gives the entry that is whole by that.
    pub(crate) fn push(
        &mut self,
        text: &[u8],
        start: u64,
        time: Option<Timestamp>,
        mut each: impl FnMut(u64, &[u8], Option<Timestamp>),
    ) {
        if self.joining == Joining::Never {
            return each(start, text, time);
        }
        if self.start.is_some() && self.n_lines < ENTRY_LINES_MAX && self.belongs(text) {
            self.n_lines += 1;
            let room = LINE_BYTES_MAX.saturating_sub(self.text.len() + 1);
            self.text.push(b'\n');
            self.text.extend_from_slice(text.get(..room).unwrap_or(text));
            return;
        }
        self.finish(&mut each);
        self.python = if is_traceback(text) { Python::Head } else { Python::Outside };
        (self.start, self.time, self.n_lines) = (Some(start), time, 1);
        self.text.extend_from_slice(text);
    }

    /// Gives what is held.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(u64, &[u8], Option<Timestamp>)) {
        if let Some(start) = self.start.take() {
            each(start, &self.text, self.time);
        }
        self.text.clear();
        self.text.shrink_to(LINE_BYTES_MAX >> 4);
    }

    /// Whether a line continues what is held.
    fn belongs(&mut self, text: &[u8]) -> bool {
        const STARTS: [&[u8]; 6] = [
            b"Caused by: ",
            b"Suppressed: ",
            b"at ",
            b"... ",
            b"goroutine ",
            b"During handling of ",
        ];
        let is_indented = is_indent(text.first());
        match self.python {
            Python::Head if is_indented => {
                self.python = Python::Frames;
                return true;
            }
            Python::Frames if !is_indented && !text.is_empty() => {
                self.python = Python::Outside;
                return true;
            }
            Python::Head | Python::Frames | Python::Outside => {}
        }
        if is_traceback(text) {
            self.python = Python::Head;
            return true;
        }
        text.trim_ascii().is_empty()
            || is_indented && !is_indent(self.text.first())
            || STARTS.iter().any(|start| text.starts_with(start))
    }
}

fn is_indent(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b' ' | b'\t'))
}

fn is_traceback(text: &[u8]) -> bool {
    text.starts_with(b"Traceback (most recent call last):")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(text: &str) -> Vec<String> {
        let (mut joiner, mut entries, mut at) = (Joiner::new(Joining::Traces), Vec::new(), 0);
        let mut each = |start: u64, entry: &[u8], _: Option<Timestamp>| {
            assert!(text.as_bytes()[start as usize..].starts_with(&entry[..1.min(entry.len())]));
            entries.push(String::from_utf8_lossy(entry).into_owned());
        };
        for line in text.lines() {
            joiner.push(line.as_bytes(), at, None, &mut each);
            at += line.len() as u64 + 1;
        }
        joiner.finish(&mut each);
        entries
    }

    #[test]
    fn a_trace_belongs_to_its_message() {
        let java = "ERROR checkout failed\njava.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\n\
                    Caused by: java.io.IOException: y\n\tat d.E\n\t... 3 more\nINFO next";
        let joined = join(java);
        assert_eq!(joined.len(), 3, "{joined:#?}");
        assert!(joined[1].ends_with("3 more"), "{joined:#?}");
        let python = "ERROR:root:failed\nTraceback (most recent call last):\n  File \"a\", line 1\n    \
                      f()\nValueError: 7\nINFO:root:next";
        let joined = join(python);
        assert_eq!(joined.len(), 2, "{joined:#?}");
        assert!(joined[0].ends_with("ValueError: 7"));
    }

    #[test]
    fn a_file_whose_lines_are_all_indented_is_not_one_entry() {
        assert_eq!(join("  a\n  b\n  c").len(), 3);
        assert_eq!(join("a\nb\nc").len(), 3);
        assert_eq!(join("a\n\nb").len(), 2);
    }

    #[test]
    fn an_entry_has_an_end() {
        let text = format!("a\n{}", "  more\n".repeat(2 * ENTRY_LINES_MAX));
        let lines: Vec<usize> = join(&text).iter().map(|entry| entry.lines().count()).collect();
        assert_eq!(lines[0], ENTRY_LINES_MAX);
        let mut joiner = Joiner::new(Joining::Traces);
        let long = vec![b' '; LINE_BYTES_MAX];
        joiner.push(b"a", 0, None, |_, _, _| {});
        joiner.push(&long, 2, None, |_, _, _| {});
        joiner.finish(|_, text, _| assert_eq!(text.len(), LINE_BYTES_MAX));
    }
}
