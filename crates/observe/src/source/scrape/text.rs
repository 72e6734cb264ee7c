//! The text in which programs show their metrics: Prometheus 0.0.4 and `OpenMetrics` 1.0.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.  One pass over the page; a line that
//! nobody asked for costs no memory.
//!
//! **Invariant:** a page is whole and good, or it is none: one bad line, a missing end, more lines
//! or labels than the limits allow, and nothing of it is believed.

use std::borrow::Cow;

use crate::source::reading::float;

/// The longest line, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;

/// The largest number of labels of one series.
pub(super) const LABELS_MAX: usize = 64;

/// The largest number of series on one page.
pub(super) const SERIES_PER_PAGE_MAX: usize = 500_000;

/// Names of labels and their values.
pub(crate) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// One series of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line<'a> {
    pub(crate) name: Cow<'a, str>,
    /// In the order in which they stand there.
    pub(crate) labels: Pairs<'a>,
    pub(crate) value: f64,
    /// When it was measured, where the page says it: milliseconds in 0.0.4, seconds in
    /// `OpenMetrics`.
    pub(crate) stamp: Option<f64>,
}

/// Why a page is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPage {
    #[error("line {0} is not text in UTF-8")]
    Utf8(usize),
    #[error("line {0} is longer than {LINE_BYTES_MAX} bytes")]
    Long(usize),
    #[error("line {line} is no series: {why}")]
    Line { line: usize, why: &'static str },
    #[error("more than {SERIES_PER_PAGE_MAX} series")]
    Many,
    #[error("it stops half-way")]
    Cut,
}

/// Whether the page has the end of `OpenMetrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Prometheus 0.0.4, whose last line ends with a line feed.
    Plain,
    /// `OpenMetrics`, whose last line is `# EOF`.
    Open,
}

/// Reads a page and hands on each of its series.
pub(crate) fn read<'a>(
    page: &'a [u8],
    form: Form,
    mut each: impl FnMut(Line<'a>),
) -> Result<(), BadPage> {
    let ends = match form {
        Form::Plain => page.is_empty() || page.ends_with(b"\n"),
        Form::Open => page.ends_with(b"# EOF\n") || page.ends_with(b"# EOF"),
    };
    if !ends {
        return Err(BadPage::Cut);
    }
    let mut series = 0;
    for (n, line) in page.split(|byte| *byte == b'\n').enumerate() {
        if line.len() > LINE_BYTES_MAX {
            return Err(BadPage::Long(n + 1));
        }
        let line = std::str::from_utf8(line).map_err(|_| BadPage::Utf8(n + 1))?;
        let found = read_line(line).map_err(|why| BadPage::Line { line: n + 1, why })?;
        if let Some(found) = found {
            series += 1;
            if series > SERIES_PER_PAGE_MAX {
                return Err(BadPage::Many);
            }
            each(found);
        }
    }
    Ok(())
}

/// Reads one line; none for a comment or an empty one.
pub(crate) fn read_line(line: &str) -> Result<Option<Line<'_>>, &'static str> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut rest = Rest(line);
    let mut name = Cow::Borrowed(rest.name());
    let mut labels = Vec::new();
    rest.blank();
    if rest.take('{') {
        labels = rest.labels(&mut name)?;
    }
    if name.is_empty() {
        return Err("it does not begin with a name");
    }
    let value = float(rest.word()).ok_or("its value is not a number")?;
    // What follows `#` is an exemplar of OpenMetrics.
    let stamp = match rest.word() {
        "" | "#" => None,
        word => Some(float(word).filter(|at| at.is_finite()).ok_or("its time is not a number")?),
    };
    if stamp.is_some() && !matches!(rest.word(), "" | "#") {
        return Err("something follows its time");
    }
    Ok(Some(Line { name, labels, value, stamp }))
}

