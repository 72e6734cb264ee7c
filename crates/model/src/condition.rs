//! Conditions: `disk_usage > 90`, `process_status == 'stopped'`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::MetricName;
use crate::sample::{Observation, Reading, Status};

/// How a reading is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// `>`
    #[serde(rename = ">")]
    Greater,
    /// `>=`
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    LessOrEqual,
    /// `==`
    #[serde(rename = "==")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
}

impl Operator {
    /// Every operator, the longer signs first, so that a scan finds `>=` before `>`.
    pub const ALL: [Self; 6] = [
        Self::GreaterOrEqual,
        Self::LessOrEqual,
        Self::Equal,
        Self::NotEqual,
        Self::Greater,
        Self::Less,
    ];

    /// The sign as written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// The operator that holds exactly where this one does not.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
        }
    }

    /// Whether `left OP right` holds.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "`==` in a condition means the same number")]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.sign())
    }
}

/// What a reading is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Operand {
    /// A number, in the unit of the metric.
    Number(f64),
    /// A state.
    Status(Status),
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Status(status) => write!(f, "'{status}'"),
        }
    }
}

/// One comparison of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The metric.
    pub metric: MetricName,
    /// How.
    pub operator: Operator,
    /// With what.
    pub operand: Operand,
}

/// Three-valued truth: an unknown reading proves nothing, in either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl Truth {
    /// Whether both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, Self::True) => Self::True,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
        }
    }

    /// Whether one of them holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    /// Whether it does not hold.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "three-valued, unlike `!`")]
    pub fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Condition {
    /// Whether the condition holds for what was seen of its metric.  A reading of the wrong kind
    /// (a state against a number) is [`Truth::Unknown`].
    #[must_use]
    pub fn evaluate(&self, observation: &Observation) -> Truth {
        let holds = match (observation, self.operand) {
            (Observation::Read(Reading::Quantity(quantity)), Operand::Number(limit)) => {
                self.operator.holds(quantity.value(), limit)
            }
            (Observation::Read(Reading::Status(status)), Operand::Status(wanted)) => {
                match self.operator {
                    Operator::Equal => *status == wanted,
                    Operator::NotEqual => *status != wanted,
                    Operator::Greater
                    | Operator::GreaterOrEqual
                    | Operator::Less
                    | Operator::LessOrEqual => return Truth::Unknown,
                }
            }
            (Observation::Read(_) | Observation::Unknown(_), _) => return Truth::Unknown,
        };
        Truth::from(holds)
    }

    /// The condition that holds exactly where this one does not.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self {
            metric: self.metric.clone(),
            operator: self.operator.negated(),
            operand: self.operand,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.metric, self.operator, self.operand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Unknown;
    use crate::unit::{Quantity, Unit};

    fn percent(value: f64) -> Observation {
        Observation::Read(Reading::Quantity(Quantity::new(value, Unit::Percent).unwrap()))
    }

    #[test]
    fn unknown_is_neither_true_nor_false() {
        let full = Condition {
            metric: "disk_usage".into(),
            operator: Operator::Greater,
            operand: Operand::Number(90.0),
        };
        assert_eq!(full.evaluate(&percent(91.0)), Truth::True);
        assert_eq!(full.evaluate(&percent(90.0)), Truth::False);
        assert_eq!(full.evaluate(&Observation::Unknown(Unknown::BreakerOpen)), Truth::Unknown);
        assert_eq!(
            full.evaluate(&Observation::Read(Reading::Status(Status::Stopped))),
            Truth::Unknown
        );
        assert_eq!(full.negated().to_string(), "disk_usage <= 90");
    }
}
