//! Following log files: what is appended to the files that patterns name, entry by entry.
//!
//! Files appear, are rotated by renaming and by emptying, are replaced and removed; after a restart
//! reading goes on where it had come to ([`Follower::places`]).  The file system's word that
//! something moved ([`wake`]) only wakes: what became of a file is asked of the file itself.
//!
//! **Invariant:** as long as the places are stored with what was made of the entries, every whole
//! line of a file that can be read is given out once.  A file is known by its number, and by its
//! first bytes, never by its name.
//!
//! **Invariant:** memory is bounded: by [`FILES_MAX`] files, [`lines::LINE_BYTES_MAX`] bytes each of
//! an unfinished line and of an unfinished entry, and one buffer.

mod container;
mod escape;
pub mod join;
pub mod journal;
pub mod lines;
pub mod paths;
pub mod place;
mod tail;
#[cfg(target_os = "linux")]
pub mod wake;
#[cfg(not(target_os = "linux"))]
#[path = "follow/wake_elsewhere.rs"]
pub mod wake;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_model::unit::Millis;

use crate::follow::join::Joining;
use crate::follow::paths::{FileId, Found, FoundFile, Pattern};
use crate::follow::place::{PLACES_MAX, Place};
use crate::follow::tail::{Begin, Change, Tail};

pub use crate::follow::tail::{ENTRY_WAIT, UNFINISHED_MAX};

/// How many files are followed: those that changed last.
pub const FILES_MAX: usize = 512;

/// How many bytes one turn reads.
pub const TURN_BYTES_MAX: usize = 16 << 20;

/// How many bytes are read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// How many bytes before the place where reading begins are given out as history.
pub const HISTORY_BYTES: u64 = 256 << 10;

/// How much of a file that appeared while nobody followed is given out as fresh, in bytes.
pub const MISSED_BYTES_MAX: u64 = 64 << 20;

/// How often it is looked which files there are.
pub const LOOK_INTERVAL: Millis = Millis::from_secs(5);

/// The shortest time between two such looks, however much moves.
pub const LOOK_INTERVAL_MIN: Millis = Millis(250);

/// A look may take one part in so many of the time.
const LOOK_SHARE: u64 = 20;

/// How long a file that was renamed away is still read: its program may write on.
pub const GONE_MAX: Millis = Millis::from_secs(60);

/// How many such files are kept open.
pub const GONE_FILES_MAX: usize = 32;

/// How many troubles are told.
const TROUBLES_MAX: usize = 64;

/// Whether an entry was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was there before following began, or was given out before a restart.
    History,
    /// It is given out for the first time.
    Fresh,
}

/// One file that is followed, within one run; it keeps this when it is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileNumber(pub u64);

/// Lines that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The file.
    pub file: FileNumber,
    /// What it is called.
    pub path: &'a Path,
    /// Which pattern the file matches, by its number.
    pub pattern: usize,
    /// The lines without escape sequences, joined by line ends; at most
    /// [`lines::LINE_BYTES_MAX`] bytes, in any encoding or none.
    pub text: &'a [u8],
    /// Whether it was there before.
    pub stage: Stage,
    /// A moment not before it was written.
    pub written_by: Timestamp,
}

impl Entry<'_> {
    /// The first of the lines.
    #[must_use]
    pub fn first_line(&self) -> &[u8] {
        let end = memchr::memchr(b'\n', self.text).unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or(self.text)
    }
}

/// What came since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes that were read.
    pub n_bytes: u64,
    /// Lines.
    pub n_lines: u64,
    /// Entries that were given out.
    pub n_entries: u64,
    /// Lines that were longer than what is kept of one.
    pub n_cut: u64,
    /// Entries that were no text.
    pub n_binary: u64,
    /// Times that a file was emptied or begun anew.
    pub n_emptied: u64,
    /// Files that are not followed because there are too many.
    pub n_left_out: u64,
}

/// What a turn leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// There is more to read.
    More,
    /// Something waits for its end, which may come.
    Held,
    /// Nothing.
    Nothing,
}

