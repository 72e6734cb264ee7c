//! The one HTTP client.  Tests put an in-process server in its place.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use nightcrew_model::unit::Millis;
pub use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tower::ServiceExt as _;

/// The largest answer that is read where a request does not say otherwise; the rest is left unread and the answer marked as cut.
pub const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Where requests go.
#[derive(Clone, Debug)]
pub enum Http {
    /// To the network.
    Net(NetClient),
    /// To a server inside this process, whatever the host of the URL.
    Fake(Router),
}

/// A client that is built when the first request needs it: reading the root certificates costs
/// memory that a crew without HTTPS never pays.
#[derive(Clone, Debug, Default)]
pub struct NetClient {
    built: Arc<OnceLock<Result<reqwest::Client, String>>>,
    /// The Unix socket over which every request goes, whatever its host; none: the network.
    socket: Option<Arc<Path>>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL, `http` or `https`.
    pub url: String,
    /// Extra headers.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long the whole exchange may take.
    pub timeout: Millis,
    /// How much of the answer is read, in bytes; [`RESPONSE_BYTES_MAX`] where nothing is said.
    pub body_bytes_max: usize,
}

impl Request {
    /// A GET request.
    #[must_use]
    pub fn get(url: impl Into<String>, timeout: Millis) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
            body_bytes_max: RESPONSE_BYTES_MAX,
        }
    }

    /// A POST request with a JSON body.
    #[must_use]
    pub fn post_json(url: impl Into<String>, body: &serde_json::Value, timeout: Millis) -> Self {
        let mut request = Self::get(url, timeout);
        request.method = Method::POST;
        request.body = Bytes::from(body.to_string());
        request
            .headers
            .insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request
    }

    /// The same request by another method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// The request with one more header; a name or value that HTTP does not allow is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as the request wants it.
    pub body: Bytes,
    /// Whether there was more.
    pub cut: bool,
}

/// Why there is no answer.  No message repeats the URL: it may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The whole exchange did not end in time.
    #[error("no answer within {0}")]
    TimedOut(Millis),
    /// The URL is not one.
    #[error("not a usable URL")]
    Url,
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(String),
}

impl Http {
    /// A client for the network.
    #[must_use]
    pub fn net() -> Self {
        Self::Net(NetClient::default())
    }

    /// The same client over a Unix socket, as the Docker Engine listens on one.  Requests still
    /// name a host, which only becomes their `Host` header.  A server inside this process stays
    /// what it is.
    #[must_use]
    pub fn over_socket(&self, socket: &Path) -> Self {
        match self {
            Self::Net(_) => {
                Self::Net(NetClient { built: Arc::default(), socket: Some(Arc::from(socket)) })
            }
            Self::Fake(router) => Self::Fake(router.clone()),
        }
    }

    /// Sends a request and reads the answer.  Redirects are not followed: the answer of a
    /// redirecting server is the redirect.
    ///
    /// # Errors
    /// When no whole answer came in time.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let timeout = request.timeout;
        let exchange = async {
            match self {
                Self::Net(client) => client.send(request).await,
                Self::Fake(router) => send_to_router(router.clone(), request).await,
            }
        };
        tokio::time::timeout(timeout.duration(), exchange)
            .await
            .unwrap_or(Err(HttpError::TimedOut(timeout)))
    }
}

/// Makes ring the TLS provider of this process, unless one is installed already.  The one place
/// that chooses a provider.
pub fn install_tls_provider() {
    // It fails only when one is installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl NetClient {
    fn client(&self) -> Result<&reqwest::Client, HttpError> {
        let built = self.built.get_or_init(|| {
            install_tls_provider();
            let mut builder = reqwest::Client::builder();
            if let Some(socket) = &self.socket {
                builder = builder.unix_socket(Arc::clone(socket));
            }
            builder
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("nightcrew/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|error| error.to_string())
        });
        built.as_ref().map_err(|error| HttpError::Connection(error.clone()))
    }

    async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let url = reqwest::Url::parse(&request.url).map_err(|_| HttpError::Url)?;
        let body_bytes_max = request.body_bytes_max;
        let response = self
            .client()?
            .request(request.method, url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(describe)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        let mut cut = false;
        let mut response = response;
        while let Some(chunk) = response.chunk().await.map_err(describe)? {
            let room = body_bytes_max - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                cut = true;
                break;
            }
        }
        Ok(Response { status, headers, body: body.freeze(), cut })
    }
}

/// The innermost cause in words: `Connection refused (os error 111)` says more than `error sending
/// request`.
fn describe(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    HttpError::Connection(cause.to_string())
}

async fn send_to_router(router: Router, request: Request) -> Result<Response, HttpError> {
    let body_bytes_max = request.body_bytes_max;
    let mut built = axum::http::Request::builder()
        .method(request.method)
        .uri(&request.url)
        .body(Body::from(request.body))
        .map_err(|_| HttpError::Url)?;
    *built.headers_mut() = request.headers;
    let response = match router.oneshot(built).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let mut chunks = body.into_data_stream();
    let mut bytes = BytesMut::new();
    let mut cut = false;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| HttpError::Connection(error.to_string()))?;
        let room = body_bytes_max - bytes.len();
        bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            cut = true;
            break;
        }
    }
    Ok(Response { status: parts.status, headers: parts.headers, body: bytes.freeze(), cut })
}
