//! Moving a log file aside without losing a line of it.
//!
//! The file is renamed in its folder, its writer is told to open a new one, and the old one is
//! compressed once nobody holds it open for writing.  A writer that goes on with the old file loses
//! nothing: until it lets go, the old file stays what it is.
//!
//! **Invariant:** the old file is only removed when a compressed copy of all of it is on the disk,
//! nobody had it open for writing before or after the copy, and it did not change meanwhile.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightcrew_config::settings::{self, Service};
use nightcrew_model::verdict::RiskClass;
use nightcrew_runtime::process::Matcher;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use tokio::time::Instant;

use crate::done::Done;
use crate::files::Kind;
use crate::gate::Gate;
use crate::roots::open_folder;
use crate::ruling::{Fit, Unfit};
use crate::signal::{TellError, name, tell};
use crate::text;
use crate::work::Work;
use crate::writers::{Inode, writers};

const RULE: &str = "rotate_log";

/// How often is looked whether the writers have let go.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many looks in a row must find no writer.
const LOOKS_NEEDED: u32 = 2;

/// How long writers get to let go at most.
const LET_GO: Duration = Duration::from_secs(30);

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1_024;

/// A rotation that the gate let pass.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// The folder, without symbolic links.
    folder: PathBuf,
    name: String,
    /// How its writer is told; none: nobody is known to write to it.
    tell: Option<(Matcher, settings::Signal)>,
}

/// Why a file was not rotated, or not to the end.  No line is lost by any of them.
#[derive(Debug, thiserror::Error)]
enum RotateError {
    #[error("{what}: {why}")]
    Io { what: &'static str, why: io::Error },
    #[error("it is not a regular file any more")]
    NotAFile,
    #[error("it is empty")]
    Empty,
    #[error("{0} exists already; it was rotated within the same second")]
    Twice(String),
    #[error(
        "pid {0} writes to it and cannot be told to open a new one; give services.NAME.log_reopen"
    )]
    Untold(String),
    #[error("its writer could not be told: {0}")]
    Tell(#[from] TellError),
    #[error("pid {pids} still writes to the old file after {LET_GO:?}; {left}")]
    Held { pids: String, left: String },
    #[error("it changed while it was compressed; {0} stays uncompressed")]
    Changed(String),
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> RotateError {
    move |why| RotateError::Io { what, why }
}

impl Gate {
    pub(crate) fn rotate_log(&self, path: &Path) -> Result<Fit, Unfit> {
        let written = path.display().to_string();
        let argv = vec![RULE.to_owned(), written.clone()];
        let refused = |reason: String| {
            Unfit::refused(RULE, reason).of_class(RiskClass::Reversible).of_words(argv.clone())
        };
        text::check(&written).map_err(|why| refused(why.to_string()))?;
        let service = self.services().find(|service| service.log_files.iter().any(|f| f == path));
        let service = service.ok_or_else(|| {
            refused(format!("`{written}` is not one of a declared service's log_files"))
        })?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("/"));
        let folder = self.facts.files.canonical(folder);
        let folder = folder.map_err(|why| refused(format!("`{written}`: {why}")))?;
        let entry = self.facts.files.look(&folder.join(name));
        match entry.map_err(|why| refused(format!("`{written}`: {why}")))? {
            Some(entry) if entry.kind != Kind::File => {
                return Err(refused(format!("`{written}` is not a regular file")));
            }
            // One that is not there yet may be when it is needed.
            Some(_) | None => {}
        }
        Ok(Fit {
            class: RiskClass::Reversible,
            rule: RULE.into(),
            reason: format!("moves a log of {} aside and compresses it", service.name),
            work: Work::Rotate(Rotation {
                folder,
                name: name.to_owned(),
                tell: self.reopening(service).map_err(refused)?,
            }),
            argv,
            approval: None,
        })
    }

    /// How the writer of a service's logs is told to open them anew.
    fn reopening(&self, service: &Service) -> Result<Option<(Matcher, settings::Signal)>, String> {
        let has_process = service.process.is_some()
            || service.start.is_some()
            || service.unit.is_some()
            || service.supervisor.is_some();
        match service.log_reopen {
            Some(signal) => Ok(Some((self.matcher(service)?, signal))),
            None if has_process => Err(format!(
                "services.{0}.log_reopen is not given, so {0} would go on writing to the file that \
                 was moved; say by which signal it opens its logs anew, or use logrotate with \
                 copytruncate",
                service.name
            )),
            None => Ok(None),
        }
    }
}

impl Rotation {
    /// Blocks.
    pub(crate) fn carry_out(&self, now: Timestamp, limit: Duration) -> Done {
        match self.rotate(now, limit) {
            Ok((old, before, after)) => Done::succeeded(format!(
                "{} is now {old} ({before} bytes, compressed to {after})",
                self.name
            ))
            .text("rotated", &self.folder.join(&old).display().to_string()),
            Err(why) => Done::failed(format!("{}: {why}", self.name)),
        }
    }

    fn rotate(&self, now: Timestamp, limit: Duration) -> Result<(String, u64, u64), RotateError> {
        let until = Instant::now() + limit.min(LET_GO);
        let folder = open_folder(&self.folder).map_err(io_error("its folder"))?;
        let before = regular(&folder, &self.name)?;
        if before.st_size == 0 {
            return Err(RotateError::Empty);
        }
        let inode = Inode::of(&before);
        if self.tell.is_none() {
            let writing = writers(inode).map_err(io_error("its writers cannot be told"))?;
            if !writing.is_empty() {
                return Err(RotateError::Untold(writing.to_string()));
            }
        }
        let stamp = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S");
        let old = format!("{}.{stamp}", self.name);
        let packed = format!("{old}.gz");
        if rustix::fs::statat(&folder, packed.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(RotateError::Twice(packed));
        }
        rename(&folder, &self.name, &old).map_err(io_error("it cannot be moved"))?;
        if Inode::of(&regular(&folder, &old)?) != inode {
            self.move_back(&folder, &old);
            return Err(RotateError::NotAFile);
        }
        if let Err(why) = self.tell_writer(inode) {
            self.move_back(&folder, &old);
            return Err(why);
        }
        if let Err(pids) = let_go(inode, until)? {
            let left = self.move_back(&folder, &old);
            return Err(RotateError::Held { pids, left });
        }
        let (length, compressed) = compress(&folder, &old, inode)?;
        Ok((packed, length, compressed))
    }

