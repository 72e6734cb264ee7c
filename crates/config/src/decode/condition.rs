//! Conditions as people write them: `disk_usage > 90`, `process_status == 'stopped'`, or the
//! object form `{ metric, operator, threshold | value }`.

use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::id::MetricName;
use nightcrew_model::sample::Status;
use nightcrew_model::unit::Unit;

use crate::decode::Context;
use crate::decode::expression::parse::{self, Bad, Raw};
use crate::fields::{Fields, as_number};
use crate::nearest::{nearest, suggestion};
use crate::problem::Place;
use crate::tree::{At, Value};

/// The longest name of a metric, in characters.
const METRIC_CHARS_MAX: usize = 128;

/// What a metric is compared with, before the metric is asked whether that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Written {
    Number(f64),
    /// With a `%` behind it.
    Percent(f64),
    Word(String),
    /// `true` or `false`, without quotes.
    Flag(bool),
}

pub(crate) const FORM: &str = "write it like `disk_usage > 90` or `process_status == 'stopped'`";

/// Reads a condition in either form.
pub(crate) fn condition(at: &At<'_>, cx: &mut Context<'_>) -> Option<Condition> {
    match &at.node.value {
        Value::Text(_) => text_condition(at, cx),
        Value::Object(_) => {
            let mut fields = Fields::open(at, "a condition", &mut cx.report)?;
            let condition = comparison(&mut fields, cx);
            fields.finish(&mut cx.report);
            condition
        }
        _ => {
            cx.report.expected(at, "a condition").hint(FORM);
            None
        }
    }
}

/// Reads the keys `metric`, `operator` and `threshold` or `value` of an object.
pub(crate) fn comparison(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Condition> {
    let metric = fields.text("metric", &mut cx.report);
    let operator_at = fields.take("operator");
    let threshold = fields.take("threshold");
    let value = fields.take("value");
    let operand_at = match (threshold, value) {
        (Some(at), None) | (None, Some(at)) => Some(at),
        (Some(_), Some(at)) => {
            cx.report
                .error(&at, "`threshold` and `value` both say with what to compare")
                .hint("keep one of the two");
            None
        }
        (None, None) => None,
    };
    let place = fields.at();
    let Some(metric) = metric else {
        if !fields.has("metric") {
            cx.report.error(place, "the condition names no `metric`").hint(FORM);
        }
        return None;
    };
    let Some(operator_at) = operator_at else {
        cx.report
            .error(place, "the condition has no `operator`")
            .hint("one of >, >=, <, <=, ==, !=");
        return None;
    };
    let sign = operator_at.node.text().map(str::trim);
    let Some(operator) = Operator::ALL.into_iter().find(|op| sign == Some(op.sign())) else {
        cx.report.expected(&operator_at, "one of >, >=, <, <=, ==, !=");
        return None;
    };
    let Some(operand_at) = operand_at else {
        if !fields.has("value") {
            cx.report
                .error(fields.at(), "the condition has nothing to compare with")
                .hint("add `threshold` (a number) or `value` (a state)");
        }
        return None;
    };
    let written = written(&operand_at, cx)?;
    let metric_at = Place::from(&fields.take("metric")?);
    judge(metric, metric_at, operator, written, Place::from(&operand_at), cx)
}

/// Reads what stands behind an operator in the object form.
pub(crate) fn written(at: &At<'_>, cx: &mut Context<'_>) -> Option<Written> {
    match (as_number(at), &at.node.value) {
        (Some(number), _) => Some(Written::Number(number)),
        (None, Value::Text(word)) => Some(Written::Word(word.text.clone())),
        (None, Value::Bool(flag)) => Some(Written::Flag(*flag)),
        (None, _) => {
            cx.report.expected(at, "a number or a state");
            None
        }
    }
}

/// Reads a limit of a threshold: a bare number (crossed in the direction in which the metric is
/// bad), a comparison without metric (`>= 90`), a whole condition, or a bare state.
pub(crate) fn limit(at: &At<'_>, metric: &str, cx: &mut Context<'_>) -> Option<Condition> {
    if let Some(number) = as_number(at) {
        let operator = worse(metric);
        return judge(metric, at.into(), operator, Written::Number(number), at.into(), cx);
    }
    let Some(text) = at.node.text() else {
        cx.report
            .expected(at, "a number or a condition")
            .hint("write it like 90, `>= 90` or `== 'stopped'`");
        return None;
    };
    let is_state = text.parse::<Status>().is_ok();
    let begins = Operator::ALL.iter().any(|op| text.trim_start().starts_with(op.sign()));
    let parsed = if is_state {
        Ok((metric, Operator::Equal, Written::Word(text.to_owned())))
    } else if begins {
        parse::parse_limit(text).map(|(operator, written)| (metric, operator, written))
    } else {
        one(text).map(|it| (it.name, it.operator, it.written))
    };
    let (named, operator, written) = match parsed {
        Ok(parsed) => parsed,
        Err(bad) => {
            note(&bad, at, text, cx);
            return None;
        }
    };
    if named != metric {
        cx.report
            .error(at, format!("the limit of {metric} speaks of another metric"))
            .hint("move it to the threshold of that metric");
        return None;
    }
    judge(metric, at.into(), operator, written, at.into(), cx)
}

/// The operator of a bare number: more is worse, but for the days that a certificate has left.
fn worse(metric: &str) -> Operator {
    if metric == catalogue::SSL_EXPIRES_IN_DAYS { Operator::Less } else { Operator::Greater }
}

fn text_condition(at: &At<'_>, cx: &mut Context<'_>) -> Option<Condition> {
    let text = at.node.text()?;
    match one(text) {
        Ok(it) => {
            let place =
                |offset| Place::new(cx.files.inside(at.node.span, text, offset), at.path.clone());
            let (name_at, written_at) = (place(it.name_at), place(it.written_at));
            judge(it.name, name_at, it.operator, it.written, written_at, cx)
        }
        Err(bad) => {
            note(&bad, at, text, cx);
            None
        }
    }
}

/// Reads a text that is one comparison.
fn one(text: &str) -> Result<parse::Comparison<'_>, Bad> {
    match parse::parse(text)? {
        Raw::Compare(comparison) => Ok(comparison),
        Raw::All(_) | Raw::Any(_) | Raw::Not(_) => Err(Bad {
            offset: 0,
            message: "this is one comparison, without and, or and not",
            hint: FORM,
        }),
    }
}

