//! Which series, as people write it: `disk_usage{service="host",resource=~"/var.*"}`.

use nightcrew_model::matcher::{BadMatcher, Matcher, Matchers};

use crate::key::METRIC_LABEL;

/// Reads a selector: the name of a metric, matchers in braces, or both.  `{}` and the empty text
/// select every series.
///
/// # Errors
/// When the name or a matcher cannot be read.
pub fn parse(text: &str) -> Result<Matchers, BadMatcher> {
    let text = text.trim();
    let (name, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
    let name = name.trim();
    // Matchers may stand without braces.
    if name.is_empty() || name.contains(['=', '!', '~']) {
        return Matchers::parse(text);
    }
    if name.contains(['"', ',', '}']) || name.contains(char::is_whitespace) {
        let why = "the name of the metric has a quote, a comma, a space or a brace; write \
                   {__name__=\"…\"} for such a name";
        return Err(BadMatcher { text: text.chars().take(200).collect(), why: why.to_owned() });
    }
    let mut matchers: Vec<Matcher> = Matchers::parse(rest)?.iter().cloned().collect();
    matchers.insert(0, Matcher::equal(METRIC_LABEL, name));
    Matchers::new(matchers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_and_matchers_are_one_set() {
        for (text, written) in [
            ("up", r#"{__name__="up"}"#),
            (" up {} ", r#"{__name__="up"}"#),
            (r#"disk_usage{resource=~"/var.*"}"#, r#"{__name__="disk_usage",resource=~"/var.*"}"#),
            (r#"{service="결제"}"#, r#"{service="결제"}"#),
            (r#"service="a{b",x!="y""#, r#"{service="a{b",x!="y"}"#),
            ("응답_시간", r#"{__name__="응답_시간"}"#),
            ("", "{}"),
            ("{}", "{}"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_told() {
        assert!(parse("a b").unwrap_err().why.contains("a space"));
        assert!(parse("up{service=\"a\"").unwrap_err().why.contains("brace"));
        assert!(parse("up{service=~\"(\"}").unwrap_err().why.contains("regular expression"));
        assert!(parse("up{service}").unwrap_err().why.contains("operators"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = parse(&text);
            let _ = parse(&format!("up{{{text}}}"));
        }
    }
}
