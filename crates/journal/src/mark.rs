//! The mark: the last acknowledged position, kept beside the log.
//!
//! A write-ahead log that was cut short or damaged is read up to its last whole transaction, and
//! nothing in it says that there was more.  The mark says it: a log that ends before the mark has
//! lost what was acknowledged.
//!
//! **Invariant:** the mark is never ahead of what is durable in the log, because it is written
//! after the commit.  It is not flushed, so that it costs nothing; after a power failure it may lag
//! behind and then only proves less.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::checksum::Crc32;
use crate::entry::Position;
use crate::error::OpenError;

/// The mark's file in the data folder.
pub(crate) const FILE: &str = "journal.mark";

/// The size of the file, in bytes: 20 digits, a space, 10 digits, a line feed.
const BYTES: usize = 32;

/// The open file.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    failed: bool,
}

impl Mark {
    /// Opens the mark, or makes it, and reads it as [`read`] does.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Position), OpenError> {
        let position = read(dir)?;
        let path = dir.join(FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| OpenError::folder(&path, error))?;
        Ok((Self { file, failed: false }, position))
    }

    /// Moves the mark.  A mark that cannot be written is warned about once and otherwise let be:
    /// the log itself is durable without it.
    pub(crate) fn write(&mut self, position: Position) {
        let outcome = self.file.write_all_at(render(position).as_bytes(), 0);
        match outcome {
            Ok(()) => self.failed = false,
            Err(error) if !self.failed => {
                tracing::warn!(%error, "the mark of the journal could not be written");
                self.failed = true;
            }
            Err(_) => {}
        }
    }

    /// Flushes the mark: once when it is made, so that it has its block, and at the end.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// Reads the mark; [`Position::START`] where there is none or it is damaged.
pub(crate) fn read(dir: &Path) -> Result<Position, OpenError> {
    let path = dir.join(FILE);
    let mut text = Vec::new();
    let outcome =
        File::open(&path).and_then(|file| file.take(BYTES as u64 + 1).read_to_end(&mut text));
    match outcome {
        Ok(0) => return Ok(Position::START),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Position::START),
        Err(error) => return Err(OpenError::folder(&path, error)),
    }
    Ok(parse(&text).unwrap_or_else(|| {
        tracing::warn!(
            file = %path.display(),
            "the mark of the journal is damaged; whether the log lost its end cannot be told"
        );
        Position::START
    }))
}

fn sum(position: Position) -> i64 {
    Crc32::new().number(position.0).finish()
}

fn render(position: Position) -> String {
    format!("{:020} {:010}\n", position.0, sum(position))
}

fn parse(text: &[u8]) -> Option<Position> {
    let text = str::from_utf8(text).ok()?;
    let (position, _) = text.strip_suffix('\n')?.split_once(' ')?;
    let position = Position(position.parse().ok()?);
    (render(position) == text).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        for position in [0, 1, 42, u64::MAX].map(Position) {
            assert_eq!(render(position).len(), BYTES);
            assert_eq!(parse(render(position).as_bytes()), Some(position));
        }
    }

    #[test]
    fn a_flipped_bit_is_no_mark() {
        let good = render(Position(1_234_567));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone().into_bytes();
                bad[at] ^= 1 << bit;
                assert_eq!(parse(&bad), None, "byte {at}, bit {bit}");
            }
        }
    }
}