/// Tells why a text is not what it should be, with its column.
pub(crate) fn note(bad: &Bad, at: &At<'_>, text: &str, cx: &mut Context<'_>) {
    let span = cx.files.inside(at.node.span, text, bad.offset);
    cx.report.error(Place::new(span, at.path.clone()), bad.message).hint(bad.hint);
}

/// Whether the text can name a metric.
pub(crate) fn is_metric(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    !text.is_empty() && text.chars().all(plain) && text.chars().count() <= METRIC_CHARS_MAX
}

/// Asks the metric whether the comparison makes sense.
pub(crate) fn judge(
    metric: &str,
    metric_at: Place,
    operator: Operator,
    written: Written,
    at: Place,
    cx: &mut Context<'_>,
) -> Option<Condition> {
    let known = catalogue::metric(metric);
    if known.is_none() {
        unknown_metric(metric, metric_at, cx);
    }
    let operand = match (known.map(|known| known.kind), written) {
        (Some(Kind::Number(_)) | None, Written::Number(number)) => Operand::Number(number),
        (Some(Kind::Number(Unit::Percent)) | None, Written::Percent(number)) => {
            Operand::Number(number)
        }
        (Some(Kind::Number(unit)), Written::Percent(_)) => {
            let sign = unit_name(unit);
            cx.report
                .error(at, format!("{metric} is given in {sign}, not in percent"))
                .hint("leave out the %");
            return None;
        }
        (Some(Kind::Number(unit)), Written::Word(_) | Written::Flag(_)) => {
            let sign = unit_name(unit);
            cx.report
                .error(
                    at,
                    format!(
                        "{metric} is a number ({sign}), and a number is never equal to a state"
                    ),
                )
                .hint("compare it with a number, without quotes");
            return None;
        }
        (Some(Kind::States(states)), Written::Word(word)) => {
            Operand::Status(state(metric, &word, states, operator, at, cx)?)
        }
        (None, Written::Word(word)) => {
            Operand::Status(state(metric, &word, &Status::ALL, operator, at, cx)?)
        }
        (None, Written::Flag(_)) => {
            cx.report
                .error(at, "no metric is ever true or false")
                .hint("compare it with a number or a state");
            return None;
        }
        (
            Some(Kind::States(states)),
            Written::Number(_) | Written::Percent(_) | Written::Flag(_),
        ) => {
            let names: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
            cx.report
                .error(at, format!("{metric} is a state, and a state is never equal to a number"))
                .hint(format!("compare it with == and one of {}", names.join(", ")));
            return None;
        }
    };
    Some(Condition { metric: MetricName::from(metric), operator, operand })
}

