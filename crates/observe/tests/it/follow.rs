//! Files that are followed: what is appended is given out once, whatever becomes of the files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_model::unit::Millis;
use nightcrew_observe::follow::join::Joining;
use nightcrew_observe::follow::lines::LINE_BYTES_MAX;
use nightcrew_observe::follow::paths::Pattern;
use nightcrew_observe::follow::place::Place;
use nightcrew_observe::follow::wake::{Moved, Wake};
use nightcrew_observe::follow::{FILES_MAX, Follower, GONE_FILES_MAX, Rest, Stage, What};
use nightcrew_runtime::clock::Clock;
use proptest::prelude::*;
use tempfile::TempDir;

/// A folder that is followed, in a time of its own.
struct Scene {
    folder: TempDir,
    follower: Follower,
    now: Timestamp,
    fresh: Vec<String>,
    history: Vec<String>,
}

impl Scene {
    fn new(pattern: &str, before: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in before {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let follower = follower(folder.path(), pattern, Vec::new());
        let now = Clock::System.now();
        let mut scene = Self { folder, follower, now, fresh: Vec::new(), history: Vec::new() };
        scene.turn(0);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = File::options().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Lets time pass and reads everything.
    fn turn(&mut self, milliseconds: u64) {
        self.now = Millis(milliseconds).after(self.now);
        let Self { follower, now, fresh, history, .. } = self;
        while follower.turn(*now, |entry| {
            let text = String::from_utf8_lossy(entry.text).into_owned();
            match entry.stage {
                Stage::Fresh => fresh.push(text),
                Stage::History => history.push(text),
            }
        }) == Rest::More
        {}
    }

    /// Two turns that are far enough apart that nothing waits.
    fn settle(&mut self) {
        self.turn(6_000);
        self.turn(6_000);
    }

    fn fresh(&mut self) -> Vec<String> {
        self.settle();
        std::mem::take(&mut self.fresh)
    }

    /// As after `kill -9`: only the places are left.
    fn restart(&mut self, pattern: &str) {
        let json = serde_json::to_string(&self.follower.places()).unwrap();
        let places = serde_json::from_str(&json).unwrap();
        self.follower = follower(self.folder.path(), pattern, places);
        self.history.clear();
        self.turn(10);
    }
}

fn follower(folder: &Path, pattern: &str, places: Vec<Place>) -> Follower {
    let pattern = Pattern::new(&format!("{}/{pattern}", folder.display())).unwrap();
    let what = What { patterns: vec![pattern], exclude: Vec::new(), joining: Joining::Traces };
    Follower::new(what, places)
}

#[test]
fn what_was_there_is_history_and_what_comes_is_fresh() {
    let mut scene = Scene::new("*.log", &[("a.log", "old one\nold two\n")]);
    scene.append("a.log", "new\n");
    scene.append("b.log", "other\n");
    assert_eq!(scene.fresh(), ["new", "other"]);
    assert_eq!(scene.history, ["old one", "old two"]);
    assert_eq!(scene.fresh(), [""; 0], "nothing twice");
}

#[test]
fn a_line_waits_for_its_end_but_not_for_ever() {
    let mut scene = Scene::new("*.log", &[("a.log", "")]);
    scene.append("a.log", "half");
    scene.turn(100);
    scene.turn(1_000);
    assert_eq!(scene.fresh, [""; 0]);
    scene.append("a.log", " and half\n");
    scene.turn(10);
    scene.turn(300);
    assert_eq!(scene.fresh, ["half and half"]);
    scene.append("a.log", "never ended");
    scene.turn(10);
    scene.turn(6_000);
    assert_eq!(scene.fresh[1..], ["never ended"]);
}

#[test]
fn a_stack_trace_is_one_entry() {
    let mut scene = Scene::new("*.log", &[("a.log", "")]);
    scene.append("a.log", "ERROR x\n\tat a.B\n\tat c.D\n");
    scene.turn(10);
    scene.append("a.log", "Caused by: y\nINFO z\n");
    assert_eq!(scene.fresh(), ["ERROR x\n\tat a.B\n\tat c.D\nCaused by: y", "INFO z"]);
}

#[test]
fn rotation_by_renaming_loses_nothing_and_reads_nothing_twice() {
    for pattern in ["a.log", "a.log*"] {
        let mut scene = Scene::new(pattern, &[("a.log", "")]);
        scene.append("a.log", "one\n");
        scene.turn(10);
        scene.append("a.log", "two\n");
        scene.rename("a.log", "a.log.1");
        scene.append("a.log.1", "three\n");
        scene.append("a.log", "four\n");
        let mut fresh = scene.fresh();
        fresh.sort();
        assert_eq!(fresh, ["four", "one", "three", "two"], "{pattern}");
        // Its program notices late.
        scene.append("a.log.1", "five\n");
        assert_eq!(scene.fresh(), ["five"], "{pattern}");
    }
}

#[test]
fn rotation_by_emptying_loses_nothing_and_the_copy_is_not_read() {
    let long = "a long first line, so that the beginning of the file says which one it is\n";
    let mut scene = Scene::new("a.log*", &[("a.log", "")]);
    scene.append("a.log", long);
    scene.settle();
    fs::copy(scene.path("a.log"), scene.path("a.log.1")).unwrap();
    File::options().write(true).open(scene.path("a.log")).unwrap().set_len(0).unwrap();
    scene.append("a.log", "after\n");
    assert_eq!(scene.fresh(), [long.trim_end(), "after"]);
    // Emptied, and grown beyond its old length before anybody looked.
    File::options().write(true).open(scene.path("a.log")).unwrap().set_len(0).unwrap();
    scene.append("a.log", "longer than what was there before\n");
    assert_eq!(scene.fresh(), ["longer than what was there before"]);
    assert_eq!(scene.follower.totals().n_emptied, 2);
}

#[test]
fn after_a_restart_nothing_is_read_twice_nor_lost() {
    let mut scene = Scene::new("a.log", &[("a.log", "before\n")]);
    scene.append("a.log", "one\ntwo\nhal");
    scene.turn(10);
    scene.turn(300);
    assert_eq!(scene.fresh, ["one", "two"], "the half one is held");
    scene.fresh.clear();
    scene.append("a.log", "f\nthree\n");
    scene.rename("a.log", "a.log.1");
    scene.append("a.log", "four\n");
    scene.restart("a.log");
    assert_eq!(scene.history, ["before", "one", "two"], "for those who have to remember");
    let mut fresh = scene.fresh();
    fresh.sort();
    assert_eq!(fresh, ["four", "half", "three"]);
    // Another file with the number of an old one.
    fs::write(scene.path("a.log"), "quite another\n").unwrap();
    scene.restart("a.log");
    assert_eq!(scene.fresh(), ["quite another"]);
}

#[test]
fn the_history_of_every_file_comes_before_anything_fresh() {
    let mut scene = Scene::new("*.log", &[("a.log", "a\n"), ("b.log", "b\n")]);
    scene.settle();
    let places = scene.follower.places();
    scene.append("a.log", "fresh\n");
    scene.append("b.log", "fresh\n");
    let mut again = follower(scene.folder.path(), "*.log", places);
    let mut stages = Vec::new();
    for _ in 0..2 {
        scene.now = Millis(300).after(scene.now);
        again.turn(scene.now, |entry| stages.push(entry.stage));
    }
    assert_eq!(stages, [Stage::History, Stage::History, Stage::Fresh, Stage::Fresh]);
}

#[test]
fn binary_text_escapes_and_long_lines_are_bounded_and_counted() {
    let mut scene = Scene::new("*.log", &[("a.log", "")]);
    scene.append("a.log", [b"\x1b[31mred\x1b[0m \xff\n".as_slice(), b"a\0b\n", b"\n \n"].concat());
    scene.append("a.log", [vec![b'x'; 3 << 20], b"\nend\n".to_vec()].concat());
    let fresh = scene.fresh();
    assert_eq!((fresh[0].as_str(), fresh[2].as_str(), fresh.len()), ("red \u{fffd}", "end", 3));
    assert_eq!(fresh[1].len(), LINE_BYTES_MAX);
    let totals = scene.follower.totals();
    assert_eq!((totals.n_cut, totals.n_binary), (1, 1));
}

#[test]
fn a_file_with_a_hole_at_its_beginning_is_read() {
    let mut scene = Scene::new("*.log", &[("a.log", "")]);
    let file = File::create(scene.path("a.log")).unwrap();
    file.set_len(1 << 20).unwrap();
    scene.append("a.log", "after the hole\n");
    let fresh = scene.fresh();
    assert!(fresh.len() <= 1, "{fresh:?}");
}

#[test]
fn lines_of_docker_are_what_the_program_wrote() {
    let mut scene = Scene::new("*-json.log", &[]);
    let line = |text: &str| {
        format!("{{\"log\":\"{text}\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}}\n")
    };
    scene.append(
        "ab-json.log",
        line("one ") + &line("line\\n") + &line("ERROR x\\n") + &line("\\tat y\\n"),
    );
    assert_eq!(scene.fresh(), ["one line", "ERROR x\n\tat y"]);
}

#[test]
fn a_folder_with_a_hundred_thousand_files_is_bounded() {
    let scene = tempfile::tempdir().unwrap();
    for n in 0..100_000 {
        File::create(scene.path().join(format!("{n}.log"))).unwrap();
    }
    let mut follower = follower(scene.path(), "*.log", Vec::new());
    follower.turn(Clock::System.now(), |_| {});
    assert_eq!(follower.files().count(), FILES_MAX);
    assert_eq!(follower.totals().n_left_out, 100_000 - FILES_MAX as u64);
    assert_eq!(follower.news().len(), 1);
}

#[test]
fn a_file_that_is_replaced_all_the_time_stays_bounded() {
    let mut scene = Scene::new("a.log", &[("a.log", "")]);
    for n in 0..1_000 {
        scene.append("next", format!("line {n}\n"));
        scene.rename("next", "a.log");
        scene.follower.moved();
        scene.turn(300);
    }
    let fresh = scene.fresh();
    assert_eq!(fresh.len(), 1_000);
    assert!(scene.follower.places().len() <= GONE_FILES_MAX + 2);
}

#[test]
fn what_cannot_be_read_is_told_once() {
    let mut scene = Scene::new("*.log", &[("a.log", "x\n")]);
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root may read everything");
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(scene.path("b.log"), "secret\n").unwrap();
    fs::set_permissions(scene.path("b.log"), fs::Permissions::from_mode(0o000)).unwrap();
    scene.settle();
    scene.settle();
    assert_eq!(scene.follower.news().len(), 1);
    fs::set_permissions(scene.path("b.log"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(scene.fresh(), ["secret"]);
    assert!(scene.follower.troubles().is_empty());
}

#[test]
fn a_pipe_and_a_folder_are_no_log_files() {
    let scene = Scene::new("*", &[("a.log", "x\n")]);
    fs::create_dir(scene.path("folder")).unwrap();
    let pipe = scene.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let mut follower = follower(scene.folder.path(), "*", Vec::new());
    follower.turn(Clock::System.now(), |_| {});
    assert_eq!(follower.files().count(), 1);
}

#[tokio::test]
async fn a_change_wakes() {
    let folder = tempfile::tempdir().unwrap();
    let mut wake = Wake::new();
    wake.watch(&[folder.path().to_owned(), folder.path().join("없다")]);
    if !wake.is_watched(folder.path()) {
        eprintln!("skipped: the kernel does not tell of changes");
        return;
    }
    fs::write(folder.path().join("a.log"), "x").unwrap();
    assert_eq!(wake.wait(Millis::from_secs(60)).await, Moved::Names);
    let mut file = File::options().append(true).open(folder.path().join("a.log")).unwrap();
    file.write_all(b"y").unwrap();
    assert_eq!(wake.wait(Millis::from_secs(60)).await, Moved::Content);
    assert_eq!(wake.wait(Millis(1)).await, Moved::Nothing);
}

/// What may become of a log file.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(u8),
    Half,
    Rename,
    Look,
    Restart,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_given_out_once(steps in proptest::collection::vec(prop_oneof![
        4 => (1_u8..20).prop_map(Step::Write),
        2 => Just(Step::Half),
        1 => Just(Step::Rename),
        3 => Just(Step::Look),
        1 => Just(Step::Restart),
    ], 1..40)) {
        let mut scene = Scene::new("a.log", &[("a.log", "")]);
        let (mut n_lines, mut n_rotated, mut is_inside) = (0, 0, false);
        for step in steps {
            match step {
                Step::Write(n) => for _ in 0..n {
                    scene.append("a.log", format!("{n_lines}\n"));
                    (n_lines, is_inside) = (n_lines + 1, false);
                },
                Step::Half if !is_inside => {
                    scene.append("a.log", "x");
                    is_inside = true;
                }
                // A program ends its line before it opens the next file, and rotation is not
                // faster than anybody looks.
                Step::Rename if !is_inside => {
                    n_rotated += 1;
                    scene.rename("a.log", &format!("a.log.{n_rotated}"));
                    scene.append("a.log", "");
                    scene.follower.moved();
                    scene.turn(300);
                }
                Step::Look => scene.turn(20),
                Step::Restart => scene.restart("a.log"),
                Step::Half | Step::Rename => {}
            }
        }
        if is_inside {
            scene.append("a.log", "end\n");
        }
        let mut counts = BTreeMap::new();
        for line in scene.fresh() {
            let number = line.trim_start_matches('x').to_owned();
            *counts.entry(number).or_insert(0) += 1;
        }
        counts.remove("end");
        prop_assert!(counts.values().all(|n| *n == 1), "{counts:?}");
        prop_assert_eq!(counts.len(), n_lines);
    }
}
