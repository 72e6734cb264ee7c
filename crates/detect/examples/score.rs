//! Scores a series, or a folder of them, and writes the scores beside their names:
//! `cargo run --release -p nightcrew-detect --example score -- IN OUT [PREFIX]`.
//!
//! A series is a CSV file with a header whose first two columns are a time (`2014-04-01 00:05:00`,
//! with or without `T`, fraction and `Z`) and a value; rows whose time cannot be read are left
//! out.  OUT gets the same names, each with the prefix, with timestamp, value, `anomaly_score`,
//! alarm and, for an alarm, why.

#![expect(clippy::print_stdout, reason = "it prints how fast it was")]
#![expect(clippy::disallowed_types, reason = "it measures itself")]

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use jiff::civil::DateTime;
use nightcrew_detect::anomaly::Scorer;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: score IN OUT [PREFIX]"));
    };
    let prefix = arguments.next().unwrap_or_default();
    let from = PathBuf::from(from);
    let mut series = Vec::new();
    find_series(&from, &mut series)?;
    let (mut n_rows, mut spent) = (0, Duration::ZERO);
    for path in series {
        let below = path.strip_prefix(&from).ok().filter(|below| !below.as_os_str().is_empty());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = Path::new(&to).join(below.and_then(Path::parent).unwrap_or(Path::new("")));
        fs::create_dir_all(&folder)?;
        let rows = read(&path)?;
        let started = Instant::now();
        let mut scorer = Scorer::new();
        let scores: Vec<_> = rows.iter().map(|row| scorer.score(row.at_ms, row.value)).collect();
        spent += started.elapsed();
        n_rows += rows.len();
        let mut out = io::BufWriter::new(fs::File::create(folder.join(format!("{prefix}{name}")))?);
        writeln!(out, "timestamp,value,anomaly_score,alarm,why")?;
        for (row, anomaly) in rows.iter().zip(scores) {
            let Row { time, value, .. } = row;
            let alarm = u8::from(anomaly.alarm);
            let why = if anomaly.alarm { format!("{:?}", anomaly.why) } else { String::new() };
            let why = why.replace(',', ";");
            writeln!(out, "{time},{value},{:.6},{alarm},{why}", anomaly.score)?;
        }
    }
    let rate = n_rows as f64 / spent.as_secs_f64() / 1e6;
    println!("{n_rows} rows, {rate:.2} million rows/s on one core");
    Ok(())
}

/// One row of a series.
struct Row {
    time: String,
    at_ms: i64,
    value: f64,
}

/// Every CSV file at or below a path, in the order of names.
fn find_series(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        let mut entries =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| find_series(entry, found));
    }
    if path.extension().is_some_and(|extension| extension == "csv") {
        found.push(path.to_owned());
    }
    Ok(())
}

/// The rows of a series; a value that is no number is not a number.
fn read(path: &Path) -> io::Result<Vec<Row>> {
    let text = fs::read_to_string(path)?;
    let rows = text.lines().skip(1).filter_map(|line| {
        let mut cells = line.split(',').map(|cell| cell.trim_matches(['"', ' ', '\r']));
        let time = cells.next()?;
        let value = cells.next()?.parse().unwrap_or(f64::NAN);
        let civil: DateTime = time.trim_end_matches('Z').parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Row { time: time.to_owned(), at_ms: zoned.timestamp().as_millisecond(), value })
    });
    Ok(rows.collect())
}
