//! A small mail server: EHLO, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA, RSET, NOOP, QUIT (RFC 5321,
//! RFC 4954).

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::desk::lock;

/// The longest line of a mail, in bytes, without its end (RFC 5321, 4.5.3.1.6).
const LINE_BYTES_MAX: usize = 998;

/// How the server behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SmtpMode {
    /// As it should.
    #[default]
    Ok,
    /// It greets with this code and text.
    Greeting(u16, String),
    /// It answers MAIL with this code and text.
    Refused(u16, String),
    /// It answers DATA with this code and text, after the mail came.
    RefusedData(u16, String),
    /// It takes the mail, and answers only after this time.
    Slow(Duration),
    /// It takes the mail, and closes the connection without an answer.
    CloseAfterData,
    /// It closes the connection before it greets.
    Close,
    /// It answers with the web page of a proxy.
    Page,
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// The mail as it came, without the dots that only carry it.
    pub data: String,
    /// Whether the caller logged in.
    pub logged_in: bool,
}

impl Mail {
    /// The value of a header; lines that go on are joined.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        head.split("\r\n").find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }
}

/// A mail server; it stops when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Smtp {
    held: Arc<Mutex<Held>>,
    _task: Arc<Task>,
}

#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug, Default)]
struct Held {
    mode: SmtpMode,
    login: Option<(String, String)>,
    only_way_login: bool,
    starttls: bool,
    unknown: Vec<String>,
    mails: Vec<Mail>,
    refused: Vec<String>,
    connections: u64,
}

impl Smtp {
    /// A server on a free port of the loopback: `host:port`, and the server.
    ///
    /// # Panics
    /// When the machine has no free port.
    #[expect(clippy::expect_used, reason = "a test that cannot listen cannot go on")]
    #[expect(clippy::disallowed_methods, reason = "a fake has no driver; the handle ends the task")]
    pub async fn start() -> (String, Self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let held = Arc::new(Mutex::new(Held::default()));
        let task = tokio::spawn(listen(listener, Arc::clone(&held)));
        (address, Self { held, _task: Arc::new(Task(task)) })
    }

    /// How it behaves from now on.
    pub fn fail_with(&self, mode: SmtpMode) {
        lock(&self.held).mode = mode;
    }

    /// Only who logs in so may send.
    pub fn only_login(&self, user: &str, password: &str) {
        lock(&self.held).login = Some((user.to_owned(), password.to_owned()));
    }

    /// It offers AUTH LOGIN and not AUTH PLAIN.
    pub fn only_auth_login(&self) {
        lock(&self.held).only_way_login = true;
    }

    /// It says that it offers STARTTLS, and closes the connection when it is asked for it.
    pub fn offer_starttls(&self) {
        lock(&self.held).starttls = true;
    }

    /// Nobody of this address is here (550).
    pub fn unknown_recipient(&self, address: &str) {
        lock(&self.held).unknown.push(address.to_owned());
    }

    /// The mails that were taken, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Mail> {
        lock(&self.held).mails.clone()
    }

    /// Why something was refused by the rules.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        lock(&self.held).refused.clone()
    }

    /// How many connections came.
    #[must_use]
    pub fn asked(&self) -> u64 {
        lock(&self.held).connections
    }
}

async fn listen(listener: TcpListener, held: Arc<Mutex<Held>>) {
    let mut calls = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        lock(&held).connections += 1;
        let held = Arc::clone(&held);
        calls.spawn(async move {
            // A caller that is gone has heard enough.
            let _ = Call::new(stream, held).serve().await;
        });
    }
}

/// One connection.
struct Call {
    lines: BufReader<OwnedReadHalf>,
    out: OwnedWriteHalf,
    held: Arc<Mutex<Held>>,
    from: Option<String>,
    to: Vec<String>,
    logged_in: bool,
}

impl Call {
    fn new(stream: TcpStream, held: Arc<Mutex<Held>>) -> Self {
        let (lines, out) = stream.into_split();
        let lines = BufReader::new(lines);
        Self { lines, out, held, from: None, to: Vec::new(), logged_in: false }
    }

    fn mode(&self) -> SmtpMode {
        lock(&self.held).mode.clone()
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.out.write_all(format!("{text}\r\n").as_bytes()).await
    }

    async fn refuse(&mut self, code: u16, why: &str) -> std::io::Result<()> {
        lock(&self.held).refused.push(why.to_owned());
        self.say(&format!("{code} {why}")).await
    }

