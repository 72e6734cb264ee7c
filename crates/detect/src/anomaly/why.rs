//! Why a sample has its score: what deviates, from what, and by how much.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A value far from the ones just before it.
    Spike,
    /// The level of the last rows is far from the level before them.
    LevelShift,
    /// The level moves away over a long window, or the value leaves where it has long been.
    Drift,
    /// The values move much more, or much less, than they did.
    Variance,
    /// The value is not what is usual at this time of the day.
    Pattern,
    /// The values stopped moving.
    FlatLine,
}

impl Kind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 6] =
        [Self::Spike, Self::LevelShift, Self::Drift, Self::Variance, Self::Pattern, Self::FlatLine];

    /// The kind in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level shift",
            Self::Drift => "drift",
            Self::Variance => "change of variance",
            Self::Pattern => "unusual for the time of day",
            Self::FlatLine => "flat line",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The numbers behind a deviation, in the unit of the series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was expected: a level; for [`Kind::Variance`] and [`Kind::FlatLine`] the size of a
    /// step.
    pub expected: f64,
    /// What was seen instead.
    pub seen: f64,
    /// The distance between them in robust standard deviations of such distances; 0 where there
    /// was none before.
    pub sigmas: f64,
    /// The logarithm of one over the share of remembered rows that deviated at least so much.
    pub rarity_nats: f64,
    /// The time over which it was expected, in milliseconds.
    pub window_ms: i64,
}

/// Why a sample has its score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Nothing is unusual, or too little is known yet.
    Usual,
    /// The value is no finite number: it is not scored and not learned.
    NotANumber,
    /// The same sample came again: it is not scored and not learned.
    Repeated,
    /// There was no sample for much longer than usual; the value itself is usual.
    Gap {
        /// How long there was none, in milliseconds.
        silence_ms: i64,
        /// The usual interval, in milliseconds.
        usual_ms: i64,
    },
    /// The deviation that is the rarest one.
    Deviation {
        /// What deviates.
        kind: Kind,
        /// By how much, and from what.
        evidence: Evidence,
    },
}
