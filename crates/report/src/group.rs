//! A group of alerts in words, in the manner of Alertmanager's default templates.
//!
//! Lines are plain text of one line each.  Markup in them is not escaped: channels do that for
//! their own form.

use jiff::Timestamp;
use nightcrew_model::alert::Alert;
use nightcrew_model::id::ReceiverName;
use nightcrew_model::labels::Labels;
use nightcrew_model::severity::Severity;

use crate::quote::one_line;
use crate::sentence::counted;
use crate::story::LINE_CHARS_MAX;

/// The largest number of alerts that are told one by one; the rest is counted.
pub const ALERTS_TOLD_MAX: usize = 30;

/// The longest list of labels in a line, in characters.
const LABELS_CHARS_MAX: usize = 160;

/// The annotations that say what is wrong, the most telling first.
const TELLING: [&str; 3] = ["summary", "description", "message"];

/// A group as a receiver hears of it.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The receiver.
    pub receiver: &'a ReceiverName,
    /// The labels by which its alerts are told of together.
    pub labels: &'a Labels,
    /// The labels that every alert of it has with the same value.
    pub common: &'a Labels,
    /// The alerts that fire.
    pub firing: Vec<&'a Alert>,
    /// The alerts that ended since it was last told of.
    pub resolved: Vec<&'a Alert>,
    /// How many more there are, of which only the number is known.
    pub more: u64,
}

/// How bad it is: the worst of what fires, or of what ended where nothing fires.
#[must_use]
pub fn severity(group: &Group<'_>) -> Severity {
    let of = if group.firing.is_empty() { &group.resolved } else { &group.firing };
    of.iter().map(|alert| alert.severity).max().unwrap_or(Severity::Warning)
}

/// One line: `[FIRING:3] alertname=Down service=결제`.
#[must_use]
pub fn title(group: &Group<'_>) -> String {
    let status = match group.firing.len() {
        0 => "[RESOLVED]".to_owned(),
        n_firing => format!("[FIRING:{n_firing}]"),
    };
    let names = if group.labels.is_empty() { group.common } else { group.labels };
    let what = match pairs(names.iter()) {
        pairs if pairs.is_empty() => format!("alerts for {}", group.receiver),
        pairs => pairs,
    };
    one_line(&format!("{status} {what}"), LINE_CHARS_MAX)
}

/// One paragraph: how many fire, how many ended, and what they have in common to say.
#[must_use]
pub fn summary(group: &Group<'_>) -> String {
    let (n_firing, n_resolved) = (group.firing.len(), group.resolved.len());
    let counts = match (n_firing, n_resolved) {
        (_, 0) => format!("{} firing", counted(n_firing, "alert")),
        (0, _) => format!("{} over", counted(n_resolved, "alert")),
        (_, _) => format!("{} firing, {n_resolved} over", counted(n_firing, "alert")),
    };
    let worst = severity(group);
    let mut sentence = format!("{counts} ({worst}), for {}.", group.receiver);
    if let Some(said) = said_by_all(group) {
        sentence.push(' ');
        sentence.push_str(said);
    }
    one_line(&sentence, LINE_CHARS_MAX * 3)
}

/// The alerts, a line each: those that fire first, the worst first; then those that ended.
#[must_use]
pub fn story(group: &Group<'_>) -> Vec<String> {
    let mut firing = group.firing.clone();
    firing.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.starts_at));
    let mut resolved = group.resolved.clone();
    resolved.sort_by_key(|alert| (alert.ends_at, alert.starts_at));
    let total = firing.len() + resolved.len();
    let firing = firing.into_iter().map(|alert| {
        let since = alert.starts_at;
        told(group, alert, &format!("firing ({}) since {since:.0}", alert.severity))
    });
    let resolved = resolved.into_iter().map(|alert| told(group, alert, &over(alert.ends_at)));
    let mut lines: Vec<String> = firing.chain(resolved).take(ALERTS_TOLD_MAX).collect();
    let untold = (total - lines.len()) as u64 + group.more;
    if untold > 0 {
        lines.push(format!("+{untold} more: nightcrew alerts list"));
    }
    lines
}

fn over(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "over".to_owned(), |at| format!("over since {at:.0}"))
}

/// What every alert says; none where they differ.
fn said_by_all<'a>(group: &Group<'a>) -> Option<&'a str> {
    let mut alerts = group.firing.iter().chain(&group.resolved).copied();
    let first = said(alerts.next()?)?;
    alerts.all(|alert| said(alert) == Some(first)).then_some(first)
}

