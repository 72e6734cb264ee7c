//! The console: messages as plain text on a writer, which is the standard output of the crew.
//!
//! A writer that takes nothing (a pipe that nobody reads) holds at most one thread: the others
//! wait for their turn without one, and every try ends after [`WRITE_TIMEOUT`].

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use tokio::sync::Mutex;

use crate::message::{About, Message, NAME_CHARS_MAX};
use crate::text::one_line;

/// How long one message may take to be written.
pub const WRITE_TIMEOUT: Millis = Millis::from_secs(5);

/// Where messages for the console go.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Box<dyn Write + Send>>>);

impl Console {
    /// A console on this writer.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(writer))))
    }

    /// Writes one message in one piece.
    pub(crate) async fn show(&self, message: &Message) -> Delivery {
        let text = render(message);
        let writing = async {
            let mut writer = Arc::clone(&self.0).lock_owned().await;
            let write = move || {
                writer.write_all(text.as_bytes())?;
                writer.flush()
            };
            tokio::task::spawn_blocking(write)
                .await
                .unwrap_or_else(|lost| Err(io::Error::other(lost)))
        };
        match tokio::time::timeout(WRITE_TIMEOUT.duration(), writing).await {
            Ok(Ok(())) => Delivery::Delivered { receipt: None },
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Delivery::Permanent {
                error: "the console is closed: nothing reads the standard output any more; \
                        restart the crew with its output on a terminal, a file or a journal"
                    .into(),
            },
            Ok(Err(error)) => Delivery::Retry {
                after: None,
                error: format!("the console did not take the message: {error}"),
            },
            Err(_) => Delivery::Retry {
                after: None,
                error: format!("the console took nothing for {WRITE_TIMEOUT}: nobody reads it"),
            },
        }
    }
}

