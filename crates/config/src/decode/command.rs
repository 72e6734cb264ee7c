//! Command lines: text for people, lists of words for the crew.

use nightcrew_model::argv::{Argv, NotArgv};
use nightcrew_model::plan::SERVICE_PLACEHOLDERS;

use crate::decode::Context;
use crate::fields;
use crate::problem::Place;
use crate::tree::At;

/// Reads a command line.  A placeholder of the service may be written with `$`, which no shell
/// will ever see.
pub(crate) fn parse(at: &At<'_>, cx: &mut Context<'_>) -> Option<Argv> {
    let line = fields::text(at, &mut cx.report)?;
    let plain = placeholders(line, |name| format!("{{{}}}", name.to_lowercase()));
    match Argv::parse(&plain) {
        Ok(argv) => Some(argv),
        Err(_) => {
            // The same line with stand-ins of the same length, so that the offset is exact.
            let same = placeholders(line, |name| "_".repeat(name.len() + 3));
            let error = match Argv::parse(&same) {
                Ok(argv) => return Some(argv),
                Err(error) => error,
            };
            let offset = match &error {
                NotArgv::NeedsShell(_, offset) | NotArgv::Control(offset) => *offset,
                NotArgv::Empty | NotArgv::TooLong | NotArgv::OpenQuote(_) => 0,
            };
            let span = cx.files.inside(at.node.span, line, offset);
            let (message, hint) = explain(&error);
            cx.report.error(Place::new(span, at.path.clone()), message).hint(hint);
            None
        }
    }
}

/// Puts something in the place of each `${SERVICE_NAME}` and its kin.
fn placeholders(line: &str, stand_in: impl Fn(&str) -> String) -> String {
    SERVICE_PLACEHOLDERS
        .iter()
        .filter_map(|written| {
            let name = written.strip_prefix("${")?.strip_suffix('}')?;
            Some((written, name))
        })
        .fold(line.to_owned(), |line, (written, name)| line.replace(written, &stand_in(name)))
}

fn explain(error: &NotArgv) -> (String, &'static str) {
    match error {
        NotArgv::NeedsShell(sign, offset) => (
            format!("`{sign}` at offset {offset} needs a shell, and commands run without one"),
            "quote it with '…' if it is meant literally, or give each step as an action of its own",
        ),
        other => (other.to_string(), "write one program and its arguments"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn placeholders_may_be_written_with_a_dollar() {
        let (argv, problems) = decode_one("'docker compose restart ${SERVICE_NAME}'", parse);
        assert_eq!(problems, [""; 0]);
        assert_eq!(argv.unwrap().to_string(), "docker compose restart {service_name}");
    }

    #[test]
    fn points_at_the_sign_that_needs_a_shell() {
        let (_, problems) = decode_one("'재시작 ${SERVICE_NAME} && echo'", parse);
        assert_eq!(
            problems,
            ["f:1:22: error: `&` at offset 26 needs a shell, and commands run without one \
                 (quote it with '…' if it is meant literally, or give each step as an action of \
                 its own)"]
        );
    }
}
