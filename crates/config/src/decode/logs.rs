//! `logs`: the files that are followed.
//!
//! The first source document names only `paths`; `services` says whose the files are.

use globset::GlobBuilder;
use nightcrew_model::id::ServiceName;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::fields::{self, Fields};
use crate::nearest::nearest;
use crate::settings::{Journal, LogFiles, LogJoining, Settings, Telemetry};
use crate::tree::At;

/// How many patterns there may be.
const PATTERNS_MAX: usize = 200;

/// Between what the report may be written.
const REPORT_TIMES: std::ops::RangeInclusive<Millis> =
    Millis::from_secs(1)..=Millis::from_secs(86_400);

/// Reads `logs`; the services have to be known.
pub(crate) fn logs(at: &At<'_>, settings: &mut Settings, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object with `paths`", &mut cx.report) else {
        return;
    };
    let mut files = Vec::new();
    if let Some(at) = fields.take("services") {
        for (name, at) in fields::named(&at, "an object of services", &mut cx.report) {
            near_miss(name, &at, settings, cx);
            let service = Some(ServiceName::from(name));
            let Some(mut fields) = Fields::open(&at, "an object with `paths`", &mut cx.report)
            else {
                continue;
            };
            let patterns = fields.take("paths").map(|at| patterns(&at, cx)).unwrap_or_default();
            fields.finish(&mut cx.report);
            let own = |pattern| LogFiles { pattern, service: service.clone() };
            files.extend(patterns.into_iter().map(own));
        }
    }
    if let Some(at) = fields.take("paths") {
        let of_nobody = |pattern| LogFiles { pattern, service: None };
        files.extend(patterns(&at, cx).into_iter().map(of_nobody));
    }
    if let Some(at) = fields.take("exclude") {
        settings.logs.exclude = patterns(&at, cx);
    }
    if let Some(false) = fields.boolean("multiline", &mut cx.report) {
        settings.logs.joining = LogJoining::Never;
    }
    if let Some(true) = fields.boolean("journal", &mut cx.report) {
        settings.logs.journal = Journal::Followed;
    }
    if let Some(true) = fields.boolean("telemetry", &mut cx.report) {
        settings.logs.telemetry = Telemetry::Read;
    }
    if let Some(interval) = fields.duration("report_interval", REPORT_TIMES, &mut cx.report) {
        settings.logs.report_interval = interval;
    }
    fields.finish(&mut cx.report);
    if files.len() > PATTERNS_MAX {
        cx.report
            .error(at, format!("expected at most {PATTERNS_MAX} paths, found {}", files.len()))
            .hint("a path may hold `*` and `**`");
        files.clear();
    }
    settings.logs.files = files;
}

fn patterns(at: &At<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let mut patterns = Vec::new();
    for (at, text) in fields::texts(at, &mut cx.report) {
        if text.contains('\0') {
            cx.report.error(&at, "a path cannot hold a NUL character");
        } else if text.split('/').any(|part| GlobBuilder::new(part).build().is_err()) {
            cx.report
                .error(&at, "the marks of this path do not fit together")
                .hint("close each `[` and `{` before the next `/`");
        } else {
            patterns.push(cx.absolute(text).display().to_string());
        }
    }
    patterns
}

/// A name that is nearly that of a service is hardly meant as another one.
fn near_miss(name: &str, at: &At<'_>, settings: &Settings, cx: &mut Context<'_>) {
    let services = &settings.services;
    if services.contains_key(&ServiceName::from(name)) {
        return;
    }
    if let Some(near) = nearest(name, services.keys().map(|known| known.as_str())) {
        cx.report
            .warning(at, format!("no service is called {name:?}"))
            .hint(format!("did you mean `{near}`?"));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::decode::tests::decode_one;

    fn decode(text: &str) -> (Settings, Vec<String>) {
        decode_one(text, |at, cx| {
            let mut settings = Settings::zero(PathBuf::from("/data"));
            logs(at, &mut settings, cx);
            settings
        })
    }

    #[test]
    fn the_paths_of_the_first_document_and_services_are_read() {
        let (settings, problems) = decode(
            r#"{ paths: ["/var/log/system.log", "app/*.log"], exclude: ["/var/log/x"],
                 services: { web: { paths: ["/var/log/nginx/*.log"] } },
                 multiline: false, journal: true, report_interval_minutes: 5 }"#,
        );
        assert_eq!(problems, [""; 0]);
        let logs = settings.logs;
        let files: Vec<_> = logs
            .files
            .iter()
            .map(|files| (files.pattern.as_str(), files.service.as_ref().map(ServiceName::as_str)))
            .collect();
        let expected = [
            ("/var/log/nginx/*.log", Some("web")),
            ("/var/log/system.log", None),
            ("/etc/nightcrew/app/*.log", None),
        ];
        assert_eq!(files, expected);
        assert_eq!((logs.joining, logs.report_interval), (LogJoining::Never, Millis(300_000)));
        assert_eq!(logs.journal, Journal::Followed);
        assert_eq!(logs.exclude, ["/var/log/x"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, part) in [
            (r#"{ paths: ["/var/log/[a"] }"#, "paths[0]: the marks of this path"),
            (r#"{ paths: "/var/log/a" }"#, "expected an array"),
            ("{ path: [] }", "did you mean `paths`?"),
            ("{ report_interval_days: 9 }", "report_interval_days"),
            ("{ services: { web: [] } }", "expected an object with `paths`"),
        ] {
            let (_, problems) = decode(text);
            assert!(problems.iter().any(|said| said.contains(part)), "{text}: {problems:?}");
        }
        let many = format!("{{ paths: [{}] }}", "\"/a\",".repeat(PATTERNS_MAX + 1));
        let (settings, problems) = decode(&many);
        assert!(settings.logs.files.is_empty() && problems[0].contains("at most 200"));
    }
}
