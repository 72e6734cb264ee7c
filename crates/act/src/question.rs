//! Looking at what was seen last: the services that a service needs, and its resources.
//!
//! **Invariant:** what is not known is no result and never good: a later step's `when` over it is
//! not true.

use jiff::Timestamp;
use nightcrew_model::catalogue;
use nightcrew_model::id::ServiceName;
use nightcrew_model::sample::{Reading, Status};
use nightcrew_model::verdict::RiskClass;

use crate::done::Done;
use crate::gate::Gate;
use crate::ruling::{Fit, Unfit};
use crate::surroundings::{SAMPLE_AGE_MAX, Sight};
use crate::work::Work;

/// Above this, in percent, the machine or a process is pressed.
const PRESSED_PERCENT: f64 = 90.0;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// How the services are that a service needs.
    Dependencies,
    /// How the machine and the process of a service are.
    Resources,
}

impl Gate {
    pub(crate) fn question(
        &self,
        rule: &'static str,
        name: &ServiceName,
        question: Question,
    ) -> Result<Fit, Unfit> {
        let service = self.known(rule, RiskClass::Observe, name)?;
        Ok(Fit {
            class: RiskClass::Observe,
            rule: rule.into(),
            reason: "only looks at what was seen last".to_owned(),
            argv: vec![rule.to_owned(), name.to_string()],
            approval: None,
            work: Work::Question(service.name.clone(), question),
        })
    }
}

impl Question {
    pub(crate) fn answer(self, service: &ServiceName, sight: &Sight, now: Timestamp) -> Done {
        match self {
            Self::Dependencies => dependencies(service, sight, now),
            Self::Resources => resources(service, sight, now),
        }
    }
}

/// How a service is; none: nobody knows.
fn is_failing(service: &ServiceName, sight: &Sight, now: Timestamp) -> Option<bool> {
    let metrics = [catalogue::PROCESS_STATUS, catalogue::HEALTH_STATUS];
    let mut known = None;
    for reading in metrics.into_iter().flat_map(|metric| sight.fresh(service, metric, now)) {
        match reading {
            Reading::Status(Status::Stopped | Status::Failing) => return Some(true),
            Reading::Status(Status::Running | Status::Passing) => known = Some(false),
            Reading::Quantity(_) => {}
        }
    }
    known
}

fn dependencies(service: &ServiceName, sight: &Sight, now: Timestamp) -> Done {
    let needed = sight.needs.get(service).map(Vec::as_slice).unwrap_or_default();
    let mut failing = Vec::new();
    let mut unknown = Vec::new();
    for other in needed {
        match is_failing(other, sight, now) {
            Some(true) => failing.push(other.as_str()),
            Some(false) => {}
            None => unknown.push(other.as_str()),
        }
    }
    let said = match (needed.is_empty(), failing.is_empty(), unknown.is_empty()) {
        (true, _, _) => format!("{service} needs no declared service"),
        (false, true, true) => format!("all {} services that it needs are well", needed.len()),
        (false, _, true) => format!("failing: {}", failing.join(", ")),
        (false, true, false) => format!("nobody knows of: {}", unknown.join(", ")),
        (false, false, false) => {
            format!("failing: {}; nobody knows of: {}", failing.join(", "), unknown.join(", "))
        }
    };
    Done::succeeded(said)
        .number("failing", count(failing.len()))
        .number("unknown", count(unknown.len()))
        .text("names", &failing.join(", "))
}

