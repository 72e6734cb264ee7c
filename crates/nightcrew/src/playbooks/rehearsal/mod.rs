//! `nightcrew playbooks test`: a playbook heals a throw-away service, with the engine, the gate and
//! the executors of a real crew.
//!
//! **Invariant:** only the kind of a step and what it says of itself is the operator's; every object
//! that a step touches lies in the folder of the test or is its throw-away service.

mod adapt;
mod follow;
mod report;
mod stage;
mod trouble;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use nightcrew_act::gate::Gate;
use nightcrew_act::lint;
use nightcrew_channels::console::Console;
use nightcrew_config::settings::{Service, Settings};
use nightcrew_crew::crew::{Crew, Doors};
use nightcrew_crew::handle::Handle;
use nightcrew_crew::heal::gate_of;
use nightcrew_journal::entry::Position;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::approval::Autonomy;
use nightcrew_model::catalogue::{HEALTH_STATUS, PROCESS_STATUS};
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::plan::{Action, Playbook, Step};
use nightcrew_model::sample::{Observation, Reading, Status};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Ruling;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{self, Exit, Failure};
use crate::playbooks::list::named;
use crate::playbooks::rehearsal::adapt::Adapted;
use crate::playbooks::rehearsal::follow::{End, Seen};
use crate::playbooks::rehearsal::report::{Begun, Ended, Report};
use crate::playbooks::rehearsal::stage::Stage;
use crate::playbooks::rehearsal::trouble::{Break, Trouble};
use crate::{cli, wiring};

/// How long the throw-away crew may need until it sees its service as it should be.
const READY_MAX: Millis = Millis::from_secs(20);

/// How long a rehearsal may take beside its steps and its proof.
const BESIDE: Millis = Millis::from_secs(60);

/// How long a rehearsal may take at all.
const REHEARSAL_MAX: Millis = Millis::from_secs(3_600);

/// What is called the service where the configuration has none.
const NOBODY: &str = "throw-away";

/// Which playbook, and what is enough.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Its name.
    name: String,
    #[command(flatten)]
    config: cli::Config,
    /// Under the name of this service [default: one that the playbook could be about].
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Keep the files of the test.
    #[arg(long)]
    keep: bool,
    /// Do not fail because something cannot be run or proven on a throw-away service, as long as
    /// the gate admits it.
    #[arg(long)]
    shown_is_fine: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Test) -> anyhow::Result<Exit> {
    let settings = wiring::usable(&args.config)?;
    let playbook = named(&settings, &args.name)?;
    let gate = gate_of(&settings);
    let service = subject(&settings, &gate, playbook, args.service.as_deref())?;
    let trouble = trouble::choose(playbook);
    let about = match trouble.broken {
        Break::Full => ServiceName::from(ServiceName::HOST),
        _ => service.clone(),
    };
    let steps = adapt::rendered(playbook, &lint::bindings(playbook, about.clone()))
        .map_err(|error| Failure::usage(error.to_string(), "mend the playbook's parameters"))?;
    let judge = |action: &Action| gate.judge(action);
    let verdicts =
        steps.iter().map(|step| (judge(&step.action), step.rollback.as_ref().map(judge))).collect();
    let mut stage = Stage::build(&settings, &service, &about, &trouble, args.keep)?;
    let adapted = adapt::adapt(playbook, &steps, &trouble, stage.props());
    let begun = Begun {
        service: service.to_string(),
        trouble: &trouble,
        steps: &steps,
        verdicts,
        adapted: &adapted,
        notes: autonomy_note(&settings, &about).into_iter().collect(),
        shown_is_fine: args.shown_is_fine,
    };
    let say = |text: &str| {
        if !args.json {
            output::line(&output::plain(text));
        }
    };
    say(&format!("{} heals a throw-away service under the name of {service}", playbook.name));
    let began = Clock::System.now();
    let seen = if adapted.playbook.steps.is_empty() {
        None
    } else {
        stage.rehearse(adapted.playbook.clone());
        let actions: Vec<Action> =
            adapted.playbook.steps.iter().map(|step| step.action.clone()).collect();
        stage.lay_out(&actions)?;
        Some(wiring::block_on(perform(&stage, &adapted, &trouble, about, &say))?)
    };
    let took = Millis::between(began, Clock::System.now());
    let lost = stage.lost();
    if stage.n_kept() > 0 && lost.is_empty() {
        say("files that are young, foreign or of another name: all there");
    }
    stage.clean_up();
    let report = Report::of(begun, Ended { seen, took, lost });
    if args.json {
        output::json(&report)?;
    } else {
        report.print();
    }
    Ok(wiring::answer(report.ok))
}

/// Under whose name the throw-away service runs.
fn subject(
    settings: &Settings,
    gate: &Gate,
    playbook: &Playbook,
    wanted: Option<&str>,
) -> anyhow::Result<ServiceName> {
    if let Some(wanted) = wanted {
        let found = settings.services.keys().find(|service| service.as_str() == wanted);
        return found.cloned().ok_or_else(|| {
            let hint = "name a key of `services` in the configuration";
            Failure::usage(format!("there is no service `{wanted}`"), hint).into()
        });
    }
    let named = playbook.steps.iter().find_map(|step| match &step.action {
        Action::RestartProcess { service }
        | Action::RestartService { service }
        | Action::ReloadService { service } => {
            settings.services.contains_key(service).then(|| service.clone())
        }
        _ => None,
    });
    let n_refused = |service: &&Service| {
        let bindings = lint::bindings(playbook, service.name.clone());
        let steps = adapt::rendered(playbook, &bindings).unwrap_or_default();
        let actions = steps.iter().flat_map(|step| [Some(&step.action), step.rollback.as_ref()]);
        let verdicts = actions.flatten().map(|action| gate.judge(action).verdict);
        verdicts.filter(|ruling| *ruling == Ruling::Refused).count()
    };
    let about = || {
        let services = settings.services.values();
        let found =
            services.filter(|service| lint::is_about(playbook, service)).min_by_key(n_refused);
        found.map(|service| service.name.clone())
    };
    Ok(named.or_else(about).unwrap_or_else(|| NOBODY.into()))
}

