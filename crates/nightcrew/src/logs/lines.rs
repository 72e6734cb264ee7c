//! The lines of a file, one at a time, whatever their length.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use jiff::Timestamp;

use crate::output::Failure;

/// So much of a line is looked at, in bytes; the rest of it is passed over.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;

/// How much is read at a time, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// The lines of a file.
pub(crate) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            Failure::usage(
                format!("{} cannot be read: {error}", path.display()),
                "look at its name and rights",
            )
        };
        let file = File::open(path).map_err(cannot)?;
        if file.metadata().map_err(cannot)?.is_dir() {
            return Err(Failure::usage(
                format!("{} is a folder", path.display()),
                "name one log file",
            ));
        }
        Ok(Self { reader: BufReader::with_capacity(BUFFER_BYTES, file), line: Vec::new() })
    }

    /// When the file last changed; none where that is no time that can be said.
    pub(crate) fn changed_at(&self) -> std::io::Result<Option<Timestamp>> {
        let changed = self.reader.get_ref().metadata()?.modified()?;
        Ok(Timestamp::try_from(changed).ok())
    }

    /// The next line without its end, cut at [`LINE_BYTES_MAX`]; none at the end of the file.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
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
    use super::*;

    #[test]
    fn long_lines_are_cut_and_the_last_one_needs_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("기록.log");
        let long = [b'x'; 3 * LINE_BYTES_MAX];
        let text = [b"a\r\n\n\xff\n".as_slice(), &long, b"\nz"].concat();
        std::fs::write(&path, text).unwrap();
        let mut lines = Lines::open(&path).unwrap();
        let mut lengths = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [1, 0, 1, LINE_BYTES_MAX, 1]);
        assert!(Lines::open(folder.path()).is_err());
        assert!(Lines::open(&folder.path().join("없다")).is_err());
    }
}
