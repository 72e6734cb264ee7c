//! Matchers over labels.

use nightcrew_model::matcher::{BadMatcher, Matcher, Matchers};

use crate::decode::Context;
use crate::fields;
use crate::tree::{At, Value};

/// Reads matchers: a text such as `severity="critical"`, or a list of them.
pub(crate) fn matchers(at: &At<'_>, cx: &mut Context<'_>) -> Option<Matchers> {
    let texts = match &at.node.value {
        Value::Text(_) => vec![(at.clone(), fields::text(at, &mut cx.report)?)],
        Value::Array(_) => fields::texts(at, &mut cx.report),
        _ => {
            cx.report
                .expected(at, "a list of matchers")
                .hint("such as [\"severity=\\\"critical\\\"\", \"team=~\\\"db|web\\\"\"]");
            return None;
        }
    };
    let mut all: Vec<Matcher> = Vec::new();
    let mut are_good = true;
    for (at, text) in texts {
        match Matchers::parse(text) {
            Ok(read) => all.extend(read.iter().cloned()),
            Err(bad) => {
                are_good = false;
                cx.report
                    .error(&at, format!("expected a matcher, but {}", why(&bad)))
                    .hint("such as severity=\"critical\", team!=\"db\" or path=~\"/var/.*\"");
            }
        }
    }
    if !are_good {
        return None;
    }
    match sorted(all) {
        Ok(matchers) => Some(matchers),
        Err(why) => {
            cx.report.error(at, why);
            None
        }
    }
}

/// What is wrong with a matcher, on one line: the parser of regular expressions draws a picture.
pub(crate) fn why(bad: &BadMatcher) -> String {
    match (bad.why.split_once('\n'), bad.why.rsplit_once("error: ")) {
        (Some((first, _)), Some((_, last))) => {
            let what = first.split(": ").next().unwrap_or(first);
            format!("{what}: {}", last.trim())
        }
        _ => bad.why.clone(),
    }
}

/// The matchers in Alertmanager's order, which is that of the keys of its groups: by name, then
/// value, then operator (`pkg/labels`, `Matchers.Less`).
pub(crate) fn sorted(mut all: Vec<Matcher>) -> Result<Matchers, String> {
    all.sort_by(|a, b| (a.name(), a.value(), a.op()).cmp(&(b.name(), b.value(), b.op())));
    Matchers::new(all).map_err(|bad| bad.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn one_text_or_a_list_gives_a_sorted_set() {
        for text in ["'{b=\"1\", a=~\"결.*\"}'", "['b=1', 'a=~\"결.*\"']", "'b=1,a=~\"결.*\"'"] {
            let (found, problems) = decode_one(text, matchers);
            assert_eq!(problems, [""; 0]);
            assert_eq!(found.unwrap().to_string(), r#"{a=~"결.*",b="1"}"#);
        }
    }

    #[test]
    fn what_is_none_is_told_at_its_place() {
        let (found, problems) = decode_one("['a=1',\n 'b', 'c=~\"(\"']", matchers);
        assert!(found.is_none());
        assert!(
            problems[0].starts_with("f:2:2: error: [1]: expected a matcher, but it has none of")
        );
        assert!(problems[1].starts_with(
            "f:2:7: error: [2]: expected a matcher, but not a regular expression: unclosed group ("
        ));
        let (_, problems) = decode_one("{ severity: 'critical' }", matchers);
        assert!(problems[0].contains("expected a list of matchers, found"), "{problems:?}");
    }
}
