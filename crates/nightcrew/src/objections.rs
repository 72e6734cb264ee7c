//! What the gate would object to in the playbooks of a configuration, known before any is needed.

use std::collections::BTreeMap;

use nightcrew_act::lint::{Objection, lint};
use nightcrew_config::load::StepPlace;
use nightcrew_config::problem::{Problem, Severity};
use nightcrew_config::settings::Settings;
use nightcrew_crew::heal::gate_of;
use nightcrew_model::id::{PlaybookName, StepIndex};
use nightcrew_model::verdict::Ruling;

type Places = BTreeMap<(PlaybookName, StepIndex), StepPlace>;

/// Every objection, as a problem of the configuration: an error at `check`, not at 3 a.m.
pub(crate) fn problems(settings: &Settings, places: &Places) -> Vec<Problem> {
    let gate = gate_of(settings);
    let objections = lint(&gate, &settings.playbooks);
    let objected = objections.iter().map(|objection| problem_of(objection, places));
    gate.unusable_grammars().iter().cloned().chain(objected).collect()
}

fn problem_of(objection: &Objection, places: &Places) -> Problem {
    let Objection { playbook, step, service, verdict } = objection;
    let about = service.as_ref().map(|service| format!(" for service {service}"));
    let severity = match verdict.verdict {
        Ruling::Refused => Severity::Error,
        Ruling::Approval | Ruling::Admitted => Severity::Warning,
    };
    let place = places.get(&(playbook.clone(), *step)).cloned().unwrap_or_else(|| StepPlace {
        file: "built-in".to_owned(),
        line: 1,
        column: 1,
        key: format!("playbooks.{playbook}.actions[{}]", step.0),
    });
    Problem {
        severity,
        file: place.file,
        line: place.line,
        column: place.column,
        key: place.key,
        message: format!(
            "the gate would answer `{}`{}: {}",
            verdict.verdict,
            about.unwrap_or_default(),
            verdict.reason
        ),
        hint: Some(format!("see `nightcrew gate explain`; the rule is {}", verdict.rule)),
    }
}
