//! `amtool` against a real Alertmanager and against a crew with the same configuration: the same
//! commands, and what they print.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Stage, free_address, has, until};
use crate::wire;

/// How long a query is asked again until both print the same: an Alertmanager takes in what it
/// was told by and by.
const SETTLE: Duration = Duration::from_secs(10);

/// The configuration of both.  Nothing is sent: the groups wait for an hour.
const ALERTMANAGER: &str = r#"
route:
  receiver: default
  group_by: ['alertname']
  group_wait: 1h
  routes:
    - receiver: db
      matchers: [ 'team="db"' ]
      group_by: ['...']
      continue: true
      routes:
        - receiver: db-pager
          matchers: [ 'severity=~"crit.*"', 'env!="dev"' ]
    - receiver: web
      match: { team: web }
      mute_time_intervals: [weekends]
inhibit_rules:
  - source_matchers: [ 'severity="critical"' ]
    target_matchers: [ 'severity="warning"' ]
    equal: [alertname]
time_intervals:
  - name: weekends
    time_intervals: [ { weekdays: ['saturday','sunday'] } ]
receivers:
  - name: default
  - name: db
  - name: db-pager
  - name: web
"#;

/// What a step is for.
enum Step {
    /// It changes something; both print the same.
    Do(&'static [&'static str]),
    /// It changes something and prints an id, which later steps call by this name.
    Make(&'static str, &'static [&'static str]),
    /// It asks; both print the same.
    Ask(&'static [&'static str]),
    /// Both end with the same exit code, and print something else on purpose.
    Differs(&'static [&'static str], &'static str),
    /// One succeeds and the other does not, on purpose.
    OnlyAlertmanager(&'static [&'static str], &'static str),
}

use Step::{Ask, Differs, Do, Make, OnlyAlertmanager};

