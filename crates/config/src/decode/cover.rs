//! Thresholds for conditions that only a playbook names, and the sets of readings that conditions
//! describe.

use nightcrew_detect::threshold::Threshold;
use nightcrew_model::catalogue;
use nightcrew_model::condition::{Condition, Operand, Operator, Truth};
use nightcrew_model::expression::Expression;
use nightcrew_model::id::Symptom;
use nightcrew_model::plan::Playbook;
use nightcrew_model::sample::{Observation, Reading, Status};
use nightcrew_model::unit::Millis;

use crate::settings::Settings;

/// How many samples decide about a condition that only a playbook names.
const SAMPLES: u32 = 3;

/// Adds a critical threshold for each playbook whose condition no rule would ever find.  What
/// waits for a symptom is found by whoever tells of the symptom.
pub(crate) fn cover(settings: &mut Settings, defaults: &[Threshold]) {
    let Settings { playbooks, thresholds, .. } = settings;
    for playbook in playbooks.iter().filter(|playbook| playbook.trigger.symptoms.is_empty()) {
        if let Some(condition) = &playbook.trigger.condition {
            add(playbook, condition, thresholds, defaults);
        }
    }
}

/// Adds a critical threshold for what a runbook waits for, unless something speaks of its metric.
pub(crate) fn watch(condition: &Condition, settings: &mut Settings) {
    if settings.thresholds.iter().all(|rule| rule.metric != condition.metric) {
        settings.thresholds.push(critical(condition, catalogue::symptom_of(&condition.metric)));
    }
}

fn critical(condition: &Condition, symptom: Symptom) -> Threshold {
    Threshold {
        metric: condition.metric.clone(),
        service: None,
        symptom,
        warning: None,
        critical: Some(condition.clone()),
        needed: SAMPLES,
        of: SAMPLES,
        hysteresis: 0.0,
        lasting: Millis(0),
        min_requests: None,
    }
}

/// Of several that must hold together, one that is found is enough; where none is, the first one
/// is looked for.
fn add(
    playbook: &Playbook,
    condition: &Expression,
    thresholds: &mut Vec<Threshold>,
    defaults: &[Threshold],
) {
    match condition {
        Expression::Metric(condition) => {
            thresholds.extend(rule_for(playbook, condition, thresholds, defaults));
        }
        Expression::Result(_) => {}
        Expression::Any { any } => {
            any.iter().for_each(|part| add(playbook, part, thresholds, defaults));
        }
        Expression::All { all } => {
            if !all.iter().any(|part| is_found(part, thresholds))
                && let Some(first) = all.first()
            {
                add(playbook, first, thresholds, defaults);
            }
        }
        Expression::Not { not } => add(playbook, &not.negated(), thresholds, defaults),
    }
}

fn is_found(condition: &Expression, thresholds: &[Threshold]) -> bool {
    match condition {
        Expression::Metric(condition) => {
            let mut rules = thresholds.iter().filter(|rule| rule.metric == condition.metric);
            rules.any(|rule| limits(rule).any(|limit| overlap(limit, condition)))
        }
        Expression::Result(_) => false,
        Expression::Any { any } => any.iter().all(|part| is_found(part, thresholds)),
        Expression::All { all } => all.iter().any(|part| is_found(part, thresholds)),
        Expression::Not { not } => is_found(&not.negated(), thresholds),
    }
}

/// The conditions each of which is enough for an expression to hold.
pub(crate) fn sufficient(expression: &Expression) -> Vec<Condition> {
    match expression {
        Expression::Metric(condition) => vec![condition.clone()],
        Expression::Result(_) => Vec::new(),
        Expression::Any { any } => any.iter().flat_map(sufficient).collect(),
        Expression::All { all } => match all.as_slice() {
            [one] => sufficient(one),
            _ => Vec::new(),
        },
        Expression::Not { not } => match not.as_ref() {
            Expression::Not { not } => sufficient(not),
            inner => sufficient(&inner.negated()),
        },
    }
}

