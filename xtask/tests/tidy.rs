//! The house rules that no compiler checks: how long a file may be, what nothing may be called,
//! which room may depend on which.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A file is one idea; past this many lines it is probably two.
const FILE_LINES_MAX: usize = 600;

/// A binary file of more than this does not belong here.
const BINARY_BYTES_MAX: u64 = 400_000;

/// Which room may depend on which, by the table of `ARCHITECTURE.md`.  `dev` are dependencies of
/// tests only.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("model", &[], &[]),
    ("detect", &["model"], &[]),
    ("engine", &["model"], &["detect"]),
    ("runtime", &["model"], &[]),
    ("config", &["model", "detect"], &[]),
    ("journal", &["model"], &[]),
    ("series", &["model"], &[]),
    ("act", &["model", "config", "runtime"], &[]),
    ("observe", &["model", "config", "runtime"], &[]),
    ("testkit", &[], &[]),
    ("channels", &["model", "config", "runtime"], &["testkit"]),
    ("report", &["model"], &[]),
    ("intake", &["model", "config"], &[]),
    (
        "crew",
        &[
            "model", "detect", "engine", "runtime", "config", "journal", "act", "observe",
            "channels", "report", "series",
        ],
        &["testkit"],
    ),
    (
        "server",
        &["model", "engine", "crew", "journal", "runtime", "config", "report", "intake", "series"],
        &["channels", "testkit"],
    ),
];

/// What the rooms without I/O must not depend on.
const PURE: &[&str] = &["model", "detect", "engine", "intake"];
const IMPURE_CRATES: &[&str] = &["tokio", "reqwest", "axum", "rusqlite", "rustix", "sysinfo"];

/// Names that say nothing.
const FORBIDDEN_NAMES: &[&str] =
    &["utils", "util", "helpers", "helper", "common", "misc", "manager"];

/// Marks of work that is not done.
const FORBIDDEN_MARKS: &[&str] = &["FIXME", "TODO", "XXX", "todo!(", "unimplemented!(", "#[ignore"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files of the project: everything but what is built, installed or kept by git.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let mut entries: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let skipped = [".git", "target", "node_modules", ".nightcrew", "snapshots"];
            if skipped.iter().any(|skip| name == *skip) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.push(entry.path());
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found
}

fn is_source(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    ["rs", "js", "mjs", "css", "html", "sh", "py"].contains(&ending)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn assert_none(problems: &str) {
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn no_file_is_too_long() {
    let mut problems = String::new();
    for path in files().iter().filter(|path| is_source(path)) {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        if lines > FILE_LINES_MAX {
            writeln!(problems, "{}: {lines} lines, at most {FILE_LINES_MAX}", shown(path)).unwrap();
        }
    }
    assert_none(&problems);
}

#[test]
fn no_name_says_nothing() {
    let mut problems = String::new();
    for path in files() {
        for part in path.strip_prefix(root()).unwrap().iter() {
            let name = Path::new(part).file_stem().unwrap().to_string_lossy().to_lowercase();
            if FORBIDDEN_NAMES.contains(&name.as_str()) {
                writeln!(problems, "{}: `{name}` says nothing", shown(&path)).unwrap();
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn nothing_is_marked_as_unfinished() {
    let mut problems = String::new();
    let me = Path::new(file!()).file_name().unwrap();
    for path in files().iter().filter(|path| is_source(path) && path.file_name() != Some(me)) {
        for (n, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            for mark in FORBIDDEN_MARKS.iter().filter(|mark| line.contains(**mark)) {
                writeln!(problems, "{}:{}: {mark}", shown(path), n + 1).unwrap();
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn no_text_file_holds_control_characters() {
    let mut problems = String::new();
    for path in files().iter().filter(|path| is_source(path)) {
        let text = fs::read_to_string(path).unwrap();
        let hidden = |c: &char| {
            c.is_control() && *c != '\n' && *c != '\t'
                || ('\u{202a}'..='\u{202e}').contains(c)
                || ('\u{2066}'..='\u{2069}').contains(c)
        };
        if let Some(found) = text.chars().find(hidden) {
            writeln!(problems, "{}: holds {found:?}; write it as an escape", shown(path)).unwrap();
        }
    }
    assert_none(&problems);
}

#[test]
fn binary_files_are_small() {
    let mut problems = String::new();
    for path in files() {
        let size = fs::metadata(&path).unwrap().len();
        if size > BINARY_BYTES_MAX && String::from_utf8(fs::read(&path).unwrap()).is_err() {
            writeln!(problems, "{}: {size} bytes, at most {BINARY_BYTES_MAX}", shown(&path))
                .unwrap();
        }
    }
    assert_none(&problems);
}

#[test]
fn rooms_depend_downwards() {
    let mut problems = String::new();
    let table: BTreeMap<&str, (&[&str], &[&str])> =
        ROOMS.iter().map(|(room, allowed, dev)| (*room, (*allowed, *dev))).collect();
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let room = folder.file_name().unwrap().to_string_lossy().into_owned();
        let manifest: toml::Table =
            fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let of = |section: &str| -> Vec<String> {
            let found = manifest.get(section).and_then(|found| found.as_table());
            found.map_or_else(Vec::new, |found| found.keys().cloned().collect())
        };
        seen.insert(room.clone());
        // The binary wires every room; it is at the top.
        if room == "nightcrew" {
            continue;
        }
        let Some((allowed, dev)) = table.get(room.as_str()) else {
            writeln!(problems, "{room}: not in the table of rooms").unwrap();
            continue;
        };
        let ours = |name: &str| name.strip_prefix("nightcrew-").map(str::to_owned);
        for name in of("dependencies").iter().filter_map(|name| ours(name)) {
            if !allowed.contains(&name.as_str()) {
                writeln!(problems, "{room} may not depend on {name}").unwrap();
            }
        }
        for name in of("dev-dependencies").iter().filter_map(|name| ours(name)) {
            if !allowed.contains(&name.as_str()) && !dev.contains(&name.as_str()) {
                writeln!(problems, "{room} may not depend on {name}, not even in tests").unwrap();
            }
        }
        if PURE.contains(&room.as_str()) {
            for name in
                of("dependencies").iter().filter(|name| IMPURE_CRATES.contains(&name.as_str()))
            {
                writeln!(problems, "{room} does no I/O and may not depend on {name}").unwrap();
            }
        }
    }
    for room in table.keys().filter(|room| !seen.contains(**room)) {
        writeln!(problems, "{room}: in the table of rooms, but there is no such crate").unwrap();
    }
    assert_none(&problems);
}

#[test]
fn every_package_keeps_the_workspace_lints() {
    let mut problems = String::new();
    for path in files() {
        if path.file_name().is_some_and(|name| name == "Cargo.toml")
            && path != root().join("Cargo.toml")
        {
            let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
            let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
            if lints.and_then(toml::Value::as_bool) != Some(true) {
                writeln!(problems, "{}: [lints] workspace = true is missing", shown(&path))
                    .unwrap();
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn readme_in_two_languages() {
    for name in ["README.md", "README.ko.md"] {
        let text = fs::read_to_string(root().join(name)).expect(name);
        for command in ["make run", "make test"] {
            assert!(text.contains(command), "{name} does not name `{command}`");
        }
    }
}