/// What is left of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn blank(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, c: char) -> bool {
        self.0.strip_prefix(c).map(|rest| self.0 = rest).is_some()
    }

    fn up_to(&mut self, end: usize) -> &'a str {
        let (found, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        found
    }

    /// A name: letters, digits, `_`, and `:`, the first no digit.
    fn name(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = self.0.find(|c: char| !is_part(c)).unwrap_or(self.0.len());
        if self.0.starts_with(|c: char| c.is_ascii_digit()) { "" } else { self.up_to(end) }
    }

    /// Up to the next blank.
    fn word(&mut self) -> &'a str {
        self.blank();
        let end = self.0.find([' ', '\t']).unwrap_or(self.0.len());
        self.up_to(end)
    }

    /// Labels up to the closing brace; a quoted text alone is the name of the metric.
    fn labels(&mut self, name: &mut Cow<'a, str>) -> Result<Pairs<'a>, &'static str> {
        let mut labels = Vec::new();
        loop {
            self.blank();
            if self.take('}') {
                return Ok(labels);
            }
            let is_quoted = self.0.starts_with('"');
            let label = if is_quoted { self.quoted()? } else { Cow::Borrowed(self.name()) };
            self.blank();
            if self.take('=') {
                if label.is_empty() {
                    return Err("a label has no name");
                }
                self.blank();
                let value = self.quoted()?;
                if labels.len() == LABELS_MAX {
                    return Err("it has too many labels");
                }
                labels.push((label, value));
            } else if is_quoted && name.is_empty() {
                *name = label;
            } else {
                return Err("a label has no value");
            }
            self.blank();
            if !self.take(',') && !self.0.starts_with('}') {
                return Err("its labels do not end");
            }
        }
    }

    /// A text in quotes, with `\\`, `\"` and `\n`.
    fn quoted(&mut self) -> Result<Cow<'a, str>, &'static str> {
        if !self.take('"') {
            return Err("a value is not in quotes");
        }
        let end = self.0.find(['"', '\\']).ok_or("a quote does not end")?;
        let plain = self.up_to(end);
        if self.take('"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.up_to(at + 1);
                    return Ok(Cow::Owned(text));
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c @ ('\\' | '"'))) => text.push(c),
                    // As Prometheus reads it: another one stands for itself.
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err("a quote does not end")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(line: &str) -> Line<'_> {
        read_line(line).unwrap().unwrap()
    }

    fn pairs(line: &Line<'_>) -> Vec<(String, String)> {
        line.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn the_examples_of_the_documentation_are_read() {
        let line = one(r#"http_requests_total{method="post",code="200"} 1027 1395066363000"#);
        assert_eq!((line.name.as_ref(), line.value), ("http_requests_total", 1_027.0));
        assert_eq!(line.stamp, Some(1_395_066_363_000.0));
        let line = one(
            r#"msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9"#,
        );
        let expected = [("path", r"C:\DIR\FILE.TXT"), ("error", "Cannot find file:\n\"FILE.TXT\"")];
        assert_eq!(pairs(&line), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(one("metric_without_timestamp_and_labels 12.47").value, 12.47);
        let line = one(r#"something_weird{problem="division by zero"} +Inf -3982045"#);
        assert_eq!((line.value, line.stamp), (f64::INFINITY, Some(-3_982_045.0)));
        assert!(one("a NaN").value.is_nan());
        let line = one(r#"foo_bucket{le="0.1"} 8 123.5 # {trace_id="abc"} 0.067 1.5"#);
        assert_eq!((line.value, line.stamp), (8.0, Some(123.5)));
        let line = one(r#"foo_bucket{le="0.1",} 8 # {trace_id="abc def"} 0.067"#);
        assert_eq!((line.value, line.stamp), (8.0, None));
        let line = one(r#"{"http.requests","service.name"="결제"} 3"#);
        assert_eq!(line.name, "http.requests");
        assert_eq!(pairs(&line), [("service.name".to_owned(), "결제".to_owned())]);
    }

    #[test]
    fn what_is_no_series_is_told() {
        let cases = [
            ("<html>", "does not begin with a name"),
            ("a", "value is not a number"),
            ("a b", "value is not a number"),
            ("a 1 b", "time is not a number"),
            ("a 1 NaN", "time is not a number"),
            ("a{b} 1", "a label has no value"),
            ("a{b=1} 1", "a value is not in quotes"),
            ("a{b=\"1} 1", "a quote does not end"),
            ("a{b=\"1\\", "a quote does not end"),
            ("a{b=\"1\" c=\"2\"} 1", "labels do not end"),
            ("a{=\"1\"} 1", "a label has no name"),
            ("a{b=\"1\"", "labels do not end"),
            ("1a 1", "does not begin with a name"),
            ("a 1 2 3", "something follows its time"),
        ];
        for (line, expected) in cases {
            let said = read_line(line).unwrap_err();
            assert!(said.contains(expected), "{line}: {said}");
        }
    }

    fn count(page: &[u8], form: Form) -> Result<usize, BadPage> {
        let mut n = 0;
        read(page, form, |_| n += 1).map(|()| n)
    }

    #[test]
    fn a_page_that_stops_half_way_is_none() {
        assert_eq!(count(b"# HELP a b\n# TYPE a counter\na 1\n\nb 2\n", Form::Plain), Ok(2));
        assert_eq!(count(b"a 1\nb 2", Form::Plain), Err(BadPage::Cut));
        assert_eq!(count(b"a 1\nb 2\n# EOF\n", Form::Open), Ok(2));
        assert_eq!(count(b"a 1\nb 2\n", Form::Open), Err(BadPage::Cut));
        assert_eq!(count(b"a 1\n\xff 2\n", Form::Plain), Err(BadPage::Utf8(2)));
    }

    #[test]
    fn every_limit_is_reached() {
        let bomb: String = (0..=LABELS_MAX).map(|n| format!("l{n}=\"x\",")).collect();
        assert_eq!(read_line(&format!("a{{{bomb}}} 1")), Err("it has too many labels"));
        let long = format!("a{{b=\"{}\"}} 1\n", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(count(long.as_bytes(), Form::Plain), Err(BadPage::Long(1)));
        let many = "a 1\n".repeat(SERIES_PER_PAGE_MAX + 1);
        assert_eq!(count(many.as_bytes(), Form::Plain), Err(BadPage::Many));
    }

    fn escaped(text: &str) -> String {
        text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n")
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_told(line in r#"[a-z0-9_{}=",\\ #.+\-]{0,60}"#) {
            let _ = read_line(&line);
        }

        #[test]
        fn any_bytes_are_read_or_told(page in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = count(&page, Form::Plain);
            let _ = count(&page, Form::Open);
        }

        #[test]
        fn what_is_written_is_read_back(
            name in "[a-z_:][a-z0-9_:]{0,12}",
            labels in prop::collection::vec(("[a-z_][a-z0-9_]{0,8}", any::<String>()), 0..6),
            value in any::<f64>(),
            stamp in prop::option::of(any::<i32>()),
        ) {
            // A carriage return is not escaped by the format, and stays what it is.
            let written: Vec<String> = labels.iter()
                .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
                .collect();
            let value_text = if value.is_infinite() {
                if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
            } else {
                format!("{value}")
            };
            let stamp_text = stamp.map_or_else(String::new, |stamp| format!(" {stamp}"));
            let line = format!("{name}{{{}}} {value_text}{stamp_text}", written.join(","));
            let read = read_line(&line).unwrap().unwrap();
            prop_assert_eq!(read.name.as_ref(), name.as_str());
            prop_assert_eq!(pairs(&read), labels);
            prop_assert!(read.value == value || (read.value.is_nan() && value.is_nan()));
            prop_assert_eq!(read.stamp, stamp.map(f64::from));
        }
    }
}
