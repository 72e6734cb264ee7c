//! The doors of the crew: inbound alerts, the API, the live events and the page.
//!
//! | door | module |
//! |---|---|
//! | `POST /api/v2/alerts`, `/hooks/{door}`, `/v2/alerts` (Opsgenie) | `intake` |
//! | `/api/v2/…`, `/-/…`: what an Alertmanager answers | `alertmanager` |
//! | `/healthz`, `/readyz` | `health` |
//! | `/metrics` | `metrics` |
//! | `/api/v1/…` | `api` |
//! | `/api/v1/events` | `events` |
//! | `/chat/{service}`: pressed buttons | `chat` |
//! | `POST /v1/metrics`, `/v1/logs`, `/v1/traces`, also below `/otlp`: OTLP | `otlp` |
//! | `/` | `page` |
//!
//! **Invariant:** a 2xx to an alert is sent after the alert is durable, and nothing is read from
//! outside without a limit.  Only loopback addresses are served, and a page of another site can
//! neither send nor read anything.
//!
//! The server decides nothing and starts no process: what comes in goes to the crew's handle, and
//! what goes out is read from there.  The one thing that it writes are dead letters.

mod alertmanager;
mod api;
mod app;
mod body;
mod calendar;
mod chat;
mod connection;
mod door;
mod events;
mod exposition;
mod front;
mod health;
mod intake;
pub mod limit;
mod metrics;
mod otlp;
mod page;
mod parameters;
mod problem;
mod random;
mod view;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use axum::{Router, ServiceExt as _};
use nightcrew_crew::handle::Handle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::app::App;
use crate::connection::Doorway;
use crate::front::Front;
use crate::limit::{CONNECTIONS_MAX, STOP_MAX};

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines.
    #[error(
        "{0} can be reached from other machines, and whoever reaches the crew can report alerts \
         to it; listen on 127.0.0.1 or [::1] and put a proxy that checks passwords before it"
    )]
    NotLoopback(SocketAddr),
    /// The socket failed.
    #[error("the listening socket failed")]
    Socket(#[from] io::Error),
}

/// Serves until `stop`, then lets requests that are under way end, [`STOP_MAX`] at most, and event
/// streams at once.  What was acknowledged is durable, so nothing is lost by cutting off the rest.
///
/// # Errors
/// When the listener is not bound to a loopback address, or its socket fails.
pub async fn serve(
    handle: Handle,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let bound = listener.local_addr()?;
    if !bound.ip().is_loopback() {
        return Err(ServeError::NotLoopback(bound));
    }
    let doorway = Doorway::new(listener, CONNECTIONS_MAX);
    let (stopping, mut told) = watch::channel(false);
    let front = Front::new(App::new(handle, told.clone()), Some(bound));
    let graceful =
        axum::serve(doorway, front.into_make_service()).with_graceful_shutdown(async move {
            // An error says that `serve` itself was dropped.
            let _ = told.wait_for(|stopping| *stopping).await;
        });
    let mut serving = pin!(graceful.into_future());
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = stop => {}
    }
    stopping.send_replace(true);
    match timeout(STOP_MAX.duration(), serving).await {
        Ok(ended) => Ok(ended?),
        Err(_) => {
            tracing::warn!("some requests did not end within {STOP_MAX} and are cut off");
            Ok(())
        }
    }
}

/// Every route, for use without a socket.  Event streams end when their reader does.
pub fn router(handle: Handle) -> Router {
    let (_, never) = watch::channel(false);
    app::routes(App::new(handle, never), None)
}