fn resources(service: &ServiceName, sight: &Sight, now: Timestamp) -> Done {
    let host = ServiceName::host();
    let looked = [
        ("cpu_usage", sight.number(&host, catalogue::CPU_USAGE, now)),
        ("memory_usage", sight.number(&host, catalogue::MEMORY_USAGE, now)),
        ("process_cpu", sight.number(service, catalogue::PROCESS_CPU, now)),
        ("process_memory_mb", sight.number(service, catalogue::PROCESS_MEMORY_MB, now)),
    ];
    let said: Vec<String> = looked
        .iter()
        .map(|(key, value)| match value {
            Some(value) => format!("{key} {value:.1}"),
            None => format!("{key} unknown (no sample of the last {SAMPLE_AGE_MAX})"),
        })
        .collect();
    let mut done = Done::succeeded(said.join(", "));
    for (key, value) in &looked {
        done = value.iter().fold(done, |done, value| done.number(key, *value));
    }
    let percents: Vec<Option<f64>> = looked.iter().take(2).map(|(_, value)| *value).collect();
    let is_pressed = percents.iter().flatten().any(|percent| *percent > PRESSED_PERCENT);
    // That nothing is pressed is only known when both are.
    if is_pressed || percents.iter().all(Option::is_some) {
        done = done.flag("pressed", is_pressed);
    }
    done
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts more than 2^52 services")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::Target;
    use nightcrew_model::plan::{ResultKey, ResultValue};
    use nightcrew_model::sample::{Observation, Sample, Unknown};
    use nightcrew_model::unit::{Quantity, Unit};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn sample(service: &str, metric: &str, second: i64, observation: Observation) -> Sample {
        Sample {
            target: Target::service(service.into()),
            metric: metric.into(),
            at: at(second),
            observation,
            detail: None,
        }
    }

    fn status(status: Status) -> Observation {
        Observation::Read(Reading::Status(status))
    }

    fn percent(value: f64) -> Observation {
        Observation::Read(Reading::Quantity(Quantity::new(value, Unit::Percent).unwrap()))
    }

    fn result(done: &Done, key: &str) -> Option<ResultValue> {
        done.results.get(&ResultKey::from(key)).cloned()
    }

    #[test]
    fn a_service_is_failing_well_or_unknown_and_old_samples_are_unknown() {
        let names = ["db", "cache", "queue", "old", "dark"].map(ServiceName::from);
        let sight = Sight {
            samples: vec![
                sample("db", "process_status", 90, status(Status::Running)),
                sample("db", "health_status", 90, status(Status::Failing)),
                sample("cache", "process_status", 10, status(Status::Stopped)),
                sample("cache", "process_status", 95, status(Status::Running)),
                sample("old", "process_status", -30, status(Status::Running)),
                sample("dark", "health_status", 99, Observation::Unknown(Unknown::Absent)),
            ],
            needs: [("web".into(), names.to_vec())].into(),
        };
        let done = Question::Dependencies.answer(&"web".into(), &sight, at(100));
        assert_eq!(result(&done, "failing"), Some(ResultValue::Number(1.0)));
        assert_eq!(result(&done, "unknown"), Some(ResultValue::Number(3.0)));
        assert_eq!(result(&done, "names"), Some(ResultValue::Text("db".into())));
        let alone = Question::Dependencies.answer(&"db".into(), &sight, at(100));
        assert_eq!(result(&alone, "failing"), Some(ResultValue::Number(0.0)));
    }

    #[test]
    fn resources_that_nobody_saw_lately_are_no_result() {
        let mut sight = Sight {
            samples: vec![
                sample("host", "cpu_usage", 90, percent(95.0)),
                sample("host", "memory_usage", -100, percent(20.0)),
                sample("web", "process_cpu", 90, percent(180.0)),
            ],
            ..Sight::default()
        };
        let done = Question::Resources.answer(&"web".into(), &sight, at(100));
        assert_eq!(result(&done, "cpu_usage"), Some(ResultValue::Number(95.0)));
        assert_eq!(result(&done, "memory_usage"), None);
        assert_eq!(result(&done, "pressed"), Some(ResultValue::Flag(true)));
        sight.samples.remove(0);
        let done = Question::Resources.answer(&"web".into(), &sight, at(100));
        assert_eq!(result(&done, "pressed"), None);
        assert_eq!(result(&done, "process_cpu"), Some(ResultValue::Number(180.0)));
    }
}
