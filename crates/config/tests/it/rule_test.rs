//! Files of rule tests.

use nightcrew_config::env::Env;
use nightcrew_config::rule_test::{self, RuleTests, TEST_ITEMS_MAX, TestTarget};
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::unit::Millis;
use proptest::prelude::*;

use crate::{Folder, examples, load_text};

const SETTINGS: &str = "{ channels: { pager: { type: 'console' }, lead: { type: 'console' } }, \
                        receivers: { team: ['pager'] }, routing: { receiver: 'team' } }";

fn read(text: &str) -> Result<RuleTests, String> {
    let settings = load_text(SETTINGS).0.settings.unwrap();
    let folder = Folder::new(&[("t.json5", text)]);
    let path = folder.path("t.json5");
    let prefix = format!("{}/", path.parent().unwrap().display());
    rule_test::load(&path, &settings, &Env::default()).map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect();
        lines.join("\n")
    })
}

#[test]
fn tests_are_read_with_their_places() {
    let tests = read(
        r#"{ tests: [{
  name: "결제 장애는 당직에게",
  alerts: [{ at_seconds: 0, labels: { alertname: "Down", service: "결제" }, until_minutes: 15 }],
  silences: [{ matchers: ["env=stage"], from_seconds: 0, to_hours: 1 }],
  acks: [{ at_minutes: 10, incident: "INC-1" }, { at_minutes: 11, incident: 2 }],
  expect: [
    { from_seconds: 30, to_seconds: 40, channel: "pager", kind: "firing", alerts: [{ service: "결제" }] },
    { from_seconds: 30, to_seconds: 40, receiver: "team" },
  ],
  expect_nothing: [{ from_minutes: 10, to_minutes: 30 }],
}] }"#,
    )
    .unwrap();
    assert!(tests.warnings.is_empty());
    let test = &tests.tests[0];
    assert_eq!((test.name.as_str(), test.place.line), ("결제 장애는 당직에게", 1));
    assert_eq!(test.alerts[0].until, Some(Millis::from_secs(900)));
    assert_eq!(test.alerts[0].labels.get("service"), Some("결제"));
    assert_eq!(test.silences[0].to, Millis::from_secs(3_600));
    assert_eq!((test.acks[0].incident.0, test.acks[1].incident.0), (1, 2));
    let expected = &test.expect[0];
    assert_eq!(expected.target, Some(TestTarget::Channel("pager".into())));
    assert_eq!(expected.kind, Some(NotificationKind::Firing));
    assert_eq!((expected.place.line, expected.place.column), (7, 5));
    assert_eq!(expected.place.key, "tests[0].expect[0]");
    assert_eq!(test.expect[1].target, Some(TestTarget::Receiver("team".into())));
    assert_eq!(test.expect_nothing[0].target, None);
}

/// The inside of a test, where `@` stands for one alert at 5 s, and what is said of it.
const CANNOT_RUN: [(&str, &str); 18] = [
    ("", "nothing fires in this test"),
    ("@", "the test expects nothing, so it cannot fail"),
    ("@, expect: [{ from_seconds: 1, to_seconds: 9 }]", "`channel` or `receiver`"),
    (
        "@, expect: [{ from_seconds: 9, to_seconds: 1, channel: 'pager' }]",
        "it ends at 1 s, before it begins at 9 s",
    ),
    (
        "@, expect: [{ from_seconds: 1, to_seconds: 4, channel: 'pager' }]",
        "t.json5:1:82: error: tests[0].expect[0]: it is expected before anything fires",
    ),
    ("@, expect: [{ to_seconds: 9, channel: 'pager' }]", "nothing says the `from_seconds`"),
    ("@, expect: [{ from_seconds: 1, to_seconds: 9, channel: 'pagr' }]", "did you mean `pager`?"),
    (
        "@, expect: [{ from_seconds: 1, to_seconds: 9, receiver: 'x' }]",
        "no receiver called \"x\" (known are team)",
    ),
    (
        "@, expect: [{ from_seconds: 1, to_seconds: 9, receiver: 'team', channel: 'pager' }]",
        "both say through what",
    ),
    (
        "@, expect: [{ from_seconds: 1, to_seconds: 9, channel: 'pager', kind: 'fire' }]",
        "expected the kind of a message, found",
    ),
    (
        "@, expect: [{ from_seconds: 1, to_seconds: 9, channel: 'pager', alerts: [{ a: 'b' }] }]",
        "no alert of the test has the labels",
    ),
    ("alerts: [{ at_seconds: 5, labels: {} }]", "the alert has no labels"),
    ("alerts: [{ at_seconds: 5, until_seconds: 5, labels: { a: 'b' } }]", "ends before it begins"),
    ("alerts: [{ at: 5, labels: { a: 'b' } }]", "nothing says the `at_seconds`"),
    ("@, acks: [{ at_seconds: 1, incident: 'X' }]", "the first one of a test is \"INC-1\""),
    ("@, acks: [{ at_seconds: 1, incident: 0 }]", "expected an incident"),
    ("@, silences: [{ from_seconds: 0, to_seconds: 1 }]", "the silence has no `matchers`"),
    ("alerts: [{ at_days: 400, labels: { a: 'b' } }]", "expected from"),
];

#[test]
fn what_cannot_be_run_is_told() {
    let check = |text: &str, expected: &str| {
        let said = read(text).unwrap_err();
        assert!(said.contains(expected), "{text}\n{said}");
    };
    let alert = "alerts: [{ at_seconds: 5, labels: { alertname: 'Down' } }]";
    for (body, expected) in CANNOT_RUN {
        check(&format!("{{ tests: [{{ {} }}] }}", body.replace('@', alert)), expected);
    }
    check("{}", "the file has no tests");
    check("{ tests: [", "t.json5:1:10: error:");
    check("{ tests: [{ name: 'a' }, { name: 'a' }] }", "another test is called \"a\" too");
    let many = "{},".repeat(TEST_ITEMS_MAX + 1);
    check(&format!("{{ tests: [{{ alerts: [{many}] }}] }}"), "at most 1000 entries");
}

#[test]
fn the_sample_fits_its_configuration() {
    let folder = examples().join("oncall");
    let loaded = nightcrew_config::load::load(
        nightcrew_config::load::ConfigSource::Path(folder.join("nightcrew.json5")),
        &Env::default(),
    );
    let settings = loaded.settings.unwrap();
    let tests = rule_test::load(&folder.join("rules.test.json5"), &settings, &Env::default());
    assert_eq!(tests.unwrap().tests.len(), 3);
}

proptest! {
    #[test]
    fn never_panics(body in "[a-z_:{}\\[\\]', 0-9가]{0,60}") {
        let _ = read(&format!("{{ tests: [{{ {body} }}] }}"));
    }
}
