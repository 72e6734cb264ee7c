//! What was said of one series, by method: a level is said when it changes, and again now and
//! then, so that losing one loses nothing.

use nightcrew_model::catalogue;
use nightcrew_model::chart::{Chart, Method};
use nightcrew_model::id::{MetricName, Symptom};
use nightcrew_model::sample::{Finding, Level, Sample};
use nightcrew_model::severity::Severity;

/// What a method concludes.
pub(super) enum Verdict {
    /// Nothing is wrong, in these words.
    Clear(String),
    /// It is wrong.
    Firing { severity: Severity, rule: String, chart: Chart },
}

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Told {
    firing: Vec<(Method, Finding)>,
    /// A bit for each method that was said to be clear lately.
    clear: u16,
}

impl Told {
    /// Whether the last word of the method was that something is wrong.
    pub(super) fn is_firing(&self, method: Method) -> bool {
        self.firing.iter().any(|(firing, _)| *firing == method)
    }

    /// Takes a verdict, and says it where it is news.
    pub(super) fn say(
        &mut self,
        method: Method,
        sample: &Sample,
        verdict: Verdict,
        found: &mut Vec<Finding>,
    ) {
        let bit = 1_u16.checked_shl(method as u32).unwrap_or(0);
        let place = self.firing.iter().position(|(firing, _)| *firing == method);
        let finding = |level, rule, chart: Option<Chart>| Finding {
            target: sample.target.clone(),
            symptom: symptom(method, &sample.metric),
            level,
            sample: sample.clone(),
            rule,
            chart: chart.map(Box::new),
        };
        match verdict {
            Verdict::Clear(rule) => {
                let was_firing = place.map(|place| self.firing.swap_remove(place)).is_some();
                if was_firing || self.clear & bit == 0 {
                    found.push(finding(Level::Clear, rule, None));
                }
                self.clear |= bit;
            }
            Verdict::Firing { severity, rule, chart } => {
                self.clear &= !bit;
                let finding = finding(Level::Firing(severity), rule, Some(chart));
                let known = place.and_then(|place| self.firing.get_mut(place));
                match known {
                    Some((_, known)) if known.level == finding.level => {}
                    Some((_, known)) => {
                        *known = finding.clone();
                        found.push(finding);
                    }
                    None => {
                        self.firing.push((method, finding.clone()));
                        found.push(finding);
                    }
                }
            }
        }
    }

    /// Whether a clear verdict would be said, so that nobody makes words for nothing.
    pub(super) fn wants_clear(&self, method: Method) -> bool {
        let bit = 1_u16.checked_shl(method as u32).unwrap_or(0);
        self.clear & bit == 0
    }

    /// The methods whose last word was that something is wrong.
    pub(super) fn methods(&self) -> Vec<Method> {
        self.firing.iter().map(|(method, _)| *method).collect()
    }

    /// Says again what is wrong.
    pub(super) fn repeat(&self, found: &mut Vec<Finding>) {
        found.extend(self.firing.iter().map(|(_, finding)| finding.clone()));
    }

    /// From now on what is clear is said once more.
    pub(super) fn refresh(&mut self) {
        self.clear = 0;
    }
}

/// What a method finds of a metric.
pub(super) fn symptom(method: Method, metric: &MetricName) -> Symptom {
    match method {
        Method::Threshold => catalogue::symptom_of(metric),
        Method::Relative => Symptom::from(format!("{metric}_increased")),
        Method::Drift => Symptom::from(format!("{metric}_drifts")),
        Method::Anomaly => Symptom::from(format!("{metric}_unusual")),
        Method::Forecast => Symptom::from(format!("{}_soon", catalogue::symptom_of(metric))),
        Method::Burn => Symptom::from(format!("{metric}_burns")),
        Method::FlatLine => Symptom::from(format!("{metric}_stands_still")),
        Method::Missing => Symptom::from(format!("{metric}_missing")),
        Method::UnitSanity => Symptom::from(format!("{metric}_unit_doubtful")),
        Method::Log => Symptom::from(format!("{metric}_in_logs")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nightcrew_model::id::Target;
    use nightcrew_model::sample::{Observation, Unknown};
    use nightcrew_model::unit::Unit;

    use super::*;

    fn firing(severity: Severity) -> Verdict {
        let chart = Chart {
            method: Method::Drift,
            unit: Unit::Count,
            points: Vec::new(),
            ahead: Vec::new(),
            expected: None,
            limit: None,
            since: None,
        };
        Verdict::Firing { severity, rule: "it grows".to_owned(), chart }
    }

    #[test]
    fn a_level_is_said_when_it_changes_and_once_more_after_a_refresh() {
        let sample = Sample {
            target: Target::service("web".into()),
            metric: "process_memory_mb".into(),
            at: Timestamp::UNIX_EPOCH,
            observation: Observation::Unknown(Unknown::Absent),
            detail: None,
        };
        let mut told = Told::default();
        let mut found = Vec::new();
        let clear = || Verdict::Clear("it does not".to_owned());
        for verdict in [clear(), clear(), firing(Severity::Info), firing(Severity::Info)] {
            told.say(Method::Drift, &sample, verdict, &mut found);
        }
        told.say(Method::Drift, &sample, firing(Severity::Warning), &mut found);
        told.repeat(&mut found);
        told.say(Method::Drift, &sample, clear(), &mut found);
        told.refresh();
        told.say(Method::Drift, &sample, clear(), &mut found);
        let levels: Vec<Level> = found.iter().map(|finding| finding.level).collect();
        let fires = Level::Firing;
        let expected = [
            Level::Clear,
            fires(Severity::Info),
            fires(Severity::Warning),
            fires(Severity::Warning),
            Level::Clear,
            Level::Clear,
        ];
        assert_eq!(levels, expected);
        assert_eq!(found[1].symptom.as_str(), "process_memory_mb_drifts");
    }
}
