//! Checks that ask this machine: `{ command: [PROGRAM, …], expect_exit, expect_output }` and
//! `{ certificate_file: PATH }`.

use crate::decode::Context;
use crate::decode::service::{INTERVAL, TIMEOUT, paced, path, regex};
use crate::fields::{self, Fields};
use crate::problem::Place;
use crate::settings::{Check, Probe};
use crate::tree::At;

/// The codes with which a program can end.
const EXITS: std::ops::RangeInclusive<u32> = 0..=255;

/// Programs that read a command line of their own from an argument.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "fish"];

/// Reads a check that has `command` or `certificate_file`.
pub(super) fn check(
    at: &At<'_>,
    mut fields: Fields<'_>,
    cx: &mut Context<'_>,
) -> Option<(Check, Place)> {
    let command = fields.take("command");
    let file_at = fields.take("certificate_file");
    let file = path(&mut fields, "certificate_file", cx);
    let exit_at = fields.take("expect_exit");
    let expect_exit = exit_at.and_then(|at| fields::integer(&at, EXITS, &mut cx.report));
    let output_at = fields.take("expect_output");
    let expect_output = output_at.as_ref().and_then(|at| {
        let pattern = fields::text(at, &mut cx.report)?;
        regex(pattern, at, cx)
    });
    let interval = fields.duration("interval", INTERVAL, &mut cx.report);
    let timeout = fields.duration("timeout", TIMEOUT, &mut cx.report);
    let of_command = fields.has("expect_exit") || fields.has("expect_output");
    fields.finish(&mut cx.report);
    let (probe, place) = match (command, file_at) {
        (Some(command), None) => {
            let words = fields::texts(&command, &mut cx.report);
            let argv: Vec<String> = words.into_iter().map(|(_, word)| word.to_owned()).collect();
            let program = argv.first().map_or("", String::as_str);
            let name = program.rsplit('/').next().unwrap_or_default();
            if program.is_empty() || (program.contains('/') && !program.starts_with('/')) {
                cx.report
                    .error(&command, "expected a program: a bare name or an absolute path")
                    .hint("command: [\"/usr/bin/pg_isready\", \"-h\", \"127.0.0.1\"]");
                return None;
            }
            if SHELLS.contains(&name) {
                cx.report
                    .error(&command, "a check runs without a shell")
                    .hint("put the commands into an executable file, and name that file");
                return None;
            }
            let expect_exit = expect_exit.and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
            (Probe::Command { argv, expect_exit, expect_output }, Place::from(&command))
        }
        (None, Some(at)) => {
            if of_command {
                cx.report
                    .error(&at, "a certificate has neither a code nor an output")
                    .hint("leave `expect_exit` and `expect_output` out");
            }
            (Probe::CertificateFile { path: file? }, Place::from(&at))
        }
        (Some(_), Some(_)) | (None, None) => {
            cx.report
                .error(at, "expected either `command` or `certificate_file`")
                .hint("make two checks of it");
            return None;
        }
    };
    Some((paced(at, probe, (interval, timeout), cx), place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Option<Check>, String) {
        let (found, problems) = decode_one(text, |at, cx| {
            let fields = Fields::open(at, "a check", &mut cx.report)?;
            Some(check(at, fields, cx)?.0)
        });
        (found, problems.join("\n"))
    }

    #[test]
    fn commands_and_certificate_files_are_read() {
        let (found, said) = read(
            "{ command: ['pg_isready', '-h', 'db'], expect_exit: 2, expect_output: '거부', \
             interval_seconds: 30, timeout_seconds: 3 }",
        );
        assert_eq!(said, "");
        let found = found.unwrap();
        let argv = ["pg_isready", "-h", "db"].map(str::to_owned).to_vec();
        let expect_output = Some("거부".to_owned());
        assert_eq!(found.probe, Probe::Command { argv, expect_exit: 2, expect_output });
        assert_eq!((found.interval.0, found.timeout.0), (30_000, 3_000));
        let (found, said) = read("{ certificate_file: 'tls/server.pem' }");
        assert_eq!(said, "");
        let found = found.unwrap();
        let path = "/etc/nightcrew/tls/server.pem".into();
        assert_eq!(found.probe, Probe::CertificateFile { path });
        assert_eq!(found.interval.0, 300_000);
    }

    #[test]
    fn what_cannot_be_checked_is_told() {
        for (text, why) in [
            ("{ command: ['bin/check'] }", "a bare name or an absolute path"),
            ("{ command: [] }", "expected a program"),
            ("{ command: ['/bin/sh', '-c', 'x'] }", "runs without a shell"),
            ("{ command: ['true'], expect_exit: 256 }", "0 to 255"),
            ("{ command: ['true'], expect_output: '(' }", "expected a regular expression"),
            ("{ command: ['true'], certificate_file: 'x' }", "either `command` or"),
            ("{ certificate_file: 'x', expect_exit: 1 }", "neither a code nor an output"),
        ] {
            let (_, said) = read(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
