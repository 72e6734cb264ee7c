//! From findings in logs to levels that the core is told.
//!
//! **Invariant:** one kind about one service and one class of attackers is one alert, however many
//! addresses and lines there are; it is told when it begins and when it becomes worse, repeated
//! while it goes on, and cleared after its quiet time, also when a restart lies between.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_detect::signs::finding::{Finding, Subject};
use nightcrew_detect::signs::kind::Kind;
use nightcrew_model::chart::Chart;
use nightcrew_model::event::Event;
use nightcrew_model::id::{MetricName, Symptom, Target};
use nightcrew_model::sample::{self, Level, Observation, Reading, Sample};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Quantity, Unit};
use serde::{Deserialize, Serialize};

use crate::logs::judge::{attackers, severity_of};
use crate::logs::name::service_of;

/// The metric of a finding: how many lines tell of it.
pub(crate) const METRIC: &str = "log_lines";

/// How often a level is repeated while it goes on.
pub(crate) const REPEAT: Millis = Millis::from_secs(60);

/// How many alerts there are at a time; a further finding is only in the report.
pub(crate) const ALERTS_MAX: usize = 500;

/// How many names of attackers are told.
const NAMES_TOLD: usize = 5;

/// How much of a line is told, in characters.
const LINE_CHARS: usize = 160;

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    target: Target,
    symptom: Symptom,
}

/// An alert that was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    key: Key,
    what: String,
    severity: Severity,
    last_seen: Timestamp,
    quiet_seconds: i64,
    #[serde(skip)]
    repeated: Option<Timestamp>,
}

/// What the findings of one alert are together.
struct Sum {
    kind: Kind,
    severity: Severity,
    n_lines: u64,
    last_seen: Timestamp,
    names: Vec<String>,
    line: Option<String>,
    chart: Option<Box<Chart>>,
}

/// The alerts that were told.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    told: BTreeMap<Key, Told>,
}

/// The findings of one log.
pub(crate) struct Log<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_told: bool,
    pub(crate) findings: Vec<Finding>,
    pub(crate) chart: Option<Box<Chart>>,
}

impl Alerts {
    pub(crate) fn new(told: Vec<Told>) -> Self {
        Self { told: told.into_iter().map(|told| (told.key.clone(), told)).collect() }
    }

    /// What has to be remembered.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.values().cloned().collect()
    }

    /// The levels that the core has to hear.
    pub(crate) fn levels(&mut self, logs: Vec<Log<'_>>, now: Timestamp) -> Vec<Event> {
        let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
        for log in logs {
            for finding in &log.findings {
                let Some(severity) = severity_of(finding) else { continue };
                let key = key_of(finding, log.name, log.is_told);
                if sums.len() >= ALERTS_MAX && !sums.contains_key(&key) {
                    continue;
                }
                let sum = sums.entry(key).or_insert_with(|| Sum::new(finding, severity));
                sum.add(finding, severity);
                if is_about_errors(finding.kind) {
                    sum.chart = log.chart.clone();
                }
            }
        }
        let mut events = Vec::new();
        self.told.retain(|key, told| {
            if sums.contains_key(key) {
                return true;
            }
            let quiet = now.as_second() - told.last_seen.as_second();
            let is_over = quiet > told.quiet_seconds;
            if is_over {
                events.push(clear(key, told, now));
            }
            !is_over
        });
        for (key, sum) in sums {
            let told = self.told.get(&key);
            let is_news = told.is_none_or(|told| {
                let repeated = told.repeated.is_some_and(|at| REPEAT.after(at) > now);
                sum.severity != told.severity || !repeated
            });
            let told = Told {
                key: key.clone(),
                what: sum.kind.to_string(),
                severity: sum.severity,
                last_seen: sum.last_seen,
                quiet_seconds: sum.kind.quiet_seconds(),
                repeated: if is_news { Some(now) } else { told.and_then(|told| told.repeated) },
            };
            self.told.insert(key.clone(), told);
            if is_news {
                events.push(sum.event(key, now));
            }
        }
        events
    }

    /// The core could not be told: every level is news again.
    pub(crate) fn not_heard(&mut self) {
        for told in self.told.values_mut() {
            told.repeated = None;
        }
    }
}

impl Sum {
    fn new(finding: &Finding, severity: Severity) -> Self {
        Self {
            kind: finding.kind,
            severity,
            n_lines: 0,
            last_seen: finding.last_seen,
            names: Vec::new(),
            line: finding.exemplars.last().map(|exemplar| exemplar.text.clone()),
            chart: None,
        }
    }

    fn add(&mut self, finding: &Finding, severity: Severity) {
        self.severity = self.severity.max(severity);
        self.n_lines += finding.n_lines;
        self.last_seen = self.last_seen.max(finding.last_seen);
        let name = finding.subject.name();
        let is_new = !name.is_empty() && self.names.iter().all(|known| known != name);
        if is_new && !matches!(finding.subject, Subject::Message(_)) {
            self.names.push(name.to_owned());
        }
    }

