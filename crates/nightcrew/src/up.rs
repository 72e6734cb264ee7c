//! `nightcrew up`: runs the crew until it is told to stop.

use std::net::SocketAddr;

use anyhow::Context as _;
use nightcrew_channels::console::Console;
use nightcrew_config::problem::Severity;
use nightcrew_config::settings::Settings;
use nightcrew_crew::crew::{Crew, Doors};
use nightcrew_crew::reload::Reloader;
use nightcrew_model::plan::Mode;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{Exit, Failure};
use crate::{cli, output, wiring};

pub(crate) async fn run(args: cli::Up) -> anyhow::Result<Exit> {
    let settings = settings(&args)?;
    let reloader = Reloader::new(move || settings_again(&args));
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(settings, reloader, Console::new(std::io::stdout()), stop, |address| {
        output::line(&format!("listening on http://{address}"));
    })
    .await?;
    Ok(Exit::Done)
}

/// The configuration, and what the command line says instead of it.
fn settings(args: &cli::Up) -> anyhow::Result<Settings> {
    Ok(overridden(wiring::usable(&args.config)?, args))
}

/// The configuration as it is now; what is wrong with it goes to the log.
fn settings_again(args: &cli::Up) -> Result<Settings, String> {
    let loaded = wiring::read(&args.config);
    let errors = loaded.problems.iter().filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<String> = errors.map(ToString::to_string).collect();
    let settings = loaded.settings.ok_or_else(|| errors.join("; "))?;
    Ok(overridden(settings, args))
}

fn overridden(mut settings: Settings, args: &cli::Up) -> Settings {
    if let Some(data) = &args.data {
        if settings.workspace_dir == settings.data_dir {
            settings.workspace_dir.clone_from(data);
        }
        settings.data_dir.clone_from(data);
    }
    if let Some(listen) = args.listen {
        settings.listen = listen;
    }
    if args.dry_run {
        settings.mode = Mode::DryRun;
    }
    settings
}

/// Starts a crew and its server, and stops both, in order, when `stop` is done.
async fn serve(
    settings: Settings,
    reloader: Reloader,
    console: Console,
    stop: impl Future<Output = ()> + Send + 'static,
    listening: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr().context("asking for the listening address")?;
    let doors = Doors { clock: Clock::System, http: Http::net(), console };
    let crew = Crew::start(settings, doors).await?;
    crew.handle().reload_from(reloader);
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    listening(address);
    let handle = crew.handle().clone();
    let again = async {
        while hang_up.recv().await.is_some() {
            // What came of it is in the log.
            let _ = handle.reload_again().await;
        }
    };
    let served = tokio::select! {
        served = nightcrew_server::serve(crew.handle().clone(), listener, stop) => served,
        () = again => Ok(()),
    };
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
