//! Expressions in every form.

use nightcrew_model::condition::{Condition, Operand};
use nightcrew_model::expression::ResultCondition;
use nightcrew_model::plan::ResultValue;
use nightcrew_model::sample::Status;
use nightcrew_model::unit::Millis;
use proptest::prelude::*;

use super::*;
use crate::decode::tests::decode_one;

fn steps() -> (Vec<(StepName, Action)>, Vec<StepName>) {
    let service = || "{service}".into();
    let before = vec![
        (
            StepName::from("logs"),
            Action::CheckLogs { service: service(), pattern: None, within: Millis(1) },
        ),
        (StepName::from("load"), Action::CheckResources { service: service() }),
        (StepName::from("again"), Action::RestartService { service: service() }),
    ];
    let names = before.iter().map(|(name, _)| name.clone()).chain(["later".into()]).collect();
    (before, names)
}

fn read(text: &str) -> (Option<Expression>, Vec<String>) {
    let (before, names) = steps();
    let scope = Scope { before: Some(&before), names: &names };
    decode_one(text, |at, cx| expression(at, scope, cx))
}

#[test]
fn texts_and_objects_say_the_same() {
    let text = "'disk_usage > 90 and not (health_status == passing) or logs.matches >= 5'";
    let object = "{ any: [{ all: ['disk_usage > 90 %', { not: { metric: 'health_status', \
                  operator: '==', value: 'passing' } }] }, { metric: 'logs.matches', operator: \
                  '>=', threshold: 5 }] }";
    let (a, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let (b, problems) = read(object);
    assert_eq!(problems, [""; 0]);
    assert_eq!(a, b);
    assert_eq!(
        a.unwrap().to_string(),
        "(disk_usage > 90 and not (health_status == 'passing')) or logs.matches >= 5"
    );
}

#[test]
fn what_cannot_hold_is_told_with_its_column() {
    let cases = [
        ("'cpu_usage > 1 and disk_usag > 5'", "f:1:20: warning: nothing in this version collects"),
        ("'cpu_usage > 1 and disk_usage == full'", "f:1:34: error: disk_usage is a number"),
        ("'log.matches > 1'", "f:1:2: error: no step of this playbook has this name"),
        ("'later.matches > 1'", "f:1:2: error: the step `later` is done later"),
        (
            "'logs.match > 1'",
            "f:1:2: error: the step `logs` finds nothing of this name (did you mean `matc",
        ),
        (
            "'again.code == 1'",
            "f:1:2: error: the step `again` finds nothing of this name (only checks",
        ),
        ("'load.pressed == 1'", "f:1:18: error: this is compared with true or false"),
        ("'load.pressed > true'", "f:1:2: error: what `load` finds has no order"),
        ("'cpu_usage == true'", "f:1:15: error: cpu_usage is a number"),
        ("'a > 1 or'", "f:1:10: error: expected the name of a metric"),
        ("{ all: [] }", "f:1:8: error: all: expected conditions, found an empty list"),
        ("{ all: ['cpu_usage > 1'], not: 'x' }", "f:1:8: error: all: expected one of"),
        ("['cpu_usage > 1']", "write `all: [ … ]`"),
        ("{ metric: 'logs.matches', value: 5 }", "expected an `operator` and a `value`"),
        ("7", "f:1:1: error: expected a condition, found 7"),
    ];
    for (text, expected) in cases {
        let said = read(text).1.join("\n");
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn results_have_no_sense_where_no_step_was_done() {
    let (_, problems) =
        decode_one("'logs.matches > 1'", |at, cx| expression(at, Scope::default(), cx));
    assert!(problems[0].contains("nothing in this version collects this metric"), "{problems:?}");
}

#[test]
fn depth_and_length_have_a_limit() {
    let deep = |n: usize| format!("{}'cpu_usage > 1'{}", "{ not: ".repeat(n), "}".repeat(n));
    assert_eq!(read(&deep(DEPTH_MAX)).1, [""; 0]);
    assert!(read(&deep(DEPTH_MAX + 1)).1[0].contains("nested deeper"));
    let text = format!("'{}cpu_usage > 1'", "not ".repeat(DEPTH_MAX + 1));
    assert!(read(&text).1[0].contains("nested deeper"));
    let many = |n: usize| format!("{{ any: [{}] }}", vec!["'cpu_usage > 1'"; n].join(","));
    assert_eq!(read(&many(COMPARISONS_MAX)).1, [""; 0]);
    assert!(read(&many(COMPARISONS_MAX + 1)).1[0].contains("compares too often: 65"));
}

/// Expressions as the reader makes them: `all` and `any` have no part, or two and more.
fn expressions() -> impl Strategy<Value = Expression> {
    let operator = || prop::sample::select(Operator::ALL.to_vec());
    let numbers =
        prop_oneof![Just("cpu_usage"), Just("ssl_expires_in_days"), Just("api_latency_ms")];
    let leaf = prop_oneof![
        (numbers, operator(), -1e9_f64..1e9).prop_map(|(metric, operator, number)| {
            let operand = Operand::Number(number);
            Expression::Metric(Condition { metric: metric.into(), operator, operand })
        }),
        Just(Expression::Metric(Condition {
            metric: "process_status".into(),
            operator: Operator::NotEqual,
            operand: Operand::Status(Status::Running),
        })),
        (operator(), any::<f64>().prop_filter("finite", |n| n.is_finite())).prop_map(
            |(operator, number)| result("logs", "matches", operator, ResultValue::Number(number))
        ),
        any::<bool>().prop_map(|flag| result(
            "load",
            "pressed",
            Operator::Equal,
            ResultValue::Flag(flag)
        )),
        "[^']{0,12}|[^\"]{0,12}".prop_map(|text| {
            result("logs", "last", Operator::NotEqual, ResultValue::Text(text))
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let several = || prop_oneof![Just(Vec::new()), prop::collection::vec(inner.clone(), 2..4),];
        prop_oneof![
            several().prop_map(|all| Expression::All { all }),
            several().prop_map(|any| Expression::Any { any }),
            inner.clone().prop_map(|not| Expression::Not { not: Box::new(not) }),
        ]
    })
}

fn result(step: &str, key: &str, operator: Operator, value: ResultValue) -> Expression {
    let (step, key) = (step.into(), key.into());
    Expression::Result(ResultCondition { step, key, operator, value })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(expression in expressions()) {
        let printed = expression.to_string();
        let text = serde_json::to_string(&printed).unwrap();
        let (found, problems) = read(&text);
        let none: Vec<String> = Vec::new();
        prop_assert_eq!(problems, none, "{}", printed);
        prop_assert_eq!(found, Some(expression), "{}", printed);
    }
}
