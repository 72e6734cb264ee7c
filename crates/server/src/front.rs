//! The way in for every request: the one that comes a thousand times as often as any other goes
//! straight to its handler, without the router's layers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use tower::Service;

use crate::app::App;
use crate::{app, door, intake, page};

/// Where alerts are posted.
pub(crate) const ALERTS: &str = "/api/v2/alerts";

/// Answers every request; cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    app: App,
    bound: Option<SocketAddr>,
    router: Router,
}

impl Front {
    pub(crate) fn new(app: App, bound: Option<SocketAddr>) -> Self {
        Self { router: app::routes(app.clone(), bound), app, bound }
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if *request.method() == Method::POST && request.uri().path() == ALERTS {
            return Box::pin(post_alerts(self.app.clone(), self.bound, request));
        }
        Box::pin(self.router.call(request))
    }
}

/// As the router does it.
async fn post_alerts(
    app: App,
    bound: Option<SocketAddr>,
    request: Request,
) -> Result<Response, Infallible> {
    let mut response = match door::admit(&request, bound) {
        Ok(()) => page::not_stored(intake::alerts::post(State(app), request).await),
        Err(problem) => problem.into_response(),
    };
    door::close(&mut response);
    Ok(response)
}
