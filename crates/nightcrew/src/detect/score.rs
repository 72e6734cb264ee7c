//! `nightcrew detect score`: the streaming anomaly score of series in files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nightcrew_detect::anomaly::Scorer;
use serde::Serialize;

use crate::cli;
use crate::csv_file::Csv;
use crate::output::{self, Exit, Failure};

/// How deep folders are looked into.
const DEPTH_MAX: usize = 16;

/// How far rows are apart while no time says it, in milliseconds.
const STEP_MS: i64 = 60_000;

/// What was scored.
#[derive(Default, Serialize)]
struct Scored {
    files: usize,
    points: u64,
    alarms: u64,
}

pub(crate) fn run(args: &cli::Score) -> anyhow::Result<Exit> {
    let mut scored = Scored::default();
    match (&args.out, args.input.is_dir()) {
        (None, false) => {
            score(&args.input, io::stdout().lock(), &mut scored)?;
            return Ok(Exit::Done);
        }
        (None, true) => {
            return Err(Failure::usage(
                format!("{} is a folder", args.input.display()),
                "say with --out where the scores go",
            )
            .into());
        }
        (Some(out), false) => {
            let name = args.input.file_name().unwrap_or(args.input.as_os_str());
            score_to(&args.input, &out.join(name), &mut scored)?;
        }
        (Some(out), true) => {
            for path in csv_files(&args.input)? {
                let below = path.strip_prefix(&args.input).unwrap_or(&path);
                score_to(&path, &out.join(below), &mut scored)?;
            }
        }
    }
    if args.json {
        output::json(&scored)?;
    } else {
        let Scored { files, points, alarms } = scored;
        output::line(&format!("{files} files, {points} points, {alarms} alarms"));
    }
    Ok(Exit::Done)
}

fn score_to(path: &Path, out: &Path, scored: &mut Scored) -> anyhow::Result<()> {
    let written = || format!("writing {}", out.display());
    if let (Ok(from), Ok(to)) = (path.canonicalize(), out.canonicalize())
        && from == to
    {
        return Err(Failure::usage(
            format!("{} would be written over", path.display()),
            "give another folder with --out",
        )
        .into());
    }
    fs::create_dir_all(out.parent().unwrap_or(Path::new("."))).with_context(written)?;
    let file = File::create(out).with_context(written)?;
    score(path, BufWriter::new(file), scored)
}

/// Every CSV file below a folder, in the order of names.
fn csv_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let reading = || format!("reading {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(reading)? {
            let entry = entry.with_context(reading)?;
            let kind = entry.file_type().with_context(reading)?;
            let path = entry.path();
            if kind.is_dir() && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if kind.is_file() && path.extension().is_some_and(|kind| kind == "csv") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn score(path: &Path, out: impl Write, scored: &mut Scored) -> anyhow::Result<()> {
    let mut csv = Csv::open(path)?;
    let (time, value) = csv.time_and_value();
    let mut out = csv::Writer::from_writer(out);
    let writing = || format!("writing the scores of {}", path.display());
    out.write_record(["timestamp", "value", "anomaly_score", "alarm"]).with_context(writing)?;
    let mut scorer = Scorer::new();
    scored.files += 1;
    let (mut last_ms, mut step_ms, mut timeless) = (0, STEP_MS, None);
    while let Some(row) = csv.next()? {
        // A row without a time is as far behind the one before as that one was.
        let at_ms = row.time(time).map(|at| at.as_millisecond());
        if at_ms.is_none() {
            timeless.get_or_insert_with(|| row.place());
        }
        let at_ms = at_ms.unwrap_or(last_ms + step_ms);
        step_ms = if at_ms > last_ms && last_ms > 0 { at_ms - last_ms } else { step_ms };
        last_ms = at_ms;
        let anomaly = scorer.score(at_ms, row.value(value));
        scored.points += 1;
        scored.alarms += u64::from(anomaly.alarm);
        let (score, alarm) =
            (format!("{:.6}", anomaly.score), if anomaly.alarm { "1" } else { "0" });
        let line = [row.text(time), row.text(value), &score, alarm];
        out.write_record(line).with_context(writing)?;
    }
    if let Some(place) = timeless {
        output::note(&format!(
            "{place}: no time can be read here; rows are taken as evenly spaced"
        ));
    }
    out.flush().with_context(writing)
}
