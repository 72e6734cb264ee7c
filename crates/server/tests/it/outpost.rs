//! A crew that watches only this host, and its routes.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use nightcrew_channels::console::Console;
use nightcrew_config::settings::Settings;
use nightcrew_crew::crew::{Crew, Doors};
use nightcrew_crew::handle::Handle;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// How long a test waits for a level before it fails.
const LEVEL_MAX: Duration = Duration::from_secs(10);

/// A running crew and its routes.
pub(crate) struct Outpost {
    pub(crate) router: Router,
    crew: Crew,
    _folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Outpost {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::zero(folder.path().join("data"));
        change(&mut settings);
        let doors = Doors {
            clock: Clock::System,
            http: Http::Fake(Router::new()),
            console: Console::new(std::io::sink()),
        };
        let crew = Crew::start(settings, doors).await.unwrap();
        let router = nightcrew_server::router(crew.handle().clone());
        Self { router, crew, _folder: folder }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.crew.handle()
    }

    pub(crate) async fn stop(self) {
        self.crew.stop().await;
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("host", "localhost:7979");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(Method::POST, path, body).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Asks again until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let mut last = None;
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if wanted(&answer) {
                    return answer;
                }
                last = Some(answer);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(LEVEL_MAX, asking).await {
            Ok(answer) => answer,
            Err(_) => panic!("{path} never became as wanted; last: {last:?}"),
        }
    }
}

/// Waits for something that has to come.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LEVEL_MAX, coming).await {
        Ok(came) => came,
        Err(_) => panic!("{what} did not come"),
    }
}
