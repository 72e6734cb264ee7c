//! What the benchmark says: the table and nothing else on the standard output, progress on the
//! standard error.

use std::io::{self, Write as _};

/// Writes to the standard output.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells how it goes.
pub(crate) fn progress(text: &str) {
    // Nobody may be reading; that is no reason to stop measuring.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
