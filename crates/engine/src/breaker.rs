//! How often playbooks ran and failed: what runs too often, or fails too often, is left alone.
//!
//! Folded from facts, so that a restart forgets none of it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use nightcrew_model::decision::Reason;
use nightcrew_model::id::{PlaybookName, Target};
use nightcrew_model::plan::{Playbook, RunLimit};
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::pairs;

/// How many runs, and how many failures, of one playbook are remembered, newest first; a limit
/// beyond it is as large.
pub const REMEMBERED_MAX: usize = 100;

/// When playbooks ran and failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(with = "pairs")]
    runs: HashMap<(PlaybookName, Target), Vec<Timestamp>>,
    failures: BTreeMap<PlaybookName, Vec<Timestamp>>,
}

impl History {
    /// An attempt began to act.
    pub(crate) fn ran(&mut self, playbook: &PlaybookName, target: &Target, at: Timestamp) {
        remember(self.runs.entry((playbook.clone(), target.clone())).or_default(), at);
    }

    /// An attempt did not heal, or did not hold.
    pub(crate) fn failed(&mut self, playbook: &PlaybookName, at: Timestamp) {
        remember(self.failures.entry(playbook.clone()).or_default(), at);
    }
}

fn remember(moments: &mut Vec<Timestamp>, at: Timestamp) {
    if moments.len() >= REMEMBERED_MAX {
        moments.remove(0);
    }
    moments.push(at);
}

/// Until when something rests that happened so often; none: it may happen.
fn open_until(moments: &[Timestamp], breaker: RunLimit, now: Timestamp) -> Option<Timestamp> {
    let times = usize::try_from(breaker.times).unwrap_or(REMEMBERED_MAX).clamp(1, REMEMBERED_MAX);
    let first = moments.len().checked_sub(times).and_then(|n| moments.get(n))?;
    let last = moments.last()?;
    let until = breaker.window.after(*last);
    (breaker.window.after(*first) >= *last && until > now).then_some(until)
}

impl Step<'_> {
    /// Why a playbook is left alone: it ran against the target, or failed anywhere, too often.
    pub(crate) fn too_often(&self, playbook: &Playbook, target: &Target) -> Option<Reason> {
        let (history, now) = (&self.state.history, self.now);
        let name = playbook.name.clone();
        let RunLimit { times, window } = playbook.limit.unwrap_or(self.settings.run_limit);
        let runs = history.runs.get(&(name.clone(), target.clone())).map_or(&[][..], Vec::as_slice);
        let recent = runs.iter().filter(|at| window.after(**at) > now).count();
        let most = usize::try_from(times).unwrap_or(REMEMBERED_MAX).min(REMEMBERED_MAX);
        if recent >= most {
            return Some(Reason::RunLimit { playbook: name, times, window });
        }
        let failures = history.failures.get(&name).map_or(&[][..], Vec::as_slice);
        let until = open_until(failures, self.settings.playbook_breaker, now)?;
        Some(Reason::BreakerOpen { playbook: name, until })
    }

    /// Forgets what no limit counts any more.
    pub(crate) fn forget_history(&mut self) {
        let (settings, now) = (self.settings, self.now);
        let limits = settings.playbooks.iter().filter_map(|playbook| playbook.limit);
        let windows = limits.chain([settings.run_limit]).map(|limit| limit.window);
        let window = windows.max().unwrap_or(Millis(0));
        let breaker = Millis(settings.playbook_breaker.window.0.saturating_mul(2));
        let forget = |moments: &mut Vec<Timestamp>, window: Millis| {
            moments.retain(|at| window.after(*at) > now);
            !moments.is_empty()
        };
        self.state.history.runs.retain(|_, moments| forget(moments, window));
        self.state.history.failures.retain(|_, moments| forget(moments, breaker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_breaker_opens_at_the_last_of_its_failures_and_for_as_long_again() {
        let breaker = RunLimit { times: 3, window: Millis::from_secs(60) };
        assert_eq!(open_until(&[at(0), at(30)], breaker, at(31)), None);
        assert_eq!(open_until(&[at(0), at(30), at(61)], breaker, at(61)), None);
        let three = [at(0), at(30), at(60)];
        assert_eq!(open_until(&three, breaker, at(61)), Some(at(120)));
        assert_eq!(open_until(&three, breaker, at(120)), None);
    }

    #[test]
    fn so_much_is_remembered_and_no_more() {
        let mut moments = Vec::new();
        (0..150).for_each(|n| remember(&mut moments, at(n)));
        assert_eq!((moments.len(), moments.first()), (REMEMBERED_MAX, Some(&at(50))));
    }
}
