//! Triggers: whether a playbook applies to an incident, by what was seen and what is said of it.
//!
//! **Invariant:** what nobody knows is no ground: only what is certainly true lets anything happen.

use nightcrew_model::condition::Truth;
use nightcrew_model::expression::Expression;
use nightcrew_model::id::MetricName;
use nightcrew_model::plan::{Playbook, Trigger};
use nightcrew_model::sample::Sample;

use crate::Step;
use crate::incident::{Attempt, Incident};
use crate::intake::seen;
use crate::known::Looks;

/// What there is to act on.
#[derive(PartialEq)]
pub(crate) enum Ground {
    /// This was seen, and it meets the condition.
    Seen(Sight),
    /// What the condition asks for is looked at, but the last look is too old or came back with
    /// nothing.
    Awaited,
    /// The condition does not hold, or nobody looks at what it asks for.
    Missing,
}

/// A condition, and what was seen of it, in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    pub(crate) condition: String,
    pub(crate) seen: String,
}

impl Step<'_> {
    /// Whether a playbook applies to an incident.  One whose trigger asks for nothing never does.
    pub(crate) fn ground(&self, playbook: &Playbook, incident: &Incident) -> Ground {
        let trigger = &playbook.trigger;
        let asks = trigger.condition.is_some() || trigger.severity.is_some();
        let bad_enough = trigger.severity.is_none_or(|least| incident.severity >= least);
        if !asks && trigger.symptoms.is_empty()
            || !bad_enough
            || !self.has_symptom(playbook, incident)
        {
            return Ground::Missing;
        }
        let Some(condition) = &trigger.condition else {
            return Ground::Seen(Sight {
                condition: said_of(trigger),
                seen: format!("{} ({})", incident.key.symptom, incident.severity),
            });
        };
        let looks = Looks::at(self.state, &incident.key.target).since_effect().recent(self.now);
        if condition.evaluate(&looks) == Truth::True {
            let seen = seen_of(condition, &looks);
            return Ground::Seen(Sight { condition: condition.to_string(), seen });
        }
        if self.may_hold(condition, incident, &looks) { Ground::Awaited } else { Ground::Missing }
    }

    /// Whether a condition may turn out to hold with the next looks.  A metric at which nobody
    /// looks will not tell.
    fn may_hold(&self, condition: &Expression, incident: &Incident, looks: &Looks<'_>) -> bool {
        match condition {
            Expression::Metric(leaf) => match looks.sample(&leaf.metric) {
                Some(sample) => leaf.evaluate(&sample.observation) != Truth::False,
                None => {
                    let ever = Looks::at(self.state, &incident.key.target);
                    match ever.sample(&leaf.metric) {
                        Some(old) => leaf.evaluate(&old.observation) != Truth::False,
                        None => self.is_evidence(&leaf.metric, incident),
                    }
                }
            },
            Expression::Result(_) => false,
            Expression::All { all } => all.iter().all(|part| self.may_hold(part, incident, looks)),
            Expression::Any { any } => any.iter().any(|part| self.may_hold(part, incident, looks)),
            Expression::Not { not } => match not.as_ref() {
                Expression::Not { not } => self.may_hold(not, incident, looks),
                other @ (Expression::Metric(_)
                | Expression::Result(_)
                | Expression::All { .. }
                | Expression::Any { .. }) => self.may_hold(&other.negated(), incident, looks),
            },
        }
    }

    /// Whether a look of ours at the metric is behind an alert of the incident.
    fn is_evidence(&self, metric: &MetricName, incident: &Incident) -> bool {
        incident.evidenced.iter().any(|fingerprint| {
            let held = self.state.alerts.get(fingerprint);
            let evidence = held.and_then(|held| held.alert.evidence.as_ref());
            evidence.is_some_and(|sample| sample.metric == *metric)
        })
    }

    /// Whether what is wrong is one of what the trigger names, or the playbook is named like it.
    fn has_symptom(&self, playbook: &Playbook, incident: &Incident) -> bool {
        let symptoms = &playbook.trigger.symptoms;
        if symptoms.is_empty() {
            return true;
        }
        let own = folded(incident.key.symptom.as_str());
        if folded(playbook.name.as_str()) == own {
            return true;
        }
        let alerts = incident.alerts.iter().filter_map(|alert| self.state.alerts.get(alert));
        let texts: Vec<String> = alerts
            .flat_map(|held| {
                let said = &held.alert.annotations;
                let name = held.alert.labels.get("alertname");
                [name, said.get("summary"), said.get("description")]
            })
            .flatten()
            .map(str::to_lowercase)
            .collect();
        symptoms.iter().filter(|wanted| !wanted.trim().is_empty()).any(|wanted| {
            let text = wanted.trim().to_lowercase();
            folded(wanted) == own || texts.iter().any(|said| said.contains(&text))
        })
    }

    /// Whether a playbook says that a person gets the incident at once.  What its steps are yet to
    /// find out keeps it from nothing.
    pub(crate) fn hands_over(
        &self,
        playbook: &Playbook,
        incident: &Incident,
        attempt: Option<&Attempt>,
    ) -> Truth {
        let Some(condition) = &playbook.escalate_if else {
            return Truth::False;
        };
        let looks = Looks::at(self.state, &incident.key.target).since_effect().recent(self.now);
        match attempt {
            Some(attempt) => condition.evaluate(&looks.with(&attempt.course.results)),
            None => match condition.evaluate(&looks) {
                Truth::Unknown if !condition.steps().is_empty() => Truth::False,
                truth @ (Truth::True | Truth::False | Truth::Unknown) => truth,
            },
        }
    }
}

/// A name as it is compared: `High error-rate` is `high_error_rate`.
fn folded(name: &str) -> String {
    let one = |c: char| if c.is_alphanumeric() { c } else { '_' };
    name.trim().to_lowercase().chars().map(one).collect()
}

/// A trigger without a condition, in words.
fn said_of(trigger: &Trigger) -> String {
    let symptoms = trigger.symptoms.join(" or ");
    match trigger.severity {
        Some(severity) if symptoms.is_empty() => format!("{severity} or worse"),
        Some(severity) => format!("{symptoms}, {severity} or worse"),
        None => symptoms,
    }
}

/// What was seen of the metrics of a condition, in words.
fn seen_of(condition: &Expression, looks: &Looks<'_>) -> String {
    let samples: Vec<&Sample> =
        condition.metrics().into_iter().filter_map(|metric| looks.sample(metric)).collect();
    match samples.as_slice() {
        [one] => seen(one),
        several => {
            let each = several.iter().map(|sample| format!("{} {}", sample.metric, seen(sample)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}
