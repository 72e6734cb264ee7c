//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write as _};

/// The content type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    /// It only rises.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A text that grows metric by metric.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// Adds a metric without labels.
    pub(crate) fn single(&mut self, name: &str, kind: Type, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Begins a metric whose samples follow.
    pub(crate) fn head(&mut self, name: &str, kind: Type, help: &str) {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample of the metric that was begun last.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let begin = if n == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{begin}{label}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// The whole text.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_prometheus_reads() {
        let mut text = Exposition::default();
        text.single("nightcrew_x_total", Type::Counter, "How many.", 7_u64);
        text.head("nightcrew_y", Type::Gauge, "How it is.");
        text.sample("nightcrew_y", &[("task", "점검 \"a\\b\"\nc"), ("state", "late")], 0.25);
        assert_eq!(
            text.finish(),
            "# HELP nightcrew_x_total How many.\n# TYPE nightcrew_x_total counter\n\
             nightcrew_x_total 7\n# HELP nightcrew_y How it is.\n# TYPE nightcrew_y gauge\n\
             nightcrew_y{task=\"점검 \\\"a\\\\b\\\"\\nc\",state=\"late\"} 0.25\n"
        );
    }
}