fn render(message: &Message) -> String {
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{args}");
    };
    line(format_args!("== {} ==", message.title));
    let what = match &message.about {
        About::Incident(content) => {
            format!("{} {} {}", content.incident, message.kind, content.key)
        }
        About::Group(content) => {
            let labels = one_line(&content.group_labels.to_string(), NAME_CHARS_MAX);
            format!("group {labels} {}: {}", message.kind, content.counts())
        }
        About::Digest(content) => format!(
            "{} of {}: {} kept back within {}",
            message.kind, content.scope, content.suppressed, content.window
        ),
        About::Crew(topic) => topic.to_string(),
    };
    line(format_args!("{what} ({}) at {:.3}", message.severity, message.at));
    if let Some(notice) = message.sending.notice() {
        line(format_args!("{notice}"));
    }
    if !message.summary.is_empty() {
        line(format_args!("{}", message.summary));
    }
    for entry in message.lines() {
        line(format_args!("  - {entry}"));
    }
    if let Some(record) = &message.record {
        line(format_args!("record: {}", record.display()));
    }
    for action in &message.actions {
        line(format_args!("to {}: {}", action.kind.as_str(), action.command));
    }
    line(format_args!(""));
    text
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use jiff::Timestamp;
    use nightcrew_model::decision::NotificationKind;
    use nightcrew_model::id::{IncidentId, NotificationId, Target};
    use nightcrew_model::incident::IncidentKey;
    use nightcrew_model::mute::Scope;
    use nightcrew_model::severity::Severity;

    use super::*;
    use crate::group::GroupContent;
    use crate::message::{Action, ActionKind, DigestContent, IncidentContent, Sending};

    fn message() -> Message {
        let about = About::Incident(IncidentContent {
            incident: IncidentId(42),
            key: IncidentKey {
                target: Target::service("결제-api".into()),
                symptom: "process_down".into(),
            },
            opened_at: Timestamp::UNIX_EPOCH,
        });
        let at = "2026-11-21T03:00:05.25Z".parse().unwrap();
        Message {
            severity: Severity::Critical,
            title: "INC-42 needs a person: 결제-api process_down".into(),
            summary: "The restart did not help.".into(),
            story: vec!["detected: stopped".into(), "tried: \u{1b}[2Jrestart\nagain".into()],
            record: Some("incidents/2026-11-21-INC-42.md".into()),
            sending: Sending::PossibleRepeat,
            actions: vec![Action {
                kind: ActionKind::Acknowledge,
                command: "nightcrew incidents ack INC-42".into(),
                button: None,
            }],
            ..Message::new(NotificationId(7), NotificationKind::Escalated, about, at)
        }
    }

    #[test]
    fn groups_and_digests_read_as_plain_text() {
        let mut content = GroupContent::new("team".into(), "{}:{}".into());
        content.group_labels = [("alertname", "디스크\u{1b}")].into_iter().collect();
        content.truncated = 7;
        let at = Timestamp::UNIX_EPOCH;
        let firing = NotificationKind::Firing;
        let group = Message::new(NotificationId(1), firing, About::Group(content), at);
        insta::assert_snapshot!(render(&group.presentable()), @r#"
        ==  ==
        group {alertname="디스크\u{1b}"} firing: 0 firing, 0 resolved, 7 more (info) at 1970-01-01T00:00:00.000Z
        "#);
        let digest = About::Digest(DigestContent {
            scope: Scope::Service("결제".into()),
            suppressed: 120,
            window: Millis::from_secs(300),
            sample: vec!["INC-7 결제\u{1b}".into()],
        });
        let digest = Message::new(NotificationId(1), NotificationKind::Digest, digest, at);
        insta::assert_snapshot!(render(&digest.presentable()), @r"
        ==  ==
        digest of 결제: 120 kept back within 5 min (info) at 1970-01-01T00:00:00.000Z
          - INC-7 결제\u001b
        ");
    }

    #[test]
    fn a_message_reads_as_plain_text() {
        insta::assert_snapshot!(render(&message().presentable()), @r"
        == INC-42 needs a person: 결제-api process_down ==
        INC-42 escalated 결제-api process_down (critical) at 2026-11-21T03:00:05.250Z
        This may be a repeat of a message cut off by a crash or by a lost answer: whether it arrived is not known.
        The restart did not help.
          - detected: stopped
          - tried: \u001b[2Jrestart again
        record: incidents/2026-11-21-INC-42.md
        to acknowledge: nightcrew incidents ack INC-42
        ");
    }

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_closed_console_is_permanent_and_a_full_disk_is_not() {
        let closed = Console::new(Failing(io::ErrorKind::BrokenPipe));
        assert!(matches!(
            closed.show(&message()).await,
            Delivery::Permanent { error } if error.contains("standard output")
        ));
        let full = Console::new(Failing(io::ErrorKind::StorageFull));
        assert!(matches!(full.show(&message()).await, Delivery::Retry { after: None, .. }));
    }

    /// Says when a write begins, and takes nothing until the reader is dropped.
    struct Stuck {
        begun: mpsc::Sender<()>,
        reader: mpsc::Receiver<()>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            let _ = self.reader.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_console_holds_one_thread_and_goes_on_when_it_is_read() {
        let (begun, begins) = mpsc::channel();
        let (drop_to_read, reader) = mpsc::channel();
        let console = Console::new(Stuck { begun, reader });
        let message = message();
        for n in 0..3 {
            let (delivery, ()) = tokio::join!(console.show(&message), async {
                if n == 0 {
                    begins.recv().unwrap();
                }
                tokio::time::advance(WRITE_TIMEOUT.duration()).await;
            });
            assert!(matches!(
                delivery,
                Delivery::Retry { error, .. } if error.contains("nobody reads it")
            ));
        }
        assert!(begins.try_recv().is_err(), "a second thread began to write");
        drop(drop_to_read);
        assert_eq!(console.show(&message).await, Delivery::Delivered { receipt: None });
    }

    #[tokio::test]
    async fn what_a_zero_time_holds_is_shown_too() {
        let mut message = message();
        message.at = Timestamp::UNIX_EPOCH;
        message.record = None;
        let console = Console::new(io::sink());
        assert_eq!(console.show(&message).await, Delivery::Delivered { receipt: None });
    }
}
