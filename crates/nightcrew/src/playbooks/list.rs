//! `nightcrew playbooks list` and `show`: what may be done, and what the gate says of it.

use nightcrew_act::lint::bindings;
use nightcrew_config::settings::Settings;
use nightcrew_crew::heal::gate_of;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::Playbook;
use nightcrew_model::verdict::{Ruling, Verdict};
use serde::Serialize;

use crate::output::{self, Exit, Failure};
use crate::{cli, wiring};

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    playbook: &'a Playbook,
    verdicts: Vec<Verdict>,
}

pub(super) fn list(config: &cli::Config, json: bool) -> anyhow::Result<Exit> {
    let settings = wiring::usable(config)?;
    let shown: Vec<Shown<'_>> =
        settings.playbooks.iter().map(|playbook| judged(&settings, playbook)).collect();
    if json {
        output::json(&shown)?;
        return Ok(Exit::Done);
    }
    let rows = shown.iter().map(|shown| {
        let is_refused = |verdict: &&Verdict| verdict.verdict != Ruling::Admitted;
        let refused = shown.verdicts.iter().filter(is_refused).count();
        let gate =
            if refused == 0 { "admits all".to_owned() } else { format!("refuses {refused}") };
        let playbook = shown.playbook;
        vec![
            playbook.name.to_string(),
            playbook.trigger.to_string(),
            playbook.steps.len().to_string(),
            gate,
        ]
    });
    output::table(&["playbook", "when", "steps", "gate"], rows.collect());
    Ok(Exit::Done)
}

pub(super) fn show(name: &str, config: &cli::Config, json: bool) -> anyhow::Result<Exit> {
    let settings = wiring::usable(config)?;
    let playbook = named(&settings, name)?;
    let shown = judged(&settings, playbook);
    if json {
        output::json(&shown)?;
        return Ok(Exit::Done);
    }
    output::line(&format!("{}: when {}", playbook.name, playbook.trigger));
    for (n, (step, verdict)) in playbook.steps.iter().zip(&shown.verdicts).enumerate() {
        output::line(&format!("{}. {} (within {})", n + 1, step.action, step.timeout));
        output::line(&format!("   {} ({}): {}", verdict.verdict, verdict.class, verdict.reason));
    }
    if let Some(verify) = &playbook.verify {
        output::line(&format!(
            "proof: {} in {} samples in a row within {}",
            verify.condition, verify.needed, verify.deadline
        ));
    }
    Ok(Exit::Done)
}

/// The playbook of that name.
pub(super) fn named<'a>(settings: &'a Settings, name: &str) -> anyhow::Result<&'a Playbook> {
    let found = settings.playbooks.iter().find(|playbook| playbook.name.as_str() == name);
    found.ok_or_else(|| {
        let message = format!("there is no playbook `{name}`");
        Failure::usage(message, "`nightcrew playbooks list` prints them").into()
    })
}

/// A playbook with the gate's verdict on each step, for the service for which it says the best.
fn judged<'a>(settings: &Settings, playbook: &'a Playbook) -> Shown<'a> {
    let gate = gate_of(settings);
    let services = settings.services.values().filter(|service| service.restart_allowed);
    let names: Vec<_> = services.map(|service| service.name.clone()).collect();
    let verdicts = playbook.steps.iter().map(|step| {
        let judge = |name| {
            let rendered = step.action.render(&bindings(playbook, name));
            gate.judge(&rendered.unwrap_or_else(|_| step.action.clone()))
        };
        let first = judge(names.first().cloned().unwrap_or_else(ServiceName::host));
        let mut others = names.iter().skip(1).cloned().map(judge);
        match first.verdict {
            Ruling::Refused => {
                others.find(|verdict| verdict.verdict != Ruling::Refused).unwrap_or(first)
            }
            Ruling::Admitted | Ruling::Approval => first,
        }
    });
    Shown { playbook, verdicts: verdicts.collect() }
}
