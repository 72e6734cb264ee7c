//! Intake: alerts and findings in, incidents out.

use nightcrew_model::alert::{Alert, IncomingAlert, Source, identify_by};
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{IncidentId, Target};
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::plan::Action;
use nightcrew_model::sample::{Finding, Level, Sample};
use nightcrew_model::severity::Severity;

use crate::Step;
use crate::known::Looks;
use crate::remedy::is_same;
use crate::told::Ended;

impl Step<'_> {
    /// Takes what a source says of one alert.  What changes nothing costs no fact.
    pub(crate) fn alert_received(&mut self, source: Source, incoming: IncomingAlert) {
        let fingerprint = incoming.labels.fingerprint();
        let held = self.state.alerts.get(&fingerprint).map(|held| &held.alert);
        let known_since = held.map(|alert| alert.starts_at);
        if let Some(ends_at) = incoming.ends_at.filter(|ends_at| *ends_at <= self.now) {
            // An end that lies before the beginning is the end of an earlier occurrence.
            if known_since.is_some_and(|since| ends_at >= since) {
                self.alert_ended(fingerprint, Reason::Reported { source }, Some(ends_at));
            }
            return;
        }
        if let Some(watchdog) = self.settings.watchdog(&incoming.labels) {
            self.watchdog_heard(&watchdog.name);
        }
        let ends_at = match source {
            Source::AlertsApi => Some(
                incoming.ends_at.unwrap_or_else(|| self.settings.resolve_timeout.after(self.now)),
            ),
            Source::Detector
            | Source::Alertmanager
            | Source::Grafana
            | Source::Signoz
            | Source::Pagerduty
            | Source::Opsgenie
            | Source::Datadog
            | Source::Newrelic
            | Source::Sentry
            | Source::Cloudwatch
            | Source::Uptime
            | Source::Generic
            | Source::Watchdog
            | Source::Prometheus => incoming.ends_at,
        };
        let (target, symptom) = identify_by(&incoming.labels, &self.settings.dedup_fields);
        let severity =
            incoming.labels.get("severity").map_or(Severity::Warning, Severity::from_label);
        let starts_at = incoming.starts_at.unwrap_or(self.now);
        let alert = Alert {
            fingerprint,
            severity,
            source,
            // Overlapping reports are one occurrence, which began with the earliest.
            starts_at: known_since.map_or(starts_at, |since| since.min(starts_at)),
            ends_at,
            updated_at: self.now,
            generator_url: incoming.generator_url,
            target,
            symptom,
            evidence: None,
            chart: None,
            labels: incoming.labels,
            annotations: incoming.annotations,
        };
        self.alert_fires(alert, Reason::Reported { source });
    }

    /// Takes what a detector concludes.
    pub(crate) fn found(&mut self, finding: Finding) {
        let labels = labels_of(&finding);
        let fingerprint = labels.fingerprint();
        let seen = seen(&finding.sample);
        match finding.level {
            Level::Pending => {}
            Level::Clear => {
                let reason = Reason::RuleCleared { rule: finding.rule, seen };
                self.alert_ended(fingerprint, reason, None);
            }
            Level::Firing(severity) => {
                let summary = format!("{}: {}; seen: {seen}", finding.target, finding.rule);
                let held = self.state.alerts.get(&fingerprint);
                if held.is_some_and(|held| held.alert.severity == severity) {
                    self.relapse(fingerprint, &finding.sample);
                    return;
                }
                if held.is_none() && self.is_being_acted_on(&finding.target) {
                    // A step that restarts a service stops it.  The level comes again with the next
                    // sample, and counts once the step has ended.
                    return;
                }
                let alert = Alert {
                    fingerprint,
                    annotations: [("summary", summary)].into_iter().collect(),
                    labels,
                    severity,
                    source: Source::Detector,
                    starts_at: held.map_or(finding.sample.at, |held| held.alert.starts_at),
                    ends_at: None,
                    updated_at: self.now,
                    generator_url: String::new(),
                    target: finding.target,
                    symptom: finding.symptom,
                    evidence: Some(finding.sample),
                    chart: finding.chart,
                };
                self.alert_fires(alert, Reason::RuleMet { rule: finding.rule, seen });
            }
        }
    }

    /// Whether a step is at work on the target's service (on the host: on the same part): one of
    /// its own incident, or one of another's that names it.
    fn is_being_acted_on(&self, target: &Target) -> bool {
        self.state.attempts().any(|attempt| {
            let action = match attempt.state {
                AttemptState::Running(step) => attempt.step(step).map(|step| &step.action),
                AttemptState::Undoing(step) => {
                    attempt.step(step).and_then(|step| step.rollback.as_ref())
                }
                AttemptState::Planned
                | AttemptState::Awaiting
                | AttemptState::Ready(_)
                | AttemptState::Verifying
                | AttemptState::Undo(_)
                | AttemptState::Succeeded
                | AttemptState::Failed
                | AttemptState::Interrupted
                | AttemptState::Denied
                | AttemptState::Expired => return false,
            };
            let named = action.and_then(Action::service_acted_on);
            is_same(&attempt.plan.target, target) || named == Some(&target.service)
        })
    }

    /// Reopens an incident that was proven healed and whose alert had not yet cleared, when a later
    /// sample contradicts the proof.
    fn relapse(&mut self, fingerprint: Fingerprint, sample: &Sample) {
        let Some(held) = self.state.alerts.get(&fingerprint) else {
            return;
        };
        let Some(incident) = held.incident.and_then(|id| self.state.incidents.get(&id)) else {
            return;
        };
        let proven =
            incident.attempt.as_ref().filter(|attempt| attempt.state == AttemptState::Succeeded);
        let contradicted = incident.state == IncidentState::Resolved
            && proven.is_some_and(|attempt| {
                let proof = &attempt.plan.verify.condition;
                let looks = Looks::at(self.state, &attempt.plan.target).after(incident.changed_at);
                proof.metrics().contains(&sample.metric) && proof.evaluate(&looks) == Truth::False
            });
        if contradicted {
            self.attach(fingerprint);
        }
    }

    pub(crate) fn alert_fires(&mut self, alert: Alert, reason: Reason) {
        let fingerprint = alert.fingerprint;
        match self.state.alerts.get(&fingerprint).map(|held| &held.alert) {
            None => {
                self.decide(Fact::AlertFired { alert: Box::new(alert) }, reason);
                self.join_groups(fingerprint);
            }
            Some(known) if says_something_new(known, &alert) => {
                let worse = alert.severity > known.severity;
                self.decide(Fact::AlertChanged { alert: Box::new(alert) }, reason);
                self.join_groups(fingerprint);
                if !worse && self.is_over(fingerprint) {
                    return;
                }
            }
            Some(_) => {
                if let (Source::AlertsApi, Some(ends_at)) = (alert.source, alert.ends_at) {
                    self.state.expire_at(fingerprint, ends_at);
                }
                return;
            }
        }
        self.attach(fingerprint);
    }

    /// Whether the incident of an alert is resolved: an alert that lingers, or calms down, does not
    /// bring it back.
    fn is_over(&self, fingerprint: Fingerprint) -> bool {
        let incident = self.state.alerts.get(&fingerprint).and_then(|held| held.incident);
        let incident = incident.and_then(|id| self.state.incidents.get(&id));
        incident.is_some_and(|incident| incident.state == IncidentState::Resolved)
    }

    /// Gives a firing alert its incident: a known one with the same key inside the window, or a
    /// new one.
    fn attach(&mut self, fingerprint: Fingerprint) {
        let Some(held) = self.state.alerts.get(&fingerprint) else {
            return;
        };
        if held.alert.only_informs() {
            self.stand_beside(fingerprint);
            return;
        }
        if self.settings.watchdog(&held.alert.labels).is_some() {
            return;
        }
        let severity = held.alert.severity;
        let key =
            IncidentKey { target: held.alert.target.clone(), symptom: held.alert.symptom.clone() };
        let known = self.state.by_key.get(&key).copied();
        let known = known.and_then(|id| Some((id, self.state.incidents.get(&id)?)));
        let incident = match known {
            Some((id, incident)) if incident.state == IncidentState::Resolved => {
                let soon = self.settings.relapse_window.after(incident.changed_at) > self.now;
                let held = incident.healed_by().filter(|_| soon);
                let held = held.map(|attempt| attempt.plan.playbook.clone());
                let reason = held.map_or(Reason::SameKey, |playbook| Reason::Relapsed { playbook });
                self.decide(Fact::IncidentReopened { incident: id, trigger: fingerprint }, reason);
                self.began(id);
                self.gather_context(id);
                id
            }
            Some((id, incident)) => {
                let severity = severity.max(incident.severity);
                if !incident.alerts.contains(&fingerprint) || severity != incident.severity {
                    self.decide(
                        Fact::AlertJoined { incident: id, alert: fingerprint, severity },
                        Reason::SameKey,
                    );
                }
                id
            }
            None => {
                let id = IncidentId(self.state.last_incident.0 + 1);
                let initial = self.known_of(&key);
                self.decide(
                    Fact::IncidentOpened {
                        incident: id,
                        key,
                        severity,
                        trigger: fingerprint,
                        initial,
                    },
                    Reason::NewKey,
                );
                self.began(id);
                self.gather_context(id);
                id
            }
        };
        self.consider(incident);
    }

    /// The latest samples of a target, by metric.
    fn known_of(&self, key: &IncidentKey) -> Vec<Sample> {
        let metrics = self.state.latest.get(&key.target);
        let mut samples: Vec<Sample> =
            metrics.into_iter().flat_map(|metrics| metrics.values().cloned()).collect();
        samples.sort_by(|a, b| a.metric.cmp(&b.metric));
        samples
    }

    /// Ends a firing alert, and with its last alert an incident at which nothing is at work.
    pub(crate) fn alert_ended(
        &mut self,
        fingerprint: Fingerprint,
        reason: Reason,
        ends_at: Option<jiff::Timestamp>,
    ) {
        let Some(held) = self.state.alerts.get(&fingerprint) else {
            return;
        };
        let incident = held.incident;
        let own = incident.and_then(|id| self.state.incidents.get(&id));
        let was_own = own.is_some_and(|incident| incident.alerts.contains(&fingerprint));
        let verified = held.alert.source == Source::Detector;
        let ends_at = ends_at.unwrap_or(self.now);
        let ended = self.settings.routing.is_some().then(|| Ended::of(&held.alert, 0));
        self.decide(Fact::AlertResolved { fingerprint, ends_at }, reason);
        if let Some(ended) = ended {
            self.leave_groups(fingerprint, &ended);
        }
        let Some(id) = incident else { return };
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        if was_own && incident.alerts.is_empty() && self.state.is_idle(id) {
            self.resolve(id, verified, Reason::AlertsEnded);
        }
    }
}

/// Whether a repeated report is more than a repetition.
fn says_something_new(known: &Alert, told: &Alert) -> bool {
    known.annotations != told.annotations
        || known.severity != told.severity
        || known.starts_at != told.starts_at
        || known.generator_url != told.generator_url
        || known.source != told.source
}

/// The labels of a finding of our own: what it is about, so that the same finding is the same
/// alert.
fn labels_of(finding: &Finding) -> Labels {
    let mut labels = Labels::default();
    labels.set("alertname", finding.symptom.as_str());
    labels.set("service", finding.target.service.as_str());
    if let Some(resource) = &finding.target.resource {
        labels.set("resource", resource.as_str());
    }
    labels.set("metric", finding.sample.metric.as_str());
    labels
}

/// A sample in words.
pub(crate) fn seen(sample: &Sample) -> String {
    match &sample.detail {
        None => sample.observation.to_string(),
        Some(detail) => format!("{} ({detail})", sample.observation),
    }
}
