//! Configurations of other systems.

pub mod alertmanager;
mod duration;
mod scalar;

use std::fmt;

use nightcrew_model::route::Routing;
use serde::Serialize;

/// What a routing holds, in numbers, as `amtool check-config` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The routes, the root counted.
    pub routes: usize,
    /// The inhibit rules.
    pub inhibit_rules: usize,
    /// The receivers.
    pub receivers: usize,
    /// The named time intervals.
    pub time_intervals: usize,
}

impl Counts {
    /// The numbers of a routing.
    #[must_use]
    pub fn of(routing: &Routing) -> Self {
        Self {
            routes: routing.routes().count(),
            inhibit_rules: routing.inhibit_rules.len(),
            receivers: routing.receivers.len(),
            time_intervals: routing.intervals.len(),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { routes, inhibit_rules, receivers, time_intervals } = self;
        write!(
            f,
            "{routes} routes, {inhibit_rules} inhibit rules, {receivers} receivers, \
             {time_intervals} time intervals"
        )
    }
}
