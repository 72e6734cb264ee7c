//! The launcher: a process that confines itself and becomes the program.
//!
//! It opens the program once, compares it with what the crew looked at, and executes that very
//! file; swapping the file in between changes nothing.  A script is the exception: its interpreter
//! opens it by its name again.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

use crate::sandbox::layer::{Layer, Missing};
use crate::sandbox::order::{Order, Report, Strictness, Target};
use crate::sandbox::{LAUNCHER_WORD, capability, limits, reach, syscalls};

/// What a launcher exits with that did not become a program.
pub const EXIT_NOT_STARTED: u8 = 125;

/// Set once `main` has asked [`serve`]: this binary can be started as a launcher.
static IS_LAUNCHER: AtomicBool = AtomicBool::new(false);

/// Becomes the program that a crew wants, where the arguments of this process, its name first, ask
/// it to be a launcher.  To be called by `main` before anything else is set up: no other thread may
/// run.
///
/// None: this is no launcher, and `main` goes on.  An exit code: it is one and has no program to
/// become, or could not; then the code is [`EXIT_NOT_STARTED`].
pub fn serve(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    IS_LAUNCHER.store(true, Ordering::Relaxed);
    let is_asked = arguments.nth(1).is_some_and(|word| word == LAUNCHER_WORD);
    is_asked.then(|| launch(arguments))
}

/// Whether this binary can be started as a launcher.
pub(super) fn is_launcher() -> bool {
    IS_LAUNCHER.load(Ordering::Relaxed)
}

/// Confines this process and becomes the program that the order on standard input names, with the
/// arguments given.
fn launch(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (mut crew, order) = match order() {
        Ok(given) => given,
        Err(error) => {
            // Nobody else is there to hear it.
            let _ = writeln!(
                io::stderr(),
                "{LAUNCHER_WORD} is started by the crew itself, with an order on its input: {error}"
            );
            return ExitCode::from(EXIT_NOT_STARTED);
        }
    };
    // When the crew is gone nobody waits for a report.
    let mut tell = |report: &Report| drop(crew.write_all(report.line().as_bytes()));
    let program = match order.program.as_ref().map(open).transpose() {
        Ok(program) => program,
        Err(why) => {
            tell(&Report::NotStarted(why));
            return ExitCode::from(EXIT_NOT_STARTED);
        }
    };
    let missing = confine(&order);
    let needed = missing.iter().find(|missing| missing.layer.can_be_required());
    if let (Strictness::Required, Some(missing)) = (order.strictness, needed) {
        tell(&Report::Refused(missing.clone()));
        return ExitCode::from(EXIT_NOT_STARTED);
    }
    tell(&Report::Confined(missing));
    let (Some(target), Some(program)) = (&order.program, program) else {
        return ExitCode::SUCCESS;
    };
    let error = become_program(target, &program, arguments);
    tell(&Report::NotStarted(error.to_string()));
    ExitCode::from(EXIT_NOT_STARTED)
}

/// Reads the order; standard input is empty from then on.
fn order() -> io::Result<(UnixStream, Order)> {
    let socket = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    let order = Order::read(&socket)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok((socket, order))
}

/// Applies every layer, in their order; tells those that are missing.
fn confine(order: &Order) -> Vec<Missing> {
    let because = |layer| move |why| Missing { layer, why };
    let mut missing: Vec<Missing> = [
        leave_terminal().map_err(because(Layer::Session)),
        limits::apply(order.cpu_seconds).map_err(because(Layer::Limits)),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect();
    // Grants are opened with all rights that there are, and Landlock needs the first half of what
    // comes after it; so it does that half itself.
    missing.extend(reach::apply(order));
    missing.extend(capability::apply().map_err(because(Layer::Privileges)).err());
    let filter = syscalls::apply(&order.denied).map_err(|error| error.to_string());
    missing.extend(filter.map_err(because(Layer::SystemCalls)).err());
    missing.sort_by_key(|missing| missing.layer);
    missing
}

/// Makes a session of its own where there is a terminal to leave, and a group of its own anyway.
///
/// A new session is a new group for the scheduler too, which costs milliseconds on a busy machine;
/// a crew without a terminal has none to hand down, and only who leads a session can take one.
fn leave_terminal() -> Result<(), String> {
    let left = match File::open("/dev/tty") {
        Ok(_) => rustix::process::setsid().map(drop),
        Err(_) => rustix::process::setpgid(None, None),
    };
    left.map_err(|error| format!("it cannot be made: {error}"))
}

/// Opens the file that the crew looked at.
fn open(target: &Target) -> Result<File, String> {
    let path = target.path.display();
    let flags = (OFlags::PATH | OFlags::NOFOLLOW).bits();
    let flags = i32::try_from(flags).map_err(|error| error.to_string())?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&target.path);
    let file = file.map_err(|error| format!("{path} cannot be opened: {error}"))?;
    let about = file.metadata().map_err(|error| format!("{path}: {error}"))?;
    if (about.dev(), about.ino()) != (target.device, target.inode) {
        return Err(format!("{path} was replaced since it was looked at"));
    }
    Ok(file)
}

/// Comes back only with the reason why not.
fn become_program(
    target: &Target,
    program: &File,
    arguments: impl Iterator<Item = OsString>,
) -> io::Error {
    let opened = format!("/proc/self/fd/{}", program.as_raw_fd());
    let arguments: Vec<OsString> = arguments.collect();
    let execute = |path: &Path| {
        #[expect(clippy::disallowed_methods, reason = "it replaces this process and starts none")]
        let mut command = Command::new(path);
        command.arg0(&target.called).args(&arguments).exec()
    };
    if is_script(&opened) {
        return execute(&target.path);
    }
    let error = execute(Path::new(&opened));
    // Without /proc there is only the name.
    if error.kind() == io::ErrorKind::NotFound { execute(&target.path) } else { error }
}

fn is_script(opened: &str) -> bool {
    let mut start = [0; 2];
    let read = File::open(opened).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"#!"
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sandbox::Launcher;

    #[test]
    fn a_program_that_was_replaced_since_the_look_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("프로그램"), folder.path().join("other"));
        fs::write(&path, "first").unwrap();
        fs::write(&other, "second").unwrap();
        let about = fs::metadata(&path).unwrap();
        let (device, inode) = (about.dev(), about.ino());
        let target = Target { path: path.clone(), device, inode, called: "p".to_owned() };
        assert!(open(&target).is_ok());
        fs::rename(&path, folder.path().join("kept")).unwrap();
        assert!(open(&target).unwrap_err().contains("cannot be opened"));
        symlink(folder.path().join("kept"), &path).unwrap();
        assert!(open(&target).unwrap_err().contains("was replaced"));
        fs::rename(&other, &path).unwrap();
        assert!(open(&target).unwrap_err().contains("was replaced"));
    }

    #[test]
    fn only_the_word_in_its_place_asks_for_a_launcher() {
        for words in [&["nightcrew"][..], &["nightcrew", "up", LAUNCHER_WORD], &[LAUNCHER_WORD]] {
            assert!(serve(words.iter().map(OsString::from)).is_none());
        }
        assert_eq!(Launcher::myself(), Some(Launcher::of("/proc/self/exe")));
    }
}
