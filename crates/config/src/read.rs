//! One file in, its text out, within limits.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use thiserror::Error;

/// The largest file that is read, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a file was not read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    #[error("there is no such file")]
    Absent,
    #[error("it is not a regular file")]
    NotAFile,
    #[error("the file has {0} bytes; at most {FILE_BYTES_MAX} are read")]
    TooLarge(u64),
    #[error("the file is not UTF-8: byte {} begins no character", good.len())]
    NotUtf8 {
        /// What stands before the bad byte.
        good: String,
    },
    #[error("the file cannot be read: {0}")]
    Io(io::ErrorKind),
}

impl ReadError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Absent => Some("check the path"),
            Self::NotAFile => Some("give the path of a file"),
            Self::TooLarge(_) => Some("split it with $include"),
            Self::NotUtf8 { .. } => Some("save it as UTF-8"),
            Self::Io(io::ErrorKind::PermissionDenied) => {
                Some("let the user of the crew read the file")
            }
            Self::Io(_) => None,
        }
    }
}

/// Reads a whole file; a byte order mark at its start is left out.
pub(crate) fn read(path: &Path) -> Result<String, ReadError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Absent,
        kind => ReadError::Io(kind),
    };
    // Asked before opening: opening a named pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(ReadError::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::new();
    let mut limited = File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > FILE_BYTES_MAX {
        return Err(ReadError::TooLarge(length));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        bytes.truncate(good);
        ReadError::NotUtf8 { good: String::from_utf8(bytes).unwrap_or_default() }
    })?;
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn write(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("설정.json5");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn leaves_out_the_byte_order_mark() {
        let (_folder, path) = write("\u{feff}{}".as_bytes());
        assert_eq!(read(&path).unwrap(), "{}");
    }

    #[test]
    fn names_the_first_byte_that_is_not_utf8() {
        let (_folder, path) = write(b"\xea\xb0\x80\n\xff");
        let error = read(&path).unwrap_err();
        assert_eq!(error.to_string(), "the file is not UTF-8: byte 4 begins no character");
    }

    #[test]
    fn a_large_file_is_not_read() {
        let (_folder, path) = write(b"{}");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(10 * 1024 * 1024).unwrap();
        assert!(matches!(read(&path), Err(ReadError::TooLarge(10_485_760))));
        file.set_len(FILE_BYTES_MAX).unwrap();
        assert!(read(&path).is_ok());
    }

    #[test]
    fn a_folder_or_nothing_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(ReadError::NotAFile)));
        let absent = folder.path().join("absent");
        assert!(matches!(read(&absent), Err(ReadError::Absent)));
        assert!(matches!(read(Path::new("/dev/null")), Err(ReadError::NotAFile)));
    }
}
