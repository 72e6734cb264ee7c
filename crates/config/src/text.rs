//! The texts that were read, and places in them.

use std::path::PathBuf;

/// One of the files of a load, by the order of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(u32);

/// A range of bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) file: FileId,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(file: FileId, start: usize, end: usize) -> Self {
        // Files are at most `read::FILE_BYTES_MAX` long, far below 4 GiB.
        let clamp = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { file, start: clamp(start), end: clamp(end) }
    }

    /// The very beginning of a file: where a problem of the file as a whole is shown.
    pub(crate) fn top(file: FileId) -> Self {
        Self::new(file, 0, 0)
    }
}

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
}

/// One text.
#[derive(Debug)]
struct SourceText {
    /// Its path as the operator would type it.
    shown: PathBuf,
    text: String,
    /// The offset of the first byte of each line.
    lines: Vec<u32>,
}

/// Every text of a load.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<SourceText>);

impl Files {
    /// Adds a text.
    pub(crate) fn add(&mut self, shown: PathBuf, text: String) -> FileId {
        let id = self.next();
        let lines = line_starts(&text);
        self.0.push(SourceText { shown, text, lines });
        id
    }

    /// The file that is added next.
    pub(crate) fn next(&self) -> FileId {
        FileId(u32::try_from(self.0.len()).unwrap_or(u32::MAX))
    }

    /// The files that were added from that one on.
    pub(crate) fn since(&self, first: FileId) -> impl Iterator<Item = FileId> {
        (first.0..self.next().0).map(FileId)
    }

    fn get(&self, file: FileId) -> Option<&SourceText> {
        self.0.get(usize::try_from(file.0).ok()?)
    }

    /// The path of a file as the operator would type it.
    pub(crate) fn shown(&self, file: FileId) -> String {
        self.get(file).map_or_else(String::new, |source| source.shown.display().to_string())
    }

    /// Where a span begins.
    pub(crate) fn position(&self, span: Span) -> Position {
        let Some(source) = self.get(span.file) else {
            return Position { line: 1, column: 1 };
        };
        let bytes = source.text.as_bytes();
        let at = index(span.start).min(bytes.len());
        let line = source.lines.partition_point(|start| index(*start) <= at).max(1);
        let start = source.lines.get(line - 1).map_or(0, |start| index(*start));
        // Every byte that does not continue a character begins one.
        let column =
            bytes[start..at].iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count() + 1;
        Position { line, column }
    }

    /// What is written there.
    pub(crate) fn written(&self, span: Span) -> Option<&str> {
        self.get(span.file)?.text.get(index(span.start)..index(span.end))
    }

    /// The place as `file:line:column`.
    pub(crate) fn locate(&self, span: Span) -> String {
        let Position { line, column } = self.position(span);
        format!("{}:{line}:{column}", self.shown(span.file))
    }

    /// The span of one byte of a string's text, if the string stands in the file exactly so
    /// (without escapes or substitution); else the span of the whole string.
    pub(crate) fn inside(&self, string: Span, text: &str, offset: usize) -> Span {
        let exact = self.get(string.file).and_then(|source| {
            let inner = index(string.start) + 1..index(string.end).checked_sub(1)?;
            let start = inner.start;
            (source.text.get(inner)? == text && offset <= text.len()).then_some(start + offset)
        });
        match exact {
            Some(at) => Span::new(string.file, at, index(string.end)),
            None => string,
        }
    }
}

fn index(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Lines end at LF, CR LF, or a CR alone (ECMA-404 leaves it open; JSON5 section 7 lists them).
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (at, byte) in bytes.iter().enumerate() {
        let ends = match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        if ends {
            starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_columns_in_characters_over_every_kind_of_line_end() {
        let text = "가나\r\n다라 x\rb\n\u{1f680}y";
        let mut files = Files::default();
        let id = files.add("t".into(), text.to_owned());
        let at = |needle: &str| {
            let start = text.find(needle).unwrap();
            let Position { line, column } = files.position(Span::new(id, start, start));
            (line, column)
        };
        assert_eq!(at("나"), (1, 2));
        assert_eq!(at("다"), (2, 1));
        assert_eq!(at("x"), (2, 4));
        assert_eq!(at("b"), (3, 1));
        assert_eq!(at("y"), (4, 2));
    }

    #[test]
    fn a_place_beyond_the_end_is_the_end() {
        let mut files = Files::default();
        let id = files.add("t".into(), "ab\n".to_owned());
        let end = files.position(Span::new(id, 900, 901));
        assert_eq!(end, Position { line: 2, column: 1 });
    }
}
