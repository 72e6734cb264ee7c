//! Waking when something moves in a folder: inotify.
//!
//! **Invariant:** losing a word of the kernel loses nothing: whoever waits looks by himself after
//! [`LOOK_AGAIN`] at the latest, which is also all that there is on file systems that say nothing.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nightcrew_model::unit::Millis;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a wait takes at the most.
pub const LOOK_AGAIN: Millis = Millis(500);

/// How long a wait takes at the least: words within this time are one.
pub const SETTLE: Millis = Millis(40);

/// How many folders are watched; the others are looked at again and again.
pub const FOLDERS_WATCHED_MAX: usize = 256;

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

/// Wakes when something moves.
#[derive(Debug)]
pub struct Wake {
    /// None: the kernel does not tell.
    inotify: Option<AsyncFd<OwnedFd>>,
    watched: BTreeSet<PathBuf>,
}

impl Default for Wake {
    fn default() -> Self {
        Self::new()
    }
}

impl Wake {
    /// Nothing is watched yet.  Call it inside a runtime.
    #[must_use]
    pub fn new() -> Self {
        let made = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        #[expect(deprecated, reason = "what stands in its place is unsafe; an `OwnedFd` is sound")]
        let inotify = made.and_then(|fd| AsyncFd::new(fd).ok());
        Self { inotify, watched: BTreeSet::new() }
    }

    /// Watches these folders too.
    pub fn watch(&mut self, folders: &[PathBuf]) {
        let Some(inotify) = &self.inotify else { return };
        let flags = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        for folder in folders {
            if self.watched.len() >= FOLDERS_WATCHED_MAX || self.watched.contains(folder) {
                continue;
            }
            // A folder that is not there yet is tried again; one that cannot be watched too.
            if inotify::add_watch(inotify.get_ref(), folder.as_path(), flags).is_ok() {
                self.watched.insert(folder.clone());
            }
        }
        self.watched.retain(|folder| folder.is_dir());
    }

    /// Whether a folder is watched.
    #[must_use]
    pub fn is_watched(&self, folder: &Path) -> bool {
        self.watched.contains(folder)
    }

    /// Waits until something moves, at the most `longest`.
    pub async fn wait(&mut self, longest: Millis) -> Moved {
        let began = Instant::now();
        let woken = self.woken();
        let moved = timeout(longest.min(LOOK_AGAIN).duration(), woken).await;
        let moved = moved.unwrap_or(Moved::Nothing);
        if moved == Moved::Nothing {
            return moved;
        }
        sleep_until(began + SETTLE.duration()).await;
        moved.max(self.inotify.as_ref().map_or(Moved::Nothing, |fd| drain(fd.get_ref())))
    }

    async fn woken(&self) -> Moved {
        let Some(inotify) = &self.inotify else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = inotify.readable().await else {
                return std::future::pending().await;
            };
            let moved = drain(inotify.get_ref());
            ready.clear_ready();
            if moved != Moved::Nothing {
                return moved;
            }
        }
    }
}

/// Takes every word that waits.
fn drain(inotify: &OwnedFd) -> Moved {
    let mut moved = Moved::Nothing;
    let mut buffer = [MaybeUninit::uninit(); 8 << 10];
    let mut words = inotify::Reader::new(inotify, &mut buffer);
    while let Ok(word) = words.next() {
        let is_content = word.events().contains(ReadFlags::MODIFY);
        moved = moved.max(if is_content { Moved::Content } else { Moved::Names });
    }
    moved
}
