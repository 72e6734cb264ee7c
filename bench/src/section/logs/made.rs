//! A log that is made: lines of several programs, some with a few words that vary, and now and
//! then an error.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};

use crate::chance::Chance;
use crate::stopwatch::now;

/// The messages, with `{n}` for a number, `{h}` for a hexadecimal id, `{a}` for an address and
/// `{w}` for a word.
const MESSAGES: [&str; 24] = [
    "INFO http: GET /api/v1/orders/{n} 200 in {n} ms from {a}",
    "INFO http: POST /api/v1/carts/{h}/items 201 in {n} ms from {a}",
    "INFO session {h} of user {w} opened from {a}:{n}",
    "INFO session {h} of user {w} closed after {n} s",
    "DEBUG cache hit for key order:{n} in shard {n}",
    "DEBUG cache miss for key user:{w} in shard {n}",
    "INFO job {h} queued at position {n}",
    "INFO job {h} done in {n} ms, {n} rows",
    "WARN pool: {n} of {n} connections in use",
    "INFO block blk_{n} received, size {n}, from /{a}",
    "INFO PacketResponder {n} for block blk_{n} terminating",
    "INFO replicated blk_{n} to {a}:{n} in {n} ms",
    "INFO kernel: eth0: link is up at {n} Mbps",
    "INFO scheduler: pod {w}-{h} bound to node {w}",
    "INFO probe of {w}-{h} passed in {n} ms",
    "INFO certificate of {w} is valid for {n} days",
    "DEBUG gc: {n} MB to {n} MB in {n} ms",
    "INFO config version {n} loaded with {n} keys",
    "INFO user {w} changed the language to {w}",
    "INFO payment {h} of {n} EUR accepted for order {n}",
    "WARN payment {h} retried, attempt {n}",
    "INFO mail to {w} queued as {h}",
    "INFO replica lag is {n} bytes behind {a}",
    "ERROR request {h} failed: upstream {a}:{n} answered {n}",
];

const WORDS: [&str; 16] = [
    "anna", "boris", "chen", "dora", "emil", "fatima", "goran", "hana", "ivan", "jun", "karl",
    "lena", "mina", "noor", "olga", "piotr",
];

/// How many lines there are in a second.
const LINES_PER_SECOND: u64 = 2_000;

/// Writes lines of so many bytes together, and says how many lines there are.  They end now.
pub(super) fn write(path: &Path, n_bytes: u64) -> anyhow::Result<usize> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut chance = Chance::new("logs");
    let begin = now() - SignedDuration::from_mins(30);
    let (mut written, mut n_lines) = (0, 0);
    while written < n_bytes {
        let passed =
            SignedDuration::from_millis((n_lines as u64 * 1_000 / LINES_PER_SECOND) as i64);
        let line = line(&mut chance, begin + passed);
        out.write_all(line.as_bytes()).context("writing lines")?;
        written += line.len() as u64;
        n_lines += 1;
    }
    out.flush().context("writing lines")?;
    Ok(n_lines)
}

/// A line that is told as soon as it is read.
pub(super) fn out_of_memory() -> String {
    format!("{} ERROR java.lang.OutOfMemoryError: Java heap space", now())
}

fn line(chance: &mut Chance, at: Timestamp) -> String {
    // Errors are rare, and the first messages come most often.
    let among = if chance.within(0..1_000) == 0 { 24 } else { 1 + chance.within(1..23) };
    let message = MESSAGES.get(chance.within(0..among) as usize).copied().unwrap_or_default();
    let mut line = format!("{at:.3} web-{} app[{}]: ", chance.within(1..9), 4_711);
    let mut rest = message;
    while let Some((before, behind)) = rest.split_once('{') {
        line.push_str(before);
        let Some((kind, behind)) = behind.split_once('}') else { break };
        line.push_str(&value(kind, chance));
        rest = behind;
    }
    line.push_str(rest);
    line.push('\n');
    line
}

fn value(kind: &str, chance: &mut Chance) -> String {
    match kind {
        "h" => format!("{:016x}", chance.within(0..u64::MAX)),
        "a" => format!(
            "10.{}.{}.{}",
            chance.within(0..9),
            chance.within(0..256),
            chance.within(1..255)
        ),
        "w" => {
            let word = WORDS.get(chance.within(0..WORDS.len() as u64) as usize);
            word.copied().unwrap_or_default().to_owned()
        }
        _ => chance.within(0..100_000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_made_as_is_wanted_and_each_value_is_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.log");
        let n_lines = write(&path, 100_000).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!((text.lines().count(), text.contains('{')), (n_lines, false));
        assert!((100_000..100_400).contains(&text.len()));
    }
}
