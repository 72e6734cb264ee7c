//! `playbooks`: what may be done about a condition, in the shapes of both source documents and in
//! our own typed actions.

use std::path::PathBuf;

use nightcrew_model::argv::Argv;
use nightcrew_model::condition::Condition;
use nightcrew_model::id::{PlaybookName, ServiceName};
use nightcrew_model::plan::{Action, Playbook, Step, Verify};
use nightcrew_model::unit::Millis;

use crate::decode::condition::{comparison, condition};
use crate::decode::{Context, command};
use crate::fields::{self, Fields};
use crate::problem::Place;
use crate::settings::Healing;
use crate::tree::{At, Value};

/// How long an action may take, where nothing is said.
const ACTION_TIMEOUT: Millis = Millis::from_secs(60);

/// How long a restart may take beyond the time that the process gets to end.
const RESTART_GRACE: Millis = Millis::from_secs(30);

/// How often verification looks, where only the time between two looks is given.
const RETRY_COUNT: u32 = 3;

/// How many good samples prove a repair, where only the number of looks is given.
const RETRY_NEEDED: u32 = 2;

/// The largest number of actions of one playbook.
pub(crate) const ACTIONS_MAX: usize = 64;

/// What playbooks are read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) healing: &'a Healing,
    /// The longest time that any service gets to end by itself.
    pub(crate) stop_timeout: Millis,
    pub(crate) action_timeout_max: Millis,
}

/// A playbook and where it is written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) playbook: Playbook,
    pub(crate) place: Place,
    /// Where each step is written.
    pub(crate) steps: Vec<Place>,
    /// Where verification is written, if it is.
    pub(crate) verify: Option<Place>,
}