    /// The next line; none: the caller is gone.
    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut bytes = Vec::new();
        self.lines.read_until(b'\n', &mut bytes).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn serve(mut self) -> std::io::Result<()> {
        match self.mode() {
            SmtpMode::Close => return Ok(()),
            SmtpMode::Greeting(code, text) => return self.say(&format!("{code} {text}")).await,
            SmtpMode::Page => {
                return self.say("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>Bad gateway</html>").await;
            }
            _ => self.say("220 fake.example ESMTP").await?,
        }
        while let Some(line) = self.line().await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let rest = rest.to_owned();
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.hello().await?,
                "AUTH" => self.login(&rest).await?,
                "MAIL" => self.mail(&rest).await?,
                "RCPT" => self.recipient(&rest).await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(());
                    }
                }
                "RSET" | "NOOP" => self.say("250 OK").await?,
                "STARTTLS" => {
                    self.say("220 go ahead").await?;
                    return Ok(());
                }
                "QUIT" => return self.say("221 bye").await,
                _ => self.refuse(500, "unknown command").await?,
            }
        }
        Ok(())
    }

    async fn hello(&mut self) -> std::io::Result<()> {
        let (login, plain, starttls) = {
            let held = lock(&self.held);
            (held.login.is_some(), !held.only_way_login, held.starttls)
        };
        self.say("250-fake.example").await?;
        if login {
            let ways = if plain { "PLAIN LOGIN" } else { "LOGIN" };
            self.say(&format!("250-AUTH {ways}")).await?;
        }
        if starttls {
            self.say("250-STARTTLS").await?;
        }
        self.say("250 SIZE 1000000").await
    }

    async fn login(&mut self, rest: &str) -> std::io::Result<()> {
        let expected = lock(&self.held).login.clone();
        let given = match rest.split_once(' ') {
            Some(("PLAIN", text)) => decoded(text).and_then(|text| {
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                Some((parts.next()?, parts.next()?))
            }),
            _ if rest == "LOGIN" => self.asked_for().await?,
            _ => None,
        };
        if expected.is_some() && given == expected {
            self.logged_in = true;
            return self.say("235 welcome").await;
        }
        // As some servers do, it repeats what it was told.
        self.refuse(535, &format!("authentication failed: {rest}")).await
    }

    /// User and password, as AUTH LOGIN asks for them.
    async fn asked_for(&mut self) -> std::io::Result<Option<(String, String)>> {
        let mut given = Vec::new();
        // `Username:` and `Password:`.
        for question in ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"] {
            self.say(&format!("334 {question}")).await?;
            let answer = self.line().await?.unwrap_or_default();
            given.push(decoded(&answer).unwrap_or_default());
        }
        let mut given = given.into_iter();
        Ok(given.next().zip(given.next()))
    }

    async fn mail(&mut self, rest: &str) -> std::io::Result<()> {
        if let SmtpMode::Refused(code, text) = self.mode() {
            return self.say(&format!("{code} {text}")).await;
        }
        if lock(&self.held).login.is_some() && !self.logged_in {
            return self.refuse(530, "log in first").await;
        }
        match address(rest, "FROM:") {
            Some(from) => {
                self.from = Some(from);
                self.to.clear();
                self.say("250 OK").await
            }
            None => self.refuse(501, "no address").await,
        }
    }

    async fn recipient(&mut self, rest: &str) -> std::io::Result<()> {
        let unknown = lock(&self.held).unknown.clone();
        match address(rest, "TO:") {
            _ if self.from.is_none() => self.refuse(503, "MAIL comes first").await,
            Some(to) if unknown.contains(&to) => self.refuse(550, "no such user here").await,
            Some(to) => {
                self.to.push(to);
                self.say("250 OK").await
            }
            None => self.refuse(501, "no address").await,
        }
    }

    /// Whether the connection goes on.
    async fn data(&mut self) -> std::io::Result<bool> {
        let Some(from) = self.from.take().filter(|_| !self.to.is_empty()) else {
            self.refuse(503, "RCPT comes first").await?;
            return Ok(true);
        };
        self.say("354 go ahead").await?;
        let mut lines = Vec::new();
        loop {
            match self.line().await? {
                None => return Ok(false),
                Some(line) if line == "." => break,
                Some(line) => lines.push(line.strip_prefix('.').unwrap_or(&line).to_owned()),
            }
        }
        if let Some(why) = broken(&lines) {
            self.refuse(554, &why).await?;
            return Ok(true);
        }
        let mode = self.mode();
        if let SmtpMode::RefusedData(code, text) = &mode {
            self.say(&format!("{code} {text}")).await?;
            return Ok(true);
        }
        let to = std::mem::take(&mut self.to);
        let mail = Mail { from, to, data: lines.join("\r\n"), logged_in: self.logged_in };
        lock(&self.held).mails.push(mail);
        match mode {
            SmtpMode::CloseAfterData => return Ok(false),
            SmtpMode::Slow(pause) => tokio::time::sleep(pause).await,
            _ => {}
        }
        self.say("250 taken").await?;
        Ok(true)
    }
}

fn address(rest: &str, word: &str) -> Option<String> {
    let rest = rest.strip_prefix(word)?;
    let (address, _) = rest.strip_prefix('<')?.split_once('>')?;
    address.contains('@').then(|| address.to_owned())
}

/// What is wrong with a mail (RFC 5322).
fn broken(lines: &[String]) -> Option<String> {
    if let Some(long) = lines.iter().find(|line| line.len() > LINE_BYTES_MAX) {
        return Some(format!("a line of {} bytes", long.len()));
    }
    if lines.iter().any(|line| !line.is_ascii()) {
        return Some("8-bit text without 8BITMIME".to_owned());
    }
    let head: Vec<&String> = lines.iter().take_while(|line| !line.is_empty()).collect();
    for name in ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version"] {
        let count = head.iter().filter(|line| {
            line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        });
        match count.count() {
            1 => {}
            count => return Some(format!("{count} headers {name}")),
        }
    }
    None
}

/// Base64 (RFC 4648) as text.
fn decoded(text: &str) -> Option<String> {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}
