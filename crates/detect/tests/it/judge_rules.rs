//! The judge's rules of operators: multiples of the period before, objectives, context.

use nightcrew_detect::burn::{Budget, Objective};
use nightcrew_detect::judge::Judge;
use nightcrew_detect::judge::rules::{Detection, Events, Policy, Relative, Rules, Slo};
use nightcrew_detect::rank::Edge;
use nightcrew_detect::requests::MinRequests;
use nightcrew_model::chart::Method;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::sample::{Finding, Level};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Unit};

use crate::judge::{DAY, began, rules, run};
use crate::quiet::{Noise, sample};

fn three_times() -> Relative {
    Relative {
        metric: "error_rate".into(),
        service: None,
        symptom: "error_rate_increased".into(),
        times: 3.0,
        period: Millis::from_secs(3_600),
        at_least: 0.01,
        min_requests: Some(MinRequests { metric: "requests_per_min".into(), count: 20.0 }),
        severity: Severity::Warning,
    }
}

fn relative() -> Rules {
    let detection = Detection { relatives: vec![three_times()], ..quiet() };
    Rules { detection, ..Rules::default() }
}

/// Without the methods that learn.
fn quiet() -> Detection {
    let off = Policy { severity: None, ..Policy::all(Severity::Info) };
    Detection { anomaly: off.clone(), drift: off.clone(), flat_line: off, ..Detection::default() }
}

#[test]
fn three_times_the_errors_of_the_hour_before_are_found_until_it_is_over() {
    let mut judge = Judge::new(relative());
    let errors = |second: i64| if second / 3_600 >= 3 && second / 3_600 < 6 { 0.07 } else { 0.02 };
    let hours = (0..9 * 3_600).step_by(60);
    let found = run(&mut judge, "error_rate", Unit::Ratio, hours, errors);
    let began = began(&found);
    let [(second, Method::Relative, Severity::Warning)] = began[..] else { panic!("{began:?}") };
    assert!((3 * 3_600..3 * 3_600 + 600).contains(&second), "{second}");
    let is_firing = |it: &Finding| it.level == Level::Firing(Severity::Warning);
    let finding = &found.iter().find(|(_, it)| is_firing(it)).unwrap().1;
    assert_eq!(
        finding.rule,
        "error_rate is 0.07 on average, at least 3 times the 0.02 of the 1 h before"
    );
    let is_over = |it: &Finding| it.level == Level::Clear && it.symptom == finding.symptom;
    let over = found.iter().find(|(at, it)| *at > second && is_over(it)).unwrap().0;
    // The hours that are too much are no hours to compare with.
    assert!((6 * 3_600..7 * 3_600).contains(&over), "{over}");
}

#[test]
fn what_is_harmless_or_over_few_requests_is_no_increase() {
    let harmless = |second: i64| if second >= 3_600 { 0.009 } else { 0.001 };
    let hours = || (0..3 * 3_600).step_by(60);
    let mut judge = Judge::new(relative());
    assert_eq!(began(&run(&mut judge, "error_rate", Unit::Ratio, hours(), harmless)), []);
    let mut judge = Judge::new(relative());
    let mut found = Vec::new();
    for second in hours() {
        let few = sample("web", "requests_per_min", second, 3.0, Unit::PerMinute);
        let value = if second >= 3_600 { 0.5 } else { 0.01 };
        let errors = sample("web", "error_rate", second, value, Unit::Ratio);
        for sample in [few, errors] {
            found.extend(judge.observe(&sample).into_iter().map(|finding| (second, finding)));
        }
    }
    assert_eq!(began(&found), []);
}

fn promise() -> Rules {
    let condition = Condition {
        metric: "api_latency_ms".into(),
        operator: Operator::Less,
        operand: Operand::Number(500.0),
    };
    let slo = Slo {
        name: "fast".into(),
        service: "web".into(),
        events: Events::Looks(condition),
        objective: Objective::new(0.99, 30 * 24).unwrap(),
    };
    Rules { slos: vec![slo], detection: quiet(), ..Rules::default() }
}

#[test]
fn each_pair_of_windows_has_its_severity_and_a_start_is_careful() {
    // Every fifth look is slow: 20 times the budget; then one of 25: 4 times.
    let check = |every: i64, last: i64| {
        let mut judge = Judge::new(promise());
        let mut value = |second: i64| if second / 15 % every == 0 { 900.0 } else { 100.0 };
        let seconds = (0..last).step_by(15);
        let found = run(&mut judge, "api_latency_ms", Unit::Milliseconds, seconds, &mut value);
        began(&found)
    };
    let fast = check(5, 7_200);
    let [(second, Method::Burn, Severity::Critical)] = fast[..] else { panic!("{fast:?}") };
    assert!((1_800..3_600).contains(&second), "{second} s of 20 times are 14.4 times of an hour");
    let slow = check(25, 2 * DAY);
    let [(second, Method::Burn, Severity::Warning)] = slow[..] else { panic!("{slow:?}") };
    assert!(second > DAY / 2, "{second}");
    assert_eq!(check(200, 4 * DAY), []);
}