    /// A service that does not run needs not be told, as long as nobody else writes.
    fn tell_writer(&self, inode: Inode) -> Result<(), RotateError> {
        let Some((matcher, signal)) = &self.tell else {
            return Ok(());
        };
        match tell(matcher, *signal) {
            Ok(_) => Ok(()),
            Err(TellError::Nobody(_)) => {
                let writing = writers(inode).map_err(io_error("its writers"))?;
                if writing.is_empty() {
                    return Ok(());
                }
                Err(RotateError::Untold(format!(
                    "{writing} (not the service, so no {})",
                    name(*signal)
                )))
            }
            Err(why) => Err(why.into()),
        }
    }

    /// Gives the old file its name back, unless a new one has it by now, and says what is so.
    fn move_back(&self, folder: &OwnedFd, old: &str) -> String {
        match rename(folder, old, &self.name) {
            Ok(()) => "it has its name back".to_owned(),
            Err(_) => format!("it stays as {old} beside the new file"),
        }
    }
}

/// Renames inside a folder and never over something.
fn rename(folder: &OwnedFd, from: &str, to: &str) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE)?)
}

fn regular(folder: &OwnedFd, name: &str) -> Result<Stat, RotateError> {
    let about = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| io_error("it cannot be looked at")(errno.into()))?;
    match FileType::from_raw_mode(about.st_mode) {
        FileType::RegularFile => Ok(about),
        FileType::Directory
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err(RotateError::NotAFile),
    }
}

/// Waits until nobody has the file open for writing; otherwise who still has.
fn let_go(inode: Inode, until: Instant) -> Result<Result<(), String>, RotateError> {
    let mut quiet = 0;
    loop {
        let writing = writers(inode).map_err(io_error("its writers"))?;
        quiet = if writing.is_empty() { quiet + 1 } else { 0 };
        if quiet >= LOOKS_NEEDED {
            return Ok(Ok(()));
        }
        if !writing.is_empty() && Instant::now() >= until {
            return Ok(Err(writing.to_string()));
        }
        #[expect(clippy::disallowed_methods, reason = "it runs on a thread that may block")]
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Compresses the old file and removes it; the copy is on the disk before.
fn compress(folder: &OwnedFd, old: &str, inode: Inode) -> Result<(u64, u64), RotateError> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let plain = rustix::fs::openat(folder, old, read, Mode::empty());
    let plain = File::from(plain.map_err(|errno| io_error("it cannot be read")(errno.into()))?);
    let packed_name = format!("{old}.gz");
    let create =
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let packed = rustix::fs::openat(folder, packed_name.as_str(), create, Mode::RUSR | Mode::WUSR);
    let packed = packed.map_err(|errno| io_error("its copy cannot be made")(errno.into()))?;
    let copied = copy(&plain, File::from(packed));
    let settled = copied.map_err(io_error("it cannot be compressed")).and_then(|(read, wrote)| {
        let writing = writers(inode).map_err(io_error("its writers"))?;
        let now = regular(folder, old)?;
        let same = Inode::of(&now) == inode && u64::try_from(now.st_size).is_ok_and(|n| n == read);
        if !writing.is_empty() || !same {
            return Err(RotateError::Changed(old.to_owned()));
        }
        Ok((read, wrote))
    });
    let sync = || rustix::fs::fsync(folder).map_err(|errno| io_error("its folder")(errno.into()));
    match settled {
        Ok(lengths) => {
            sync()?;
            rustix::fs::unlinkat(folder, old, AtFlags::empty())
                .map_err(|errno| io_error("the old file cannot be removed")(errno.into()))?;
            sync()?;
            Ok(lengths)
        }
        Err(why) => {
            // The copy is not whole; the old file is.
            let _ = rustix::fs::unlinkat(folder, packed_name.as_str(), AtFlags::empty());
            Err(why)
        }
    }
}

/// Copies through gzip; how much was read and written.  The copy has the owner and the mode of the
/// file as far as the crew may give them.
fn copy(mut plain: &File, packed: File) -> io::Result<(u64, u64)> {
    let about = rustix::fs::fstat(plain)?;
    let (owner, group) = (about.st_uid, about.st_gid);
    let mode = Mode::from_raw_mode(about.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO);
    let own = |id: u32| (id != u32::MAX).then_some(id);
    let (uid, gid) =
        (own(owner).map(rustix::fs::Uid::from_raw), own(group).map(rustix::fs::Gid::from_raw));
    if rustix::fs::fchown(&packed, uid, gid).is_ok() {
        rustix::fs::fchmod(&packed, mode)?;
    }
    let mut encoder = GzEncoder::new(packed, Compression::default());
    let mut chunk = vec![0; CHUNK];
    let mut total: u64 = 0;
    loop {
        let length = match plain.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        encoder.write_all(chunk.get(..length).unwrap_or_default())?;
        total += u64::try_from(length).unwrap_or_default();
    }
    let packed = encoder.finish()?;
    packed.sync_all()?;
    Ok((total, packed.metadata()?.len()))
}