/// What the autonomy of the service changes in earnest.
fn autonomy_note(settings: &Settings, about: &ServiceName) -> Option<String> {
    let declared = settings.services.get(about).and_then(|service| service.autonomy);
    match declared.unwrap_or(settings.healing.autonomy) {
        autonomy @ (Autonomy::Observe | Autonomy::Suggest) => {
            Some(format!("the autonomy of {about} is {autonomy}: in earnest a person gets it"))
        }
        Autonomy::Approve | Autonomy::Auto => None,
    }
}

/// Runs a crew on the stage until the rehearsal has ended.
async fn perform(
    stage: &Stage,
    adapted: &Adapted,
    trouble: &Trouble,
    about: ServiceName,
    say: &impl Fn(&str),
) -> anyhow::Result<Seen> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    stage.start().await?;
    let http = Http::net();
    let doors =
        Doors { clock: Clock::System, http: http.clone(), console: Console::new(std::io::sink()) };
    let crew = Crew::start(stage.settings().clone(), doors).await?;
    let handle = crew.handle().clone();
    let playbook = &adapted.playbook;
    let n_steps = playbook.steps.len();
    let target = Target::service(about);
    let seen = Seen::new(playbook.name.clone(), target, trouble.clone(), n_steps);
    let watch = watch(stage, &handle, &http, seen, patience(playbook), say);
    // Whoever stops the test stops its crew in order, as after its end.
    let result = tokio::select! {
        result = watch => result,
        _ = terminate.recv() => Err(anyhow::anyhow!("stopped by SIGTERM")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("stopped by Ctrl-C")),
    };
    crew.stop().await;
    result
}

/// How long a rehearsal may take.
fn patience(playbook: &Playbook) -> Millis {
    let of_step = |step: &Step| {
        let tries = u64::from(step.retry.times).saturating_add(1);
        step.timeout.0.saturating_add(step.retry.pause.0).saturating_mul(tries)
    };
    let steps = playbook.steps.iter().map(of_step).fold(0, u64::saturating_add);
    let proof = playbook.verify.as_ref().map_or(0, |it| it.wait_after.0 + it.deadline.0);
    Millis(steps.saturating_add(proof).saturating_add(BESIDE.0)).min(REHEARSAL_MAX)
}

async fn watch(
    stage: &Stage,
    handle: &Handle,
    http: &Http,
    mut seen: Seen,
    patience: Millis,
    say: &impl Fn(&str),
) -> anyhow::Result<Seen> {
    wait_until_healthy(stage, handle).await?;
    let trouble = seen.trouble().clone();
    say(&format!("broken: {}", trouble.broken));
    let broken = handle.clock().now();
    stage.break_it(trouble.broken, http).await?;
    if let Some(symptom) = &trouble.told {
        say(&format!("an alert says: {symptom}"));
        tell(handle, symptom.as_str(), seen.target().service.as_str(), broken).await?;
    }
    // From the beginning: a disk that is full is seen at once.
    let mut tail = handle.journal().subscribe(Position::START);
    let follow = async {
        while seen.end.is_none() {
            for entry in tail.next().await.context("following the journal")? {
                if let Some(answer) = seen.follow(&entry) {
                    handle.submit(vec![answer]).await?;
                }
                if seen.is_mine(&entry.decision) {
                    let after = Millis::between(broken, entry.decision.at).0;
                    say(&format!(
                        "  {after:>6} ms  {} ({})",
                        entry.decision.fact, entry.decision.reason
                    ));
                }
            }
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(patience.duration(), follow).await {
        Ok(followed) => followed?,
        Err(_) => {
            let why = format!("it came to no end within {patience}");
            seen.end = Some(End::Not { why });
        }
    }
    Ok(seen)
}

/// Waits until the throw-away service runs and answers.
async fn wait_until_healthy(stage: &Stage, handle: &Handle) -> anyhow::Result<()> {
    let service = &stage.props().service;
    let is = |metric: &str, wanted: Status| {
        handle.latest().iter().any(|sample| {
            sample.target.service == *service
                && sample.metric.as_str() == metric
                && sample.observation == Observation::Read(Reading::Status(wanted))
        })
    };
    let wait = async {
        while !(handle.is_ready()
            && is(HEALTH_STATUS, Status::Passing)
            && is(PROCESS_STATUS, Status::Running))
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(READY_MAX.duration(), wait).await.is_err() {
        anyhow::bail!("the throw-away service was not healthy within {READY_MAX}");
    }
    Ok(())
}

/// Sends an alert to the throw-away crew.
async fn tell(handle: &Handle, symptom: &str, service: &str, now: Timestamp) -> anyhow::Result<()> {
    let labels = [("alertname", symptom), ("service", service), ("severity", "critical")];
    let alert = IncomingAlert {
        labels: labels.into_iter().collect(),
        annotations: [("summary", "told by nightcrew playbooks test")].into_iter().collect(),
        starts_at: Some(now),
        ends_at: Some(REHEARSAL_MAX.after(now)),
        generator_url: String::new(),
    };
    handle.take_alerts(Source::AlertsApi, vec![alert]).await.context("sending the alert")
}