#[test]
fn counters_of_good_and_bad_events_are_the_same_promise() {
    for is_bad in [true, false] {
        let (total, part) = ("requests_total".into(), "part_total".into());
        let events = if is_bad {
            Events::Bad { total, bad: part }
        } else {
            Events::Good { total, good: part }
        };
        let mut rules = promise();
        rules.slos[0].events = events;
        let mut judge = Judge::new(rules);
        let mut found: Vec<(i64, Finding)> = Vec::new();
        for second in (0..3 * 3_600).step_by(15) {
            let n = second as f64 * 10.0;
            let part = if is_bad { n * 0.3 } else { n * 0.7 };
            for (metric, value) in [("requests_total", n), ("part_total", part)] {
                let seen = judge.observe(&sample("web", metric, second, value, Unit::Count));
                found.extend(seen.into_iter().map(|finding| (second, finding)));
            }
        }
        let began = began(&found);
        assert!(matches!(began[..], [(_, Method::Burn, Severity::Critical)]), "{began:?}");
        let now = sample("web", "m", 3 * 3_600, 0.0, Unit::Count).at;
        let standing = &judge.slos(now)[0];
        assert!(matches!(standing.budget, Budget::Left { share } if share < 0.0), "{standing:?}");
    }
}

#[test]
fn a_finding_says_what_else_moved_and_where_it_began() {
    let mut rules = rules();
    rules.needs.insert("web".into(), vec!["db".into()]);
    says_what_else_moved(Judge::new(rules));
}

#[test]
fn calls_that_traces_taught_are_followed_as_configured_needs_are() {
    let mut judge = Judge::new(rules());
    judge.know_calls([Edge { caller: "web".into(), callee: "db".into() }]);
    says_what_else_moved(judge);
}

fn says_what_else_moved(mut judge: Judge) {
    let mut noise = Noise::new(12);
    let begin = 2 * DAY;
    let mut said = Vec::new();
    for second in (0..begin + 600).step_by(15) {
        let up = |from: i64, factor: f64| if second >= begin + from { factor } else { 1.0 };
        let values = [
            ("db", "cpu_usage", Unit::Percent, 20.0 * up(0, 4.0)),
            ("web", "api_latency_ms", Unit::Milliseconds, 100.0 * up(60, 8.0)),
            ("mail", "cpu_usage", Unit::Percent, 10.0),
        ];
        for (service, metric, unit, value) in values {
            let value = value * (1.0 + 0.02 * noise.normal());
            let found = judge.observe(&sample(service, metric, second, value, unit));
            said.extend(found.into_iter().filter(|it| matches!(it.level, Level::Firing(_))));
        }
    }
    let web = said.iter().find(|it| it.target.service.as_str() == "web").unwrap();
    assert!(
        web.rule.contains("; also moved, the likelier origin first: db cpu_usage"),
        "{}",
        web.rule
    );
    assert!(!web.rule.contains("mail"), "{}", web.rule);
}

#[test]
fn in_a_flood_only_some_findings_say_what_else_moved() {
    use nightcrew_detect::judge::CONTEXTS_PER_MINUTE_MAX;
    let n_services = i64::from(CONTEXTS_PER_MINUTE_MAX) + 5;
    let mut judge = Judge::new(rules());
    let mut noise = Noise::new(30);
    let begin = 31 * 3_600;
    let mut n_with = 0;
    let mut n_found = 0;
    for second in (0..begin + 240).step_by(60) {
        for n in 0..n_services {
            let up = if second >= begin { 10.0 } else { 1.0 };
            for metric in ["api_latency_ms", "db_latency_ms"] {
                let value = 100.0 * up * (1.0 + 0.02 * noise.normal());
                let service = format!("s{n}");
                let found =
                    judge.observe(&sample(&service, metric, second, value, Unit::Milliseconds));
                let fires = found.iter().filter(|it| matches!(it.level, Level::Firing(_)));
                for finding in fires {
                    n_found += 1;
                    n_with += u32::from(finding.rule.contains("also moved"));
                }
            }
        }
    }
    assert!(n_found >= n_services, "{n_found}");
    assert!((1..=CONTEXTS_PER_MINUTE_MAX).contains(&n_with), "{n_with} of {n_found}");
}
