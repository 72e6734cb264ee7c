//! A journal that is damaged, or in use: it is told what is wrong and what helps.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::crew::{Crew, quiet};
use crate::stage::{Done, Stage};

/// A text that stands in the journal wherever the alert's incident stands.
const WORDS: &str = "깨지면-안-되는-문장";

/// Makes a journal with a few alerts in it, closed in order.
fn journal(stage: &Stage) {
    let crew = Crew::up(stage, &quiet());
    for n in 0..20 {
        let alert = json!([{
            "labels": {
                "alertname": format!("a{n}"),
                "service": if n == 7 { WORDS.to_owned() } else { format!("s{n}") },
            },
            "endsAt": "2100-01-01T00:00:00Z",
        }]);
        assert_eq!(crew.post("/api/v2/alerts", alert.to_string()).status, 200);
    }
    crew.stop();
}

fn up(stage: &Stage, data: &str) -> Done {
    let args = ["up", "--config", "nightcrew.json5", "--data", data, "--listen", "127.0.0.1:0"];
    stage.nightcrew(&args).calm()
}

fn copy_data(stage: &Stage, to: &str) {
    fs::create_dir(stage.path(to)).unwrap();
    for entry in fs::read_dir(stage.path("data")).unwrap().flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), stage.path(to).join(entry.file_name())).unwrap();
        }
    }
}

/// The places at which the words stand in a file.
fn places(file: &Path) -> Vec<usize> {
    let bytes = fs::read(file).unwrap();
    let words = WORDS.as_bytes();
    let mut places = Vec::new();
    for (at, window) in bytes.windows(words.len()).enumerate() {
        if window == words {
            places.push(at);
        }
    }
    places
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_flipped_byte_is_found_and_the_advice_helps() {
    let stage = Stage::new();
    journal(&stage);
    let places = places(&stage.path("data/journal.db"));
    assert!(places.len() >= 2, "the words stand in the log and in a table");
    let (mut n_log, mut n_table) = (0, 0);
    for (n, place) in places.into_iter().enumerate() {
        let data = format!("data-{n}");
        copy_data(&stage, &data);
        flip(&stage.path(&data).join("journal.db"), place);
        let verify = stage.nightcrew(&["rebuild", "--verify", "--data", &data]).calm();
        if verify.code == Some(0) {
            // What an older row left behind in its page: nobody reads it.
            continue;
        }
        assert_eq!(verify.code, Some(1), "{}", verify.err);
        let rebuild = stage.nightcrew(&["rebuild", "--data", &data]).calm();
        if rebuild.code == Some(0) {
            // A table was hit: it was made new from the log.
            n_table += 1;
            assert!(verify.err.contains("nightcrew rebuild"), "{}", verify.err);
            let verify = stage.nightcrew(&["rebuild", "--verify", "--data", &data]).calm();
            assert_eq!(verify.code, Some(0), "{}", verify.err);
            continue;
        }
        n_log += 1;
        let up = up(&stage, &data);
        assert!(up.code.is_some_and(|code| code != 0), "it ran on a damaged log");
        for said in [&up.err, &verify.err, &rebuild.err] {
            assert!(said.contains("is damaged at position"), "{said}");
            assert!(said.contains("restore the data folder from a backup"), "{said}");
        }
    }
    assert!(n_log >= 1 && n_table >= 1, "{n_log} in the log, {n_table} in tables");
}

#[test]
fn a_journal_that_was_cut_short_or_removed_is_told() {
    let stage = Stage::new();
    journal(&stage);
    let size = fs::metadata(stage.path("data/journal.db")).unwrap().len();
    for (n, length) in [0, 100, size / 2, size - 4_096].into_iter().enumerate() {
        let data = format!("data-{n}");
        copy_data(&stage, &data);
        let file = stage.path(&data).join("journal.db");
        fs::File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
        let up = up(&stage, &data);
        assert!(up.code.is_some_and(|code| code != 0), "it ran on a journal of {length} bytes");
        let advises = ["nightcrew rebuild", "from a backup", "is not a journal of Nightcrew"];
        assert!(advises.iter().any(|advice| up.err.contains(advice)), "{length}: {}", up.err);
    }
    copy_data(&stage, "without");
    fs::remove_file(stage.path("without/journal.db")).unwrap();
    let up = up(&stage, "without");
    assert!(up.code.is_some_and(|code| code != 0), "it began anew although alerts are lost");
    assert!(up.err.contains("from a backup"), "{}", up.err);
    assert!(!stage.path("without/journal.db").exists());
}

#[test]
fn a_file_of_another_program_is_not_touched() {
    let stage = Stage::new();
    stage.write("nightcrew.json5", quiet());
    let text = "일기: 오늘은 조용했다. ".repeat(400);
    stage.write("data/journal.db", &text);
    let up = up(&stage, "data");
    assert!(up.code.is_some_and(|code| code != 0));
    assert!(up.err.contains("file is not a database"), "{}", up.err);
    let rebuild = stage.nightcrew(&["rebuild", "--data", "data"]).calm();
    assert_eq!(rebuild.code, Some(1), "{}", rebuild.out);
    assert_eq!(fs::read_to_string(stage.path("data/journal.db")).unwrap(), text);
}

#[test]
fn a_second_crew_on_the_same_data_is_refused() {
    let stage = Stage::new();
    let crew = Crew::up(&stage, &quiet());
    let pid = crew.pid().to_string();
    let second = up(&stage, "data");
    assert!(second.code.is_some_and(|code| code != 0));
    for said in ["is in use by process", &pid, "stop that process first"] {
        assert!(second.err.contains(said), "{}", second.err);
    }
    let rebuild = stage.nightcrew(&["rebuild", "--data", "data"]).calm();
    assert_eq!(rebuild.code, Some(1));
    assert!(rebuild.err.contains(&pid), "{}", rebuild.err);
    assert_eq!(crew.get("/readyz").unwrap().status, 200, "the first one goes on");
    crew.stop();
    let nothing = stage.nightcrew(&["rebuild", "--data", "elsewhere"]).calm();
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.err.contains("there is no journal at"), "{}", nothing.err);
}