/// The threshold that a condition of a playbook needs; none: there is one.
fn rule_for(
    playbook: &Playbook,
    condition: &Condition,
    thresholds: &[Threshold],
    defaults: &[Threshold],
) -> Option<Threshold> {
    let mut rules = thresholds.iter().filter(|rule| rule.metric == condition.metric).peekable();
    // A second rule about a metric needs a symptom of its own: two verdicts about one symptom
    // would contradict each other.
    let symptom = if rules.peek().is_some() {
        Symptom::from(playbook.name.as_str())
    } else {
        catalogue::symptom_of(&condition.metric)
    };
    if rules.any(|rule| limits(rule).any(|limit| overlap(limit, condition))) {
        return None;
    }
    let default = defaults.iter().find(|rule| rule.metric == condition.metric);
    let rule = critical(condition, symptom);
    Some(Threshold {
        needed: default.map_or(SAMPLES, |rule| rule.needed),
        of: default.map_or(SAMPLES, |rule| rule.of),
        ..rule
    })
}

/// The limits of a rule.
pub(crate) fn limits(rule: &Threshold) -> impl Iterator<Item = &Condition> {
    rule.warning.iter().chain(&rule.critical)
}

/// Whether some reading fulfils both conditions of one metric.
pub(crate) fn overlap(a: &Condition, b: &Condition) -> bool {
    match (a.operand, b.operand) {
        (Operand::Number(left), Operand::Number(right)) => {
            let (a, b) = (Readings::of(a.operator, left), Readings::of(b.operator, right));
            match (a, b) {
                (Readings::AllBut(x), other) | (other, Readings::AllBut(x)) => !other.is_only(x),
                (Readings::Between(a), Readings::Between(b)) => a.meets(b),
            }
        }
        (Operand::Status(_), Operand::Status(_)) => statuses(a).any(|status| holds(b, status)),
        (Operand::Number(_), Operand::Status(_)) | (Operand::Status(_), Operand::Number(_)) => {
            false
        }
    }
}

/// Whether every reading that fulfils `a` fulfils `b`, both of one metric.
pub(crate) fn implies(a: &Condition, b: &Condition) -> bool {
    match (a.operand, b.operand) {
        (Operand::Number(_), Operand::Number(_)) => !overlap(a, &b.negated()),
        (Operand::Status(_), Operand::Status(_)) => statuses(a).all(|status| holds(b, status)),
        (Operand::Number(_), Operand::Status(_)) | (Operand::Status(_), Operand::Number(_)) => {
            false
        }
    }
}

fn statuses(condition: &Condition) -> impl Iterator<Item = Status> {
    let known = catalogue::metric(condition.metric.as_str());
    let states = match known.map(|known| known.kind) {
        Some(catalogue::Kind::States(states)) => states,
        Some(catalogue::Kind::Number(_)) | None => &Status::ALL,
    };
    states.iter().copied().filter(|status| holds(condition, *status))
}

fn holds(condition: &Condition, status: Status) -> bool {
    condition.evaluate(&Observation::Read(Reading::Status(status))) == Truth::True
}

/// A set of numbers.
#[derive(Clone, Copy, Debug)]
enum Readings {
    AllBut(f64),
    Between(Range),
}

/// An interval; infinite ends are open.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: f64,
    has_low: bool,
    high: f64,
    has_high: bool,
}

impl Readings {
    fn of(operator: Operator, limit: f64) -> Self {
        let all =
            Range { low: f64::NEG_INFINITY, has_low: false, high: f64::INFINITY, has_high: false };
        let above = |has_low| Range { low: limit, has_low, ..all };
        let below = |has_high| Range { high: limit, has_high, ..all };
        Self::Between(match operator {
            Operator::Greater => above(false),
            Operator::GreaterOrEqual => above(true),
            Operator::Less => below(false),
            Operator::LessOrEqual => below(true),
            Operator::Equal => Range { low: limit, has_low: true, high: limit, has_high: true },
            Operator::NotEqual => return Self::AllBut(limit),
        })
    }

