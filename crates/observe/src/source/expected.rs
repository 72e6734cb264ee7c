//! The series that one question brings, and those that it is expected to bring again.
//!
//! **Invariant:** a series that was there and is not, or that nobody could ask for, is `Unknown`:
//! it is neither left out nor repeated.  Two series that would be one target are no reading.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use nightcrew_config::settings::source::{Asked, ServiceOf};
use nightcrew_model::id::{ServiceName, SourceName, Target};
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_model::unit::Millis;

use crate::sampling::sample;
use crate::source::reading::reading;

/// The largest number of series that one question may bring.
pub const SERIES_PER_QUERY_MAX: usize = 500;

/// The longest name of a service or a part that is taken from a label, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// How long a series is expected after it was last seen: what is gone for longer (a replaced pod)
/// does not come back.
pub const EXPECTED_FOR: Millis = Millis::from_secs(3_600);

/// What a series is that was there, or is asked for, and is not in the answer.  `Absent` would say
/// that there is nothing to look at, which nobody knows.
pub(crate) fn missing() -> Unknown {
    Unknown::Failed("the answer does not have it".to_owned())
}

/// What the duration or the errors of nothing are.
pub(crate) fn nothing_counted() -> Unknown {
    Unknown::Failed("nothing was counted".to_owned())
}

/// The part of a source that stands for whatever a question should bring and never did.
const NAMELESS: &str = "nameless";

/// The target of series that nobody has seen yet.
pub(crate) fn nameless(source: &SourceName) -> Target {
    Target::part(ServiceName::from(source.as_str()), NAMELESS)
}

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) labels: Labels,
    /// The number, or why this series has none.
    pub(crate) value: Result<f64, Unknown>,
    pub(crate) detail: Option<String>,
}

impl Point {
    pub(crate) fn new(labels: Labels, value: f64) -> Self {
        Self { labels, value: Ok(value), detail: None }
    }
}

/// Remembers the series of one question.
#[derive(Debug)]
pub(crate) struct Expected {
    asked: Asked,
    /// Whose number it is while nobody knows whose: the service that is asked for, or else the
    /// source ([`NAMELESS`]).
    fallback: Target,
    seen: BTreeMap<Target, Timestamp>,
}

impl Expected {
    pub(crate) fn new(source: &SourceName, asked: &Asked) -> Self {
        let fallback = match (&asked.service, &asked.resource_label) {
            (ServiceOf::Fixed(service), None) => Target::service(service.clone()),
            (ServiceOf::Fixed(_) | ServiceOf::Label(_), _) => nameless(source),
        };
        Self { asked: asked.clone(), fallback, seen: BTreeMap::new() }
    }

    /// Expects a target for ever, though it was never seen.
    pub(crate) fn always(&mut self, target: Target) {
        self.seen.insert(target, Timestamp::MAX);
    }

    /// The samples of one look: one for each series, and one for each that is missing.
    pub(crate) fn samples(
        &mut self,
        at: Timestamp,
        answer: Result<Vec<Point>, Unknown>,
    ) -> Vec<Sample> {
        self.seen.retain(|_, seen| EXPECTED_FOR.after(*seen) >= at);
        let points = match answer {
            Ok(points) if points.len() > SERIES_PER_QUERY_MAX => {
                let found = points.len();
                return self.none(at, &Unknown::Failed(format!(
                    "the answer has {found} series, more than {SERIES_PER_QUERY_MAX}; ask for fewer"
                )));
            }
            Ok(points) if points.is_empty() => return self.none(at, &missing()),
            Ok(points) => points,
            Err(why) => return self.none(at, &why),
        };
        let mut found: BTreeMap<Target, Found> = BTreeMap::new();
        for point in points {
            let (target, value) = match self.target(&point.labels) {
                Ok(target) => (target, point.value),
                Err(why) => (self.fallback.clone(), Err(why)),
            };
            match found.entry(target) {
                Entry::Vacant(place) => {
                    place.insert(Found { value, detail: point.detail, series: 1 });
                }
                Entry::Occupied(mut place) => place.get_mut().series += 1,
            }
        }
        for target in self.seen.keys() {
            found.entry(target.clone()).or_insert(Found {
                value: Err(missing()),
                detail: None,
                series: 0,
            });
        }
        found.into_iter().map(|(target, found)| self.one(at, &target, found)).collect()
    }

