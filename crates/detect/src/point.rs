//! One value of one series.

use jiff::Timestamp;

/// One value at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// How much, in the unit of its series; what is not finite is left out wherever points go in.
    pub value: f64,
}