const STEPS: &[Step] = &[
    // Alerts.
    Ask(&["alert", "query"]),
    Do(&[
        "alert",
        "add",
        "DbDown",
        "team=db",
        "severity=critical",
        "env=prod",
        "--start=2026-01-01T00:00:00Z",
        "--end=2100-01-01T00:00:00Z",
        "--annotation=summary=<b>결제 & 주문</b>",
        "--generator-url=http://p/g?x=1&y=2",
    ]),
    Do(&[
        "alert",
        "add",
        "DbDown",
        "team=db",
        "severity=warning",
        "env=prod",
        "--start=2026-01-01T00:01:00Z",
        "--end=2100-01-01T00:00:00Z",
    ]),
    Do(&[
        "alert",
        "add",
        "Slow",
        "team=web",
        "path=/결제",
        "--start=2026-01-02T00:00:00Z",
        "--end=2100-01-01T00:00:00Z",
    ]),
    Do(&["alert", "add", "Over", "--start=2026-01-02T00:00:00Z", "--end=2026-01-03T00:00:00Z"]),
    Ask(&["alert", "query"]),
    Ask(&["alert", "query", "-o", "extended"]),
    Ask(&["alert", "query", "-o", "json"]),
    Ask(&["alert", "query", "--inhibited"]),
    Ask(&["alert", "query", "--silenced"]),
    Ask(&["alert", "query", "--active", "--silenced", "--inhibited", "-o", "json"]),
    Ask(&["alert", "query", "alertname=DbDown"]),
    Ask(&["alert", "query", "DbDown"]),
    Ask(&["alert", "query", "alertname=~Db.*", "severity!=warning"]),
    Ask(&["alert", "query", "alertname=~Db"]),
    Ask(&["alert", "query", "severity=\"\""]),
    Ask(&["alert", "query", "team!~\"web|x\"", "-o", "json"]),
    Ask(&["alert", "query", "path=/결제"]),
    Ask(&["alert", "query", "-r", "web"]),
    Ask(&["alert", "query", "-r", "db.*", "--inhibited", "--active"]),
    Differs(&["alert", "query", "-r", "("], "regular expressions are explained in other words"),
    Differs(&["alert", "query", "a=~\"(\""], "bad matchers are explained in other words"),
    // Silences.
    Ask(&["silence", "query"]),
    Do(&["silence", "add", "alertname=Slow", "-d", "1h"]),
    Make(
        "slow",
        &[
            "silence",
            "add",
            "alertname=Slow",
            "team=~we.",
            "-d",
            "1h",
            "-a",
            "kim",
            "-c",
            "점검 <중>",
        ],
    ),
    Make("db", &["silence", "add", "DbDown", "env!=dev", "-d", "2h", "-a", "lee", "-c", "교체"]),
    Do(&["silence", "add", "a=\"\"", "-a", "kim", "-c", "x"]),
    Do(&["silence", "add", "a=~.*", "-a", "kim", "-c", "x"]),
    Do(&["silence", "add", "-a", "kim", "-c", "x"]),
    Do(&[
        "silence",
        "add",
        "a=b",
        "-a",
        "kim",
        "-c",
        "x",
        "--start=2026-01-01T00:00:00Z",
        "--end=2026-01-02T00:00:00Z",
    ]),
    Do(&[
        "silence",
        "add",
        "a=b",
        "-a",
        "kim",
        "-c",
        "x",
        "--start=2099-01-02T00:00:00Z",
        "--end=2099-01-01T00:00:00Z",
    ]),
    Make(
        "later",
        &[
            "silence",
            "add",
            "a=b",
            "-a",
            "kim",
            "-c",
            "x",
            "--start=2099-01-01T00:00:00Z",
            "--end=2099-01-02T00:00:00Z",
        ],
    ),
    Ask(&["silence", "query"]),
    Ask(&["silence", "query", "-o", "extended"]),
    Ask(&["silence", "query", "-o", "json"]),
    Ask(&["silence", "query", "alertname=Slow"]),
    Ask(&["silence", "query", "-q", "alertname=Slow"]),
    Ask(&["silence", "query", "team=~we."]),
    Ask(&["silence", "query", "team=web"]),
    Ask(&["silence", "query", "--created-by=lee"]),
    Ask(&["silence", "query", "--within=90m"]),
    Ask(&["alert", "query"]),
    Ask(&["alert", "query", "--silenced", "-o", "json"]),
    Do(&["silence", "update", "-d", "3h", "{slow}"]),
    Do(&["silence", "update", "-c", "더 길게", "{slow}"]),
    Do(&[
        "silence",
        "update",
        "--start=2099-01-01T12:00:00Z",
        "--end=2099-01-03T00:00:00Z",
        "{later}",
    ]),
    Ask(&["silence", "query", "-o", "extended"]),
    Do(&["silence", "expire", "{slow}"]),
    Do(&["silence", "expire", "{slow}"]),
    Ask(&["silence", "query"]),
    Ask(&["silence", "query", "--expired"]),
    Ask(&["silence", "query", "--expired", "-o", "json"]),
    Ask(&["alert", "query"]),
    Do(&["silence", "expire", "{later}"]),
    Do(&["silence", "expire", "nope"]),
    Do(&["silence", "update", "-d", "1h", "11111111-1111-4111-8111-111111111111"]),
    Differs(
        &["silence", "expire", "11111111-1111-4111-8111-111111111111"],
        "0.25 answers 500 for a silence that never was, 0.27 and we 404",
    ),
    OnlyAlertmanager(
        &["silence", "add", "--no-require-comment", "z=z", "-a", "kim", "-d", "1h"],
        "a silence of ours has a reason, always",
    ),
    Do(&["silence", "import", "silences.json"]),
    Do(&["silence", "import", "broken.json"]),
    Ask(&["silence", "query", "imported=yes"]),
    Ask(&["silence", "query", "imported=~\"예|yes\""]),
    // The configuration.
    Differs(
        &["config", "show"],
        "ours is about routing only: what a channel needs is secret, and its defaults are not ours",
    ),
    Ask(&["config", "routes", "show"]),
    Ask(&["config", "routes", "test", "team=db", "severity=critical", "env=prod"]),
    Ask(&["config", "routes", "test", "team=db", "severity=critical", "env=dev"]),
    Ask(&["config", "routes", "test", "team=web"]),
    Ask(&["config", "routes", "test", "x=y"]),
    Ask(&["config", "routes", "test", "--tree", "team=web"]),
    Ask(&["config", "routes", "test", "--verify.receivers=web", "team=web"]),
    Ask(&["config", "routes", "test", "--verify.receivers=db", "team=web"]),
    Ask(&["cluster", "show"]),
    // Looks at a file only.
    Ask(&["check-config", "am.yml"]),
];

/// What is imported.
const IMPORTED: &str = r#"[
  {"matchers": [{"name": "imported", "value": "yes", "isRegex": false, "isEqual": true}],
   "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
   "createdBy": "kim", "comment": "하나"},
  {"matchers": [{"name": "imported", "value": "예|yes", "isRegex": true, "isEqual": true}],
   "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2100-01-02T00:00:00Z",
   "createdBy": "kim", "comment": "둘"}
]"#;

/// One of the two, and the ids that it gave.
struct Side {
    url: String,
    ids: BTreeMap<&'static str, String>,
}

impl Side {
    fn at(address: SocketAddr) -> Self {
        Self { url: format!("--alertmanager.url=http://{address}"), ids: BTreeMap::new() }
    }

    /// What a command prints, and its exit code.
    fn run(&self, stage: &Stage, command: &[&str]) -> (Option<i32>, String) {
        let words = command.iter().map(|word| {
            self.ids.iter().fold((*word).to_owned(), |word, (name, id)| {
                word.replace(&format!("{{{name}}}"), id)
            })
        });
        let words: Vec<String> = std::iter::once(self.url.clone()).chain(words).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = stage.tool("amtool", &words);
        // It warns of every version that is not its own, on the standard error.
        let told = done.err.lines().filter(|line| !line.starts_with("Warning: amtool version"));
        (done.code, told.fold(done.out.clone(), |text, line| text + line + "\n"))
    }
}

