use std::os::unix::fs::PermissionsExt as _;

use nightcrew_journal::error::OpenError;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use rusqlite::Connection;

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn makes_a_folder_that_only_its_owner_reads() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("아래/data");
    let journal = Journal::open(&data).unwrap();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("journal.db")), 0o600);
    assert_eq!(mode(&data.join("journal.mark")), 0o600);
    drop(journal);
    verify(&data).unwrap();
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let _journal = Journal::open(dir.path()).unwrap();
    for error in [
        Journal::open(dir.path()).unwrap_err(),
        verify(dir.path()).unwrap_err(),
        rebuild(dir.path()).unwrap_err(),
    ] {
        let expected = format!(
            "the journal in {} is in use by process {}; stop that process first",
            dir.path().display(),
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_journal_of_a_newer_layout_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Journal::open(dir.path()).unwrap());
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    file.execute_batch("PRAGMA user_version = 3").unwrap();
    drop(file);
    for error in [
        Journal::open(dir.path()).unwrap_err(),
        verify(dir.path()).unwrap_err(),
        rebuild(dir.path()).unwrap_err(),
    ] {
        let newer = matches!(error, OpenError::NewerSchema { found: 3, known: 2 });
        assert!(newer, "{error}");
    }
}

#[test]
fn a_file_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let file = Connection::open(&path).unwrap();
    file.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(file);
    let error = Journal::open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let file = Connection::open(&path).unwrap();
    let n_rows: i64 = file.query_row("SELECT count(*) FROM theirs", [], |row| row.get(0)).unwrap();
    assert_eq!(n_rows, 0, "it is as it was");
}

#[test]
fn a_check_of_nothing_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for error in [verify(dir.path()).unwrap_err(), rebuild(dir.path()).unwrap_err()] {
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Journal::open(&file).unwrap_err();
    assert!(error.to_string().contains("/file cannot be used"), "{error}");
}
