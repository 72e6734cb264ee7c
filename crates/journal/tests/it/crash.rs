//! A process that is killed while it appends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nightcrew_journal::batch::Expected;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::verify;

use crate::sample::{noted, one, story, whole};

/// The variable that makes the test below the writer, and names its folder.
const FOLDER: &str = "NIGHTCREW_JOURNAL_CRASH_FOLDER";

/// What stands before an acknowledged position.
const ACK: &str = "acknowledged ";

/// Appends for ever when it is started by the test below, and does nothing otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_that_is_killed() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return;
    };
    let journal = Journal::open(Path::new(&dir)).unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_u64 {
        let journal = journal.clone();
        writers.spawn(async move {
            for n in 0_u64.. {
                let stream = format!("agent/{writer}");
                let batch = one(&stream, Expected::Any, &format!("{writer}:{n}"));
                let committed = journal.append(batch).await.unwrap();
                println!("{ACK}{} {writer}:{n}", committed.last);
                let incident = 1_000_000 * writer + n + journal.last_position().0;
                journal.append(story(incident).into()).await.unwrap();
            }
        });
    }
    writers.join_all().await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test kills a copy of itself, which no gate has to judge"
)]
fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_writer_that_is_killed", "--nocapture"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads so many acknowledgements, kills the writer, and gives what it had acknowledged.
fn kill_after(n_lines: usize, dir: &Path) -> Vec<(usize, String)> {
    let mut child = start(dir);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for _ in 0..n_lines {
        stdout.read_line(&mut text).unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    // The last line may be cut off.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .filter_map(|line| line.split_once(ACK)?.1.split_once(' '))
        .map(|(position, note)| (position.parse().unwrap(), note.to_owned()))
        .collect()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    // Moments that are not in step with anything.
    for n_lines in [3, 11, 30, 59, 101, 173] {
        acknowledged.extend(kill_after(n_lines, dir.path()));
        let journal = Journal::open(dir.path()).unwrap();
        let entries = whole(&journal).await;
        for (position, note) in &acknowledged {
            assert_eq!(noted(&entries[position - 1].decision), note);
        }
        journal.close().await.unwrap();
        verify(dir.path()).unwrap();
    }
    assert!(acknowledged.len() > 300, "{}", acknowledged.len());
}

#[tokio::test]
async fn a_killed_process_leaves_the_folder_unlocked() {
    let dir = tempfile::tempdir().unwrap();
    kill_after(5, dir.path());
    let lock = std::fs::read_to_string(dir.path().join("journal.lock")).unwrap();
    assert_ne!(lock.trim(), std::process::id().to_string());
    drop(Journal::open(dir.path()).unwrap());
}