/// What is to be followed.
#[derive(Clone, Debug, Default)]
pub struct What {
    /// The patterns; a file belongs to the first that it matches.
    pub patterns: Vec<Pattern>,
    /// What is not followed all the same.
    pub exclude: Vec<Pattern>,
    /// Whether lines are joined.
    pub joining: Joining,
}

/// Follows files.
#[derive(Debug)]
pub struct Follower {
    what: What,
    tails: BTreeMap<FileId, Tail>,
    /// Where reading had come to in files that are not there now.
    places: BTreeMap<FileId, Place>,
    folders: Vec<PathBuf>,
    buffer: Vec<u8>,
    totals: Totals,
    /// What cannot be read, and why; each is told once.
    troubles: BTreeMap<PathBuf, String>,
    news: Vec<String>,
    /// How many files were opened so far.
    n_opened: u64,
    is_first: bool,
    next_look: Timestamp,
    looked: Timestamp,
    /// The file that was read last, so that the others have their turn.
    last: Option<FileId>,
}

impl Follower {
    /// A follower that goes on at `places`.
    #[must_use]
    pub fn new(what: What, places: Vec<Place>) -> Self {
        Self {
            what,
            tails: BTreeMap::new(),
            places: places.into_iter().map(|place| (place.id(), place)).collect(),
            folders: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            totals: Totals::default(),
            troubles: BTreeMap::new(),
            news: Vec::new(),
            n_opened: 0,
            is_first: true,
            next_look: Timestamp::MIN,
            looked: Timestamp::MIN,
            last: None,
        }
    }

