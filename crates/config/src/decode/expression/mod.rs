//! Expressions: `disk_usage > 90 and not (health_status == 'passing') or logs.matches >= 5`, or
//! objects of `all`, `any`, `not` and single comparisons.

pub(crate) mod parse;
mod results;

use nightcrew_model::catalogue;
use nightcrew_model::condition::Operator;
use nightcrew_model::expression::{DEPTH_MAX, Expression};
use nightcrew_model::id::{MetricName, StepName};
use nightcrew_model::plan::Action;

use crate::decode::Context;
use crate::decode::condition::{FORM, comparison, judge, note};
use crate::decode::expression::parse::{COMPARISONS_MAX, Raw};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::{At, Value};

/// What the names in an expression may stand for, beside metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope<'s> {
    /// The named steps that are done before, with what they do; none: results have no sense here.
    pub(crate) before: Option<&'s [(StepName, Action)]>,
    /// The names of all steps of the playbook.
    pub(crate) names: &'s [StepName],
}

/// Reads an expression in any form.
pub(crate) fn expression(
    at: &At<'_>,
    scope: Scope<'_>,
    cx: &mut Context<'_>,
) -> Option<Expression> {
    let found = read(at, scope, 0, cx)?;
    let mut comparisons = 0;
    found.each(&mut |_| comparisons += 1);
    if comparisons > COMPARISONS_MAX {
        cx.report
            .error(at, format!("this compares too often: {comparisons} times"))
            .hint(format!("write at most {COMPARISONS_MAX} comparisons"));
        return None;
    }
    if depth(&found) > DEPTH_MAX {
        too_deep(at, cx);
        return None;
    }
    Some(found)
}

fn too_deep(at: &At<'_>, cx: &mut Context<'_>) {
    cx.report
        .error(at, format!("this is nested deeper than {DEPTH_MAX} levels"))
        .hint("write fewer parentheses");
}

fn depth(expression: &Expression) -> usize {
    match expression {
        Expression::Metric(_) | Expression::Result(_) => 0,
        Expression::All { all: parts } | Expression::Any { any: parts } => {
            1 + parts.iter().map(depth).max().unwrap_or(0)
        }
        Expression::Not { not } => 1 + depth(not),
    }
}

fn read(at: &At<'_>, scope: Scope<'_>, level: usize, cx: &mut Context<'_>) -> Option<Expression> {
    if level > DEPTH_MAX {
        too_deep(at, cx);
        return None;
    }
    match &at.node.value {
        Value::Text(text) => {
            let reader = Reader { at, text: &text.text, scope };
            match parse::parse(&text.text) {
                Ok(raw) => reader.resolve(raw, cx),
                Err(bad) => {
                    note(&bad, at, &text.text, cx);
                    None
                }
            }
        }
        Value::Object(_) => object(at, scope, level, cx),
        Value::Array(_) => {
            cx.report
                .expected(at, "an expression")
                .hint("write `all: [ … ]` or `any: [ … ]` in place of the list");
            None
        }
        _ => {
            cx.report.expected(at, "a condition").hint(FORM);
            None
        }
    }
}

fn object(at: &At<'_>, scope: Scope<'_>, level: usize, cx: &mut Context<'_>) -> Option<Expression> {
    let mut fields = Fields::open(at, "an expression", &mut cx.report)?;
    let [all, any, not] = ["all", "any", "not"].map(|key| fields.take(key));
    let found = match (all, any, not) {
        (Some(all), None, None) => parts(&all, scope, level, cx).map(|all| Expression::All { all }),
        (None, Some(any), None) => parts(&any, scope, level, cx).map(|any| Expression::Any { any }),
        (None, None, Some(not)) => {
            let inner = read(&not, scope, level + 1, cx);
            inner.map(|not| Expression::Not { not: Box::new(not) })
        }
        (None, None, None) => compared(&mut fields, scope, cx),
        (first, second, third) => {
            let place = first.or(second).or(third);
            let place = place.as_ref().unwrap_or(at);
            cx.report
                .error(place, "expected one of `all`, `any` and `not`")
                .hint("put one of them into the other");
            None
        }
    };
    fields.finish(&mut cx.report);
    found
}

