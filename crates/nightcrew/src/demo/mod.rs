//! `nightcrew demo`: breaks real things and lets the crew heal them, on the embedded default.

mod acts;
pub(crate) mod service;
mod stage;

use anyhow::Context as _;
use nightcrew_crew::crew::{Crew, Doors};
use nightcrew_crew::handle::Handle;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::acts::{Ending, Played};
use crate::demo::stage::Stage;
use crate::output::{self, Exit};
use crate::{cli, up, wiring};

/// How long the crew may need until it is ready and sees every part of the stage healthy.
const READY_MAX: Millis = Millis::from_secs(20);

#[derive(Serialize)]
struct Report {
    incidents: Vec<Played>,
    ok: bool,
}

pub(crate) fn run(args: &cli::Demo) -> anyhow::Result<Exit> {
    let mut stage = Stage::build(args.keep)?;
    let result = wiring::block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let stopped = async move {
            tokio::select! {
                _ = terminate.recv() => "stopped by SIGTERM",
                _ = interrupt.recv() => "stopped by Ctrl-C",
            }
        };
        perform(args, &stage, stopped).await
    });
    let cleaned = stage.clean_up();
    let report = result?;
    cleaned.context("cleaning up")?;
    if args.json {
        output::json(&report)?;
    }
    Ok(wiring::answer(report.ok))
}

async fn perform(
    args: &cli::Demo,
    stage: &Stage,
    stopped: impl Future<Output = &'static str>,
) -> anyhow::Result<Report> {
    let say = |text: &str| {
        if !args.json {
            output::line(text);
        }
    };
    say(&output::coloured(output::BOLD, "Nightcrew demo: four real failures on this machine"));
    say(&format!("the disk is {}", stage.disk_in_words()));
    stage.start_services().await?;
    let doors = Doors { clock: Clock::System, http: Http::net(), console: stage.console() };
    let crew = Crew::start(stage.settings().clone(), doors).await?;
    let handle = crew.handle().clone();
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let page = async {
        if args.no_ui {
            // Nothing to serve: wait until the play is over.
            let _ = closed.await;
            return Ok(());
        }
        let listener = match up::bind(stage.settings().listen).await {
            Ok(listener) => listener,
            Err(_) => up::bind(([127, 0, 0, 1], 0).into()).await?,
        };
        let address = listener.local_addr().context("asking for the listening address")?;
        say(&format!("watch it at http://{address}"));
        let stop = async {
            let _ = closed.await;
        };
        nightcrew_server::serve(handle.clone(), listener, stop).await.context("serving the page")
    };
    let play = async {
        // Whoever stops the demo stops the crew in order, as after the play.
        let played = tokio::select! {
            played = play(stage, &handle, &say) => played,
            why = stopped => Err(anyhow::anyhow!(why)),
        };
        // The page may be gone already, when it could not be served.
        let _ = close.send(());
        played
    };
    let (played, served) = tokio::join!(play, page);
    // It leaves every record up to date.
    crew.stop().await;
    served?;
    let incidents = played?;
    let ok = incidents.len() == 4 && incidents.iter().all(Played::is_as_it_should);
    let healed = incidents.iter().filter(|played| played.verified).count();
    let verdict = if ok { "as it should be" } else { "NOT as it should be" };
    say(&format!(
        "{healed} healed and proven, {} with a person: {verdict}",
        incidents.len() - healed
    ));
    say(&format!("records: {}", stage.settings().workspace_dir.display()));
    Ok(Report { incidents, ok })
}

async fn play(stage: &Stage, handle: &Handle, say: &impl Fn(&str)) -> anyhow::Result<Vec<Played>> {
    acts::wait_until_healthy(stage, handle, READY_MAX).await?;
    let mut played = Vec::new();
    for act in acts::ACTS {
        say(&output::coloured(output::BOLD, &format!("\n{}", act.title)));
        let one = act.play(stage, handle, say).await?;
        let times = match (one.state, one.repaired_ms) {
            (Ending::Resolved, Some(repaired)) => {
                format!(
                    "seen after {}, healed and proven after {}",
                    Millis(one.detected_ms),
                    Millis(repaired)
                )
            }
            (Ending::Resolved | Ending::Escalated, _) => {
                format!("seen after {}, handed to a person", Millis(one.detected_ms))
            }
        };
        let style = if one.is_as_it_should() { output::GREEN } else { output::RED };
        say(&output::coloured(style, &format!("  {}: {times}", one.id)));
        played.push(one);
    }
    Ok(played)
}
