//! `nightcrew doctor`: what works on this machine, what does not, and how to mend it.

use std::fs;
use std::path::Path;

use nightcrew_act::sandbox::Launcher;
use nightcrew_act::sandbox::layer::{Layer, Standing, State};
use nightcrew_act::sandbox::probe::probe;
use nightcrew_config::problem::Severity;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::{Http, Request};
use nightcrew_runtime::process;
use serde::Serialize;

use crate::output::{self, Exit};
use crate::{cli, up, wiring};

/// How well one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Good,
    Limited,
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    health: Health,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

fn good(name: &'static str, detail: impl Into<String>) -> Finding {
    Finding { name, health: Health::Good, detail: detail.into(), hint: None }
}

fn bad(
    name: &'static str,
    health: Health,
    detail: impl Into<String>,
    hint: impl Into<String>,
) -> Finding {
    Finding { name, health, detail: detail.into(), hint: Some(hint.into()) }
}

pub(crate) async fn run(args: cli::Doctor) -> anyhow::Result<Exit> {
    let data = wiring::data_dir(args.data.as_ref());
    let (config, listen) = configuration(&args.config);
    let mut findings = vec![
        config,
        data_folder(&data),
        space(&data),
        process_ends(),
        privileges(),
        clock(),
        port(listen).await,
        program("systemctl", "services with a `unit` cannot be restarted"),
        program("docker", "container commands of playbooks are refused at execution"),
    ];
    findings.extend(probe(Launcher::myself().as_ref()).await.into_iter().map(sandbox));
    let broken = findings.iter().any(|finding| finding.health == Health::Broken);
    if args.json {
        output::json(&serde_json::json!({ "ok": !broken, "findings": findings }))?;
        return Ok(wiring::answer(!broken));
    }
    for finding in &findings {
        let (style, word) = match finding.health {
            Health::Good => (output::GREEN, "good   "),
            Health::Limited => (output::YELLOW, "limited"),
            Health::Broken => (output::RED, "broken "),
        };
        let word = output::coloured(style, word);
        output::line(&format!("{word} {:<16} {}", finding.name, output::plain(&finding.detail)));
        if let Some(hint) = &finding.hint {
            output::line(&format!("{:25}{}", "", output::coloured(output::DIM, hint)));
        }
    }
    Ok(wiring::answer(!broken))
}

fn configuration(config: &cli::Config) -> (Finding, std::net::SocketAddr) {
    let loaded = wiring::read(config);
    let n_errors =
        loaded.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let n_warnings = loaded.problems.len() - n_errors;
    let zero =
        std::net::SocketAddr::from(([127, 0, 0, 1], nightcrew_config::settings::Settings::PORT));
    let listen = loaded.settings.as_ref().map_or(zero, |settings| settings.listen);
    let detail = format!("{} files, {n_errors} errors, {n_warnings} warnings", loaded.files.len());
    let finding = match (n_errors, n_warnings) {
        (0, 0) => good("configuration", detail),
        (0, _) => bad("configuration", Health::Limited, detail, "see `nightcrew check`"),
        _ => bad("configuration", Health::Broken, detail, "see `nightcrew check`"),
    };
    (finding, listen)
}

fn data_folder(data: &Path) -> Finding {
    let shown = data.display();
    // The folder itself may not be there yet: then its parent has to allow making it.
    let probe = if data.exists() { data } else { data.parent().unwrap_or(data) };
    let probe = if probe.as_os_str().is_empty() { Path::new(".") } else { probe };
    let written = tempfile::tempfile_in(probe).and_then(|file| file.sync_all());
    match written {
        Ok(()) => good("data folder", format!("{shown} can be written")),
        Err(error) => bad(
            "data folder",
            Health::Broken,
            format!("{shown} cannot be written: {error}"),
            "choose another with --data, or give this user the right to write there",
        ),
    }
}

fn space(data: &Path) -> Finding {
    const LITTLE: u64 = 256 << 20;
    let probe = if data.exists() { data } else { Path::new(".") };
    match rustix::fs::statvfs(probe) {
        Err(error) => {
            bad("disk space", Health::Limited, error.to_string(), "check the file system")
        }
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!("{} MB free", free / 1_000_000);
            if free >= LITTLE {
                good("disk space", detail)
            } else {
                let hint = "below 256 MB the journal may soon have to refuse alerts";
                bad("disk space", Health::Limited, detail, hint)
            }
        }
    }
}

fn process_ends() -> Finding {
    let name = "process ends";
    let me = rustix::process::getpid();
    let opened = process::stat(me)
        .ok()
        .flatten()
        .map(|stat| process::open(process::Identity { pid: me, start_ticks: stat.start_ticks }));
    match opened {
        Some(Ok(_)) => good(name, "seen at once, through pidfds"),
        Some(Err(error)) => bad(
            name,
            Health::Limited,
            format!("seen only at the next look: {error}"),
            "a kernel of 5.3 or newer has pidfds; seccomp profiles of old container engines hide them",
        ),
        None => bad(
            name,
            Health::Limited,
            "processes cannot be looked up here",
            "mount /proc; on systems other than Linux use HTTP and TCP checks",
        ),
    }
}

/// A layer of the sandbox; without one, programs run all the same unless the policy says otherwise.
fn sandbox(standing: Standing) -> Finding {
    let name = standing.layer.name();
    match standing.state {
        State::InForce => good(name, "sandbox layer: in force"),
        State::Missing { why, lost } => {
            let refused = match standing.layer {
                Layer::Cgroup => "",
                _ => "; with policy.sandbox: \"required\" no program starts",
            };
            bad(name, Health::Limited, format!("sandbox layer: {why}"), format!("{lost}{refused}"))
        }
    }
}

fn privileges() -> Finding {
    if rustix::process::geteuid().is_root() {
        good("privileges", "root: any process of this machine can be signalled")
    } else {
        bad(
            "privileges",
            Health::Limited,
            "not root: only processes of this user can be restarted",
            "run as the user that owns the watched services, or as root",
        )
    }
}

fn clock() -> Finding {
    let now = Clock::System.now();
    // The clock cannot be right when it is before this version was made.
    if now.as_second() < 1_767_225_600 {
        let hint = "set it, or start a time service: timelines and certificates depend on it";
        return bad("clock", Health::Broken, format!("shows {now}"), hint);
    }
    good("clock", format!("{now}"))
}

async fn port(listen: std::net::SocketAddr) -> Finding {
    let Err(error) = up::bind(listen).await else {
        return good("port", format!("{listen} is free"));
    };
    let request = Request::get(format!("http://{listen}/healthz"), Millis::from_secs(2));
    match Http::net().send(request).await {
        Ok(response) if response.status.is_success() => {
            good("port", format!("a crew is running at {listen}"))
        }
        _ => bad("port", Health::Broken, error.to_string(), "choose another with --listen"),
    }
}

fn program(name: &'static str, without: &str) -> Finding {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = folders
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| fs::metadata(path).is_ok());
    match found {
        Some(path) => good(name, path.display().to_string()),
        None => bad(name, Health::Limited, "not installed", format!("without it, {without}")),
    }
}
