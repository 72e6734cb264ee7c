//! What every fake over HTTP has in common: what it took, what it refused, and how it fails.

use std::collections::VecDeque;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response, Uri};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The longest request that a fake reads, in bytes.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// How a fake answers requests that the service would take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the service does.
    #[default]
    Ok,
    /// With this status and no body; nothing is taken.
    Status(u16),
    /// 429, as the service says it; nothing is taken.
    RateLimited {
        /// When the service wants to hear again.
        after: Duration,
    },
    /// As the service does, but only after this time: what the request says is taken at once.
    Slow(Duration),
    /// The request is taken, and the connection breaks inside the answer.
    CloseMidBody,
    /// With the body by which the service says that something is wrong; nothing is taken.
    ErrorBody,
    /// With the web page of a proxy in between and this status; nothing is taken.
    Page(u16),
    /// With a redirect; nothing is taken.
    Redirect,
}

/// One answer, word by word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// An answer with a body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// An answer with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    /// The answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    fn into_response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_default()
    }
}

/// One request that was taken.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it came.
    pub at: Instant,
    /// The method.
    pub method: Method,
    /// The path and the query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl Received {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of a parameter of the query, as it is written there.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.uri.query()?.split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// One request and its answer, for the transcript of a test.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method, the path and the query.
    pub request: String,
    /// The body of the request; null where there was none.
    pub sent: Value,
    /// The status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub answered: String,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.request, self.status)?;
        if !self.sent.is_null() {
            writeln!(f, "  > {}", self.sent)?;
        }
        if !self.answered.is_empty() {
            writeln!(f, "  < {}", self.answered)?;
        }
        Ok(())
    }
}

/// What a service says of a request.
pub(crate) enum Ruling {
    /// It takes it, and answers so.
    Taken(Answer),
    /// It refuses it, for this reason, and answers so.
    Refused(String, Answer),
}

impl Ruling {
    pub(crate) fn refused(why: impl Into<String>, answer: impl FnOnce(&str) -> Answer) -> Self {
        let why = why.into();
        let answer = answer(&why);
        Self::Refused(why, answer)
    }
}

/// What a fake took, refused and was told to do.
#[derive(Debug, Default)]
pub struct Desk {
    mode: Mutex<Mode>,
    script: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
    refused: Mutex<Vec<String>>,
    asked: Mutex<u64>,
    exchanges: Mutex<Vec<Exchange>>,
}

/// A test that fails while it holds a lock still wants to see what is behind it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// How requests are answered from now on.
    pub fn fail_with(&self, mode: Mode) {
        *lock(&self.mode) = mode;
    }

    /// The answers to the next requests that the service would take, word by word; nothing is taken
    /// by them.  They come before the mode.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.script).extend(answers);
    }

    /// What was taken, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.received).clone()
    }

    /// The bodies of what was taken, in order.
    #[must_use]
    pub fn bodies(&self) -> Vec<Value> {
        lock(&self.received).iter().map(|received| received.body.clone()).collect()
    }

    /// Why requests were refused by the rules of the service.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        lock(&self.refused).clone()
    }

    /// How many requests came, whatever became of them.
    #[must_use]
    pub fn asked(&self) -> u64 {
        *lock(&self.asked)
    }

    /// Every request that came and its answer, in order.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.exchanges).clone()
    }

    /// [`Self::exchanges`] as a test prints them.
    #[must_use]
    pub fn transcript(&self) -> String {
        lock(&self.exchanges).iter().map(Exchange::to_string).collect()
    }

    /// Answers one request: `judge` knows the rules and takes nothing, `take` changes what the
    /// service holds.
    pub(crate) async fn serve(&self, request: Request, service: &impl Service) -> Response<Body> {
        *lock(&self.asked) += 1;
        let (parts, body) = request.into_parts();
        let Ok(bytes) = to_bytes(body, REQUEST_BYTES_MAX).await else {
            return Answer::new(413, "").into_response();
        };
        let received = Received {
            at: Instant::now(),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        };
        let mode = lock(&self.mode).clone();
        let (request, sent) =
            (format!("{} {}", received.method, received.uri), received.body.clone());
        let (answer, taken) = self.answer(received, &bytes, &mode, service);
        lock(&self.exchanges).push(Exchange {
            request,
            sent,
            status: answer.status,
            answered: answer.body.clone(),
        });
        match mode {
            Mode::Slow(pause) if taken => tokio::time::sleep(pause).await,
            Mode::CloseMidBody if taken => return broken(answer),
            _ => {}
        }
        answer.into_response()
    }

    /// The answer, and whether the request was taken.
    fn answer(
        &self,
        received: Received,
        bytes: &[u8],
        mode: &Mode,
        service: &impl Service,
    ) -> (Answer, bool) {
        if let Err(Ruling::Refused(why, answer)) = service.check(&received, bytes) {
            lock(&self.refused).push(why);
            return (answer, false);
        }
        if let Some(answer) = lock(&self.script).pop_front() {
            return (answer, false);
        }
        let failure = match mode {
            Mode::Status(status) => Some(Answer::new(*status, "")),
            Mode::RateLimited { after } => Some(service.rate_limited(*after)),
            Mode::ErrorBody => Some(service.error(&received)),
            Mode::Page(status) => {
                let page = "<!DOCTYPE html><html><title>Bad gateway</title></html>";
                Some(Answer::new(*status, page).header("content-type", "text/html"))
            }
            Mode::Redirect => {
                Some(Answer::new(302, "").header("location", "http://127.0.0.1:9/elsewhere"))
            }
            Mode::Ok | Mode::Slow(_) | Mode::CloseMidBody => None,
        };
        if let Some(answer) = failure {
            return (answer, false);
        }
        match service.take(&received) {
            Ruling::Taken(answer) => {
                lock(&self.received).push(received);
                (answer, true)
            }
            Ruling::Refused(why, answer) => {
                lock(&self.refused).push(why);
                (answer, false)
            }
        }
    }
}