fn unknown_metric(metric: &str, at: Place, cx: &mut Context<'_>) {
    if cx.asked_for.contains(&MetricName::from(metric)) {
        return;
    }
    let names = catalogue::METRICS.iter().map(|known| known.name);
    let found = cx
        .report
        .warning(at, "nothing in this version collects this metric, so the condition never holds");
    match nearest(metric, names.clone()) {
        Some(near) => found.hint(format!("did you mean `{near}`?")),
        None => {
            let names: Vec<&str> = names.collect();
            found.hint(format!("collected are {}", names.join(", ")));
        }
    }
}

fn state(
    metric: &str,
    word: &str,
    states: &[Status],
    operator: Operator,
    at: Place,
    cx: &mut Context<'_>,
) -> Option<Status> {
    if !matches!(operator, Operator::Equal | Operator::NotEqual) {
        cx.report
            .error(at, format!("states have no order, so `{operator}` cannot compare {metric}"))
            .hint("use == or !=");
        return None;
    }
    let found = states.iter().find(|state| state.as_str() == word);
    if found.is_none() {
        let names = states.iter().map(|state| state.as_str());
        let hint = suggestion(word, names);
        cx.report.error(at, format!("{metric} has no such state")).hint(hint);
    }
    found.copied()
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "percent",
        Unit::Ratio => "parts of 1",
        Unit::Bytes => "bytes",
        Unit::Megabytes => "megabytes",
        Unit::BytesPerSecond => "bytes per second",
        Unit::Milliseconds => "milliseconds",
        Unit::Days => "days",
        Unit::PerMinute => "a count per minute",
        Unit::Count => "a count",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn both_forms_say_the_same() {
        let cases = [
            ("'disk_usage > 90'", "disk_usage > 90"),
            ("'disk_usage>=90.5 %'", "disk_usage >= 90.5"),
            ("\"process_status == 'stopped'\"", "process_status == 'stopped'"),
            ("'process_status != running'", "process_status != 'running'"),
            ("{metric: 'disk_usage', operator: '<', threshold: 85}", "disk_usage < 85"),
            (
                "{metric: 'process_status', operator: '==', value: 'running'}",
                "process_status == 'running'",
            ),
        ];
        for (text, expected) in cases {
            let (found, problems) = decode_one(text, condition);
            assert_eq!(problems, [""; 0], "{text}");
            assert_eq!(found.unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_crossed_in_the_bad_direction() {
        let said = |text: &str, metric: &str| {
            let (found, problems) = decode_one(text, |at, cx| limit(at, metric, cx));
            assert_eq!(problems, [""; 0], "{text}");
            found.unwrap().to_string()
        };
        assert_eq!(said("90", "disk_usage"), "disk_usage > 90");
        assert_eq!(said("14", "ssl_expires_in_days"), "ssl_expires_in_days < 14");
        assert_eq!(said("'>= 90'", "disk_usage"), "disk_usage >= 90");
        assert_eq!(said("'disk_usage < 5'", "disk_usage"), "disk_usage < 5");
        assert_eq!(said("'stopped'", "process_status"), "process_status == 'stopped'");
    }

    #[test]
    fn what_cannot_hold_is_an_error_with_its_place() {
        let cases = [
            ("'disk_usage'", "f:1:12: error: expected a comparison"),
            ("'disk_usage > '", "f:1:15: error: expected a number or a state"),
            ("'memory_usage > 95% && x > 1'", "f:1:2: error: this is one comparison"),
            ("'가 나 > 1'", "f:1:4: error: expected a comparison"),
            ("\"disk_usage == 'stopped'\"", "f:1:16: error: disk_usage is a number (percent)"),
            ("'process_status > 3'", "f:1:19: error: process_status is a state"),
            ("'process_status == stoped'", "f:1:20: error: process_status has no such state"),
            ("'process_status == passing'", "f:1:20: error: process_status has no such state"),
            ("'process_status < stopped'", "f:1:19: error: states have no order"),
            ("'api_latency_ms > 5%'", "f:1:19: error: api_latency_ms is given in milliseconds"),
            ("'disk_usag > 5'", "f:1:2: warning: nothing in this version collects"),
            ("{metric: 'disk_usage'}", "f:1:1: error: the condition has no `operator`"),
            ("{operator: '>'}", "f:1:1: error: the condition names no `metric`"),
            (
                "{metric: 'disk_usage', operator: '>'}",
                "f:1:1: error: the condition has nothing to compare with",
            ),
            (
                "{metric: 'disk_usage', operator: '=', threshold: 1}",
                "f:1:34: error: operator: expected one of",
            ),
            ("5", "f:1:1: error: expected a condition, found 5"),
        ];
        for (text, expected) in cases {
            let (_, problems) = decode_one(text, condition);
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(problems[0].starts_with(expected), "{text}: {problems:?}");
        }
    }
}
