//! What the steps of a playbook find, and comparisons with it.

use nightcrew_model::condition::Operator;
use nightcrew_model::expression::ResultCondition;
use nightcrew_model::id::StepName;
use nightcrew_model::plan::{Action, ResultKey, ResultValue};

use crate::decode::Context;
use crate::decode::condition::Written;
use crate::decode::expression::Scope;
use crate::nearest::suggestion;
use crate::problem::Place;

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Flag,
    Text,
}

/// The results of an action, as the action's own words in `model::plan` say.
fn results(action: &Action) -> &'static [(&'static str, Kind)] {
    match action {
        Action::CheckLogs { .. } => &[
            ("lines", Kind::Number),
            ("matches", Kind::Number),
            ("first", Kind::Text),
            ("last", Kind::Text),
            ("newest_match", Kind::Text),
        ],
        Action::CheckDependencies { .. } => {
            &[("failing", Kind::Number), ("unknown", Kind::Number), ("names", Kind::Text)]
        }
        Action::CheckResources { .. } => &[
            ("cpu_usage", Kind::Number),
            ("memory_usage", Kind::Number),
            ("process_cpu", Kind::Number),
            ("process_memory_mb", Kind::Number),
            ("pressed", Kind::Flag),
        ],
        Action::CollectMemory { .. } => &[
            ("rss_mb", Kind::Number),
            ("swap_mb", Kind::Number),
            ("anonymous_mb", Kind::Number),
            ("limit_mb", Kind::Number),
        ],
        Action::RaiseMemoryLimit { .. } => {
            &[("before_mb", Kind::Number), ("after_mb", Kind::Number)]
        }
        Action::CleanFiles { .. }
        | Action::RestartProcess { .. }
        | Action::RestartService { .. }
        | Action::Run { .. }
        | Action::ReloadService { .. }
        | Action::Request { .. }
        | Action::RotateLog { .. }
        | Action::Wait { .. } => &[],
    }
}

/// Asks the step whether the comparison makes sense; `places` are those of the name and of what
/// it is compared with.
pub(super) fn judge(
    (step, key): (&StepName, &str),
    operator: Operator,
    written: Written,
    places: (Place, Place),
    scope: Scope<'_>,
    cx: &mut Context<'_>,
) -> Option<ResultCondition> {
    let before = scope.before.unwrap_or_default();
    let Some((_, action)) = before.iter().find(|(name, _)| name == step) else {
        cx.report
            .error(places.0, format!("the step `{step}` is done later, so nothing is known of it"))
            .hint("move the step before this one");
        return None;
    };
    let known = results(action);
    let Some((_, kind)) = known.iter().find(|(name, _)| *name == key) else {
        let found =
            cx.report.error(places.0, format!("the step `{step}` finds nothing of this name"));
        if known.is_empty() {
            found.hint("only checks, `collect_memory` and `raise_memory_limit` find something");
        } else {
            found.hint(suggestion(key, known.iter().map(|(name, _)| *name)));
        }
        return None;
    };
    let has_order = matches!(kind, Kind::Number);
    if !has_order && !matches!(operator, Operator::Equal | Operator::NotEqual) {
        cx.report
            .error(
                places.0,
                format!("what `{step}` finds has no order, so `{operator}` never holds"),
            )
            .hint("use == or !=");
        return None;
    }
    let value = match (kind, written) {
        (Kind::Number, Written::Number(number) | Written::Percent(number)) => {
            ResultValue::Number(number)
        }
        (Kind::Flag, Written::Flag(flag)) => ResultValue::Flag(flag),
        (Kind::Text, Written::Word(text)) if !(text.contains('\'') && text.contains('"')) => {
            ResultValue::Text(text)
        }
        (kind, _) => {
            let what = match kind {
                Kind::Number => "a number",
                Kind::Flag => "true or false",
                Kind::Text => "a text with one kind of quotes",
            };
            cx.report.error(places.1, format!("this is compared with {what}"));
            return None;
        }
    };
    Some(ResultCondition { step: step.clone(), key: ResultKey::from(key), operator, value })
}
