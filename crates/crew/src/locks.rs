//! `alert-handler`, second task: the folder of lock files.  A file that another program wrote is
//! asked for as a lock, and given back when the file is gone; every other lock is shown there as a
//! file.
//!
//! Everything is a level: each look compares the folder with the locks that the engine knows, so a
//! restart changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_model::event::Event;
use nightcrew_model::id::LockName;
use nightcrew_model::lock::Lock;
use nightcrew_model::unit::Millis;
use nightcrew_report::workspace::write_whole;
use nightcrew_runtime::driver::{Boxed, Task};
use rustix::fs::{Mode, OFlags};
use tokio::time::sleep;

use crate::handle::Handle;
use crate::lock_file::{self, ENDING, FILE_BYTES_MAX, LockFile, OWNER, is_usable, name_of};

/// How often the folder is looked at.
pub const LOOK: Millis = Millis::from_secs(2);

/// The largest number of lock files that are obeyed.
pub const FILES_MAX: usize = 100;

/// The largest number of files in the folder that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// What lies in the folder.
#[derive(Default)]
struct Folder {
    /// What other programs ask for.
    foreign: BTreeMap<LockName, Lock>,
    /// What the crew wrote.
    own: BTreeSet<LockName>,
    /// What cannot be obeyed, and why.
    malformed: BTreeMap<LockName, String>,
}

pub(crate) struct Locks {
    handle: Handle,
    /// What was reported already.
    reported: BTreeMap<LockName, String>,
    /// What was written last of each lock.
    written: BTreeMap<LockName, Lock>,
    first: bool,
}

impl Locks {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, reported: BTreeMap::new(), written: BTreeMap::new(), first: true }
    }

    async fn look(&mut self) -> Result<(), String> {
        // The first round is at once, so that readiness does not wait for it.
        if !std::mem::take(&mut self.first) {
            sleep(LOOK.duration()).await;
        }
        let dir = self.handle.settings().workspace_dir.join("state").join("locks");
        let there = dir.clone();
        let folder = blocking(move || read_folder(&there)).await?;
        let known = self.handle.view(|state, _, now| {
            let held = state.locks().filter(|lock| lock.is_held(now));
            held.map(|lock| (lock.name.clone(), lock.clone())).collect::<BTreeMap<_, _>>()
        });
        let known = known.await.map_err(|refusal| refusal.to_string())?;
        let now = self.handle.clock().now();
        let mut troubles = folder.malformed.clone();
        let events = wishes(&folder, &known, now, &mut troubles);
        if !events.is_empty() {
            self.handle.submit(events).await.map_err(|refusal| refusal.to_string())?;
        }
        self.report(troubles);
        self.export(dir, &folder, known).await
    }

    /// Says once what cannot be obeyed.
    fn report(&mut self, troubles: BTreeMap<LockName, String>) {
        for (name, why) in &troubles {
            if self.reported.get(name) != Some(why) {
                tracing::warn!("the lock file {name}.{ENDING} is not obeyed: {why}");
            }
        }
        self.reported = troubles;
    }

    /// Writes the locks that are no files of other programs, and removes what is over.
    async fn export(
        &mut self,
        dir: PathBuf,
        folder: &Folder,
        known: BTreeMap<LockName, Lock>,
    ) -> Result<(), String> {
        let shown: BTreeMap<LockName, Lock> = known
            .into_iter()
            .filter(|(name, lock)| {
                let theirs =
                    folder.foreign.contains_key(name) || folder.malformed.contains_key(name);
                !theirs && !lock.owner.as_str().starts_with(OWNER) && is_usable(name.as_str())
            })
            .take(FILES_MAX)
            .collect();
        let gone: Vec<LockName> =
            folder.own.iter().filter(|name| !shown.contains_key(*name)).cloned().collect();
        let changed: Vec<Lock> = shown
            .iter()
            .filter(|(name, lock)| {
                !folder.own.contains(*name) || self.written.get(*name) != Some(*lock)
            })
            .map(|(_, lock)| lock.clone())
            .collect();
        if !gone.is_empty() || !changed.is_empty() {
            blocking(move || write_folder(&dir, &gone, &changed)).await?;
        }
        self.written = shown;
        Ok(())
    }
}

