//! `verify`: how success is proven.

use nightcrew_model::expression::Expression;
use nightcrew_model::plan::Verify;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::expression::{Scope, expression};
use crate::fields::{self, Fields};
use crate::settings::Healing;
use crate::tree::{At, Value};

/// How often verification looks, where only the time between two looks is given.
const RETRY_COUNT: u32 = 3;

/// How many good samples prove a repair, where only the number of looks is given.
const RETRY_NEEDED: u32 = 2;

/// Reads `verify`: an expression, or an object with the keys of an expression (or `condition`)
/// and the times.
///
/// The second source document counts looks: `retry_count` N and `retry_interval_seconds` S mean a
/// look every S seconds, N of them and one more in reserve (a deadline of N times S plus S, after
/// `wait_after`), of which `consecutive_checks`, or else two (one where N is one), must be good in
/// a row.
pub(super) fn verify(at: &At<'_>, healing: &Healing, cx: &mut Context<'_>) -> Option<Verify> {
    if at.node.text().is_some() {
        return Some(usual(expression(at, Scope::default(), cx)?, healing));
    }
    let mut fields = Fields::open(at, "a condition or an object", &mut cx.report)?;
    let times = times(&mut fields, healing, cx);
    let condition = proof(&mut fields, cx);
    fields.finish(&mut cx.report);
    let verify = times.with(condition?);
    reachable(&verify, at, cx).then_some(verify)
}

/// A proof with the times of the crew.
pub(super) fn usual(condition: Expression, healing: &Healing) -> Verify {
    Verify {
        condition,
        needed: healing.verify_needed,
        interval: healing.verify_interval,
        wait_after: Millis(0),
        deadline: healing.verify_deadline,
    }
}

/// What has to hold: `condition`, or `all`, `any` or `not`, or the keys of one comparison.
fn proof(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Expression> {
    let given = ["condition", "all", "any", "not"].map(|key| fields.take(key));
    let count = given.iter().flatten().count();
    if count > 1 {
        cx.report
            .error(fields.at(), "expected one of `condition`, `all`, `any` and `not`")
            .hint("put one of them into the other");
        return None;
    }
    let [condition, all, any, not] = given;
    let each = |at: &At<'_>, cx: &mut Context<'_>| {
        let items = fields::items(at, &mut cx.report);
        if items.is_empty() && matches!(at.node.value, Value::Array(_)) {
            cx.report.error(at, "expected conditions, found an empty list");
        }
        let found: Vec<_> = items.iter().map(|at| expression(at, Scope::default(), cx)).collect();
        found.into_iter().collect::<Option<Vec<_>>>().filter(|found| !found.is_empty())
    };
    match (condition, all, any, not) {
        (Some(at), ..) => expression(&at, Scope::default(), cx),
        (_, Some(at), ..) => each(&at, cx).map(|all| Expression::All { all }),
        (_, _, Some(at), _) => each(&at, cx).map(|any| Expression::Any { any }),
        (.., Some(at)) => {
            let not = Box::new(expression(&at, Scope::default(), cx)?);
            Some(Expression::Not { not })
        }
        (None, None, None, None) => {
            crate::decode::condition::comparison(fields, cx).map(Expression::from)
        }
    }
}

/// Whether success can be proven before the deadline; tells it if it cannot.
fn reachable(verify: &Verify, at: &At<'_>, cx: &mut Context<'_>) -> bool {
    let Verify { needed, interval, wait_after, deadline, .. } = verify;
    let more = u64::from(needed.saturating_sub(1));
    let least = wait_after.0.saturating_add(interval.0.saturating_mul(more));
    let is_reachable = least < deadline.0;
    if !is_reachable {
        cx.report
            .error(
                at,
                format!(
                    "verification can never succeed: {needed} good samples need {}, and the \
                     deadline is {deadline}",
                    Millis(least)
                ),
            )
            .hint("make the deadline longer, or the interval or the wait shorter");
    }
    is_reachable
}

struct Times {
    needed: u32,
    interval: Millis,
    wait_after: Millis,
    deadline: Millis,
}

impl Times {
    fn with(self, condition: Expression) -> Verify {
        let Self { needed, interval, wait_after, deadline } = self;
        Verify { condition, needed, interval, wait_after, deadline }
    }
}

/// The times of `verify`.
fn times(fields: &mut Fields<'_>, healing: &Healing, cx: &mut Context<'_>) -> Times {
    let report = &mut cx.report;
    let span = Millis(1)..=Millis::from_secs(86_400);
    let count = fields.integer("retry_count", 1..=1_000, report);
    let retry = fields.duration("retry_interval", span.clone(), report);
    let interval = fields.duration("interval", span.clone(), report);
    let needed = fields.integer("consecutive_checks", 1..=1_000, report);
    let wait = fields.duration("wait_after", Millis(0)..=Millis::from_secs(86_400), report);
    let deadline = fields.duration("deadline", span, report);
    let wait_after = wait.unwrap_or(Millis(0));
    let interval = interval.or(retry).unwrap_or(healing.verify_interval);
    let counted = count.is_some() || retry.is_some();
    let looks = count.unwrap_or(RETRY_COUNT);
    if counted {
        let span = interval.0.saturating_mul(u64::from(looks) + 1);
        Times {
            needed: needed.unwrap_or(looks.min(RETRY_NEEDED)),
            interval,
            wait_after,
            deadline: deadline.unwrap_or(Millis(wait_after.0.saturating_add(span))),
        }
    } else {
        let default = wait_after.0.saturating_add(healing.verify_deadline.0);
        Times {
            needed: needed.unwrap_or(healing.verify_needed),
            interval,
            wait_after,
            deadline: deadline.unwrap_or(Millis(default)),
        }
    }
}
