//! From a digest to what people read of it.

use nightcrew_detect::digest::Digest;
use nightcrew_detect::signs::finding::{Finding, Shift, ShiftUnit};
use nightcrew_report::log_insights::{LogFinding, LogInsights, LogMessage};

/// What a digest says, but for its findings: its lines and messages.
#[must_use]
pub fn insights_of(name: &str, digest: &Digest) -> LogInsights {
    let messages = digest.messages();
    let message = |message: nightcrew_detect::digest::Message| LogMessage {
        columns: message.counts.columns().to_vec(),
        template: message.template,
        lines: message.n_lines,
        first_seen: message.first_seen,
        last_seen: message.last_seen,
        exemplar: message.exemplar,
    };
    LogInsights {
        name: name.to_owned(),
        lines: digest.n_lines(),
        errors: digest.n_errors(),
        skipped: 0,
        first_seen: digest.times().map(|(first, _)| first),
        last_seen: digest.times().map(|(_, last)| last),
        findings: Vec::new(),
        templates: messages.n_templates,
        column_seconds: digest.axis().width(),
        messages: messages.listed.into_iter().map(message).collect(),
    }
}

/// A finding of which so many lines count.
#[must_use]
pub fn finding_of(finding: &Finding, lines: u64) -> LogFinding {
    LogFinding {
        severity: finding.severity,
        what: finding.kind.to_string(),
        subject: finding.subject.to_string(),
        lines,
        first_seen: finding.first_seen,
        last_seen: finding.last_seen,
        moved: finding.shift.as_ref().map(moved),
        names: finding.names.clone(),
        exemplar: finding.exemplars.first().map(|exemplar| exemplar.text.clone()),
    }
}

/// What moved, in words.
fn moved(shift: &Shift) -> String {
    let Shift { before, now, unit } = shift;
    match unit {
        ShiftUnit::Ratio => format!("{:.2} % before, {:.2} % now", before * 100.0, now * 100.0),
        ShiftUnit::Seconds => format!("{before:.3} s before, {now:.3} s now"),
        ShiftUnit::LinesPerWindow => {
            format!("{before:.0} lines in a window before, {now:.0} now")
        }
    }
}
