//! From a line to words, and from the first word to a program.

use nightcrew_model::argv::{Argv, Word};

use crate::library::Library;
use crate::programs::{PROGRAM_FOLDERS, is_wrapper};
use crate::ruling::Unfit;

/// The largest number of programs that a refusal lists.
const LISTED_MAX: usize = 64;

/// The longest line that is read as JSON, in bytes.
pub(crate) const JSON_LINE_BYTES_MAX: usize = 16 * 1_024;

/// Reads a line as a person types it, or a JSON array of words.
pub(crate) fn read_line(line: &str) -> Result<Argv, Unfit> {
    let line = line.trim_matches([' ', '\t']);
    if !line.starts_with('[') {
        let argv = Argv::parse(line);
        return argv.map_err(|why| Unfit::refused("gate.not-argv", why.to_string()));
    }
    if line.len() > JSON_LINE_BYTES_MAX {
        let reason = format!("the line is longer than {JSON_LINE_BYTES_MAX} bytes");
        return Err(Unfit::refused("gate.not-argv", reason));
    }
    let words: Vec<String> = serde_json::from_str(line).map_err(|why| {
        let reason = format!("the line is not a JSON array of words: {why}");
        Unfit::refused("gate.not-argv", reason)
    })?;
    Ok(Argv::literal(words))
}

/// The name of a program that is written as a bare name or as a path in a known folder.
pub(crate) fn program_name(word: &Word) -> Result<&str, Unfit> {
    let Word::Literal(written) = word else {
        let reason = format!("`{}` is a pattern, not a program", word.as_str());
        return Err(Unfit::refused("gate.program", reason));
    };
    let name = match written.rsplit_once('/') {
        None => written.as_str(),
        Some((folder, name)) if PROGRAM_FOLDERS.contains(&folder) => name,
        Some(_) => {
            let reason = format!(
                "`{written}` is neither a bare name nor in one of {}",
                PROGRAM_FOLDERS.join(":")
            );
            return Err(Unfit::refused("gate.program", reason));
        }
    };
    if name.contains('=') {
        let reason = format!("`{name}` sets a variable, which needs a shell");
        return Err(Unfit::refused("gate.wrapper", reason));
    }
    if is_wrapper(name) {
        let reason = format!(
            "no grammar for {name}: it starts another program, so give that one as the action itself"
        );
        return Err(Unfit::refused("gate.wrapper", reason));
    }
    Ok(name)
}

/// The answer to a program that nobody has described.
pub(crate) fn no_grammar(name: &str, library: &Library) -> Unfit {
    let known: Vec<&str> = library.names().take(LISTED_MAX).collect();
    Unfit::refused(
        "gate.no-grammar",
        format!("no grammar for {name}; known: find, {}", known.join(", ")),
    )
}
