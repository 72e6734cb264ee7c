//! Counting what the logs of a service say.
//!
//! The end of each of its `log_files` is read, at most [`BYTES_MAX`] of all of them together, the
//! file that changed last first.  A file that did not change within the time is left out.  A line
//! that begins with a time such as `2026-01-31T03:00:00Z` or `2026/01/31 03:00:00` (without an
//! offset: of this machine's zone) counts only when that is recent enough, with the lines after it
//! that begin with none; before the first such line, and in logs without, every line of the end
//! counts.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nightcrew_model::id::ServiceName;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;
use regex::bytes::{Regex, RegexBuilder};
use tokio::time::Instant;

use crate::done::Done;
use crate::gate::Gate;
use crate::ruling::{Fit, Unfit};
use crate::work::Work;

const RULE: &str = "check_logs";

/// The largest part of all files together that is read, in bytes.
pub const BYTES_MAX: u64 = 64 << 20;

/// The longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1_000;

/// The largest program that a pattern may become, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// How much of one line is looked at, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// What reads as an error where no pattern is given: a level, or the name of a failure.
const ERRORS: &str = r"(?i-u)\b(?:error|err|fatal|crit|critical|alert|emerg|severe|panic|panicked|exception|traceback|segfault)\b";

/// How many lines are read between two looks at the clock.
const LOOK_EVERY_LINES: u64 = 4_096;

/// A count that the gate let pass.
#[derive(Clone, Debug)]
pub(crate) struct Count {
    files: Vec<PathBuf>,
    pattern: Regex,
    within: Millis,
}

#[derive(Debug, Default)]
struct Found {
    lines: u64,
    matches: u64,
    first: Option<String>,
    last: Option<String>,
    newest_match: Option<(Option<Timestamp>, String)>,
    /// Whether something older was left unread.
    cut: bool,
}

impl Gate {
    pub(crate) fn check_logs(
        &self,
        name: &ServiceName,
        pattern: Option<&str>,
        within: Millis,
    ) -> Result<Fit, Unfit> {
        let refused = |reason: String| Unfit::refused(RULE, reason).of_class(RiskClass::Observe);
        let service = self.known(RULE, RiskClass::Observe, name)?;
        let text = pattern.unwrap_or(ERRORS);
        if text.len() > PATTERN_BYTES_MAX {
            let reason = format!("the pattern is longer than {PATTERN_BYTES_MAX} bytes");
            return Err(refused(reason));
        }
        let compiled = RegexBuilder::new(text).size_limit(PATTERN_SIZE_MAX).build();
        let compiled = compiled.map_err(|why| refused(format!("the pattern: {why}")))?;
        let mut argv = vec![RULE.to_owned(), name.to_string()];
        argv.extend(pattern.map(str::to_owned));
        Ok(Fit {
            class: RiskClass::Observe,
            rule: RULE.into(),
            reason: format!("only reads the last {within} of its logs"),
            argv,
            approval: None,
            work: Work::Logs(Count { files: service.log_files.clone(), pattern: compiled, within }),
        })
    }
}

impl Count {
    /// Blocks.
    pub(crate) fn carry_out(&self, now: Timestamp, limit: Duration) -> Done {
        if self.files.is_empty() {
            // It only looks: a plan goes on without it where its playbook says so.
            return Done::failed("no log can be read: the service has no `log_files`".to_owned());
        }
        let until = Instant::now() + limit;
        let from = now.checked_sub(self.within.duration()).unwrap_or(Timestamp::MIN);
        let mut unread = Vec::new();
        let mut files: Vec<(SystemTime, &Path)> = Vec::new();
        for path in &self.files {
            match std::fs::metadata(path) {
                Ok(about) if about.is_file() => {
                    let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    if Timestamp::try_from(changed).is_ok_and(|changed| changed >= from) {
                        files.push((changed, path));
                    }
                }
                Ok(_) => unread.push(format!("{}: not a regular file", path.display())),
                Err(why) => unread.push(format!("{}: {why}", path.display())),
            }
        }
        files.sort_by_key(|(changed, _)| std::cmp::Reverse(*changed));
        let mut found = Found::default();
        let mut left = BYTES_MAX;
        for (_, path) in files {
            match self.read(path, from, &mut left, until, &mut found) {
                Ok(()) => {}
                Err(why) => unread.push(format!("{}: {why}", path.display())),
            }
        }
        if unread.len() == self.files.len() {
            return Done::failed(format!("no log can be read: {}", unread.join("; ")));
        }
        found.done(self.within, &unread)
    }