    fn event(self, key: Key, now: Timestamp) -> Event {
        let n_more = self.names.len().saturating_sub(NAMES_TOLD);
        let mut names = self.names;
        names.truncate(NAMES_TOLD);
        if n_more > 0 {
            names.push(format!("{n_more} more"));
        }
        let mut detail = names.join(", ");
        if let Some(line) = self.line {
            let cut: String = line.chars().take(LINE_CHARS).collect();
            let gap = if detail.is_empty() { "" } else { "; " };
            detail = format!("{detail}{gap}such as: {cut}");
        }
        let finding = sample::Finding {
            rule: format!("{} in its log", self.kind),
            level: Level::Firing(self.severity),
            sample: sample_of(&key, self.n_lines, now, Some(detail)),
            target: key.target,
            symptom: key.symptom,
            chart: self.chart,
        };
        Event::Found { finding }
    }
}

fn clear(key: &Key, told: &Told, now: Timestamp) -> Event {
    let quiet = Millis::from_secs(u64::try_from(told.quiet_seconds).unwrap_or(0));
    Event::Found {
        finding: sample::Finding {
            target: key.target.clone(),
            symptom: key.symptom.clone(),
            level: Level::Clear,
            sample: sample_of(key, 0, now, None),
            rule: format!("no {} in its log for {quiet}", told.what),
            chart: None,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of lines is far below 2^53")]
fn sample_of(key: &Key, n_lines: u64, at: Timestamp, detail: Option<String>) -> Sample {
    let lines = Quantity::new(n_lines as f64, Unit::Count);
    let observation = lines.map_or_else(
        || Observation::Unknown(sample::Unknown::NotPlausible(n_lines.to_string())),
        |lines| Observation::Read(Reading::Quantity(lines)),
    );
    let metric = MetricName::from(METRIC);
    Sample { target: key.target.clone(), metric, at, observation, detail }
}

fn key_of(finding: &Finding, log: &str, is_told: bool) -> Key {
    let service = service_of(finding, log, is_told);
    let target = match attackers(finding) {
        Some(class) => Target::part(service, class.name()),
        None => Target::service(service),
    };
    Key { target, symptom: Symptom::from(finding.kind.as_str()) }
}

/// Whether the errors of each minute show what the finding is about.
fn is_about_errors(kind: Kind) -> bool {
    matches!(kind, Kind::ErrorLines | Kind::ErrorRatio | Kind::Crash | Kind::NewError)
}

#[cfg(test)]
mod tests {
    use nightcrew_detect::access::Watcher;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    /// The levels after failures of so many addresses of a private network.
    fn levels(alerts: &mut Alerts, watcher: &mut Watcher, now: i64) -> Vec<(String, Level)> {
        let findings = watcher.findings(at(now));
        let open = |f: &Finding| f.state == nightcrew_detect::signs::finding::State::Open;
        let findings = findings.into_iter().filter(open).collect();
        let log = Log { name: "auth", is_told: false, findings, chart: None };
        let said = |event: Event| {
            let Event::Found { finding } = event else { panic!("{event:?}") };
            (format!("{} {}", finding.target, finding.symptom), finding.level)
        };
        alerts.levels(vec![log], at(now)).into_iter().map(said).collect()
    }

    fn guess(watcher: &mut Watcher, address: &str, n: i64, second: i64) {
        for n in 0..n {
            let line = format!(
                "{} web-1 sshd[{n}]: Failed password for root from {address} port {} ssh2",
                at(second),
                1_000 + n
            );
            watcher.line(line.as_bytes(), at(second));
        }
    }

    #[test]
    fn many_attackers_are_one_alert_that_is_cleared_after_quiet() {
        let (mut alerts, mut watcher) = (Alerts::default(), Watcher::new());
        for n in 0..9 {
            guess(&mut watcher, &format!("10.0.0.{n}"), 20, 0);
        }
        let name = "sshd:private network ssh_brute_force".to_owned();
        let firing = [(name.clone(), Level::Firing(Severity::Warning))];
        assert_eq!(levels(&mut alerts, &mut watcher, 1), firing);
        assert_eq!(levels(&mut alerts, &mut watcher, 2), [], "not twice");
        assert_eq!(levels(&mut alerts, &mut watcher, 70), firing, "repeated");
        // A restart, after which the watcher knows nothing.
        let json = serde_json::to_string(&alerts.told()).unwrap();
        let mut alerts = Alerts::new(serde_json::from_str(&json).unwrap());
        let mut watcher = Watcher::new();
        assert_eq!(levels(&mut alerts, &mut watcher, 100), []);
        assert_eq!(levels(&mut alerts, &mut watcher, 3_700), [(name, Level::Clear)]);
        assert_eq!(levels(&mut alerts, &mut watcher, 3_800), []);
    }

    #[test]
    fn what_was_not_heard_is_told_again() {
        let (mut alerts, mut watcher) = (Alerts::default(), Watcher::new());
        guess(&mut watcher, "10.0.0.1", 20, 0);
        assert_eq!(levels(&mut alerts, &mut watcher, 1).len(), 1);
        alerts.not_heard();
        assert_eq!(levels(&mut alerts, &mut watcher, 2).len(), 1);
    }

    #[test]
    fn the_words_of_a_kind_are_those_that_are_serialised() {
        for kind in [Kind::SshBruteForce, Kind::Log4Shell, Kind::NewError, Kind::ReadOnlyFileSystem]
        {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
