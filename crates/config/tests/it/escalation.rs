//! People, on-call calendars, escalation.

use nightcrew_model::escalation::Told;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::triage::{judged, said, table};

const ON_CALL: &str = r#"{
  channels: { discord: { type: "console" }, "telegram-kim": { type: "console" } },
  people: {
    kim: { channels: ["telegram-kim", { channel: "discord", mention: "<@123>" }] },
    "이": { channels: ["discord"] },
  },
  time_intervals: { office: [{ times: ["09:00-18:00"], weekdays: ["monday:friday"], location: "Asia/Seoul" }] },
  schedules: {
    primary: {
      zone: "Asia/Seoul",
      layers: [
        { name: "week", people: ["kim", "이"], begins: "2026-03-02T09:00", turn_weeks: 1 },
        { people: ["이"], begins: "2026-03-02T00:00", turn_days: 1, hours: "office" },
      ],
      overrides: [{ person: "kim", from: "2026-12-24T09:00", until: "2026-12-26T00:00:00+09:00" }],
    },
  },
  escalation: {
    policies: [
      { name: "결제", matchers: ["service=\"결제\""], severity_min: "warning", automatic_minutes: 5,
        levels: [
          { name: "engineer", notify: ["schedule:primary"], timeout_minutes: 30, hours: ["office"] },
          { name: "lead", notify: ["person:kim", "discord"] },
        ], acknowledge_timeout_minutes: 60 },
      { name: "rest", levels: [{ notify: ["channel:discord"], timeout_minutes: 15 }], repeat: 3 },
    ],
  },
}"#;

#[test]
fn people_schedules_and_policies_are_read() {
    let (settings, said) = judged(ON_CALL);
    assert_eq!(said, "");
    let triage = settings.unwrap().triage;
    let primary = &triage.schedules[&"primary".into()];
    assert_eq!(primary.layers[1].name, "2");
    assert_eq!(primary.layers[1].hours.len(), 1);
    assert_eq!(primary.overrides[0].from.to_string(), "2026-12-24T00:00:00Z");
    assert_eq!(primary.overrides[0].until.to_string(), "2026-12-25T15:00:00Z");
    let [payments, rest] = &triage.policies[..] else { panic!("two policies") };
    assert_eq!(payments.severity_min, Severity::Warning);
    assert_eq!(payments.automatic, Some(Millis::from_secs(300)));
    assert_eq!(payments.levels[0].notify, [Told::Schedule("primary".into())]);
    assert_eq!(
        payments.levels[1].notify,
        [Told::Person("kim".into()), Told::Channel("discord".into())]
    );
    assert_eq!(payments.levels[1].timeout, Millis::NEVER);
    assert_eq!(payments.acknowledge_timeout, Some(Millis::from_secs(3_600)));
    assert_eq!((rest.severity_min, rest.repeat), (Severity::Info, 3));
    let mention = triage.people[&"kim".into()].channels[1].mention.clone();
    assert_eq!(mention.as_deref(), Some("<@123>"));
}

fn escalated(rest: &str) -> String {
    format!(
        "{{ channels: {{ c: {{ type: 'console' }} }}, people: {{ kim: {{ channels: ['c'] }} }}, {rest} }}"
    )
}

pub(crate) fn policies(policies: &str) -> String {
    escalated(&format!("escalation: {{ policies: [{policies}] }}"))
}

#[test]
fn what_nobody_can_reach_is_an_error() {
    table(&[
        (
            &policies("{ levels: [{ notify: ['c'] }, { notify: ['person:kim'] }] }"),
            1,
            "error: escalation.policies[0].levels[1]: the level L2 can never be reached: L1 waits for ever",
        ),
        (
            &policies("{ levels: [{ notify: ['c'], timeout_minutes: 0 }, { notify: ['c'] }] }"),
            1,
            "error: escalation.policies[0].levels[0].timeout_minutes: the level L1 is over before it begins",
        ),
        (
            &policies(
                "{ name: 'all', levels: [{ notify: ['c'] }] }, { name: 'b', matchers: ['a=1'], levels: [{ notify: ['c'] }] }",
            ),
            1,
            "error: escalation.policies[1]: the policy b can never be reached: all comes before it",
        ),
        (
            &policies(
                "{ severity_min: 'critical', levels: [{ notify: ['c'] }] }, { levels: [{ notify: ['c'] }] }",
            ),
            0,
            "",
        ),
        (&policies("{ levels: [{ notify: ['c'] }], repeat: 2 }"), 1, "nothing is ever repeated"),
    ]);
}

#[test]
fn levels_tell_somebody_who_is_known() {
    table(&[
        (&policies("{ levels: [] }"), 1, "so nobody is told"),
        (&policies("{ levels: [{ notify: [] }] }"), 1, "the level tells nobody"),
        (&policies("{ levels: [{ notify: ['d'] }] }"), 1, "no channel called \"d\""),
        (&policies("{ levels: [{ notify: ['kim'] }] }"), 1, "write \"person:kim\""),
        (
            &policies("{ levels: [{ notify: ['person:lee'] }] }"),
            1,
            "nobody called \"lee\" in `people`",
        ),
        (&policies("{ levels: [{ notify: ['schedule:x'] }] }"), 1, "no schedule called \"x\""),
        (
            &policies(
                "{ levels: [{ notify: ['c'], timeout_minutes: 5, hours: [{ months: ['february'], days_of_month: ['30'] }] }, { notify: ['c'] }] }",
            ),
            1,
            "its hours never come",
        ),
        (
            &policies("{ levels: [{ notify: ['c'], hours: [{ times: ['09:00-18:00'] }] }] }"),
            1,
            "warning: escalation.policies[0].levels[0]: outside of its hours the last level",
        ),
        (
            &policies("{ severity_min: 'high', levels: [{ notify: ['c'] }] }"),
            1,
            "expected a severity",
        ),
        (
            &policies(
                "{ name: 'a', levels: [{ notify: ['c'] }], matchers: ['a=1'] }, { name: 'a', levels: [{ notify: ['c'] }] }",
            ),
            1,
            "is called a too",
        ),
        (
            "{ channels: { c: { type: 'console' } }, people: { kim: {} } }",
            1,
            "people.kim: kim has no channels",
        ),
        (
            "{ channels: { c: { type: 'console' } }, people: { kim: { channels: ['d'] } } }",
            1,
            "no channel called \"d\"",
        ),
        (
            "{ channels: { c: { type: 'console' } }, people: { kim: { channels: [{ mention: '@k' }] } } }",
            1,
            "nothing says which `channel`",
        ),
    ]);
}