    fn read(
        &self,
        path: &Path,
        from: Timestamp,
        left: &mut u64,
        until: Instant,
        found: &mut Found,
    ) -> std::io::Result<()> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let start = length.saturating_sub(*left);
        file.seek(SeekFrom::Start(start))?;
        let mut reader = BufReader::new(file.take(length - start));
        *left -= length - start;
        let mut line = Vec::new();
        if start > 0 {
            found.cut = true;
            // What begins in the middle is no line.
            skip_line(&mut reader)?;
        }
        let zone = TimeZone::system();
        let mut recent = true;
        let mut at = None;
        for number in 0_u64.. {
            if number % LOOK_EVERY_LINES == 0 && Instant::now() >= until {
                found.cut = true;
                break;
            }
            line.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if !line.ends_with(b"\n") {
                skip_line(&mut reader)?;
            }
            if let Some(stamp) = stamp(&line, &zone) {
                at = Some(stamp);
                recent = stamp >= from;
            }
            if recent {
                found.take(&line, at, &self.pattern);
            }
        }
        Ok(())
    }
}

/// Reads to the end of a line and keeps nothing.
fn skip_line(reader: &mut BufReader<std::io::Take<File>>) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                reader.consume(at + 1);
                return Ok(());
            }
            None => {
                let length = buffer.len();
                reader.consume(length);
            }
        }
    }
}

impl Found {
    fn take(&mut self, line: &[u8], at: Option<Timestamp>, pattern: &Regex) {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return;
        }
        self.lines += 1;
        let shown = || String::from_utf8_lossy(line).into_owned();
        self.first.get_or_insert_with(shown);
        self.last = Some(shown());
        if pattern.is_match(line) {
            self.matches += 1;
            if self.newest_match.as_ref().is_none_or(|(newest, _)| at >= *newest) {
                self.newest_match = Some((at, shown()));
            }
        }
    }

    fn done(&self, within: Millis, unread: &[String]) -> Done {
        let mut said =
            format!("{} of {} lines of the last {within} match", self.matches, self.lines);
        if self.cut {
            said.push_str("; older ones were left unread");
        }
        if !unread.is_empty() {
            said.push_str("; not read: ");
            said.push_str(&unread.join("; "));
        }
        let done = Done::succeeded(said)
            .number("lines", as_number(self.lines))
            .number("matches", as_number(self.matches));
        let texts = [
            ("first", self.first.as_deref()),
            ("last", self.last.as_deref()),
            ("newest_match", self.newest_match.as_ref().map(|(_, text)| text.as_str())),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text?)));
        texts.fold(done, |done, (key, text)| done.text(key, text))
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 lines are read")]
fn as_number(count: u64) -> f64 {
    count as f64
}

/// The time with which a line begins.
fn stamp(line: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    /// The longest time with an offset, in bytes.
    const STAMP_BYTES_MAX: usize = 40;
    let line = line.get(..STAMP_BYTES_MAX).unwrap_or(line);
    let line = line.strip_prefix(b"[").unwrap_or(line);
    let digits = line.first_chunk::<4>()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let valid = line.utf8_chunks().next()?.valid();
    let (date, rest) = valid.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', ' '])?.split_at_checked(8)?;
    let civil: DateTime = format!("{}T{time}", date.replace('/', "-")).parse().ok()?;
    let fraction = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    let rest = rest.trim_start_matches(fraction).trim_start();
    if rest.starts_with('Z') {
        return civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    match offset(rest) {
        Some(seconds) => {
            let offset = jiff::tz::Offset::from_seconds(seconds).ok()?;
            offset.to_timestamp(civil).ok()
        }
        None => civil.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp()),
    }
}

