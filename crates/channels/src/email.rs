//! Mail over SMTP: text and the same as simple HTML.
//!
//! `Message-ID` is the key of the message, so that a mail server or a reader that knows repeats
//! takes one for what it is; `References` and `In-Reply-To` are the key of the subject, so that all
//! mail about one incident is one thread.  `Auto-Submitted` (RFC 3834) keeps robots from answering.
//!
//! Answers (RFC 5321): 4xx and a broken connection are tried again; 5xx is permanent.  Where the
//! server takes the mail for some recipients, it is sent to those: one stale address must not keep
//! the others from being told.
//!
//! Not sent: anything, where `tls` is `starttls` and the server does not offer it.

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use nightcrew_config::settings::{Secret, SmtpTls};
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::install_tls_provider;

use crate::message::Message;
use crate::receiver::Secrets;
use crate::retry::{CONNECTION_FAILED, NO_ANSWER};
use crate::sign::sign;
use crate::text::one_line;

/// How long one try may take, from connecting to the last answer.
const TRY_TIMEOUT: Millis = Millis::from_secs(30);

/// How long connecting may take.
const CONNECT_TIMEOUT: Millis = Millis::from_secs(10);

/// How long saying good-bye may take, after the mail was taken.
const QUIT_TIMEOUT: Millis = Millis::from_secs(1);

/// The longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 200;

/// The largest number of recipients.
pub(crate) const RECIPIENTS_MAX: usize = 50;

/// A mail server, and whom it serves.
pub(crate) struct Post<'a> {
    pub(crate) smarthost: &'a str,
    pub(crate) tls: SmtpTls,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a Secret>,
    pub(crate) from: &'a str,
    pub(crate) to: &'a [String],
}

pub(crate) async fn deliver(post: &Post<'_>, message: &Message) -> Delivery {
    let mut secrets = Secrets::in_url("");
    if let Some(password) = post.password {
        secrets.add(password.expose());
        secrets.add_whole(password.expose());
    }
    let letter = match Letter::of(post, message) {
        Ok(letter) => letter,
        Err(error) => return Delivery::Permanent { error },
    };
    // The client of SMTP is large; it lives on the heap while it works.
    let sending = Box::pin(send(post, &letter));
    match tokio::time::timeout(TRY_TIMEOUT.duration(), sending).await {
        Ok(Ok(())) => Delivery::Delivered { receipt: None },
        Ok(Err(failure)) => failure.judge(&secrets),
        Err(_) => Delivery::Retry { after: None, error: format!("{NO_ANSWER} {TRY_TIMEOUT}") },
    }
}

/// One mail, ready to be sent.
struct Letter {
    from: Address,
    to: Vec<Address>,
    bytes: Vec<u8>,
}

impl Letter {
    fn of(post: &Post<'_>, message: &Message) -> Result<Self, String> {
        let mailbox = |text: &str, key: &str| {
            let parsed = text.parse::<Mailbox>();
            parsed.map_err(|error| format!("`{key}` of the channel holds no address: {error}"))
        };
        let from = mailbox(post.from, "from")?;
        if post.to.is_empty() || post.to.len() > RECIPIENTS_MAX {
            return Err(format!("`to` of the channel must hold 1 to {RECIPIENTS_MAX} addresses"));
        }
        let to: Vec<Mailbox> =
            post.to.iter().map(|text| mailbox(text, "to")).collect::<Result<_, _>>()?;
        let domain = from.email.domain();
        let thread = format!("<{}@{domain}>", message.subject_key().replace('/', "."));
        let head = format!("{} {}", sign(message.kind), message.title);
        let raw = |name, value: &str| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
        };
        let mut builder = lettre::Message::builder()
            .from(from.clone())
            .subject(one_line(&head, SUBJECT_CHARS_MAX))
            .message_id(Some(format!("<{}@{domain}>", message.dedup_key())))
            .in_reply_to(thread.clone())
            .references(thread)
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Auto-Response-Suppress", "All"))
            .date_now();
        for recipient in &to {
            builder = builder.to(recipient.clone());
        }
        let part = |kind, body: String| SinglePart::builder().header(kind).body(body);
        let both = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, text(message)))
            .singlepart(part(ContentType::TEXT_HTML, html(message)));
        let letter = builder.multipart(both).map_err(|error| error.to_string())?;
        Ok(Self {
            from: from.email,
            to: to.into_iter().map(|recipient| recipient.email).collect(),
            bytes: letter.formatted(),
        })
    }
}

/// Why a mail was not sent, and at which word of the conversation.
enum Failure {
    Setting(String),
    NoEncryption,
    Login(Error),
    Talk(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Talk(error)
    }
}