/// An answer that ends before its end.
fn broken(answer: Answer) -> Response<Body> {
    let begun = Bytes::from_static(b"{\"begun\":");
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let body = stream::iter([Ok(begun)]).chain(stream::once(async { Err(broken) }));
    let mut response = answer.into_response();
    *response.body_mut() = Body::from_stream(body);
    response
}

/// The rules of a service.
pub(crate) trait Service {
    /// Refuses what the service refuses by its form alone.
    fn check(&self, received: &Received, bytes: &[u8]) -> Result<(), Ruling>;

    /// Takes a request whose form is right.
    fn take(&self, received: &Received) -> Ruling;

    /// How the service says 429.
    fn rate_limited(&self, after: Duration) -> Answer;

    /// How the service says that something is wrong, in a body.
    fn error(&self, received: &Received) -> Answer;
}

/// A fake that listens; it stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    url: String,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves on a free port of the loopback.
    ///
    /// # Panics
    /// When the machine has no free port.
    #[expect(clippy::expect_used, reason = "a test that cannot listen cannot go on")]
    #[expect(clippy::disallowed_methods, reason = "a fake has no driver; the handle ends the task")]
    pub(crate) async fn start(router: Router) -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            // It only ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Arc::new(Self { url, task })
    }

    /// Where it listens: `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Gives a fake its router, its server and its desk.
macro_rules! over_http {
    ($fake:ident) => {
        impl $fake {
            /// What it took and refused, for tests of every fake.
            #[must_use]
            pub fn desk(&self) -> std::sync::Arc<crate::fake::desk::Desk> {
                std::sync::Arc::clone(&self.desk)
            }

            /// The service inside this process, at whatever host and below any path.
            pub fn router(&self) -> axum::Router {
                let mut inside = self.clone();
                // The task of the server must not keep itself alive.
                inside.server = None;
                axum::Router::new().fallback(move |request: axum::extract::Request| {
                    let fake = inside.clone();
                    async move { fake.desk.serve(request, &fake).await }
                })
            }

            /// The service on a free port of the loopback: its URL, and the fake, which listens
            /// until the last clone of it is dropped.
            pub async fn start() -> (String, Self) {
                let mut fake = Self::default();
                let server = crate::fake::desk::Server::start(fake.router()).await;
                let url = server.url().to_owned();
                fake.server = Some(server);
                (url, fake)
            }
        }

        impl std::ops::Deref for $fake {
            type Target = crate::fake::desk::Desk;

            fn deref(&self) -> &crate::fake::desk::Desk {
                &self.desk
            }
        }
    };
}

pub(crate) use over_http;
