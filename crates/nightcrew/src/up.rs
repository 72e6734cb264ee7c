//! `nightcrew up`: runs the crew until it is told to stop.

use std::net::SocketAddr;

use anyhow::Context as _;
use nightcrew_channels::console::Console;
use nightcrew_config::settings::Settings;
use nightcrew_crew::crew::{Crew, Doors};
use nightcrew_model::plan::Mode;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{Exit, Failure};
use crate::{cli, output, wiring};

pub(crate) async fn run(args: cli::Up) -> anyhow::Result<Exit> {
    let mut settings = wiring::usable(&args.config)?;
    if let Some(data) = args.data {
        if settings.workspace_dir == settings.data_dir {
            settings.workspace_dir.clone_from(&data);
        }
        settings.data_dir = data;
    }
    if let Some(listen) = args.listen {
        settings.listen = listen;
    }
    if args.dry_run {
        settings.mode = Mode::DryRun;
    }
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(settings, Console::new(std::io::stdout()), stop, |address| {
        output::line(&format!("listening on http://{address}"));
    })
    .await?;
    Ok(Exit::Done)
}

/// Starts a crew and its server, and stops both, in order, when `stop` is done.
async fn serve(
    settings: Settings,
    console: Console,
    stop: impl Future<Output = ()> + Send + 'static,
    listening: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().context("asking for the listening address")?;
    let doors = Doors { clock: Clock::System, http: Http::net(), console };
    let crew = Crew::start(settings, doors).await?;
    listening(address);
    let served = nightcrew_server::serve(crew.handle().clone(), listener, stop).await;
    crew.stop().await;
    served.context("serving HTTP")
}

/// Opens the listening socket.  Without users and roles, whoever reaches the socket is trusted, so
/// only this machine may reach it.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(Failure::usage(
            format!("{address} can be reached from other machines"),
            "listen on 127.0.0.1 or [::1]; users and roles come in a later version",
        )
        .into());
    }
    TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(
            format!("cannot listen on {address}: {error}"),
            "another crew may be running there: see `nightcrew status`, or choose --listen",
        )
        .into()
    })
}
