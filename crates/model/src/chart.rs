//! Charts: the numbers behind a finding, small enough to be kept with it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// The largest number of points of one chart: what a terminal shows in a line, and a page without
/// a scroll bar.
pub const POINTS_MAX: usize = 120;

/// How a detector came to its conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A limit was crossed in K of N samples.
    Threshold,
    /// A multiple of the period before was crossed.
    Relative,
    /// It gets worse slowly.
    Drift,
    /// It is unlike what it was.
    Anomaly,
    /// It will cross a limit.
    Forecast,
    /// An error budget is used up too fast.
    Burn,
    /// It does not move any more.
    FlatLine,
    /// It is not heard of any more.
    Missing,
    /// It cannot be in the unit that it says.
    UnitSanity,
    /// Lines of a log.
    Log,
}

impl Method {
    /// Every method, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Threshold,
        Self::Relative,
        Self::Drift,
        Self::Anomaly,
        Self::Forecast,
        Self::Burn,
        Self::FlatLine,
        Self::Missing,
        Self::UnitSanity,
        Self::Log,
    ];

    /// The word that configuration and records use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Relative => "relative",
            Self::Drift => "drift",
            Self::Anomaly => "anomaly",
            Self::Forecast => "forecast",
            Self::Burn => "burn",
            Self::FlatLine => "flat_line",
            Self::Missing => "missing",
            Self::UnitSanity => "unit_sanity",
            Self::Log => "log",
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// How much, in the unit of the chart; always finite.
    pub value: f64,
}

/// Between what a value was expected, in the unit of the chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The numbers behind a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// How the conclusion was reached.
    pub method: Method,
    /// What the numbers count.
    pub unit: Unit,
    /// What was seen, oldest first; at most [`POINTS_MAX`].
    pub points: Vec<Point>,
    /// What is forecast, soonest first; at most [`POINTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<Point>,
    /// Between what the last point was expected; none: the method expects nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Band>,
    /// The limit that counts; none: the method has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// When it began to be wrong, as far as the points say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}
