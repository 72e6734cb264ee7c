//! Expressions over what was seen and what earlier steps found: when a playbook applies, when a
//! step is done, and what proves a repair.
//!
//! They are three-valued (Kleene's strong logic): what nobody knows is neither true nor false, and
//! only what is certainly true lets anything happen.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::condition::{Condition, Operator, Truth};
use crate::id::{MetricName, StepName};
use crate::plan::{ResultKey, ResultValue};
use crate::sample::Observation;

/// The deepest nesting that is read.
pub const DEPTH_MAX: usize = 16;

/// A condition, or several under `all`, `any` and `not`.
///
/// A bare [`Condition`] is stored as itself, so what older journals hold reads as an expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expression {
    /// A metric of the target is compared.
    Metric(Condition),
    /// What an earlier step found is compared.
    Result(ResultCondition),
    /// Every one must hold.
    All {
        /// Which; none: it holds.
        all: Vec<Self>,
    },
    /// One must hold.
    Any {
        /// Of which; none: it does not hold.
        any: Vec<Self>,
    },
    /// It must not hold.
    Not {
        /// Which.
        not: Box<Self>,
    },
}

/// `logs.matches > 10`: a result of an earlier step, by the step's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultCondition {
    /// The step.
    pub step: StepName,
    /// Which of its results.
    pub key: ResultKey,
    /// How.
    pub operator: Operator,
    /// With what.
    pub value: ResultValue,
}

/// Who knows what an expression asks for.
pub trait Known {
    /// The latest look at a metric of the target that may count; none: nobody looked.
    fn observation(&self, metric: &MetricName) -> Option<&Observation>;
    /// What a step found; none: it did not run, or did not find out.
    fn result(&self, step: &StepName, key: &ResultKey) -> Option<&ResultValue>;
}

impl Expression {
    /// Whether it holds, by what is known.
    #[must_use]
    pub fn evaluate(&self, known: &impl Known) -> Truth {
        match self {
            Self::Metric(condition) => known
                .observation(&condition.metric)
                .map_or(Truth::Unknown, |observation| condition.evaluate(observation)),
            Self::Result(condition) => known
                .result(&condition.step, &condition.key)
                .map_or(Truth::Unknown, |value| condition.compare(value)),
            Self::All { all } => all
                .iter()
                .map(|part| part.evaluate(known))
                .fold(Truth::True, |sum, part| sum.and(part)),
            Self::Any { any } => any
                .iter()
                .map(|part| part.evaluate(known))
                .fold(Truth::False, |sum, part| sum.or(part)),
            Self::Not { not } => not.evaluate(known).not(),
        }
    }

    /// The expression that holds exactly where this one does not.
    #[must_use]
    pub fn negated(&self) -> Self {
        match self {
            Self::Metric(condition) => Self::Metric(condition.negated()),
            Self::Result(condition) => Self::Result(condition.negated()),
            Self::All { all } => Self::Any { any: all.iter().map(Self::negated).collect() },
            Self::Any { any } => Self::All { all: any.iter().map(Self::negated).collect() },
            Self::Not { not } => (**not).clone(),
        }
    }

    /// The metrics that it asks for.
    #[must_use]
    pub fn metrics(&self) -> BTreeSet<&MetricName> {
        let mut metrics = BTreeSet::new();
        self.each(&mut |leaf| {
            if let Self::Metric(condition) = leaf {
                metrics.insert(&condition.metric);
            }
        });
        metrics
    }

    /// The steps whose results it asks for.
    #[must_use]
    pub fn steps(&self) -> BTreeSet<&StepName> {
        let mut steps = BTreeSet::new();
        self.each(&mut |leaf| {
            if let Self::Result(condition) = leaf {
                steps.insert(&condition.step);
            }
        });
        steps
    }

    /// Visits every comparison.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        match self {
            Self::Metric(_) | Self::Result(_) => visit(self),
            Self::All { all: parts } | Self::Any { any: parts } => {
                parts.iter().for_each(|part| part.each(visit));
            }
            Self::Not { not } => not.each(visit),
        }
    }
}

impl From<Condition> for Expression {
    fn from(condition: Condition) -> Self {
        Self::Metric(condition)
    }
}

impl ResultCondition {
    fn compare(&self, found: &ResultValue) -> Truth {
        match (found, &self.value) {
            (ResultValue::Number(left), ResultValue::Number(right)) => {
                Truth::from(self.operator.holds(*left, *right))
            }
            (ResultValue::Flag(_) | ResultValue::Text(_), _)
                if !matches!(self.operator, Operator::Equal | Operator::NotEqual) =>
            {
                Truth::Unknown
            }
            (ResultValue::Flag(_), ResultValue::Flag(_))
            | (ResultValue::Text(_), ResultValue::Text(_)) => {
                Truth::from((found == &self.value) == (self.operator == Operator::Equal))
            }
            (ResultValue::Number(_) | ResultValue::Flag(_) | ResultValue::Text(_), _) => {
                Truth::Unknown
            }
        }
    }

    fn negated(&self) -> Self {
        Self { operator: self.operator.negated(), ..self.clone() }
    }
}

