use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use super::*;

/// A `sleep` that ends with the test.
struct Sleeper(Child);

impl Sleeper {
    #[expect(
        clippy::disallowed_methods,
        reason = "a real process to look for, which this test ends"
    )]
    fn start(program: &Path) -> Self {
        Self(Command::new(program).arg("86411").spawn().unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn identity(&self) -> Identity {
        Identity { pid: self.pid(), start_ticks: stat(self.pid()).unwrap().unwrap().start_ticks }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A program of its own name, so that nothing else on the machine matches.
fn program(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::os::unix::fs::symlink("/bin/sleep", &path).unwrap();
    path
}

fn sleep() -> Sleeper {
    Sleeper::start(Path::new("/bin/sleep"))
}

fn stat_line(comm: &str, state: char, threads: u64) -> String {
    format!(
        "4711 ({comm}) {state} 1 4711 4711 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 {threads} 0 98765 \
         1000 250 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"
    )
}

#[test]
fn reads_names_with_spaces_and_parentheses() {
    for comm in ["nginx", "a b", ") Z 1 (", "웹서버", "(sd-pam)", ""] {
        let stat = Stat::parse(stat_line(comm, 'S', 1).as_bytes()).unwrap();
        assert_eq!(stat.comm, comm.as_bytes());
        assert_eq!((stat.state, stat.parent), ('S', 1));
        assert_eq!((stat.user_ticks, stat.system_ticks), (50, 60));
        assert_eq!((stat.start_ticks, stat.resident_pages), (98_765, 250));
    }
}

#[test]
fn a_zombie_lives_only_by_its_other_threads() {
    let alive =
        |state, threads| Stat::parse(stat_line("x", state, threads).as_bytes()).unwrap().is_alive();
    assert!(!alive('Z', 1));
    assert!(!alive('X', 1));
    assert!(alive('Z', 2));
    assert!(alive('T', 1), "stopped by SIGSTOP is not ended");
    assert!(alive('D', 1));
}

#[test]
fn a_cut_stat_names_the_missing_field() {
    for (text, field) in
        [("", "comm"), ("1 (x", "comm"), ("1 (x) S", "ppid"), ("1 (x) S 1 2", "utime")]
    {
        assert_eq!(Stat::parse(text.as_bytes()), Err(BadStat(field)), "{text}");
    }
}

#[test]
fn finds_by_name_even_longer_than_the_kernel_keeps() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["nc-short", "nightcrew-예약-worker-with-a-long-name"] {
        let sleeper = Sleeper::start(&program(&folder, name));
        // Between fork and exec the child still has the name of this test.
        let found = wait_until(|| find(&Matcher::Name(name.into())).unwrap());
        assert_eq!(found, [sleeper.identity()], "{name}");
    }
    assert_eq!(find(&Matcher::Name("nc-short".into())).unwrap(), []);
}

#[test]
fn finds_by_command_line_but_never_itself() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder, "서비스");
    let pattern = Regex::new(&format!("^{} 86411$", regex::escape(program.to_str().unwrap())));
    let sleeper = Sleeper::start(&program);
    let matcher = Matcher::CommandLine(pattern.unwrap());
    assert_eq!(wait_until(|| find(&matcher).unwrap()), [sleeper.identity()]);

    let everything = find(&Matcher::CommandLine(Regex::new("").unwrap())).unwrap();
    let me = rustix::process::getpid();
    assert!(everything.iter().all(|identity| identity.pid != me));
}

#[test]
fn finds_by_pid_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pid");
    let matcher = Matcher::PidFile(path.clone());
    assert_eq!(find(&matcher).unwrap(), [], "no file: no process");

    let sleeper = sleep();
    fs::write(&path, format!("  {}\n/var/lib/x\n", sleeper.pid())).unwrap();
    assert_eq!(find(&matcher).unwrap(), [sleeper.identity()]);
}

#[test]
fn a_process_that_began_after_the_pid_file_was_written_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stale.pid");
    let sleeper = sleep();
    fs::write(&path, sleeper.pid().to_string()).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(written - Duration::from_secs(30)).unwrap();
    assert_eq!(find(&Matcher::PidFile(path.clone())).unwrap(), []);
    file.set_modified(written - Duration::from_secs(1)).unwrap();
    assert_eq!(find(&Matcher::PidFile(path)).unwrap(), [sleeper.identity()]);
}

#[test]
fn a_pid_file_without_a_number_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pid");
    for content in ["", "\n", "0", "-1", "12a", "99999999999", "없음"] {
        fs::write(&path, content).unwrap();
        let found = find(&Matcher::PidFile(path.clone()));
        assert!(matches!(found, Err(FindError::NoPid { .. })), "{content:?}");
    }
    let found = find(&Matcher::PidFile(folder.path().to_owned()));
    assert!(matches!(found, Err(FindError::NoPid { .. })), "a folder");
}

#[test]
fn a_reused_number_is_not_the_child() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/api.pid");
    let sleeper = sleep();
    let identity = sleeper.identity();
    write_child_pid_file(&path, identity).unwrap();
    assert_eq!(read_child_pid_file(&path).unwrap(), Some(identity));
    assert_eq!(find(&Matcher::Child(path.clone())).unwrap(), [identity]);

    let reused = Identity { start_ticks: identity.start_ticks + 1, ..identity };
    write_child_pid_file(&path, reused).unwrap();
    assert_eq!(find(&Matcher::Child(path)).unwrap(), []);
    assert!(matches!(open(reused), Err(OpenError::Gone)));
    assert!(open(identity).is_ok());
}

#[test]
fn a_child_of_an_earlier_boot_is_no_child() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.pid");
    let Identity { pid, start_ticks } = sleep().identity();
    fs::write(&path, format!("{pid} {start_ticks} an-earlier-boot\n")).unwrap();
    assert_eq!(read_child_pid_file(&path).unwrap(), None);
    fs::write(&path, format!("{pid}\n")).unwrap();
    assert!(matches!(read_child_pid_file(&path), Err(FindError::NoPid { .. })));
}

#[test]
fn a_zombie_is_not_alive() {
    let mut sleeper = sleep();
    let identity = sleeper.identity();
    assert!(is_alive(identity).unwrap());
    sleeper.0.kill().unwrap();
    // Not waited for: it stays a zombie until the test ends.
    wait_until(|| (!is_alive(identity).unwrap()).then_some(()));
    assert_eq!(stat(identity.pid).unwrap().unwrap().state, 'Z');
    assert!(matches!(open(identity), Err(OpenError::Gone)));
}

/// Looks until there is something to see; a test that waits for nothing ends by its runner.
fn wait_until<T: IntoIterator + Clone>(mut look: impl FnMut() -> T) -> T {
    loop {
        let seen = look();
        if seen.clone().into_iter().next().is_some() {
            return seen;
        }
        std::thread::yield_now();
    }
}