#[test]
fn a_schedule_has_somebody_or_says_when_not() {
    let schedule = |body: &str| escalated(&format!("schedules: {{ s: {{ {body} }} }}"));
    let layer = "people: ['kim'], begins: '2026-03-02T09:00', turn_weeks: 1";
    table(&[
        (&schedule(&format!("layers: [{{ {layer} }}]")), 0, ""),
        (&schedule("layers: []"), 1, "error: schedules.s: the schedule has no layer"),
        (
            &schedule("layers: [{ people: [], begins: '2026-03-02T09:00', turn_days: 1 }]"),
            2,
            "error: schedules.s.layers[0]: the layer has nobody",
        ),
        (
            &schedule("layers: [{ people: ['lee'], begins: '2026-03-02T09:00', turn_days: 1 }]"),
            1,
            "nobody called \"lee\"",
        ),
        (
            &schedule("layers: [{ people: ['kim'], begins: '2026-03-02T09:00' }]"),
            1,
            "how long a turn is",
        ),
        (
            &schedule("layers: [{ people: ['kim'], begins: '2026-03-02T09:00Z', turn_days: 1 }]"),
            1,
            "without an offset",
        ),
        (&schedule(&format!("layers: [{{ {layer}, turn_days: 1 }}]")), 1, "is given twice"),
        (
            &schedule(&format!("layers: [{{ {layer}, hours: 'office' }}]")),
            1,
            "has nothing called \"office\"",
        ),
        (
            &schedule(
                "zone: 'Asia/Seoul', layers: [{ people: ['kim'], begins: '2026-11-23T09:00', turn_weeks: 1 }]",
            ),
            1,
            "warning: schedules.s: nobody is on call from 2026-11-21 09:00 until 2026-11-23 09:00 (Asia/Seoul)",
        ),
        (
            &schedule(&format!(
                "layers: [{{ {layer}, hours: [{{ weekdays: ['monday:saturday'] }}] }}]"
            )),
            1,
            "from 2026-11-22 00:00 until 2026-11-23 00:00 (UTC), and 3 more times in 28 days",
        ),
        (
            &schedule(&format!(
                "layers: [{{ {layer} }}], overrides: [{{ person: 'kim', from: '2026-12-02T00:00', until: '2026-12-01T00:00' }}]"
            )),
            1,
            "ends before it begins",
        ),
        ("{ schedules: { daily: { cron: '0 9 * * *' } } }", 1, "schedules: read, not acted on"),
    ]);
    let gap = escalated(&format!(
        "schedules: {{ s: {{ layers: [{{ {layer}, hours: [{{ weekdays: ['sunday'] }}] }}] }} }}, \
         escalation: {{ policies: [{{ levels: [{{ notify: ['schedule:s'] }}] }}] }}"
    ));
    assert!(said(&gap).contains("nobody may be reachable at the last level L1"), "{}", said(&gap));
}

#[test]
fn levels_of_the_second_document_are_a_policy() {
    let levels = |channels: &str, levels: &str| format!("{{ {channels} levels: {{ {levels} }} }}");
    let discord = "channels: { discord: { type: 'discord', webhook_url: 'https://discord.com/api/webhooks/1/your-token' } },";
    table(&[
        (
            &levels(
                discord,
                "L1: { handler: 'jira-resolver', timeout_minutes: 10 }, L2: { handler: 'discord_mention', mention: '<@1>', timeout_minutes: 30 }, L3: { handler: 'discord' }",
            ),
            0,
            "",
        ),
        (
            &levels(
                discord,
                "L1: { handler: 'discord', timeout_minutes: 1 }, L2: { handler: 'autoheal' }",
            ),
            1,
            "healing comes before people",
        ),
        (
            &levels(
                discord,
                "L1: { handler: 'autoheal', timeout_minutes: 0 }, L2: { handler: 'discord' }",
            ),
            1,
            "L1 is over before it begins",
        ),
        (
            &levels(discord, "L1: { handler: 'discord' }, L2: { handler: 'discord' }"),
            1,
            "L2 can never be reached: L1 waits for ever",
        ),
        (
            &levels("", "L1: { handler: 'discord_mention' }"),
            1,
            "no channel is of the type \"discord\"",
        ),
        (&levels(discord, "L1: { timeout_minutes: 5 }"), 1, "L1 has no `handler`"),
        (
            "{ agents: [{ name: 'healer' }], channels: { c: { type: 'console' } }, levels: { L1: { handler: 'healer', timeout_minutes: 7 }, L2: { handler: 'c' } } }",
            1,
            "agents: read, not acted on",
        ),
    ]);
}
