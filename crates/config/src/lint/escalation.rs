//! Policies and levels that nobody can reach, and times at which nobody is there.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _};
use nightcrew_model::escalation::{Level, Policy, Told};
use nightcrew_model::id::ScheduleName;
use nightcrew_model::matcher::Matcher;
use nightcrew_model::oncall::{Schedule, Shift};
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::seen::{Seen, SeenPolicy};
use crate::lint::covers::covers;
use crate::lint::hours;
use crate::settings::Settings;

/// How many days ahead a schedule is looked at.
const DAYS_AHEAD: i64 = 28;

/// The largest number of schedules that are looked at.
const SCHEDULES_MAX: usize = 100;

/// Judges `escalation` and `schedules`.
pub(crate) fn check(settings: &Settings, seen: &Seen, cx: &mut Context<'_>) {
    let triage = &settings.triage;
    let gaps = gaps(&triage.schedules, seen, cx);
    let policies: Vec<(&Policy, &SeenPolicy)> =
        triage.policies.iter().zip(&seen.policies).collect();
    for (n, (policy, written)) in policies.iter().enumerate() {
        let narrow: Vec<&Matcher> = policy.matchers.iter().collect();
        let earlier = policies.iter().take(n).find(|(earlier, _)| {
            earlier.severity_min <= policy.severity_min
                && covers(&earlier.matchers.iter().collect::<Vec<_>>(), &narrow)
        });
        if let Some((earlier, _)) = earlier {
            cx.report
                .error(
                    written.place.clone(),
                    format!(
                        "the policy {} can never be reached: {} comes before it and takes \
                         everything that it could take",
                        policy.name, earlier.name
                    ),
                )
                .hint("put it before that one, or give that one narrower `matchers`");
        }
        levels(policy, written, cx);
        last_level(policy, written, &gaps, cx);
    }
}

/// Each level must come to an end so that the next one begins, and must work at some time.
fn levels(policy: &Policy, written: &SeenPolicy, cx: &mut Context<'_>) {
    let mut for_ever: Option<&str> = None;
    for (level, seen) in policy.levels.iter().zip(&written.levels) {
        if let Some(earlier) = for_ever {
            cx.report
                .error(
                    seen.place.clone(),
                    format!(
                        "the level {} can never be reached: {earlier} waits for ever",
                        level.name
                    ),
                )
                .hint(format!("give {earlier} a `timeout_minutes`"));
        }
        match &seen.timeout {
            None => for_ever = for_ever.or(Some(&level.name)),
            Some(place) if level.timeout == Millis(0) => {
                cx.report
                    .error(
                        place.clone(),
                        format!(
                            "the level {} is over before it begins: its timeout is 0",
                            level.name
                        ),
                    )
                    .hint("give it more than 0 minutes, or tell the next level here too");
            }
            Some(_) => {}
        }
        if hours::never_hold(&level.hours, cx.now) {
            cx.report
                .error(
                    seen.place.clone(),
                    format!("the level {} can never be reached: its hours never come", level.name),
                )
                .hint("look at its days, months and years");
        }
    }
    if let (Some(place), Some(last)) = (&written.repeat, policy.levels.last())
        && policy.repeat > 0
        && for_ever == Some(last.name.as_str())
    {
        cx.report
            .error(
                place.clone(),
                format!("nothing is ever repeated: the last level {} waits for ever", last.name),
            )
            .hint(format!("give {} a `timeout_minutes`", last.name));
    }
}

/// Somebody should be there at the last level at every time.
fn last_level(
    policy: &Policy,
    written: &SeenPolicy,
    gaps: &BTreeMap<&ScheduleName, Shift>,
    cx: &mut Context<'_>,
) {
    let (Some(level), Some(seen)) = (policy.levels.last(), written.levels.last()) else {
        return;
    };
    if !level.hours.is_empty() && !hours::never_hold(&level.hours, cx.now) {
        cx.report
            .warning(
                seen.place.clone(),
                format!("outside of its hours the last level {} tells nobody", level.name),
            )
            .hint("add a last level that works at every time");
        return;
    }
    let gap = |told: &Told| match told {
        Told::Schedule(name) => gaps.get(name),
        Told::Channel(_) | Told::Person(_) => None,
    };
    let all: Option<Vec<&Shift>> = level.notify.iter().map(gap).collect();
    let first = all
        .filter(|all| !all.is_empty())
        .and_then(|all| all.into_iter().min_by_key(|gap| gap.from));
    if let Some(gap) = first {
        tell_nobody(level, gap, seen.place.clone(), cx);
    }
}

fn tell_nobody(level: &Level, gap: &Shift, place: crate::problem::Place, cx: &mut Context<'_>) {
    cx.report
        .warning(
            place,
            format!(
                "nobody may be reachable at the last level {}: its schedules have gaps, the first \
                 from {} on",
                level.name,
                minute(gap.from)
            ),
        )
        .hint("add a channel or a person to the last level");
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%MZ").to_string()
}

/// Tells of the times in the next weeks at which a schedule has nobody, and gives the first of
/// them for each schedule.
fn gaps<'s>(
    schedules: &'s BTreeMap<ScheduleName, Schedule>,
    seen: &Seen,
    cx: &mut Context<'_>,
) -> BTreeMap<&'s ScheduleName, Shift> {
    let mut first_gaps = BTreeMap::new();
    let with_layers = schedules.iter().filter(|(_, schedule)| !schedule.layers.is_empty());
    for (name, schedule) in with_layers.take(SCHEDULES_MAX) {
        let Some(from) = cx.now.or_else(|| begins(schedule)) else { continue };
        let Ok(until) = from.checked_add((DAYS_AHEAD * 24).hours()) else { continue };
        let shifts = schedule.shifts(&[], from, until);
        let gaps: Vec<&Shift> = shifts.iter().filter(|shift| shift.person.is_none()).collect();
        let Some(first) = gaps.first() else { continue };
        first_gaps.insert(name, (*first).clone());
        if let Some(place) = seen.schedules.get(name) {
            let local = |at: Timestamp| {
                at.to_zoned(schedule.zone.tz().clone()).strftime("%Y-%m-%d %H:%M").to_string()
            };
            let more = match gaps.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more times in {DAYS_AHEAD} days"),
            };
            cx.report
                .warning(
                    place.clone(),
                    format!(
                        "nobody is on call from {} until {} ({}){more}",
                        local(first.from),
                        local(first.until),
                        schedule.zone
                    ),
                )
                .hint("add a layer without `hours` below the others");
        }
    }
    first_gaps
}

/// When the last layer of a schedule has begun.
fn begins(schedule: &Schedule) -> Option<Timestamp> {
    let begins = schedule.layers.iter().map(|layer| layer.begins).max()?;
    Some(begins.to_zoned(schedule.zone.tz().clone()).ok()?.timestamp())
}
