//! How bad it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad it is, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody is woken.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look now.
    Critical,
}

impl Severity {
    /// Reads a source's own word.  A word that is not known maps *up* to [`Severity::Warning`]:
    /// what nobody foresaw is never hidden.  The word itself stays in the alert's labels.
    #[must_use]
    pub fn from_label(raw: &str) -> Self {
        match raw.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "page" | "fatal" | "emergency" | "error" | "high" | "p1"
            | "p2" | "sev1" => Self::Critical,
            "info" | "informational" | "none" | "low" | "notice" | "debug" | "p5" | "ok" => {
                Self::Info
            }
            _ => Self::Warning,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_map_up_to_warning() {
        for word in ["moderate", "", "심각", "P3", "  Major "] {
            assert_eq!(Severity::from_label(word), Severity::Warning, "{word}");
        }
        assert_eq!(Severity::from_label("CRITICAL "), Severity::Critical);
        assert_eq!(Severity::from_label("info"), Severity::Info);
    }
}