/// The parts of `all` or `any`; none if one of them is wrong.
fn parts(
    at: &At<'_>,
    scope: Scope<'_>,
    level: usize,
    cx: &mut Context<'_>,
) -> Option<Vec<Expression>> {
    let items = fields::items(at, &mut cx.report);
    if items.is_empty() {
        if matches!(at.node.value, Value::Array(_)) {
            cx.report.error(at, "expected conditions, found an empty list");
        }
        return None;
    }
    let found: Vec<_> = items.iter().map(|at| read(at, scope, level + 1, cx)).collect();
    found.into_iter().collect()
}

/// One comparison in the object form, of a metric or of a result.
fn compared(fields: &mut Fields<'_>, scope: Scope<'_>, cx: &mut Context<'_>) -> Option<Expression> {
    let named = fields.at().get("metric");
    let result = named.and_then(|at| Some((scope.result(at.node.text()?)?, at)));
    let Some(((step, key), name_at)) = result else {
        return comparison(fields, cx).map(Expression::Metric);
    };
    fields.take("metric");
    let operator_at = fields.take("operator");
    let sign = operator_at.as_ref().and_then(|at| at.node.text()).map(str::trim);
    let operator = Operator::ALL.into_iter().find(|op| sign == Some(op.sign()));
    let given = [fields.take("value"), fields.take("threshold")];
    let (Some(operator), Some(value)) = (operator, given.into_iter().flatten().next()) else {
        cx.report
            .error(fields.at(), "expected an `operator` and a `value`")
            .hint("such as { metric: \"logs.matches\", operator: \">\", value: 5 }");
        return None;
    };
    let written = crate::decode::condition::written(&value, cx)?;
    let places = (Place::from(&name_at), Place::from(&value));
    results::judge((step, key), operator, written, places, scope, cx).map(Expression::Result)
}

impl<'s> Scope<'s> {
    /// The step and the key that a name stands for, if the step is one of the playbook.
    fn result<'n>(&self, name: &'n str) -> Option<(&'s StepName, &'n str)> {
        self.before?;
        let (step, key) = name.split_once('.')?;
        let step = self.names.iter().find(|known| known.as_str() == step)?;
        Some((step, key))
    }
}

/// One text that is read.
struct Reader<'a, 's> {
    at: &'a At<'a>,
    text: &'a str,
    scope: Scope<'s>,
}

impl Reader<'_, '_> {
    fn place(&self, offset: usize, cx: &Context<'_>) -> Place {
        let span = cx.files.inside(self.at.node.span, self.text, offset);
        Place::new(span, self.at.path.clone())
    }

    /// Looks the names up; every part is looked at, so that every problem is told at once.
    fn resolve(&self, raw: Raw<'_>, cx: &mut Context<'_>) -> Option<Expression> {
        let mut each = |parts: Vec<Raw<'_>>| {
            let found: Vec<_> = parts.into_iter().map(|part| self.resolve(part, cx)).collect();
            found.into_iter().collect::<Option<Vec<_>>>()
        };
        match raw {
            Raw::All(parts) => each(parts).map(|all| Expression::All { all }),
            Raw::Any(parts) => each(parts).map(|any| Expression::Any { any }),
            Raw::Not(part) => {
                let not = Box::new(self.resolve(*part, cx)?);
                Some(Expression::Not { not })
            }
            Raw::Compare(it) => {
                let places = (self.place(it.name_at, cx), self.place(it.written_at, cx));
                self.compared(it, places, cx)
            }
        }
    }

    fn compared(
        &self,
        it: parse::Comparison<'_>,
        places: (Place, Place),
        cx: &mut Context<'_>,
    ) -> Option<Expression> {
        if let Some(result) = self.scope.result(it.name) {
            let (operator, scope) = (it.operator, self.scope);
            return results::judge(result, operator, it.written, places, scope, cx)
                .map(Expression::Result);
        }
        let is_metric = catalogue::metric(it.name).is_some()
            || cx.asked_for.contains(&MetricName::from(it.name));
        if let (Some(_), Some((step, _)), false) =
            (self.scope.before, it.name.split_once('.'), is_metric)
        {
            let names = self.scope.names.iter().map(StepName::as_str);
            let hint = suggestion(step, names);
            cx.report.error(places.0, "no step of this playbook has this name").hint(hint);
            return None;
        }
        let (name_at, written_at) = places;
        judge(it.name, name_at, it.operator, it.written, written_at, cx).map(Expression::Metric)
    }
}

#[cfg(test)]
mod tests;
