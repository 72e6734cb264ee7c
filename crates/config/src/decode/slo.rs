//! `slos`: what is promised about services.

use nightcrew_detect::burn::{BadObjective, Objective};
use nightcrew_detect::judge::rules::{Events, Slo};
use nightcrew_model::id::{ServiceName, SloName};
use nightcrew_model::unit::Millis;

use crate::decode::{Context, condition, detection};
use crate::fields::{self, Fields};
use crate::problem::Place;
use crate::tree::At;

/// The largest number of objectives: each remembers three days minute by minute.
pub(crate) const SLOS_MAX: usize = 100;

/// The time of a promise, where the operator names none.
const WINDOW_USUAL: Millis = Millis::from_secs(30 * 86_400);

/// The shortest and the longest time of a promise.
const WINDOW: std::ops::RangeInclusive<Millis> =
    Millis::from_secs(3_600)..=Millis::from_secs(90 * 86_400);

/// Reads `slos`.  The services that they name are left with their places.
pub(crate) fn slos(
    at: &At<'_>,
    services: &mut Vec<(ServiceName, Place)>,
    cx: &mut Context<'_>,
) -> Vec<Slo> {
    let named = fields::named(at, "an object of objectives", &mut cx.report);
    if named.len() > SLOS_MAX {
        cx.report.error(at, format!("expected at most {SLOS_MAX} objectives"));
    }
    let mut found = Vec::new();
    for (name, at) in named.into_iter().take(SLOS_MAX) {
        found.extend(slo(name, &at, services, cx));
    }
    found
}

fn slo(
    name: &str,
    at: &At<'_>,
    services: &mut Vec<(ServiceName, Place)>,
    cx: &mut Context<'_>,
) -> Option<Slo> {
    let mut fields = Fields::open(at, "an object with `service` and `objective`", &mut cx.report)?;
    let service_at = fields.take("service");
    let service = fields.text("service", &mut cx.report).map(ServiceName::from);
    if let (Some(service), Some(at)) = (&service, &service_at) {
        services.push((service.clone(), at.into()));
    }
    let objective_at = fields.take("objective");
    let percent = fields.number("objective", &mut cx.report);
    let window = fields.duration("window", WINDOW, &mut cx.report).unwrap_or(WINDOW_USUAL);
    let events = events(&mut fields, cx);
    if !fields.has("service") {
        cx.report.error(at, "the objective names no `service`").hint("say about what it promises");
    }
    fields.finish(&mut cx.report);
    let Some(percent) = percent else {
        if objective_at.is_none() {
            cx.report.error(at, "the objective has no `objective`").hint("write `objective: 99.9`");
        }
        return None;
    };
    let hours = usize::try_from(window.0 / 3_600_000).unwrap_or(0);
    let objective = match Objective::new(percent / 100.0, hours) {
        Ok(objective) => objective,
        Err(why) => {
            let place = objective_at.as_ref().map_or_else(|| Place::from(at), Place::from);
            let said = match why {
                BadObjective::Share => "expected a percentage above 0 and below 100".to_owned(),
                BadObjective::Hours => why.to_string(),
            };
            cx.report.error(place, said).hint("a promise of 100 % leaves no budget to burn");
            return None;
        }
    };
    if percent <= 1.0
        && let Some(at) = &objective_at
    {
        cx.report
            .warning(at, format!("an objective is a percentage, and {percent} looks like a ratio"))
            .hint(format!("for a ratio of {percent} write {}", percent * 100.0));
    }
    Some(Slo { name: SloName::from(name), service: service?, events: events?, objective })
}

/// What is counted: looks, or counters.
fn events(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Events> {
    let at = fields.at().clone();
    let looks = fields.take("good_when").map(|at| condition::condition(&at, cx));
    let mut counter = |key| fields.take(key).map(|at| detection::metric(&at, cx));
    let (total, bad, good) =
        (counter("total_metric"), counter("bad_metric"), counter("good_metric"));
    match (looks, total, bad, good) {
        (Some(condition), None, None, None) => Some(Events::Looks(condition?)),
        (None, Some(total), Some(bad), None) => Some(Events::Bad { total: total?, bad: bad? }),
        (None, Some(total), None, Some(good)) => Some(Events::Good { total: total?, good: good? }),
        _ => {
            cx.report.error(&at, "the objective does not say what it counts").hint(
                "write `good_when: \"health_status == 'passing'\"`, or `total_metric` with \
                 `bad_metric` or `good_metric`",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Vec<Slo>, Vec<String>) {
        decode_one(text, |at, cx| slos(at, &mut Vec::new(), cx))
    }

    #[test]
    fn objectives_count_looks_or_counters() {
        let (found, problems) = read(
            "{ 응답: { service: 'web', good_when: \"health_status == 'passing'\", objective: 99.9 }, \
             pay: { service: 'pay', total_metric: 'requests_total', bad_metric: 'errors_total', \
             objective: 99.5, window_days: 7 }, \
             cart: { service: 'cart', total_metric: 'a', good_metric: 'b', objective: 99 } }",
        );
        assert_eq!(problems, [""; 0]);
        let [looks, bad, good] = &found[..] else { panic!("{found:?}") };
        assert!(
            matches!(&looks.events, Events::Looks(it) if it.metric.as_str() == "health_status")
        );
        assert!(matches!(&bad.events, Events::Bad { .. }));
        assert!(matches!(&good.events, Events::Good { .. }));
        assert_eq!(bad.objective, Objective::new(0.995, 7 * 24).unwrap());
    }

    #[test]
    fn what_promises_nothing_is_told() {
        let whole = "good_when: \"health_status == 'passing'\"";
        let cases = [
            (
                format!("{{ a: {{ {whole}, objective: 99 }} }}"),
                "a: the objective names no `service`",
            ),
            (format!("{{ a: {{ service: 'w', {whole} }} }}"), "has no `objective`"),
            (
                format!("{{ a: {{ service: 'w', {whole}, objective: 100 }} }}"),
                "a.objective: expected a percentage above 0 and below 100",
            ),
            (
                format!("{{ a: {{ service: 'w', {whole}, objective: 0.999 }} }}"),
                "looks like a ratio (for a ratio of 0.999 write 99.9)",
            ),
            ("{ a: { service: 'w', objective: 99 } }".to_owned(), "does not say what it counts"),
            (
                format!("{{ a: {{ service: 'w', {whole}, total_metric: 't', objective: 9 }} }}"),
                "does not say what it counts",
            ),
            (
                format!("{{ a: {{ service: 'w', {whole}, objective: 99, window_days: 91 }} }}"),
                "a.window_days: expected from",
            ),
        ];
        for (text, expected) in cases {
            let said = read(&text).1.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
        }
        let many: String = (0..=SLOS_MAX)
            .map(|n| format!("s{n}: {{ service: 'w', {whole}, objective: 99 }}, "))
            .collect();
        let (found, said) = read(&format!("{{ {many} }}"));
        assert_eq!((found.len(), said.len()), (SLOS_MAX, 1));
    }
}
