//! `PromQL` that answers in another unit than the threshold of the same metric asks.
//!
//! This does not parse `PromQL`.  It knows the three questions about a host that everybody asks, and
//! the three ways in which their answers are commonly misread.

use nightcrew_model::condition::Operand;
use nightcrew_model::id::MetricName;

use crate::problem::Report;
use crate::settings::Settings;
use crate::settings::source::Given;
use crate::tree::At;

/// What a query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    AvailableRatio,
    AvailablePercent,
    UsedRatio,
    CoreSeconds,
    /// As it should be, or nothing that is known.
    Fine,
}

/// One of the questions about a host.
struct Question {
    /// The metric of ours that it is about.
    metric: &'static str,
    /// Series of Prometheus that it is known by.
    series: [&'static str; 2],
    /// How to ask for the used percentage.
    right: &'static str,
}

const QUESTIONS: [Question; 3] = [
    Question {
        metric: "cpu_usage",
        series: ["node_cpu_seconds_total", "node_cpu_seconds_total"],
        right: "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m])))",
    },
    Question {
        metric: "memory_usage",
        series: ["node_memory_MemAvailable_bytes", "node_memory_MemFree_bytes"],
        right: "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
    },
    Question {
        metric: "disk_usage",
        series: ["node_filesystem_avail_bytes", "node_filesystem_free_bytes"],
        right: "100 * (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)",
    },
];

/// What the answer of a query means, as far as that is sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// As what metric it is held.
    pub(crate) metric: MetricName,
    /// In which unit it comes.
    pub(crate) given: Given,
}

/// What the answer of the query under this name means; none: it is not sure.
pub(crate) fn meaning(name: &str, query: &str) -> Option<Meaning> {
    let question = question(query)?;
    let given = match judge(question, query) {
        Answer::Fine if question.metric == "cpu_usage" || query.contains('/') => Given::Percent,
        Answer::AvailableRatio if is_plain_ratio(question, query) => Given::RatioLeft,
        Answer::Fine
        | Answer::AvailableRatio
        | Answer::AvailablePercent
        | Answer::UsedRatio
        | Answer::CoreSeconds => return None,
    };
    // Whoever calls it otherwise means something else.
    let is_own = question.metric == name || question.metric.strip_suffix("_usage") == Some(name);
    is_own.then(|| Meaning { metric: MetricName::from(question.metric), given })
}

fn question(query: &str) -> Option<&'static Question> {
    QUESTIONS.iter().find(|question| question.series.iter().any(|series| query.contains(series)))
}

/// Whether the query is what is left over the whole, and nothing else.
fn is_plain_ratio(question: &Question, query: &str) -> bool {
    let plain: String = query.chars().filter(|c| !c.is_whitespace()).collect();
    let whole = match question.metric {
        "memory_usage" => "node_memory_MemTotal_bytes",
        _ => "node_filesystem_size_bytes",
    };
    plain
        .split_once('/')
        .is_some_and(|(left, below)| below == whole && question.series.contains(&left))
}

/// Judges `prometheus.queries`.
pub(crate) fn check(root: &At<'_>, settings: &Settings, report: &mut Report) {
    let queries = root.get("prometheus").and_then(|at| at.get("queries"));
    let Some(queries) = queries else { return };
    let Some(object) = queries.node.object() else {
        return;
    };
    for entry in &object.entries {
        let at = queries.entry(entry);
        let Some(query) = at.node.text() else {
            let found = at.describe();
            report.warning(&at, format!("expected a query, found {found}"));
            continue;
        };
        let Some(question) = question(query) else {
            report
                .warning(&at, "nothing says in which unit the answer is, so it is not asked")
                .hint("write it in `sources.NAME.queries`, with `metric` and `unit`");
            continue;
        };
        let is_asked = meaning(&entry.key, query).is_some();
        let gives = match judge(question, query) {
            Answer::Fine if is_asked => continue,
            Answer::Fine => "a number of another name or unit",
            Answer::AvailableRatio => "the available part as a ratio from 0 to 1",
            Answer::AvailablePercent => "the available part in percent",
            Answer::UsedRatio => "the used part as a ratio from 0 to 1",
            Answer::CoreSeconds => "seconds per second for each core and mode",
        };
        let metric = question.metric;
        let limits = limits(metric, settings);
        let follows = if is_asked { "; it is converted" } else { ", so it is not asked" };
        report
            .warning(
                &at,
                format!(
                    "the query gives {gives}, but {metric}{limits} is the used part in \
                     percent{follows}"
                ),
            )
            .hint(format!("ask for `{}`", question.right));
    }
}