/// An offset such as `+09:00` or `-0330`, in seconds.
fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, rest) = rest.split_at_checked(2)?;
    let minutes = rest.strip_prefix(':').unwrap_or(rest).get(..2)?;
    let seconds = hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60;
    Some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use nightcrew_model::plan::{ResultKey, ResultValue, StepStatus};
    use nightcrew_runtime::clock::Clock;

    use super::*;

    fn count(files: Vec<PathBuf>, pattern: &str, within: Millis) -> Count {
        Count { files, pattern: Regex::new(pattern).unwrap(), within }
    }

    fn result(done: &Done, key: &str) -> Option<ResultValue> {
        done.results.get(&ResultKey::from(key)).cloned()
    }

    #[test]
    fn the_time_of_a_line_is_read_in_its_usual_forms() {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        let read = |line: &str| stamp(line.as_bytes(), &zone).map(|at| at.to_string());
        let utc = Some("2026-01-31T03:00:05Z".to_owned());
        for line in [
            "2026-01-31T03:00:05Z started",
            "2026-01-31T03:00:05.123456Z x",
            "[2026-01-31 12:00:05,123] INFO",
            "2026/01/31 12:00:05 [error] 1#1",
            "2026-01-31T12:00:05+09:00 x",
            "2026-01-30 23:30:05 -0330",
        ] {
            assert_eq!(read(line), utc, "{line}");
        }
        for line in
            ["", "2026", "no time", "2026-13-31T03:00:05Z", "가나다라 마바사", "20260131T030005"]
        {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn lines_before_the_time_do_not_count_and_lines_without_a_time_belong_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("앱.log");
        let now = Clock::System.now();
        let ago = |minutes: i64| now - jiff::SignedDuration::from_mins(minutes);
        let text = format!(
            "{} ERROR old\n  at frame\n{} INFO fine\n{} ERROR new\n  at frame error\n\u{0}\n",
            ago(90),
            ago(30),
            ago(1)
        );
        std::fs::write(&path, text).unwrap();
        let absent = folder.path().join("absent.log");
        let count = count(vec![path, absent], "(?i)error", Millis::from_secs(3_600));
        let done = count.carry_out(now, Duration::from_secs(5));
        assert_eq!(done.status, StepStatus::Succeeded, "{}", done.output);
        assert_eq!(result(&done, "lines"), Some(ResultValue::Number(4.0)));
        assert_eq!(result(&done, "matches"), Some(ResultValue::Number(2.0)));
        assert_eq!(
            result(&done, "newest_match"),
            Some(ResultValue::Text("  at frame error".into()))
        );
        assert!(done.output.contains("absent.log"), "{}", done.output);
    }

    #[test]
    fn of_a_large_log_the_end_is_read_and_a_log_that_cannot_be_read_is_no_zero() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.log");
        let file = File::create(&path).unwrap();
        file.set_len(BYTES_MAX + 10).unwrap();
        drop(file);
        let mut whole = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut whole, b"\nfatal: out of memory\n").unwrap();
        let now = Clock::System.now();
        let done = count(vec![path], "fatal", Millis::from_secs(60))
            .carry_out(now, Duration::from_secs(20));
        assert_eq!(result(&done, "matches"), Some(ResultValue::Number(1.0)), "{}", done.output);
        assert!(done.output.contains("left unread"));
        let done = count(vec![folder.path().to_owned()], "x", Millis::from_secs(60))
            .carry_out(now, Duration::from_secs(5));
        assert_eq!(done.status, StepStatus::Failed);
        assert!(done.results.is_empty());
    }
}