    /// What was before: the numbers that make sense, of the series that are one target each.
    pub(crate) fn past(&self, series: Vec<(Labels, Vec<(Timestamp, f64)>)>) -> Vec<Sample> {
        let mut by_target = BTreeMap::new();
        for (labels, values) in series {
            if let Ok(target) = self.target(&labels) {
                by_target.entry(target).or_insert_with(Vec::new).push(values);
            }
        }
        let mut samples = Vec::new();
        for (target, mut found) in by_target {
            let (Some(values), true) = (found.pop(), found.is_empty()) else { continue };
            for (at, value) in values {
                if let Ok(seen) = reading(&self.asked, value) {
                    samples.push(sample(at, &target, self.asked.metric.as_str(), Ok(seen), None));
                }
            }
        }
        samples
    }

    fn one(&mut self, at: Timestamp, target: &Target, found: Found) -> Sample {
        let Found { value, detail, series } = found;
        if series > 0 && *target != self.fallback {
            let seen = self.seen.entry(target.clone()).or_insert(at);
            *seen = at.max(*seen);
        }
        let value = if series > 1 {
            Err(Unknown::Failed(format!(
                "{series} series are one target; add them up in the query, or name the label that \
                 keeps them apart (`resource_label`)"
            )))
        } else {
            value
        };
        let seen = value.and_then(|value| reading(&self.asked, value));
        sample(at, target, self.asked.metric.as_str(), seen, detail)
    }

    /// What every expected series is when none was brought.
    fn none(&self, at: Timestamp, why: &Unknown) -> Vec<Sample> {
        let metric = self.asked.metric.as_str();
        let one = |target| sample(at, target, metric, Err(why.clone()), None);
        if self.seen.is_empty() {
            return vec![one(&self.fallback)];
        }
        self.seen.keys().map(one).collect()
    }

    /// Whose number a series is.
    pub(crate) fn target(&self, labels: &Labels) -> Result<Target, Unknown> {
        let missing = |name: &str| {
            Unknown::Failed(format!("a series has no label {name:?} that names whose it is"))
        };
        let service = match &self.asked.service {
            ServiceOf::Fixed(service) => service.clone(),
            ServiceOf::Label(name) => {
                let service = labels.get(name).ok_or_else(|| missing(name))?;
                if service == ServiceName::HOST {
                    return Err(Unknown::Failed(format!(
                        "the label {name:?} says `host`, which is this machine itself"
                    )));
                }
                ServiceName::from(plain(name, service)?)
            }
        };
        match &self.asked.resource_label {
            None => Ok(Target::service(service)),
            Some(name) => {
                let part = labels.get(name).ok_or_else(|| missing(name))?;
                Ok(Target::part(service, plain(name, part)?))
            }
        }
    }
}

/// The value of a label that names something: short, and a text that can be shown.
fn plain<'a>(name: &str, value: &'a str) -> Result<&'a str, Unknown> {
    let is_plain = !value.chars().any(char::is_control) && value.len() <= NAME_BYTES_MAX;
    is_plain.then_some(value).ok_or_else(|| {
        Unknown::Failed(format!(
            "the label {name:?} is no name: it is longer than {NAME_BYTES_MAX} bytes, or holds a \
             control character"
        ))
    })
}

struct Found {
    value: Result<f64, Unknown>,
    detail: Option<String>,
    /// How many series are this target.
    series: usize,
}

#[cfg(test)]
mod tests {
    use nightcrew_config::settings::source::{Given, Held};
    use nightcrew_model::sample::Observation;
    use nightcrew_model::unit::Unit;

