//! Logs: records as lines with a severity.

use jiff::Timestamp;
use nightcrew_model::telemetry::{LogLine, LogSeverity};

use super::attribute::{self, Origin};
use super::limit::{AGE_MAX, AHEAD_MAX, LINE_BYTES_MAX};
use super::metric::moment;
use super::walk::{has_room, once, walk};
use super::wire::Fields;
use super::{Encoding, Malformed, Rejected, Taken, schema};

/// The attribute that holds the message of an exception.
const EXCEPTION: [&str; 2] = ["exception.type", "exception.message"];

/// Reads the lines of an `ExportLogsServiceRequest`.  A line without a time, or with one far from
/// `now`, has the time `now`.
///
/// # Errors
/// When the body is no such message.
pub fn read(body: &[u8], encoding: Encoding, now: Timestamp) -> Result<Taken<LogLine>, Malformed> {
    let mut items: Vec<LogLine> = Vec::new();
    let mut read = |origin: &Origin, record: &[u8], rejected: &mut Rejected| {
        if has_room(items.len(), rejected) {
            match line(origin, record, now)? {
                Some(line) => items.push(line),
                None => rejected.add(1, "a log record has neither a body nor an event name"),
            }
        }
        Ok(())
    };
    let rejected = walk(body, encoding, schema::LOGS, once, &mut read)?;
    Ok(Taken { items, rejected })
}

fn line(origin: &Origin, record: &[u8], now: Timestamp) -> Result<Option<LogLine>, Malformed> {
    let (mut at, mut observed, mut severity) = (0, 0, None);
    let (mut body, mut event, mut severity_text) = (String::new(), String::new(), String::new());
    for field in Fields::of(record) {
        let field = field?;
        match field.number {
            1 => at = field.value.integer()?,
            2 => severity = LogSeverity::of_number(field.value.integer()?),
            3 => severity_text = field.value.text()?,
            5 => body = attribute::text(field.value.bytes()?, LINE_BYTES_MAX)?,
            11 => observed = field.value.integer()?,
            12 => event = field.value.text()?,
            _ => {}
        }
    }
    let attributes = attribute::attributes(record, 6)?;
    for key in EXCEPTION {
        if let Some(said) = attributes.get(key).filter(|said| !body.contains(said.as_str())) {
            if !body.is_empty() {
                body.push_str(": ");
            }
            body.push_str(said);
        }
    }
    if body.is_empty() {
        body = event;
    }
    if body.len() > LINE_BYTES_MAX {
        body.truncate(crate::wording::beginning(&body, LINE_BYTES_MAX).len());
    }
    if body.is_empty() {
        return Ok(None);
    }
    let near = |at: &Timestamp| AGE_MAX.after(*at) >= now && *at <= AHEAD_MAX.after(now);
    let at = [at, observed].into_iter().filter_map(moment).find(near).unwrap_or(now).min(now);
    let severity = severity.or_else(|| named(&severity_text));
    Ok(Some(LogLine { at, service: origin.service.clone(), severity, body }))
}

/// The severity of a word, where the number is missing.
fn named(word: &str) -> Option<LogSeverity> {
    let word = word.trim().to_ascii_uppercase();
    match word.as_str() {
        "WARNING" => Some(LogSeverity::Warn),
        "CRITICAL" | "ALERT" | "EMERGENCY" | "PANIC" => Some(LogSeverity::Fatal),
        "ERR" => Some(LogSeverity::Error),
        "NOTICE" | "INFORMATION" => Some(LogSeverity::Info),
        word => LogSeverity::ALL.into_iter().find(|known| known.as_str() == word),
    }
}