fn said(alert: &Alert) -> Option<&str> {
    let found = TELLING.iter().find_map(|name| alert.annotations.get(name));
    found.filter(|text| !text.trim().is_empty())
}

/// One alert: what sets it apart from the others, how it stands, and what it says.
fn told(group: &Group<'_>, alert: &Alert, status: &str) -> String {
    let apart = alert
        .labels
        .iter()
        .filter(|(name, value)| *name != "severity" && group.common.get(name) != Some(*value));
    let mut name = pairs(apart);
    if name.is_empty() {
        name = format!("{} {}", alert.target, alert.symptom);
    }
    let mut line = format!("{name}: {status}");
    if let Some(said) = said(alert) {
        line.push_str("; ");
        line.push_str(said);
    }
    one_line(&line, LINE_CHARS_MAX)
}

/// `alertname=Down service=결제`.
fn pairs<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = labels.map(|(name, value)| format!("{name}={value}")).collect();
    one_line(&pairs.join(" "), LABELS_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use nightcrew_model::alert::{Source, identify};

    use super::*;

    fn alert(instance: &str, severity: Severity, summary: &str) -> Alert {
        let labels: Labels = [("alertname", "Down"), ("service", "결제"), ("instance", instance)]
            .into_iter()
            .collect();
        let (target, symptom) = identify(&labels);
        Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: [("summary", summary)].into_iter().collect(),
            severity,
            source: Source::AlertsApi,
            starts_at: "2026-11-21T03:00:00Z".parse().unwrap(),
            ends_at: Some("2026-11-21T03:09:00Z".parse().unwrap()),
            updated_at: "2026-11-21T03:00:00Z".parse().unwrap(),
            generator_url: String::new(),
            target,
            symptom,
            evidence: None,
            chart: None,
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn a_group_reads_as_at_alertmanager() {
        let (a, b) = (
            alert("a:9100", Severity::Warning, "느려요"),
            alert("b:9100", Severity::Critical, "응답이\n없어요"),
        );
        let c = alert("c:9100", Severity::Warning, "느려요");
        let group = Group {
            receiver: &"ops".into(),
            labels: &labels(&[("alertname", "Down"), ("service", "결제")]),
            common: &labels(&[("alertname", "Down"), ("service", "결제")]),
            firing: vec![&a, &b],
            resolved: vec![&c],
            more: 0,
        };
        assert_eq!(title(&group), "[FIRING:2] alertname=Down service=결제");
        assert_eq!(summary(&group), "2 alerts firing, 1 over (critical), for ops.");
        assert_eq!(
            story(&group),
            [
                "instance=b:9100: firing (critical) since 2026-11-21T03:00:00Z; 응답이 없어요",
                "instance=a:9100: firing (warning) since 2026-11-21T03:00:00Z; 느려요",
                "instance=c:9100: over since 2026-11-21T03:09:00Z; 느려요",
            ]
        );
    }

    #[test]
    fn a_group_that_is_over_says_so_and_what_all_say_is_said_once() {
        let (a, b) =
            (alert("a", Severity::Critical, "down"), alert("b", Severity::Warning, "down"));
        let none = Labels::default();
        let group = Group {
            receiver: &"ops".into(),
            labels: &none,
            common: &none,
            firing: vec![],
            resolved: vec![&a, &b],
            more: 3,
        };
        assert_eq!(title(&group), "[RESOLVED] alerts for ops");
        assert_eq!(summary(&group), "2 alerts over (critical), for ops. down");
        assert_eq!(story(&group).last().unwrap(), "+3 more: nightcrew alerts list");
    }

    #[test]
    fn many_alerts_are_counted() {
        let alerts: Vec<Alert> =
            (0..5_000).map(|n| alert(&n.to_string(), Severity::Warning, "x")).collect();
        let none = Labels::default();
        let group = Group {
            receiver: &"ops".into(),
            labels: &none,
            common: &labels(&[("alertname", "Down")]),
            firing: alerts.iter().collect(),
            resolved: vec![],
            more: 0,
        };
        assert_eq!(title(&group), "[FIRING:5000] alertname=Down");
        let lines = story(&group);
        assert_eq!(lines.len(), ALERTS_TOLD_MAX + 1);
        assert_eq!(lines.last().unwrap(), "+4970 more: nightcrew alerts list");
    }
}
