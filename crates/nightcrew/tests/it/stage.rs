//! A throw-away folder, the programs that run on it, and how to wait for them.
//!
//! Every process that a test starts, or that the crew starts for it, writes its output below the
//! folder or works in it; that is how it is found again and ended.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How often a test looks again.
const LOOK: Duration = Duration::from_millis(10);

/// Where programs are; nothing else of the environment reaches what a test starts.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A throw-away folder.
pub(crate) struct Stage {
    folder: TempDir,
    n_runs: AtomicUsize,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Fails when the program panicked: nothing that it is given may do that.
    pub(crate) fn calm(self) -> Self {
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("nightcrew-test-").tempdir().unwrap();
        Self { folder, n_runs: AtomicUsize::new(0) }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// A path as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A program in a process group of its own, working in the folder, its output in `NAME.out` and
    /// `NAME.err`.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>, name: &str) -> Command {
        let log = |suffix| {
            let path = self.path(&format!("{name}.{suffix}"));
            File::options().create(true).append(true).open(path).unwrap()
        };
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.dir())
            .env("TMPDIR", self.dir())
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(log("out"))
            .stderr(log("err"))
            .process_group(0);
        command
    }

    /// What a program has written.
    pub(crate) fn output(&self, name: &str, suffix: &str) -> String {
        let bytes = fs::read(self.path(&format!("{name}.{suffix}"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs Nightcrew to its end.
    pub(crate) fn nightcrew(&self, args: &[&str]) -> Done {
        self.nightcrew_with(args, &[], "")
    }

    /// Runs Nightcrew to its end, with variables and a standard input.
    pub(crate) fn nightcrew_with(&self, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Done {
        self.run(env!("CARGO_BIN_EXE_nightcrew"), args, env, stdin)
    }

    /// Runs another program to its end.
    pub(crate) fn tool(&self, program: &str, args: &[&str]) -> Done {
        self.run(program, args, &[], "")
    }

    fn run(&self, program: &str, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Done {
        let name = format!("run-{}", self.n_runs.fetch_add(1, Ordering::Relaxed));
        let mut command = self.command(program, &name);
        command.args(args).envs(env.iter().copied()).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read its input is allowed to.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let code = end_of(&mut child);
        Done { code, out: self.output(&name, "out"), err: self.output(&name, "err") }
    }

    /// Starts a part and leaves it running until the stage goes.
    pub(crate) fn start_part(&self, program: &str, args: &[&str]) -> Part {
        let mut command = self.command(program, program);
        command.args(args);
        Part(command.spawn().unwrap())
    }

    /// The processes that write below the folder or work in it.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else { continue };
            if self.is_of_stage(pid) {
                found.push(pid);
            }
        }
        found
    }

    fn is_of_stage(&self, pid: Pid) -> bool {
        ["fd/1", "fd/2", "cwd"].iter().any(|link| {
            let link = fs::read_link(format!("/proc/{pid}/{link}"));
            link.is_ok_and(|path| path.starts_with(self.dir()))
        })
    }

    /// Signals a process, if it is of this stage.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) -> bool {
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // Asked again with the process in hand: its number cannot be another's from here on.
        self.is_of_stage(pid) && pidfd_send_signal(&process, signal).is_ok()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let begin = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || begin.elapsed() > PATIENCE {
                break;
            }
            for pid in left {
                self.signal(pid, Signal::KILL);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A program that a test started beside the crew.
pub(crate) struct Part(Child);

impl Part {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for the end of a program; none: a signal ended it.
pub(crate) fn end_of(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if begin.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it did not end");
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until something is so.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// Waits until something is so, but not longer than this.
pub(crate) fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < patience, "never: {what}");
        std::thread::sleep(LOOK);
    }
}

/// The first of these programs that is not installed.
pub(crate) fn missing<'a>(programs: &[&'a str]) -> Option<&'a str> {
    let is_there = |program: &str| PATH.split(':').any(|dir| Path::new(dir).join(program).exists());
    programs.iter().copied().find(|program| !is_there(program))
}

/// Whether these programs are installed; says which one is not.
pub(crate) fn has(programs: &[&str]) -> bool {
    let missing = missing(programs);
    if let Some(missing) = missing {
        println!("skipped: {missing} is missing");
    }
    missing.is_none()
}

/// A free port of this machine.  It lies below those that outgoing connections get, and is given
/// out once, so that nobody takes it before its server does.
pub(crate) fn free_address() -> SocketAddr {
    const FIRST: u16 = 18_000;
    const COUNT: u16 = 14_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    until("a free port", || {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST + offset));
        TcpListener::bind(address).is_ok().then_some(address)
    })
}