async fn send(post: &Post<'_>, letter: &Letter) -> Result<(), Failure> {
    let (host, port) = server(post.smarthost).ok_or_else(|| {
        Failure::Setting("`smarthost` of the channel is not of the form `host:port`".to_owned())
    })?;
    let hello = ClientId::default();
    let tls = || {
        install_tls_provider();
        TlsParameters::new(host.to_owned()).map_err(Failure::Talk)
    };
    let at_once = if post.tls == SmtpTls::Tls { Some(tls()?) } else { None };
    let timeout = Some(CONNECT_TIMEOUT.duration());
    let mut connection =
        AsyncSmtpConnection::connect_tokio1((host, port), timeout, &hello, at_once, None).await?;
    if post.tls == SmtpTls::Starttls {
        if !connection.can_starttls() {
            connection.abort().await;
            return Err(Failure::NoEncryption);
        }
        connection.starttls(tls()?, &hello).await?;
    }
    if let (Some(user), Some(password)) = (post.username, post.password) {
        let credentials = Credentials::new(user.to_owned(), password.expose().to_owned());
        let ways = [Mechanism::Plain, Mechanism::Login];
        connection.auth(&ways, &credentials).await.map_err(Failure::Login)?;
    }
    connection.command(Mail::new(Some(letter.from.clone()), Vec::new())).await?;
    let (mut taken, mut refused) = (0_usize, None);
    for recipient in &letter.to {
        match connection.command(Rcpt::new(recipient.clone(), Vec::new())).await {
            Ok(_) => taken += 1,
            Err(error) if error.status().is_some() => {
                // One that may be taken later says more than one that never will be.
                refused = refused.filter(Error::is_transient).or(Some(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    match (taken, refused) {
        (0, Some(error)) => {
            connection.abort().await;
            return Err(error.into());
        }
        (_, Some(error)) => tracing::warn!(
            "the mail server refused {} of {} recipients (SMTP {}); the others get the mail",
            letter.to.len() - taken,
            letter.to.len(),
            error.status().map(|code| code.to_string()).unwrap_or_default(),
        ),
        (_, None) => {}
    }
    connection.command(Data).await?;
    connection.message(&letter.bytes).await?;
    // The mail is taken, whatever comes of the good-bye.
    let _ = tokio::time::timeout(QUIT_TIMEOUT.duration(), connection.quit()).await;
    Ok(())
}

/// The host and the port of `host:port` or `[address]:port`.
fn server(smarthost: &str) -> Option<(&str, u16)> {
    let (host, port) = smarthost.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

impl Failure {
    fn judge(self, secrets: &Secrets) -> Delivery {
        let later = |error: String| Delivery::Retry { after: None, error };
        match self {
            Self::Setting(error) => Delivery::Permanent { error },
            Self::NoEncryption => Delivery::Permanent {
                error:
                    "the mail server offers no STARTTLS, so nothing was sent; set `tls` to what \
                        it offers (`tls` on port 465, or `none` for a server on this machine)"
                        .to_owned(),
            },
            Self::Login(error) => match error.status() {
                Some(code) if error.is_permanent() => Delivery::Permanent {
                    // What a server says of a login may repeat it.
                    error: format!(
                        "the mail server refused the login (SMTP {code}); check `username` and \
                         `password` of the channel"
                    ),
                },
                Some(code) => {
                    later(format!("the mail server cannot check the login (SMTP {code})"))
                }
                None if error.is_client() => Delivery::Permanent {
                    error: "the mail server offers neither AUTH PLAIN nor AUTH LOGIN; it may want \
                            an encrypted connection first (`tls`)"
                        .to_owned(),
                },
                None => later(format!("{CONNECTION_FAILED} while logging in")),
            },
            Self::Talk(error) => {
                let said = cause(&error).map(|cause| secrets.quote(&cause)).unwrap_or_default();
                match error.status() {
                    Some(code) if error.is_permanent() => Delivery::Permanent {
                        error: format!(
                            "the mail server answered SMTP {code}{said}; check `from` and `to` of \
                             the channel, and whether the server wants a login"
                        ),
                    },
                    Some(code) => later(format!("the mail server answered SMTP {code}{said}")),
                    None if error.is_tls() => {
                        later(format!("the connection could not be encrypted{said}"))
                    }
                    None => later(format!("{CONNECTION_FAILED}{said}")),
                }
            }
        }
    }
}

/// The innermost cause in words.
fn cause(error: &Error) -> Option<String> {
    let mut cause = std::error::Error::source(error)?;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Some(cause.to_string())
}

fn text(message: &Message) -> String {
    let mut lines = vec![message.title.clone(), String::new()];
    if let Some(notice) = message.sending.notice() {
        lines.extend([notice.to_owned(), String::new()]);
    }
    if !message.mentions.is_empty() {
        lines.extend([message.mentions.join(" "), String::new()]);
    }
    if !message.summary.is_empty() {
        lines.extend([message.summary.clone(), String::new()]);
    }
    lines.extend(message.lines().iter().map(|line| format!("  - {line}")));
    lines.push(String::new());
    lines.extend(below(message).into_iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(String::new());
    lines.join("\r\n")
}

/// What stands below a mail: names and values.
fn below(message: &Message) -> Vec<(String, String)> {
    let facts = message.facts().into_iter().map(|(name, value)| (name.to_owned(), value));
    let record = message.record.iter();
    let record = record.map(|path| ("Record".to_owned(), path.display().to_string()));
    let actions = message.actions.iter();
    let actions = actions.map(|action| (action.kind.label().to_owned(), action.command.clone()));
    let at = [("At".to_owned(), format!("{:.0}", message.at))];
    facts.chain(record).chain(actions).chain(at).collect()
}

fn html(message: &Message) -> String {
    let mut html = String::from("<!DOCTYPE html><html><body>");
    let mut add = |tag: &str, text: &str| {
        for part in ["<", tag, ">", &escaped(text), "</", tag, ">"] {
            html.push_str(part);
        }
    };
    add("h2", &message.title);
    if let Some(notice) = message.sending.notice() {
        add("em", notice);
    }
    if !message.mentions.is_empty() {
        add("p", &message.mentions.join(" "));
    }
    if !message.summary.is_empty() {
        add("p", &message.summary);
    }
    for line in message.lines() {
        add("li", line);
    }
    let below: Vec<String> =
        below(message).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    add("pre", &below.join("\n"));
    html.push_str("</body></html>");
    html
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        assert_eq!(server("mail.example.org:587"), Some(("mail.example.org", 587)));
        assert_eq!(server("[::1]:25"), Some(("::1", 25)));
        for bad in ["mail", ":25", "mail:", "mail:99999", "mail:smtp"] {
            assert_eq!(server(bad), None, "{bad}");
        }
    }
}
