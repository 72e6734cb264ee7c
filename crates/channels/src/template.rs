//! Webhook bodies from a template of the operator (minijinja, whose language is Jinja's).
//!
//! The template renders JSON, and every `{{ … }}` renders a JSON value: text comes out with its
//! quotes and its escapes, so that no text from outside can change the form of the body.  Parts
//! are joined by `~`: `{"text": {{ title ~ ": " ~ summary }}}`.
//!
//! It sees every field of our own webhook, version 1 (`title`, `summary`, `severity`, `kind`,
//! `story`, `group`, …), and under `alertmanager` the body of Alertmanager's webhook.  A field that
//! does not exist renders as `null`; looking into one is an error.  There are no files, no includes
//! and no macros; work and output are bounded.

use std::io::{self, Write};

use minijinja::{AutoEscape, Environment};
use serde_json::Value;

/// How much work a template may make, in instructions of the template engine.
pub const FUEL_MAX: u64 = 1_000_000;

/// The longest body that a template may render, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// The longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 64 << 10;

/// The name of the template in errors.
const NAME: &str = "body";

/// Whether the template can be read at all.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn check(source: &str) -> Result<(), String> {
    parsed(source).map(drop)
}

/// Renders a body.
///
/// # Errors
/// What is wrong with the template, and in which line.
pub(crate) fn render(source: &str, context: &Value) -> Result<String, String> {
    let environment = parsed(source)?;
    let template = environment.get_template(NAME).map_err(|error| said(&error))?;
    let mut out = Bounded(Vec::new());
    template
        .render_captured_to(minijinja::value::Serde(context), &mut out)
        .map_err(|error| said(&error))?;
    let text =
        String::from_utf8(out.0).map_err(|_| "it renders text that is not UTF-8".to_owned())?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        // The text of the error holds no part of the body.
        Err(error) => Err(format!(
            "what it renders is not JSON ({error}); every {{{{ … }}}} renders a JSON value with \
             its own quotes, so write {{{{ title }}}} and not \"{{{{ title }}}}\", and join texts \
             by ~"
        )),
    }
}

fn parsed(source: &str) -> Result<Environment<'_>, String> {
    if source.len() > TEMPLATE_BYTES_MAX {
        return Err(format!(
            "it has {} bytes; a template may have {TEMPLATE_BYTES_MAX}",
            source.len()
        ));
    }
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Json);
    environment.set_fuel(Some(FUEL_MAX));
    environment.add_template(NAME, source).map_err(|error| said(&error))?;
    Ok(environment)
}

fn said(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let too_long = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let cause = if too_long.is_empty() { String::new() } else { format!(" ({too_long})") };
    format!("{line}{}{detail}{cause}", error.kind())
}

struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > BODY_BYTES_MAX {
            return Err(io::Error::other(format!(
                "it renders more than {BODY_BYTES_MAX} bytes; loop over fewer alerts"
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rendered(source: &str, context: &Value) -> Value {
        serde_json::from_str(&render(source, context).unwrap()).unwrap()
    }

    #[test]
    fn text_from_outside_cannot_change_the_form() {
        let context = json!({"title": "\"}, \"admin\": true, {\"", "story": ["하나", "둘\n"]});
        let body = rendered(
            r#"{"text": {{ "[" ~ title ~ "]" }}, "lines": {{ story }}, "none": {{ nothing }}}"#,
            &context,
        );
        let text = "[\"}, \"admin\": true, {\"]";
        assert_eq!(body, json!({"text": text, "lines": ["하나", "둘\n"], "none": null}));
    }

    #[test]
    fn errors_name_line_and_cause() {
        let context = json!({"title": "x", "story": (0..2_000).collect::<Vec<_>>()});
        for (source, expected) in [
            ("{\n\"a\": {{ title", "line 2: "),
            ("{\n\n\"a\": {{ title | nofilter }}}", "line 3: unknown filter"),
            ("{\"a\": {{ group.receiver }}}", "line 1: undefined value"),
            ("{\"a\": \"{{ title }}\"}", "write {{ title }} and not"),
            ("{% include 'x' %}", "line 1: "),
            (
                "[{% for a in story %}{% for b in story %}{% endfor %}{% endfor %}]",
                "ran out of fuel",
            ),
            ("[{% for a in story %}{{ story }},{% endfor %}0]", "renders more than 1048576 bytes"),
        ] {
            let error = render(source, &context).unwrap_err();
            assert!(error.contains(expected), "{source}: {error}");
        }
        let long = " ".repeat(TEMPLATE_BYTES_MAX + 1);
        assert!(check(&long).unwrap_err().contains("a template may have"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_body(title in "\\PC{0,60}|[\"\\\\\n{}<>]{0,20}") {
            let context = json!({"title": title});
            prop_assert_eq!(rendered(r#"{"a": {{ title }}}"#, &context), json!({"a": title}));
        }

        #[test]
        fn no_template_panics(source in "([{}%\"a-z ~|.\\[\\]]|\\{\\{|\\}\\}|title|story|\\{% for a in story %\\}){0,30}") {
            let _ = render(&source, &json!({"title": "x", "story": [1, 2]}));
        }
    }
}
