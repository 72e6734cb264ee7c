//! Waking when something may have moved: where the kernel is not asked, after a while.

use std::path::{Path, PathBuf};

use nightcrew_model::unit::Millis;

/// How long a wait takes at the most.
pub const LOOK_AGAIN: Millis = Millis(500);

/// What woke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moved {
    /// Nothing; the time was over.
    Nothing,
    /// A file grew or shrank.
    Content,
    /// A file appeared, was renamed or removed.
    Names,
}

/// Wakes after a while.
#[derive(Debug, Default)]
pub struct Wake;

impl Wake {
    /// Nothing is watched.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// Does nothing.
    #[expect(clippy::unused_self, reason = "the same calls as where the kernel tells")]
    pub fn watch(&mut self, _folders: &[PathBuf]) {}

    /// Whether a folder is watched: never.
    #[must_use]
    #[expect(clippy::unused_self, reason = "the same calls as where the kernel tells")]
    pub fn is_watched(&self, _folder: &Path) -> bool {
        false
    }

    /// Waits, at the most `longest`.
    pub async fn wait(&mut self, longest: Millis) -> Moved {
        tokio::time::sleep(longest.min(LOOK_AGAIN).duration()).await;
        Moved::Nothing
    }
}