    use super::*;

    fn expected(service: ServiceOf) -> Expected {
        let asked = Asked {
            metric: "queue".into(),
            given: Given::Count,
            held: Held::Number(Unit::Count),
            service,
            resource_label: None,
        };
        Expected::new(&"prom".into(), &asked)
    }

    fn by_job() -> Expected {
        expected(ServiceOf::Label("job".to_owned()))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn point(job: &str, value: f64) -> Point {
        Point::new([("job", job)].into_iter().collect(), value)
    }

    fn said(samples: &[Sample]) -> Vec<String> {
        let one = |sample: &Sample| format!("{} {}", sample.target, sample.observation);
        samples.iter().map(one).collect()
    }

    #[test]
    fn a_series_that_is_gone_is_unknown_until_it_is_forgotten() {
        let mut it = by_job();
        let both = it.samples(at(0), Ok(vec![point("a", 1.0), point("b", 2.0)]));
        assert_eq!(said(&both), ["a 1", "b 2"]);
        let one = it.samples(at(30), Ok(vec![point("b", 3.0)]));
        assert_eq!(said(&one), ["a unknown (the answer does not have it)", "b 3"]);
        let failed = it.samples(at(60), Err(Unknown::BreakerOpen));
        let why = "unknown (not asked: it failed too often just now)";
        assert_eq!(said(&failed), [format!("a {why}"), format!("b {why}")]);
        let later = it.samples(at(3_601), Ok(vec![point("b", 3.0)]));
        assert_eq!(said(&later), ["b 3"]);
    }

    #[test]
    fn an_empty_answer_is_no_zero() {
        let samples = by_job().samples(at(0), Ok(Vec::new()));
        assert_eq!(said(&samples), ["prom:nameless unknown (the answer does not have it)"]);
        let fixed = expected(ServiceOf::Fixed("shop".into())).samples(at(0), Ok(Vec::new()));
        assert_eq!(fixed[0].observation, Observation::Unknown(missing()));
        assert_eq!(fixed[0].target.to_string(), "shop");
    }

    #[test]
    fn two_series_of_one_target_are_no_reading() {
        let samples = by_job().samples(at(0), Ok(vec![point("a", 1.0), point("a", 2.0)]));
        assert!(said(&samples)[0].contains("2 series are one target"), "{samples:?}");
    }

    #[test]
    fn a_series_without_the_label_is_told_of() {
        let samples = by_job().samples(at(0), Ok(vec![Point::new(Labels::default(), 1.0)]));
        assert!(
            said(&samples)[0].starts_with("prom:nameless unknown (a series has no label \"job\"")
        );
    }

    #[test]
    fn a_label_that_cannot_be_a_name_is_told_of() {
        let long = "가".repeat(NAME_BYTES_MAX / 3 + 1);
        for (name, expected) in
            [("a\nb", "is no name"), (long.as_str(), "is no name"), ("host", "this machine itself")]
        {
            let samples = by_job().samples(at(0), Ok(vec![point(name, 1.0)]));
            assert!(said(&samples)[0].contains(expected), "{samples:?}");
        }
        let samples = by_job().samples(at(0), Ok(vec![point(&"x".repeat(NAME_BYTES_MAX), 1.0)]));
        assert!(said(&samples)[0].ends_with(" 1"), "{samples:?}");
    }

    #[test]
    fn an_answer_has_a_bounded_number_of_series() {
        let points = |n: usize| (0..n).map(|n| point(&n.to_string(), 1.0)).collect::<Vec<_>>();
        let samples = by_job().samples(at(0), Ok(points(SERIES_PER_QUERY_MAX)));
        assert_eq!(samples.len(), SERIES_PER_QUERY_MAX);
        let samples = by_job().samples(at(0), Ok(points(SERIES_PER_QUERY_MAX + 1)));
        assert_eq!(samples.len(), 1);
        assert!(said(&samples)[0].contains("501 series"), "{samples:?}");
    }
}
