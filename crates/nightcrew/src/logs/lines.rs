//! The lines of a file, one at a time, whatever their length: of a file as it is, of one that was
//! compressed by gzip, or of standard input (`-`).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;

use crate::output::Failure;

/// So much of a line is looked at, in bytes; the rest of it is passed over.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;

/// How much is read at a time, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// The path that stands for standard input.
const STDIN: &str = "-";

/// What a file that was compressed by gzip begins with (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The lines of a file.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    changed_at: Option<Timestamp>,
    line: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            Failure::usage(
                format!("{} cannot be read: {error}", path.display()),
                "look at its name and rights",
            )
        };
        if path.as_os_str() == STDIN {
            return Self::of(io::stdin(), None).map_err(cannot);
        }
        let file = File::open(path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        if about.is_dir() {
            return Err(Failure::usage(
                format!("{} is a folder", path.display()),
                "name one log file",
            ));
        }
        let changed = about.modified().map_err(cannot)?;
        Self::of(file, Timestamp::try_from(changed).ok()).map_err(cannot)
    }

    fn of(source: impl Read + Send + 'static, changed_at: Option<Timestamp>) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
        let is_compressed = source.fill_buf()?.starts_with(&GZIP);
        let reader: Box<dyn BufRead + Send> = if is_compressed {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(source)))
        } else {
            Box::new(source)
        };
        Ok(Self { reader, changed_at, line: Vec::new() })
    }

    /// When the file last changed; none where that is no time that can be said.
    pub(crate) fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }

    /// The next line without its end, cut at [`LINE_BYTES_MAX`]; none at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let max = LINE_BYTES_MAX as u64 + 1;
        if (&mut self.reader).take(max).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        } else if self.line.len() > LINE_BYTES_MAX {
            self.line.truncate(LINE_BYTES_MAX);
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(&self.line))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn lengths(path: &Path) -> Vec<usize> {
        let mut lines = Lines::open(path).unwrap();
        let mut lengths = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            lengths.push(line.len());
        }
        lengths
    }

    #[test]
    fn long_lines_are_cut_and_the_last_one_needs_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("기록.log");
        let long = [b'x'; 3 * LINE_BYTES_MAX];
        let text = [b"a\r\n\n\xff\n".as_slice(), &long, b"\nz"].concat();
        std::fs::write(&path, text).unwrap();
        assert_eq!(lengths(&path), [1, 0, 1, LINE_BYTES_MAX, 1]);
        assert!(Lines::open(folder.path()).is_err());
        assert!(Lines::open(&folder.path().join("없다")).is_err());
    }

    #[test]
    fn compressed_history_is_read_in_all_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log.2.gz");
        let mut whole = Vec::new();
        for text in ["one\ntwo\n", "three\n"] {
            let mut part = GzEncoder::new(Vec::new(), Compression::fast());
            part.write_all(text.as_bytes()).unwrap();
            whole.extend(part.finish().unwrap());
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(lengths(&path), [3, 3, 5]);
        std::fs::write(&path, &whole[..whole.len() - 12]).unwrap();
        let mut lines = Lines::open(&path).unwrap();
        let read = (0..9).try_for_each(|_| lines.next().map(drop));
        assert!(read.is_err(), "what is cut off is said");
    }
}