    /// Where reading has come to.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let kept = self.places.values().take(PLACES_MAX).cloned();
        self.tails.values().map(Tail::place).chain(kept).collect()
    }

    /// The files that are followed and how large each was at the last look, in bytes.
    pub fn files(&self) -> impl Iterator<Item = (&Path, usize, u64)> {
        let named = self.tails.values().filter(|tail| tail.gone_since.is_none());
        named.map(|tail| (tail.path.as_path(), tail.pattern, tail.size()))
    }

    /// The folders in which files may appear or grow.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// What came so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What cannot be read now, and why.
    #[must_use]
    pub fn troubles(&self) -> &BTreeMap<PathBuf, String> {
        &self.troubles
    }

    /// What became known since the last call that an operator has to hear.
    pub fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    /// Something moved in a folder: the next turn looks which files there are.
    pub fn moved(&mut self) {
        self.next_look = self.next_look.min(LOOK_INTERVAL_MIN.after(self.looked));
    }

    /// Reads what there is, up to [`TURN_BYTES_MAX`], and gives every entry that is whole.
    /// Blocks; call it where blocking is allowed.
    pub fn turn(&mut self, now: Timestamp, mut each: impl FnMut(&Entry<'_>)) -> Rest {
        if now >= self.next_look {
            self.look_for_files(now, &mut each);
        }
        let mut rest = Rest::Nothing;
        let mut left = TURN_BYTES_MAX;
        let after = self.last.take();
        let ids: Vec<FileId> = self.tails.keys().copied().collect();
        let (before, behind): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| after.is_some_and(|after| *id <= after));
        for id in behind.into_iter().chain(before) {
            let Some(tail) = self.tails.get_mut(&id) else { continue };
            let read = read(tail, &mut self.buffer, &mut left, now, &mut each, &mut self.totals);
            match read {
                Ok(Rest::More) => rest = Rest::More,
                Ok(Rest::Held) if rest == Rest::Nothing => rest = Rest::Held,
                Ok(Rest::Held | Rest::Nothing) => {
                    self.troubles.remove(&tail.path);
                }
                Err(error) => {
                    let path = tail.path.clone();
                    self.trouble(path, &error);
                }
            }
            if left == 0 {
                self.last = Some(id);
                rest = Rest::More;
                break;
            }
        }
        self.let_go(now);
        rest
    }

    fn look_for_files(&mut self, now: Timestamp, each: &mut impl FnMut(&Entry<'_>)) {
        let began = tokio::time::Instant::now();
        let Found { mut files, folders, troubles, is_cut, .. } =
            paths::look(&self.what.patterns, &self.what.exclude);
        self.folders = folders;
        files.sort_by_key(|file| std::cmp::Reverse(file.modified));
        self.totals.n_left_out = files.len().saturating_sub(FILES_MAX) as u64;
        files.truncate(FILES_MAX);
        if is_cut {
            self.tell("the log paths match more than is looked at; make them narrower".to_owned());
        } else if self.totals.n_left_out > 0 {
            self.tell(format!("more than {FILES_MAX} log files: the oldest are not followed"));
        }
        for tail in self.tails.values_mut() {
            if files.iter().all(|file| file.id != tail.id()) {
                tail.gone_since.get_or_insert(now);
            }
        }
        for (path, error) in &troubles {
            self.trouble(path.clone(), error);
        }
        self.troubles.retain(|path, _| path.exists());
        for file in &files {
            match self.tails.get_mut(&file.id) {
                Some(tail) => {
                    (tail.pattern, tail.gone_since) = (file.pattern, None);
                    if tail.path != file.path {
                        tail.path.clone_from(&file.path);
                    }
                }
                None => self.open(file, now, each),
            }
        }
        if std::mem::take(&mut self.is_first) {
            self.find_renamed(now, each);
        }
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.looked = now;
        self.next_look = Millis(LOOK_INTERVAL.0.max(took.saturating_mul(LOOK_SHARE))).after(now);
    }

    fn open(&mut self, file: &FoundFile, now: Timestamp, each: &mut impl FnMut(&Entry<'_>)) {
        self.n_opened += 1;
        let number = FileNumber(self.n_opened);
        let Self { buffer, totals, .. } = self;
        let (mut buffer, mut totals) = (std::mem::take(buffer), *totals);
        let opened = self.opened(file, now).and_then(|mut tail| {
            tail.number = number;
            // The history of every file comes before anything fresh.
            while tail.is_in_history() && tail.read(&mut buffer, now, each, &mut totals)? > 0 {}
            Ok(tail)
        });
        (self.buffer, self.totals) = (buffer, totals);
        match opened {
            Ok(tail) => {
                self.troubles.remove(&file.path);
                self.tails.insert(tail.id(), tail);
            }
            // It was there a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.trouble(file.path.clone(), &error),
        }
        // Files that were replaced many times a second leave many behind.
        let gone = |tail: &&Tail| tail.gone_since.is_some();
        while self.tails.values().filter(gone).count() > GONE_FILES_MAX {
            let oldest = self.tails.values().filter(gone).min_by_key(|tail| tail.gone_since);
            let Some(id) = oldest.map(Tail::id) else { break };
            if let Some(mut tail) = self.tails.remove(&id) {
                let mut left = TURN_BYTES_MAX;
                let totals = &mut self.totals;
                // What cannot be read of it now never can.
                let _ = read(&mut tail, &mut self.buffer, &mut left, now, each, totals);
                tail.flush(Timestamp::MAX, each, totals);
            }
        }
    }

    fn opened(&mut self, found: &FoundFile, now: Timestamp) -> io::Result<Tail> {
        let (file, about) = Tail::open_file(&found.path)?;
        let id = FileId::of(&about);
        let begin = self.begin(&file, &about, found)?;
        self.places.remove(&id);
        let joining = self.what.joining;
        Tail::new((file, &about), &found.path, found.pattern, joining, begin, now)
    }

    /// Where reading a file begins: where it had come to; at the end of one that was there before
    /// anything was followed; at the beginning of one that is new.
    fn begin(&self, file: &File, about: &fs::Metadata, found: &FoundFile) -> io::Result<Begin> {
        let size = about.len();
        let from = |fresh: u64| Begin { history: fresh.saturating_sub(HISTORY_BYTES), fresh };
        if let Some(place) = self.places.get(&FileId::of(about)) {
            let is_same = place.offset <= size && place.head.is_of(file)?;
            return Ok(from(if is_same { place.offset } else { 0 }));
        }
        // Whether the places of an earlier run are known tells whether this is the first one.
        if self.is_first && self.places.is_empty() {
            return Ok(from(size));
        }
        // A copy that was made before its original was emptied has been read there.
        let originals = self.tails.values().map(|tail| (tail.place(), tail.head()));
        let kept = self.places.values().map(|place| (place.clone(), place.head));
        for (place, head) in originals.chain(kept) {
            if is_rotation_of(&found.path, &place.path) && head.n_bytes > 0 && head.is_of(file)? {
                return Ok(Begin {
                    history: place.offset.min(size),
                    fresh: place.offset.min(size),
                });
            }
        }
        let missed = if self.is_first { size.saturating_sub(MISSED_BYTES_MAX) } else { 0 };
        Ok(from(missed))
    }

    /// Files that were renamed away while nobody followed: what is left of them is read.
    fn find_renamed(&mut self, now: Timestamp, each: &mut impl FnMut(&Entry<'_>)) {
        let missing: Vec<Place> = self.places.values().cloned().collect();
        let folders: std::collections::BTreeSet<&Path> =
            missing.iter().filter_map(|place| place.path.parent()).collect();
        for folder in folders {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten().take(paths::NAMES_MAX) {
                let path = entry.path();
                if !missing.iter().any(|place| is_rotation_of(&path, &place.path)) {
                    continue;
                }
                let Ok(about) = fs::metadata(&path) else { continue };
                let id = FileId::of(&about);
                let is_it = |place: &&Place| place.id() == id && is_rotation_of(&path, &place.path);
                let Some(place) = missing.iter().find(is_it) else { continue };
                let patterns = &self.what.patterns;
                let pattern = patterns.iter().position(|known| known.matches(&place.path));
                let Some(pattern) = pattern else { continue };
                let modified = about.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
                self.open(&FoundFile { path, pattern, id: place.id(), modified }, now, each);
                if let Some(tail) = self.tails.get_mut(&place.id()) {
                    // Whoever looks for it after another restart looks under this name.
                    tail.path.clone_from(&place.path);
                    tail.gone_since = Some(now);
                }
            }
        }
    }

    /// Lets go of files that are gone and read to their end.
    fn let_go(&mut self, now: Timestamp) {
        self.tails.retain(|_, tail| {
            let Some(since) = tail.gone_since else { return true };
            let waited = Millis::between(since, now);
            !(tail.is_drained() && (tail.is_removed() || waited >= GONE_MAX))
        });
    }

    fn trouble(&mut self, path: PathBuf, error: &io::Error) {
        if self.troubles.len() >= TROUBLES_MAX && !self.troubles.contains_key(&path) {
            return;
        }
        let why = error.to_string();
        if self.troubles.get(&path) != Some(&why) {
            self.tell(format!("{} cannot be read: {why}", path.display()));
            self.troubles.insert(path, why);
        }
    }

    fn tell(&mut self, word: String) {
        if self.news.len() < TROUBLES_MAX && !self.news.contains(&word) {
            self.news.push(word);
        }
    }
}

/// Reads one file to its end, or until so much is read.
fn read(
    tail: &mut Tail,
    buffer: &mut [u8],
    left: &mut usize,
    now: Timestamp,
    each: &mut impl FnMut(&Entry<'_>),
    totals: &mut Totals,
) -> io::Result<Rest> {
    match tail.look(now)? {
        Change::Nothing => {
            tail.flush(now, each, totals);
            return Ok(if tail.holds_something() { Rest::Held } else { Rest::Nothing });
        }
        Change::Grown => {}
        Change::Emptied => tail.begin_again(each, totals),
    }
    loop {
        let n_read = tail.read(buffer, now, each, totals)?;
        totals.n_bytes += n_read as u64;
        *left = left.saturating_sub(n_read);
        if n_read == 0 {
            return Ok(if tail.holds_something() { Rest::Held } else { Rest::Nothing });
        }
        if *left == 0 {
            return Ok(Rest::More);
        }
    }
}

/// Whether a file may be another one, rotated: `app.log.1` or `app-20261121.log` of `app.log`.
fn is_rotation_of(path: &Path, original: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(rotated), Some(known)) = (name(path), name(original)) else { return false };
    let stem = |name: &str| name.split('.').next().map(str::to_owned).unwrap_or_default();
    let known_stem = stem(&known);
    path.parent() == original.parent()
        && !paths::is_compressed(rotated.as_ref())
        && !known_stem.is_empty()
        && (rotated.starts_with(&known) || stem(&rotated).starts_with(&known_stem))
}
