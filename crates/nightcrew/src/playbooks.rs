//! `nightcrew playbooks`: what may be done, and what the gate says of it.

use nightcrew_config::settings::Settings;
use nightcrew_crew::heal::gate_of;
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

pub(crate) fn run(command: cli::Playbooks) -> anyhow::Result<Exit> {
    match command {
        cli::Playbooks::List { config, json } => {
            let settings = wiring::usable(&config)?;
            let shown: Vec<Shown<'_>> =
                settings.playbooks.iter().map(|playbook| judged(&settings, playbook)).collect();
            if json {
                output::json(&shown)?;
                return Ok(Exit::Done);
            }
            let rows = shown.iter().map(|shown| {
                let refused = shown
                    .verdicts
                    .iter()
                    .filter(|verdict| verdict.verdict != Ruling::Admitted)
                    .count();
                let gate = if refused == 0 {
                    "admits all".to_owned()
                } else {
                    format!("refuses {refused}")
                };
                let playbook = shown.playbook;
                vec![
                    playbook.name.to_string(),
                    playbook.condition.to_string(),
                    playbook.steps.len().to_string(),
                    gate,
                ]
            });
            output::table(&["playbook", "when", "steps", "gate"], rows.collect());
        }
        cli::Playbooks::Show { name, config, json } => {
            let settings = wiring::usable(&config)?;
            let found = settings.playbooks.iter().find(|playbook| playbook.name.as_str() == name);
            let Some(playbook) = found else {
                let message = format!("there is no playbook `{name}`");
                return Err(
                    Failure::usage(message, "`nightcrew playbooks list` prints them").into()
                );
            };
            let shown = judged(&settings, playbook);
            if json {
                output::json(&shown)?;
                return Ok(Exit::Done);
            }
            output::line(&format!("{}: when {}", playbook.name, playbook.condition));
            for (n, (step, verdict)) in playbook.steps.iter().zip(&shown.verdicts).enumerate() {
                output::line(&format!("{}. {} (within {})", n + 1, step.action, step.timeout));
                output::line(&format!(
                    "   {} ({}): {}",
                    verdict.verdict, verdict.class, verdict.reason
                ));
            }
            if let Some(verify) = &playbook.verify {
                output::line(&format!(
                    "proof: {} in {} samples in a row within {}",
                    verify.condition, verify.needed, verify.deadline
                ));
            }
        }
    }
    Ok(Exit::Done)
}

/// A playbook with the gate's verdict on each step, for the first service it could be about.
fn judged<'a>(settings: &Settings, playbook: &'a Playbook) -> Shown<'a> {
    let gate = gate_of(settings);
    let service = settings.services.values().find(|service| service.restart_allowed);
    let verdicts = playbook.steps.iter().map(|step| match service {
        Some(service) => gate.judge(&step.action.for_service(&service.name)),
        None => gate.judge(&step.action),
    });
    Shown { playbook, verdicts: verdicts.collect() }
}