/// Reads `playbooks`, in the order of writing.
pub(crate) fn playbooks(at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Vec<Written> {
    fields::named(at, "an object of playbooks", &mut cx.report)
        .into_iter()
        .filter_map(|(name, at)| playbook(name, &at, ground, cx))
        .collect()
}

fn playbook(name: &str, at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Option<Written> {
    let mut fields = Fields::open(at, "an object with `condition` and `actions`", &mut cx.report)?;
    let condition_at = fields.take("condition");
    let actions_at = fields.take("actions");
    let verify_at = fields.take("verify");
    fields.take("description");
    let cooldown =
        fields.duration("cooldown", Millis(0)..=Millis::from_secs(30 * 86_400), &mut cx.report);
    let key = Place::new(at.key_span, at.path.clone());
    for required in ["condition", "actions"] {
        if !fields.has(required) {
            cx.report
                .error(key.clone(), format!("the playbook has no `{required}`"))
                .hint("{ condition: \"disk_usage > 90\", actions: [ … ] }");
        }
    }
    fields.finish(&mut cx.report);
    let condition = condition_at.and_then(|at| condition(&at, cx));
    let (steps, places) = actions_at.map_or_else(Default::default, |at| actions(&at, ground, cx));
    let place = verify_at.as_ref().map(Place::from);
    let verify = verify_at.and_then(|at| verify(&at, ground.healing, cx));
    let condition = condition?;
    Some(Written {
        playbook: Playbook { name: PlaybookName::from(name), condition, steps, verify, cooldown },
        place: key,
        steps: places,
        verify: place,
    })
}

fn actions(at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> (Vec<Step>, Vec<Place>) {
    let items = fields::items(at, &mut cx.report);
    if matches!(at.node.value, Value::Array(_)) && items.is_empty() {
        cx.report
            .error(at, "the playbook does nothing: its list of actions is empty")
            .hint("add an action, or remove the playbook");
    }
    if items.len() > ACTIONS_MAX {
        cx.report.error(
            at,
            format!("a playbook has at most {ACTIONS_MAX} actions, found {}", items.len()),
        );
        return Default::default();
    }
    items.iter().filter_map(|at| Some((step(at, ground, cx)?, Place::from(at)))).unzip()
}

fn step(at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Option<Step> {
    if at.node.text().is_some() {
        let action = Action::Run { argv: command::parse(at, cx)? };
        return Some(Step { description: action.to_string(), action, timeout: ACTION_TIMEOUT });
    }
    let mut fields = Fields::open(at, "a command or an action", &mut cx.report)?;
    let description = fields.text("description", &mut cx.report);
    let timeout =
        fields.duration("timeout", Millis(100)..=ground.action_timeout_max, &mut cx.report);
    let approval_at = fields.take("requires_approval");
    let approval = fields.boolean("requires_approval", &mut cx.report);
    let kind_at = fields.take("type");
    let kind = fields.text("type", &mut cx.report);
    let Some(kind) = kind else {
        if kind_at.is_none() {
            cx.report.error(at, "the action has no `type`").hint(KINDS);
        }
        return None;
    };
    let action = match kind {
        "clean_files" => clean_files(&mut fields, cx),
        "restart_process" => {
            service(&mut fields, cx).map(|service| Action::RestartProcess { service })
        }
        "restart_service" | "service_restart" => {
            service(&mut fields, cx).map(|service| Action::RestartService { service })
        }
        "run" | "shell" => run(&mut fields, cx).map(|argv| Action::Run { argv }),
        _ => {
            let kinds = ["clean_files", "restart_process", "restart_service", "run"];
            let near = crate::nearest::nearest(kind, kinds);
            let hint = near.map_or(KINDS.to_owned(), |near| format!("did you mean `{near}`?"));
            if let Some(at) = kind_at {
                cx.report.expected(&at, "the type of an action").hint(hint);
            }
            return None;
        }
    };
    fields.finish(&mut cx.report);
    if let (Some(true), Some(at)) = (approval, approval_at) {
        cx.report
            .error(&at, "this version has no approvals, and does not run what needs one")
            .hint("remove the action, or `requires_approval` if it may run unasked");
    }
    let action = action?;
    let default = match action {
        Action::RestartProcess { .. } | Action::RestartService { .. } => {
            restart_timeout(ground.stop_timeout)
        }
        Action::CleanFiles { .. } | Action::Run { .. } => ACTION_TIMEOUT,
    };
    Some(Step {
        description: description.map_or_else(|| action.to_string(), str::to_owned),
        action,
        timeout: timeout.unwrap_or(default.min(ground.action_timeout_max)),
    })
}

/// How long a restart may take, where nothing is said.
pub(crate) fn restart_timeout(stop_timeout: Millis) -> Millis {
    ACTION_TIMEOUT.max(Millis(stop_timeout.0.saturating_add(RESTART_GRACE.0)))
}

const KINDS: &str = "known are clean_files, restart_process, restart_service and run";

fn clean_files(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Action> {
    let place = Place::from(fields.at());
    let root_at = fields.take("root");
    let root = fields.text("root", &mut cx.report).map(PathBuf::from);
    let name_at = fields.take("name");
    let name = fields.text("name", &mut cx.report);
    let range = Millis::from_secs(1)..=Millis::from_secs(3_650 * 86_400);
    let older_than = fields.duration("older_than", range, &mut cx.report);
    if root_at.is_none() {
        cx.report.error(place.clone(), "`clean_files` has no `root`");
    }
    if older_than.is_none() && !fields.has_duration("older_than") {
        cx.report
            .error(place, "`clean_files` does not say how old a file must be")
            .hint("add `older_than_days`");
    }
    if let (Some(name), Some(at)) = (name, &name_at) {
        let is_one_name = !name.contains('/');
        if !is_one_name || globset::Glob::new(name).is_err() {
            cx.report
                .error(at, "expected a pattern for the name of a file")
                .hint("such as \"*.log.*\", without a folder");
            return None;
        }
    }
    let (root, root_at) = (root?, root_at?);
    let climbs = root.components().any(|part| matches!(part, std::path::Component::ParentDir));
    if !root.is_absolute() || climbs {
        cx.report
            .error(&root_at, "expected an absolute path without `..`")
            .hint("such as \"/var/log\"");
        return None;
    }
    Some(Action::CleanFiles { root, name: name.map(str::to_owned), older_than: older_than? })
}

/// The service of a restart; without one, that of the incident.
fn service(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ServiceName> {
    if fields.take("service").is_none() {
        return Some(ServiceName::from("{service}"));
    }
    let service = fields.text("service", &mut cx.report)?;
    Some(ServiceName::from(service))
}

fn run(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Argv> {
    let place = Place::from(fields.at());
    match (fields.take("command"), fields.take("argv")) {
        (Some(at), None) => command::parse(&at, cx),
        (None, Some(at)) => {
            let words = fields::texts(&at, &mut cx.report);
            if words.is_empty() {
                cx.report
                    .error(&at, "expected a program and its arguments")
                    .hint("argv: [\"/usr/bin/program\", \"--flag\"]");
                return None;
            }
            Some(Argv::literal(words.into_iter().map(|(_, word)| word)))
        }
        (None, None) | (Some(_), Some(_)) => {
            cx.report
                .error(place, "expected either `command` or `argv`")
                .hint("argv: [\"/usr/bin/program\", \"--flag\"]");
            None
        }
    }
}

/// Reads `verify`: a condition, or an object with the keys of a condition (or `condition`) and
/// the times.
///
/// The second source document counts looks: `retry_count` N and `retry_interval_seconds` S mean a
/// look every S seconds, N of them and one more in reserve (a deadline of N times S plus S, after
/// `wait_after`), of which `consecutive_checks`, or else two (one where N is one), must be good in
/// a row.
fn verify(at: &At<'_>, healing: &Healing, cx: &mut Context<'_>) -> Option<Verify> {
    let whole = |condition: Condition| Verify {
        condition,
        needed: healing.verify_needed,
        interval: healing.verify_interval,
        wait_after: Millis(0),
        deadline: healing.verify_deadline,
    };
    if at.node.text().is_some() {
        return condition(at, cx).map(whole);
    }
    let mut fields = Fields::open(at, "a condition or an object", &mut cx.report)?;
    let times = times(&mut fields, healing, cx);
    let condition = match fields.take("condition") {
        Some(at) => condition(&at, cx),
        None => comparison(&mut fields, cx),
    };
    fields.finish(&mut cx.report);
    let Times { needed, interval, wait_after, deadline } = times?;
    let least = wait_after.0.saturating_add(interval.0.saturating_mul(u64::from(needed - 1)));
    if least >= deadline.0 {
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
        return None;
    }
    Some(Verify { condition: condition?, needed, interval, wait_after, deadline })
}

struct Times {
    needed: u32,
    interval: Millis,
    wait_after: Millis,
    deadline: Millis,
}

/// The times of `verify`; none after an error that leaves no sense.
fn times(fields: &mut Fields<'_>, healing: &Healing, cx: &mut Context<'_>) -> Option<Times> {
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
    Some(if counted {
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Vec<Written>, Vec<String>) {
        let healing = Healing::default();
        let ground = Ground {
            healing: &healing,
            stop_timeout: Millis::from_secs(10),
            action_timeout_max: Millis::from_secs(600),
        };
        decode_one(text, |at, cx| playbooks(at, &ground, cx))
    }

    #[test]
    fn counted_looks_become_times() {
        let (found, problems) = read(
            "{ p: { condition: 'disk_usage > 90', actions: ['df -h'], verify: { metric: \
             'disk_usage', operator: '<', threshold: 85, retry_count: 3, retry_interval_seconds: \
             60 } } }",
        );
        assert_eq!(problems, [""; 0]);
        let verify = found[0].playbook.verify.clone().unwrap();
        assert_eq!(verify.interval, Millis::from_secs(60));
        assert_eq!(verify.deadline, Millis::from_secs(240));
        assert_eq!(verify.needed, 2);
    }

    #[test]
    fn typed_actions_are_read() {
        let (found, problems) = read(
            "{ 정리: { condition: 'disk_usage > 90', cooldown_seconds: 60, actions: [\
             { type: 'clean_files', root: '/tmp', name: '*.tmp', older_than_minutes: 5 },\
             { type: 'restart_process', service: 'web', timeout_seconds: 5 },\
             { type: 'service_restart', service: '{process_name}', description: '재시작' },\
             { type: 'shell', command: 'echo ok' }, { type: 'run', argv: ['echo', 'a b'] }],\
             verify: 'disk_usage <= 90' } }",
        );
        assert_eq!(problems, [""; 0]);
        let steps = &found[0].playbook.steps;
        let said: Vec<String> = steps.iter().map(|step| step.action.to_string()).collect();
        assert_eq!(
            said,
            [
                "clean_files /tmp named '*.tmp' older than 5 min",
                "restart_process web",
                "restart_service {process_name}",
                "echo ok",
                "echo 'a b'",
            ]
        );
        assert_eq!(steps[1].timeout, Millis::from_secs(5));
        assert_eq!(steps[2].description, "재시작");
        assert_eq!(found[0].playbook.cooldown, Some(Millis::from_secs(60)));
    }

    #[test]
    fn what_cannot_work_is_told() {
        let with = |action: &str| {
            format!("{{ p: {{ condition: 'disk_usage > 90', actions: [{action}] }} }}")
        };
        let cases = [
            (with("'a; b'"), "f:1:50: error: p.actions[0]: `;` at offset 1 needs a shell"),
            (with("{ type: 'clean_file', root: '/tmp' }"), "did you mean `clean_files`?"),
            (with("{ type: 'clean_files', root: 'tmp', older_than_days: 1 }"), "expected an absolute"),
            (with("{ type: 'clean_files', root: '/a/../b', older_than_days: 1 }"), "without `..`"),
            (with("{ type: 'clean_files', root: '/tmp' }"), "does not say how old"),
            (with("{ type: 'clean_files', root: '/tmp', older_than: 1 }"), "carries its unit"),
            (
                with("{ type: 'clean_files', root: '/tmp', name: '../x', older_than_days: 1 }"),
                "expected a pattern",
            ),
            (with("{ type: 'run', command: 'a', requires_approval: true }"), "has no approvals"),
            (with("{ type: 'run' }"), "expected either `command` or `argv`"),
            (with("{ type: 'run', argv: [] }"), "expected a program"),
            (with("{ type: 'run', argv: ['a'], timeout_seconds: 6000 }"), "expected from 100 ms"),
            (with(""), "the playbook does nothing"),
            ("{ p: { actions: ['a'] } }".to_owned(), "the playbook has no `condition`"),
            (
                "{ p: { condition: 'disk_usage > 1', actions: ['a'], verify: { condition: \
                 'disk_usage < 1', interval_ms: 1000, consecutive_checks: 3, deadline_seconds: 2 } } }"
                    .to_owned(),
                "verification can never succeed: 3 good samples need 2 s, and the deadline is 2 s",
            ),
        ];
        for (text, expected) in cases {
            let said = read(&text).1.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn the_number_of_actions_has_a_limit() {
        let many = vec!["'a'"; ACTIONS_MAX + 1].join(",");
        let text = format!("{{ p: {{ condition: 'disk_usage > 90', actions: [{many}] }} }}");
        assert!(read(&text).1[0].contains("at most 64 actions, found 65"));
    }
}
