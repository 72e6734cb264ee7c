//! Who is on call, with the replacements that people set while the crew runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{PersonName, ScheduleName};
use nightcrew_model::oncall::Override;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::settings::Settings;
use crate::state::State;

/// The largest number of replacements of one calendar that are not over; a further one is refused.
pub const OVERRIDES_MAX: usize = 200;

/// The replacements that people set, by calendar, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overrides(BTreeMap<ScheduleName, Vec<Override>>);

impl Overrides {
    pub(crate) fn apply(&mut self, at: Timestamp, fact: &Fact) {
        if let Fact::OverrideSet { schedule, replacement } = fact {
            let known = self.0.entry(schedule.clone()).or_default();
            known.retain(|over| over.until > at);
            known.push(replacement.clone());
        }
    }
}

impl State {
    /// Who is on call; none: nobody, or there is no such calendar.
    #[must_use]
    pub fn on_call(
        &self,
        settings: &Settings,
        schedule: &ScheduleName,
        at: Timestamp,
    ) -> Option<PersonName> {
        let calendar = settings.schedules.get(schedule)?;
        calendar.on_call(self.overrides(schedule), at).cloned()
    }

    /// The replacements of a calendar that people set, the latest last; some may be over.
    #[must_use]
    pub fn overrides(&self, schedule: &ScheduleName) -> &[Override] {
        self.overrides.0.get(schedule).map_or(&[], Vec::as_slice)
    }
}

impl Step<'_> {
    /// Takes a replacement, unless it is over, has no length, or is for nobody that is known.
    pub(crate) fn override_asked(
        &mut self,
        schedule: ScheduleName,
        replacement: Override,
        by: PersonName,
    ) {
        let n_ahead =
            self.state.overrides(&schedule).iter().filter(|over| over.until > self.now).count();
        let sensible = replacement.until > self.now && replacement.from < replacement.until;
        let known = self.settings.schedules.contains_key(&schedule)
            && self.settings.people.contains_key(&replacement.person);
        if sensible && known && n_ahead < OVERRIDES_MAX {
            self.decide(Fact::OverrideSet { schedule, replacement }, Reason::Asked { by });
        }
    }
}
