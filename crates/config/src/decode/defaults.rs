//! What holds where the operator says nothing: `assets/defaults.json5`, read through the same
//! path as every other file.

use std::collections::BTreeSet;
use std::path::Path;

use nightcrew_detect::threshold::Threshold;
use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::id::MetricName;
use nightcrew_model::plan::{Action, Playbook};
use nightcrew_model::unit::Millis;

use crate::decode::playbook::{self, Ground};
use crate::decode::{Context, threshold};
use crate::json5;
use crate::problem::Report;
use crate::settings::{GatePolicy, Healing, Settings};
use crate::text::Files;
use crate::tree::At;

const TEXT: &str = include_str!("../../assets/defaults.json5");

/// The defaults.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) thresholds: Vec<Threshold>,
    playbooks: Vec<Playbook>,
}

/// Reads the defaults; a test keeps them free of problems.
pub(crate) fn read() -> Defaults {
    read_from(TEXT).0
}

fn read_from(text: &str) -> (Defaults, Vec<String>) {
    let mut files = Files::default();
    let mut report = Report::default();
    let file = files.add("defaults.json5".into(), text.to_owned());
    let node = json5::parse(text, file, &files, &mut report);
    let mut cx = Context::new(&files, Path::new("/"), BTreeSet::new(), report);
    let mut defaults = Defaults::default();
    if let Some(node) = &node {
        let root = At::root(node);
        if let Some(at) = root.get("thresholds") {
            defaults.thresholds = threshold::thresholds(&at, &[], &mut cx).rules;
        }
        if let Some(at) = root.get("playbooks") {
            let ground = Ground {
                healing: &Healing::default(),
                stop_timeout: Millis(0),
                action_timeout_max: GatePolicy::default().action_timeout_max,
            };
            let written = playbook::playbooks(&at, &ground, &mut cx);
            defaults.playbooks = written.into_iter().map(|written| written.playbook).collect();
        }
    }
    let Context { report, .. } = cx;
    let problems = report.into_problems(&files);
    let said = problems.iter().map(ToString::to_string).collect();
    (defaults, said)
}

/// Whether the readings of a metric are states.
pub(crate) fn is_state(metric: &MetricName) -> bool {
    let known = catalogue::metric(metric.as_str());
    matches!(known.map(|known| known.kind), Some(Kind::States(_)))
}

impl Defaults {
    /// The default playbooks that can do something here: those about a state that some service
    /// has which may be restarted.
    pub(crate) fn playbooks_for(&self, settings: &Settings, stop_timeout: Millis) -> Vec<Playbook> {
        let allowed = || settings.services.values().filter(|s| s.restart_allowed);
        let applies = |metric: &str| match metric {
            catalogue::PROCESS_STATUS => allowed().any(|service| service.process.is_some()),
            catalogue::HEALTH_STATUS => allowed().any(|service| !service.checks.is_empty()),
            _ => false,
        };
        let healing = &settings.healing;
        self.playbooks
            .iter()
            .filter(|playbook| {
                let comparisons = playbook.trigger.comparisons();
                comparisons.into_iter().any(|condition| applies(condition.metric.as_str()))
            })
            .cloned()
            .map(|mut playbook| {
                if let Some(verify) = &mut playbook.verify {
                    verify.needed = healing.verify_needed;
                    verify.interval = healing.verify_interval;
                    verify.deadline = healing.verify_deadline;
                }
                for step in &mut playbook.steps {
                    if let Action::RestartService { .. } = step.action {
                        let restart = playbook::restart_timeout(stop_timeout);
                        step.timeout = restart.min(settings.policy.action_timeout_max);
                    }
                }
                playbook
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_free_of_problems() {
        let (defaults, problems) = read_from(TEXT);
        assert_eq!(problems, [""; 0]);
        let rules: Vec<String> = defaults
            .thresholds
            .iter()
            .map(|rule| {
                let limit = |limit: &Option<nightcrew_model::condition::Condition>| {
                    limit.as_ref().map_or("-".to_owned(), ToString::to_string)
                };
                let (warning, critical) = (limit(&rule.warning), limit(&rule.critical));
                format!("{warning} | {critical} | {} of {}", rule.needed, rule.of)
            })
            .collect();
        assert_eq!(
            rules,
            [
                "cpu_usage > 85 | cpu_usage > 95 | 4 of 5",
                "memory_usage > 85 | memory_usage > 95 | 3 of 3",
                "disk_usage > 80 | disk_usage > 90 | 2 of 2",
                "- | process_status == 'stopped' | 1 of 1",
                "- | health_status == 'failing' | 3 of 3",
                "ssl_expires_in_days < 14 | ssl_expires_in_days < 3 | 1 of 1",
            ]
        );
        let names: Vec<&str> = defaults.playbooks.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["process_down", "service_unresponsive"]);
    }
}