/// The limits of a metric, for the message: ` (80/95)`.
fn limits(metric: &str, settings: &Settings) -> String {
    let metric = MetricName::from(metric);
    let rule =
        settings.thresholds.iter().find(|rule| rule.metric == metric && rule.service.is_none());
    let Some(rule) = rule else {
        return String::new();
    };
    let numbers: Vec<String> = [&rule.warning, &rule.critical]
        .into_iter()
        .flatten()
        .filter_map(|limit| match limit.operand {
            Operand::Number(number) => Some(number.to_string()),
            Operand::Status(_) => None,
        })
        .collect();
    format!(" ({})", numbers.join("/"))
}

fn judge(question: &Question, query: &str) -> Answer {
    let plain: String = query.chars().filter(|c| !c.is_whitespace()).collect();
    let in_percent = plain.contains("100*") || plain.contains("*100");
    let is_inverted = plain.contains("1-") || plain.contains("100-");
    if question.metric == "cpu_usage" {
        let is_idle = plain.contains("mode=\"idle\"") || plain.contains("mode='idle'");
        let is_used = plain.contains("mode!=\"idle\"") || plain.contains("mode!='idle'");
        let is_summed = plain.contains("avg") || plain.contains("sum");
        return match (is_summed && (is_idle || is_used), in_percent) {
            (true, true) => Answer::Fine,
            (true, false) if is_inverted || is_used => Answer::UsedRatio,
            (true, false) => Answer::AvailableRatio,
            (false, _) => Answer::CoreSeconds,
        };
    }
    if !plain.contains('/') {
        return Answer::Fine;
    }
    match (is_inverted, in_percent || plain.contains("100-")) {
        (true, true) => Answer::Fine,
        (true, false) => Answer::UsedRatio,
        (false, true) => Answer::AvailablePercent,
        (false, false) => Answer::AvailableRatio,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(query: &str) -> Option<Answer> {
        question(query).map(|question| judge(question, query))
    }

    #[test]
    fn answers_are_told_apart() {
        let cases = [
            ("rate(node_cpu_seconds_total[5m])", Answer::CoreSeconds),
            ("1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))", Answer::UsedRatio),
            ("node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", Answer::AvailableRatio),
            (
                "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100",
                Answer::AvailablePercent,
            ),
            ("1 - node_filesystem_avail_bytes / node_filesystem_size_bytes", Answer::UsedRatio),
            ("node_filesystem_avail_bytes / node_filesystem_size_bytes", Answer::AvailableRatio),
            ("100 - 100 * node_filesystem_avail_bytes / node_filesystem_size_bytes", Answer::Fine),
        ];
        for (query, expected) in cases {
            assert_eq!(answer(query), Some(expected), "{query}");
        }
        assert_eq!(answer("up"), None);
    }

    #[test]
    fn only_what_is_sure_is_asked() {
        let cases = [
            ("cpu", "rate(node_cpu_seconds_total[5m])", None),
            (
                "memory",
                "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                Some(Given::RatioLeft),
            ),
            (
                "disk",
                "node_filesystem_avail_bytes/node_filesystem_size_bytes",
                Some(Given::RatioLeft),
            ),
            ("disk", "node_filesystem_avail_bytes / node_filesystem_size_bytes > 0.5", None),
            ("memory", "node_memory_MemAvailable_bytes", None),
            ("free", "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", None),
            ("requests", "sum(rate(http_requests_total[1m]))", None),
        ];
        for (name, query, expected) in cases {
            assert_eq!(meaning(name, query).map(|found| found.given), expected, "{query}");
        }
    }

    #[test]
    fn what_is_suggested_is_right() {
        for question in &QUESTIONS {
            let name = question.metric.trim_end_matches("_usage");
            let found = meaning(name, question.right).unwrap();
            assert_eq!(found.given, Given::Percent, "{}", question.right);
            assert_eq!(judge(question, question.right), Answer::Fine, "{}", question.right);
        }
    }
}