impl fmt::Display for ResultCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} {} ", self.step, self.key, self.operator)?;
        match &self.value {
            ResultValue::Text(text) if text.contains('\'') => write!(f, "\"{text}\""),
            ResultValue::Text(text) => write!(f, "'{text}'"),
            other @ (ResultValue::Number(_) | ResultValue::Flag(_)) => other.fmt(f),
        }
    }
}

impl fmt::Display for Expression {
    /// As a person writes it: `disk_usage > 90 and not (logs.matches == 0)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (n, part) in parts.iter().enumerate() {
                if n > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::All { .. } | Self::Any { .. } if parts.len() > 1 => {
                        write!(f, "({part})")?;
                    }
                    Self::All { .. }
                    | Self::Any { .. }
                    | Self::Metric(_)
                    | Self::Result(_)
                    | Self::Not { .. } => part.fmt(f)?,
                }
            }
            Ok(())
        };
        match self {
            Self::Metric(condition) => condition.fmt(f),
            Self::Result(condition) => condition.fmt(f),
            Self::All { all } if all.is_empty() => f.write_str("always"),
            Self::Any { any } if any.is_empty() => f.write_str("never"),
            Self::All { all } => join(f, all, "and"),
            Self::Any { any } => join(f, any, "or"),
            Self::Not { not } => write!(f, "not ({not})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::condition::Operand;
    use crate::sample::{Reading, Unknown};
    use crate::unit::{Quantity, Unit};

    #[derive(Default)]
    struct Seen {
        metrics: BTreeMap<MetricName, Observation>,
        results: BTreeMap<(StepName, ResultKey), ResultValue>,
    }

    impl Known for Seen {
        fn observation(&self, metric: &MetricName) -> Option<&Observation> {
            self.metrics.get(metric)
        }

        fn result(&self, step: &StepName, key: &ResultKey) -> Option<&ResultValue> {
            self.results.get(&(step.clone(), key.clone()))
        }
    }

    fn above(metric: &str, limit: f64) -> Expression {
        let operand = Operand::Number(limit);
        Expression::Metric(Condition {
            metric: metric.into(),
            operator: Operator::Greater,
            operand,
        })
    }

    fn seen() -> Seen {
        let mut seen = Seen::default();
        let percent = |value| {
            Observation::Read(Reading::Quantity(Quantity::new(value, Unit::Percent).unwrap()))
        };
        seen.metrics.insert("high".into(), percent(95.0));
        seen.metrics.insert("low".into(), percent(5.0));
        seen.metrics.insert("dark".into(), Observation::Unknown(Unknown::Absent));
        seen.results.insert(("logs".into(), "matches".into()), ResultValue::Number(3.0));
        seen
    }

    fn expressions() -> impl Strategy<Value = Expression> {
        let leaf = prop_oneof![
            Just(above("high", 90.0)),
            Just(above("low", 90.0)),
            Just(above("dark", 90.0)),
            Just(above("nobody", 90.0)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|all| Expression::All { all }),
                prop::collection::vec(inner.clone(), 0..4).prop_map(|any| Expression::Any { any }),
                inner.prop_map(|not| Expression::Not { not: Box::new(not) }),
            ]
        })
    }

    #[test]
    fn what_nobody_knows_decides_nothing() {
        let seen = seen();
        let all = |all: Vec<Expression>| Expression::All { all }.evaluate(&seen);
        let any = |any: Vec<Expression>| Expression::Any { any }.evaluate(&seen);
        assert_eq!(all(vec![above("high", 90.0), above("dark", 90.0)]), Truth::Unknown);
        assert_eq!(all(vec![above("low", 90.0), above("dark", 90.0)]), Truth::False);
        assert_eq!(any(vec![above("high", 90.0), above("dark", 90.0)]), Truth::True);
        assert_eq!(any(vec![above("low", 90.0), above("nobody", 90.0)]), Truth::Unknown);
    }

    #[test]
    fn results_are_compared_by_their_kind() {
        let condition = |operator, value| {
            let (step, key) = ("logs".into(), "matches".into());
            Expression::Result(ResultCondition { step, key, operator, value }).evaluate(&seen())
        };
        assert_eq!(condition(Operator::Greater, ResultValue::Number(2.0)), Truth::True);
        assert_eq!(condition(Operator::Equal, ResultValue::Text("3".into())), Truth::Unknown);
        assert_eq!(condition(Operator::Equal, ResultValue::Flag(true)), Truth::Unknown);
    }

    #[test]
    fn a_condition_of_an_older_journal_is_an_expression() {
        let old = r#"{"metric":"disk_usage","operator":">","operand":90.0}"#;
        let read: Expression = serde_json::from_str(old).unwrap();
        assert_eq!(read, above("disk_usage", 90.0));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }

    proptest! {
        #[test]
        fn negation_turns_true_and_false_round_and_leaves_unknown(expression in expressions()) {
            let seen = seen();
            prop_assert_eq!(expression.negated().evaluate(&seen), expression.evaluate(&seen).not());
        }

        #[test]
        fn what_is_stored_reads_back(expression in expressions()) {
            let stored = serde_json::to_string(&expression).unwrap();
            prop_assert_eq!(serde_json::from_str::<Expression>(&stored).unwrap(), expression);
        }
    }
}
