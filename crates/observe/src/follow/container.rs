//! Lines of containers, as the engines of containers wrap them.
//!
//! Docker's `json-file` driver writes `{"log":"text\n","stream":"stdout","time":"…"}`, a long line
//! in several parts of which only the last has a line end in its text
//! (<https://docs.docker.com/engine/logging/drivers/json-file/>).  Kubernetes writes
//! `2026-11-21T03:00:00.1Z stdout F text`, with `P` for a part of a line
//! (<https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md>).

use std::borrow::Cow;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

/// How the lines of a file are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// Not at all, or as Docker does; the line itself says it.
    PlainOrDocker,
    /// As Kubernetes does, or not at all.
    Kubernetes,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unwrapped<'a> {
    /// What the program wrote, as it is in the file.
    Plain,
    /// What the program wrote, or a part of a line of it.
    Inner { text: Cow<'a, [u8]>, time: Option<Timestamp>, is_part: bool },
}

#[derive(Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

impl Wrapping {
    /// What the place of a file says of its lines.
    pub(crate) fn of(path: &Path) -> Self {
        let is_pod = path.components().any(|part| part.as_os_str() == "pods")
            || path.parent().is_some_and(|folder| folder.ends_with("log/containers"));
        if is_pod { Self::Kubernetes } else { Self::PlainOrDocker }
    }

    /// What the program wrote.
    pub(crate) fn unwrap(self, line: &[u8]) -> Unwrapped<'_> {
        let inner = if line.starts_with(b"{\"log\":\"") {
            docker(line)
        } else if self == Self::Kubernetes {
            kubernetes(line)
        } else {
            None
        };
        inner.unwrap_or(Unwrapped::Plain)
    }
}

fn docker(line: &[u8]) -> Option<Unwrapped<'_>> {
    let read: Docker<'_> = serde_json::from_slice(line).ok()?;
    if !matches!(&*read.stream, "stdout" | "stderr") {
        return None;
    }
    let mut text = match read.log {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    };
    let is_part = !text.ends_with(b"\n");
    let kept = text.len() - usize::from(!is_part);
    match &mut text {
        Cow::Borrowed(text) => *text = text.get(..kept).unwrap_or(text),
        Cow::Owned(text) => text.truncate(kept),
    }
    Some(Unwrapped::Inner { text, time: read.time.parse().ok(), is_part })
}

fn kubernetes(line: &[u8]) -> Option<Unwrapped<'_>> {
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let stream = fields.next()?;
    // Tags are separated by colons; the first says whether the line is whole.
    let tag = fields.next()?.split(|byte| *byte == b':').next()?;
    let is_known = matches!(stream, b"stdout" | b"stderr") && matches!(tag, b"F" | b"P");
    let text = fields.next().unwrap_or_default();
    let text = Cow::Borrowed(text);
    is_known.then_some(Unwrapped::Inner { text, time: Some(time), is_part: tag == b"P" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inner(wrapping: Wrapping, line: &str) -> Option<(String, Option<String>, bool)> {
        match wrapping.unwrap(line.as_bytes()) {
            Unwrapped::Plain => None,
            Unwrapped::Inner { text, time, is_part } => {
                let text = String::from_utf8_lossy(&text).into_owned();
                Some((text, time.map(|time| time.to_string()), is_part))
            }
        }
    }

    #[test]
    fn the_lines_of_docker_are_unwrapped() {
        let at = || Some("2026-01-02T03:04:05.6Z".to_owned());
        let line =
            r#"{"log":"a \"b\" \u001b[31m가\n","stream":"stderr","time":"2026-01-02T03:04:05.6Z"}"#;
        let found = inner(Wrapping::PlainOrDocker, line);
        assert_eq!(found, Some(("a \"b\" \u{1b}[31m가".to_owned(), at(), false)));
        let part = r#"{"log":"half","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}"#;
        assert_eq!(inner(Wrapping::PlainOrDocker, part), Some(("half".to_owned(), at(), true)));
        // A program may write such a key itself.
        for own in [
            r#"{"log":"x","level":"info"}"#,
            r#"{"log":"x"#,
            r#"{"log":"x","stream":"other","time":""}"#,
        ] {
            assert_eq!(inner(Wrapping::PlainOrDocker, own), None, "{own}");
        }
    }

    #[test]
    fn the_lines_of_kubernetes_are_unwrapped_where_its_files_are() {
        let path = Path::new("/var/log/pods/shop_web-1_ab/web/0.log");
        assert_eq!(Wrapping::of(path), Wrapping::Kubernetes);
        assert_eq!(Wrapping::of(Path::new("/var/log/containers/web.log")), Wrapping::Kubernetes);
        assert_eq!(Wrapping::of(Path::new("/var/log/syslog")), Wrapping::PlainOrDocker);
        let line = "2026-01-02T03:04:05.6Z stdout P:x one two";
        let at = Some("2026-01-02T03:04:05.6Z".to_owned());
        assert_eq!(inner(Wrapping::Kubernetes, line), Some(("one two".to_owned(), at, true)));
        assert_eq!(inner(Wrapping::PlainOrDocker, line), None);
        assert_eq!(inner(Wrapping::Kubernetes, "one two three four"), None);
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in "(\\{\"log\":\")?.{0,60}") {
            let _ = Wrapping::PlainOrDocker.unwrap(line.as_bytes());
            let _ = Wrapping::Kubernetes.unwrap(line.as_bytes());
        }
    }
}