/// What follows for the engine from the files and the locks that it knows.
fn wishes(
    folder: &Folder,
    known: &BTreeMap<LockName, Lock>,
    now: Timestamp,
    troubles: &mut BTreeMap<LockName, String>,
) -> Vec<Event> {
    let mut events = Vec::new();
    for (name, wanted) in &folder.foreign {
        if wanted.expires_at <= now {
            troubles.insert(name.clone(), format!("it ended at {}", wanted.expires_at));
            continue;
        }
        if wanted.since > now {
            continue;
        }
        match known.get(name) {
            Some(held) if held.owner != wanted.owner => {
                let why = format!("{} holds the lock until {}", held.owner, held.expires_at);
                troubles.insert(name.clone(), why);
            }
            Some(held) if says_the_same(held, wanted) => {}
            Some(_) | None => events.push(Event::LockAsked { lock: Box::new(wanted.clone()) }),
        }
    }
    for (name, held) in known {
        let is_file = held.owner.as_str().starts_with(OWNER);
        let there = folder.foreign.contains_key(name) || folder.malformed.contains_key(name);
        if is_file && !there {
            events.push(Event::LockEndAsked {
                lock: name.clone(),
                fence: Some(held.fence),
                by: held.owner.clone(),
            });
        }
    }
    events
}

/// Whether a lock is held as its file wants it.
fn says_the_same(held: &Lock, wanted: &Lock) -> bool {
    held.reason == wanted.reason
        && held.services == wanted.services
        && held.blocks == wanted.blocks
        && held.expected_release == wanted.expected_release
        && held.expires_at == wanted.expires_at
}

/// Reads the folder; a folder that is not there is empty.
fn read_folder(dir: &Path) -> io::Result<Folder> {
    let mut folder = Folder::default();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(folder),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries.take(ENTRIES_MAX) {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        let Some(name) = name_of(&path) else { continue };
        if folder.foreign.len() + folder.malformed.len() >= FILES_MAX {
            let why = format!("there are more than {FILES_MAX} lock files");
            folder.malformed.insert(name, why);
            break;
        }
        match read_file(&name, &path) {
            Ok(Some(LockFile::Foreign(lock))) => drop(folder.foreign.insert(name, *lock)),
            Ok(Some(LockFile::Own)) => drop(folder.own.insert(name)),
            Ok(None) => {}
            Err(why) => drop(folder.malformed.insert(name, why)),
        }
    }
    Ok(folder)
}

/// Reads one file; none where it has gone meanwhile.
fn read_file(name: &LockName, path: &Path) -> Result<Option<LockFile>, String> {
    // A link or a pipe is no lock file: neither is followed, and neither is waited for.
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !meta.is_file() {
        return Err("it is no plain file".to_owned());
    }
    if meta.len() > FILE_BYTES_MAX as u64 {
        return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
    }
    let modified = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    let modified = modified.ok_or("the file system does not say when it was written")?;
    let mut bytes = Vec::new();
    // What was put in its place meanwhile is neither followed nor waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, OFlags::RDONLY | flags, Mode::empty());
    let file = match opened.map(File::from).map_err(io::Error::from) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let limit = FILE_BYTES_MAX as u64;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    lock_file::parse(name, &text, modified).map(Some)
}

fn write_folder(dir: &Path, gone: &[LockName], changed: &[Lock]) -> io::Result<()> {
    let path = |name: &LockName| dir.join(format!("{name}.{ENDING}"));
    for lock in changed {
        write_whole(&path(&lock.name), lock_file::render(lock).as_bytes())?;
    }
    for name in gone {
        match fs::remove_file(path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| format!("the folder of lock files: {error}")),
        Err(_) => Err("looking at the folder of lock files panicked".to_owned()),
    }
}

impl Task for Locks {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            let result = self.look().await;
            if let Err(error) = &result {
                tracing::warn!("{error}");
            }
            result
        })
    }
}
