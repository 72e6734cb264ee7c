//! A sample as other programs read it: flat, with its unit, and never a number where there is none.

use jiff::Timestamp;
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::unit::Unit;
use serde::{Serialize, Serializer};

/// One sample as `metrics/*.json` and incident records show it.  Exactly one of `value` (with its
/// `unit`), `status` and `unknown` says what was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleView<'a> {
    /// What was looked at: `host:/var`.
    pub target: String,
    /// What was asked.
    pub metric: &'a str,
    /// The number; `null` where none was read.
    pub value: Option<f64>,
    /// The unit of the number.
    pub unit: Option<Unit>,
    /// The state, for metrics that are states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Why nothing could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// When the look began.
    pub at: Timestamp,
    /// What the collector adds for people.
    pub detail: Option<&'a str>,
}

impl<'a> SampleView<'a> {
    /// The sample, flat.
    #[must_use]
    pub fn of(sample: &'a Sample) -> Self {
        let mut view = Self {
            target: sample.target.to_string(),
            metric: sample.metric.as_str(),
            value: None,
            unit: None,
            status: None,
            unknown: None,
            at: sample.at,
            detail: sample.detail.as_deref(),
        };
        match &sample.observation {
            Observation::Read(Reading::Quantity(quantity)) => {
                view.value = Some(quantity.value());
                view.unit = Some(quantity.unit());
            }
            Observation::Read(Reading::Status(status)) => view.status = Some(*status),
            Observation::Unknown(why) => view.unknown = Some(why.to_string()),
        }
        view
    }
}

/// Serialises samples as their views.
pub(crate) fn views<S: Serializer>(samples: &[Sample], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(samples.iter().map(SampleView::of))
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::Target;
    use nightcrew_model::sample::Unknown;
    use nightcrew_model::unit::Quantity;

    use super::*;

    #[test]
    fn unknown_is_unknown_and_never_zero() {
        let mut sample = Sample {
            target: Target::part("host".into(), "/데이터"),
            metric: "disk_usage".into(),
            at: Timestamp::UNIX_EPOCH,
            observation: Observation::Unknown(Unknown::BreakerOpen),
            detail: None,
        };
        let json = |sample: &Sample| serde_json::to_string(&SampleView::of(sample)).unwrap();
        insta::assert_snapshot!(json(&sample), @r#"{"target":"host:/데이터","metric":"disk_usage","value":null,"unit":null,"unknown":"not asked: it failed too often just now","at":"1970-01-01T00:00:00Z","detail":null}"#);
        sample.observation =
            Observation::Read(Reading::Quantity(Quantity::new(0.0, Unit::Percent).unwrap()));
        insta::assert_snapshot!(json(&sample), @r#"{"target":"host:/데이터","metric":"disk_usage","value":0.0,"unit":"percent","at":"1970-01-01T00:00:00Z","detail":null}"#);
        sample.observation = Observation::Read(Reading::Status(Status::Stopped));
        insta::assert_snapshot!(json(&sample), @r#"{"target":"host:/데이터","metric":"disk_usage","value":null,"unit":null,"status":"stopped","at":"1970-01-01T00:00:00Z","detail":null}"#);
    }
}