impl Step {
    /// Runs it against both and compares.
    fn take(&self, stage: &Stage, theirs: &mut Side, ours: &mut Side) {
        match self {
            Do(command) => {
                let (them, us) = (theirs.run(stage, command), ours.run(stage, command));
                assert_same(command, &them, &us);
            }
            Make(name, command) => {
                let (them, us) = (theirs.run(stage, command), ours.run(stage, command));
                assert_same(command, &them, &us);
                theirs.ids.insert(name, them.1.trim().to_owned());
                ours.ids.insert(name, us.1.trim().to_owned());
            }
            Ask(command) => {
                let begin = Instant::now();
                loop {
                    let (them, us) = (theirs.run(stage, command), ours.run(stage, command));
                    if begin.elapsed() > SETTLE || is_same(&them, &us) {
                        assert_same(command, &them, &us);
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
            Differs(command, why) => {
                let (them, us) = (theirs.run(stage, command), ours.run(stage, command));
                assert_eq!(them.0, us.0, "{command:?}: {} / {}", them.1, us.1);
                assert_ne!(plain(&them.1), plain(&us.1), "{command:?} differs no more: {why}");
                println!("{command:?}: {why}");
            }
            OnlyAlertmanager(command, why) => {
                let (them, us) = (theirs.run(stage, command), ours.run(stage, command));
                assert_eq!(them.0, Some(0), "{command:?}: {}", them.1);
                assert_ne!(us.0, Some(0), "{command:?} is taken: {why}");
                println!("{command:?}: {why}");
            }
        }
    }
}

fn is_same(them: &(Option<i32>, String), us: &(Option<i32>, String)) -> bool {
    them.0 == us.0 && plain(&them.1) == plain(&us.1)
}

fn assert_same(command: &[&str], them: &(Option<i32>, String), us: &(Option<i32>, String)) {
    assert!(
        is_same(them, us),
        "amtool {command:?}\n--- Alertmanager {:?}\n{}\n--- Nightcrew {:?}\n{}",
        them.0,
        plain(&them.1),
        us.0,
        plain(&us.1)
    );
}

/// The output without what is never the same: ids, moments, and what only one of the two has.
fn plain(output: &str) -> String {
    if let Ok(json) = serde_json::from_str(output.trim()) {
        return plain_json(json).to_string();
    }
    let chars: Vec<char> = output.chars().collect();
    let (mut text, mut at) = (String::new(), 0);
    while let Some(c) = chars.get(at) {
        let rest = &chars[at..];
        match [("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "ID"), ("dddd-dd-dd dd:dd:dd", "TIME")]
            .into_iter()
            .find(|(pattern, _)| is_like(rest, pattern))
        {
            Some((pattern, word)) => {
                text.push_str(word);
                at += pattern.len();
            }
            None => {
                text.push(*c);
                at += 1;
            }
        }
    }
    text
}

fn is_like(text: &[char], pattern: &str) -> bool {
    text.len() >= pattern.len()
        && text.iter().zip(pattern.chars()).all(|(c, wanted)| match wanted {
            'x' => c.is_ascii_hexdigit(),
            'd' => c.is_ascii_digit(),
            wanted => *c == wanted,
        })
}

fn plain_json(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(plain_json).collect(),
        Value::Object(members) => members
            .into_iter()
            // Later versions of Alertmanager have it too.
            .filter(|(name, _)| name != "mutedBy")
            .map(|(name, value)| {
                let value = match name.as_str() {
                    "id" | "updatedAt" => Value::Null,
                    // Ids of silences.
                    "silencedBy" => Value::from(value.as_array().map_or(0, Vec::len)),
                    // What a step names is a whole minute; everything else is about now.
                    "startsAt" | "endsAt" if !value.to_string().contains(":00.000Z") => {
                        Value::from("about now")
                    }
                    _ => plain_json(value),
                };
                (name, value)
            })
            .collect(),
        other => other,
    }
}

#[test]
fn amtool_sees_no_difference() {
    if !has(&["prometheus-alertmanager", "amtool"]) {
        return;
    }
    let stage = Stage::new();
    stage.write("am.yml", ALERTMANAGER);
    stage.write("silences.json", IMPORTED);
    stage.write("broken.json", "[{");
    let own = free_address();
    let _alertmanager = stage.start_part(
        "prometheus-alertmanager",
        &[
            "--config.file=am.yml",
            "--storage.path=am",
            &format!("--web.listen-address={own}"),
            "--cluster.listen-address=",
        ],
    );
    let crew = Crew::up(&stage, &format!("{{ {QUIET_HOST}, alertmanager: 'am.yml' }}"));
    until("the Alertmanager", || wire::get(own, "/-/ready").ok().filter(|a| a.status == 200));
    let (mut theirs, mut ours) = (Side::at(own), Side::at(crew.address()));
    for step in STEPS {
        step.take(&stage, &mut theirs, &mut ours);
    }
    crew.stop();
}