    /// Whether it holds this number and no other.
    fn is_only(self, number: f64) -> bool {
        match self {
            Self::AllBut(_) => false,
            Self::Between(range) => {
                Operator::Equal.holds(range.low, number)
                    && Operator::Equal.holds(range.high, number)
            }
        }
    }
}

impl Range {
    fn meets(self, other: Self) -> bool {
        let (low, has_low) = if self.low > other.low {
            (self.low, self.has_low)
        } else if self.low < other.low {
            (other.low, other.has_low)
        } else {
            (self.low, self.has_low && other.has_low)
        };
        let (high, has_high) = if self.high < other.high {
            (self.high, self.has_high)
        } else if self.high > other.high {
            (other.high, other.has_high)
        } else {
            (self.high, self.has_high && other.has_high)
        };
        low < high || (low <= high && has_low && has_high)
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::unit::{Quantity, Unit};
    use proptest::prelude::*;

    use super::*;

    fn number(operator: Operator, limit: f64) -> Condition {
        Condition { metric: "disk_usage".into(), operator, operand: Operand::Number(limit) }
    }

    fn state(operator: Operator, status: Status) -> Condition {
        Condition { metric: "process_status".into(), operator, operand: Operand::Status(status) }
    }

    #[test]
    fn a_condition_that_is_denied_is_never_looked_for() {
        let passing = Expression::Metric(Condition {
            metric: "health_status".into(),
            operator: Operator::Equal,
            operand: Operand::Status(Status::Passing),
        });
        let full = Expression::Metric(number(Operator::Greater, 90.0));
        let idle = Expression::Metric(Condition {
            metric: "load_1m".into(),
            ..number(Operator::Less, 5.0)
        });
        let rules = |condition: Expression| {
            let mut settings = Settings::zero("/".into());
            settings.playbooks = vec![Playbook::new("p".into(), condition, Vec::new())];
            cover(&mut settings, &[]);
            let limits = settings.thresholds.iter().flat_map(limits);
            limits.map(ToString::to_string).collect::<Vec<_>>()
        };
        let not = |not| Expression::Not { not: Box::new(not) };
        assert_eq!(rules(not(passing.clone())), ["health_status != 'passing'"]);
        let both = vec![full.clone(), not(passing), idle];
        assert_eq!(rules(Expression::All { all: both.clone() }), ["disk_usage > 90"]);
        assert_eq!(rules(Expression::Any { any: both }).len(), 3);
        assert_eq!(rules(Expression::All { all: Vec::new() }), [""; 0]);
    }

    #[test]
    fn states_are_compared_within_their_metric() {
        let stopped = state(Operator::Equal, Status::Stopped);
        let not_running = state(Operator::NotEqual, Status::Running);
        let running = state(Operator::Equal, Status::Running);
        assert!(implies(&not_running, &stopped));
        assert!(implies(&stopped, &not_running));
        assert!(!overlap(&stopped, &running));
    }

    proptest! {
        /// Half steps around small whole limits reach every interval and every end.
        #[test]
        fn sets_agree_with_evaluation(
            a in prop::sample::select(Operator::ALL.to_vec()), x in 0..4_i32,
            b in prop::sample::select(Operator::ALL.to_vec()), y in 0..4_i32,
        ) {
            let (a, b) = (number(a, f64::from(x)), number(b, f64::from(y)));
            let readings: Vec<Observation> = (-4..12)
                .map(|n| Quantity::new(f64::from(n) / 2.0, Unit::Percent).unwrap())
                .map(|quantity| Observation::Read(Reading::Quantity(quantity)))
                .collect();
            let holds = |condition: &Condition, reading: &Observation| condition.evaluate(reading) == Truth::True;
            let both = readings.iter().any(|r| holds(&a, r) && holds(&b, r));
            let all = readings.iter().all(|r| !holds(&a, r) || holds(&b, r));
            prop_assert_eq!(overlap(&a, &b), both, "{} and {}", a, b);
            prop_assert_eq!(implies(&a, &b), all, "{} implies {}", a, b);
        }
    }
}
