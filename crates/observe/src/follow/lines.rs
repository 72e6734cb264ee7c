//! Bytes as they come, cut into lines.
//!
//! **Invariant:** at most [`LINE_BYTES_MAX`] bytes of an unfinished line are held, however long it
//! becomes; the place of its first byte in the file is known.

/// How many bytes of a line are kept; the rest of a longer line is passed over.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// One line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawLine<'a> {
    /// Where its first byte is in the file.
    pub(crate) start: u64,
    /// What was kept of it.
    pub(crate) text: &'a [u8],
    /// Whether it was longer than what was kept.
    pub(crate) is_cut: bool,
}

/// Holds the beginning of a line until its end comes.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    held: Vec<u8>,
    start: u64,
    /// How many bytes of the line came, kept or not; none: it has not begun.
    len: Option<u64>,
    /// Whether what comes first is the end of a line whose beginning was never read.
    is_inside: bool,
}

impl Cutter {
    /// A cutter for a file that is read from somewhere inside a line on.
    pub(crate) fn inside_a_line() -> Self {
        Self { is_inside: true, ..Self::default() }
    }

    /// Takes bytes that begin at `at` in the file, and gives every line that ends in them.
    pub(crate) fn feed(&mut self, bytes: &[u8], at: u64, mut each: impl FnMut(RawLine<'_>)) {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let piece = bytes.get(begin..end).unwrap_or_default();
            let start = at + begin as u64;
            begin = end + 1;
            if std::mem::take(&mut self.is_inside) {
                continue;
            }
            match self.len {
                None => {
                    let is_cut = piece.len() > LINE_BYTES_MAX;
                    let text = piece.get(..LINE_BYTES_MAX).unwrap_or(piece);
                    each(RawLine { start, text: without_return(text), is_cut });
                }
                Some(_) => {
                    self.hold(piece, start);
                    self.end(&mut each);
                }
            }
        }
        let rest = bytes.get(begin..).unwrap_or_default();
        if !rest.is_empty() && !self.is_inside {
            self.hold(rest, at + begin as u64);
        }
    }

    /// Where the unfinished line begins, where there is one.
    pub(crate) fn unfinished(&self) -> Option<u64> {
        self.len.map(|_| self.start)
    }

    /// Takes what is there of the unfinished line for a whole one.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(RawLine<'_>)) {
        if self.len.is_some() {
            self.end(&mut each);
        }
    }

    fn hold(&mut self, piece: &[u8], start: u64) {
        if self.len.is_none() {
            self.start = start;
        }
        self.len = Some(self.len.unwrap_or(0) + piece.len() as u64);
        let room = LINE_BYTES_MAX.saturating_sub(self.held.len());
        self.held.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn end(&mut self, each: &mut impl FnMut(RawLine<'_>)) {
        let is_cut = self.len.take().unwrap_or(0) > self.held.len() as u64;
        each(RawLine { start: self.start, text: without_return(&self.held), is_cut });
        self.held.clear();
        // A long line is rare: its space is not kept for each of many files.
        self.held.shrink_to(LINE_BYTES_MAX >> 4);
    }
}

fn without_return(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<(u64, Vec<u8>, bool)> {
        let (mut cutter, mut at, mut lines) = (Cutter::default(), 0, Vec::new());
        for chunk in chunks {
            cutter
                .feed(chunk, at, |line| lines.push((line.start, line.text.to_vec(), line.is_cut)));
            at += chunk.len() as u64;
        }
        lines
    }

    #[test]
    fn a_line_is_whole_only_when_its_end_has_come() {
        let mut cutter = Cutter::default();
        let mut lines = Vec::new();
        cutter.feed(b"a\r\nb", 10, |line| lines.push(line.text.to_vec()));
        assert_eq!((lines.clone(), cutter.unfinished()), (vec![b"a".to_vec()], Some(13)));
        cutter.finish(|line| lines.push(line.text.to_vec()));
        assert_eq!((lines.pop(), cutter.unfinished()), (Some(b"b".to_vec()), None));
    }

    #[test]
    fn a_long_line_is_cut_in_bounded_memory() {
        let chunk = vec![b'x'; 1 << 20];
        let mut chunks: Vec<&[u8]> = vec![&chunk; 100];
        chunks.push(b"\nnext\n");
        let lines = cut(&chunks);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].1.len(), lines[0].2), (LINE_BYTES_MAX, true));
        assert_eq!(lines[1], (100 * (1 << 20) + 1, b"next".to_vec(), false));
    }

    #[test]
    fn the_rest_of_a_line_whose_beginning_was_not_read_is_passed_over() {
        let mut cutter = Cutter::inside_a_line();
        let mut lines = Vec::new();
        cutter.feed(b"rest", 5, |line| lines.push(line.text.to_vec()));
        cutter.feed(b" of it\nwhole\n", 9, |line| lines.push(line.text.to_vec()));
        assert_eq!(lines, [b"whole".to_vec()]);
    }

    proptest! {
        #[test]
        fn how_the_bytes_come_makes_no_difference(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..400),
            pieces in 1_usize..40,
        ) {
            let chunks: Vec<&[u8]> = text.chunks(pieces).collect();
            prop_assert_eq!(cut(&chunks), cut(&[&text]));
        }
    }
}
