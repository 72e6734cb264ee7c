//! `metrics-collector`: one task for each system that is asked for numbers and alerts.
//!
//! **Invariant:** an alert that was taken over ends when its source answers without it, and only
//! then: a source that does not answer ends nothing.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::alert::{Alert, IncomingAlert, Source as Way};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::unit::Millis;
use nightcrew_observe::source::Source;
use nightcrew_runtime::driver::{Boxed, Task};

use crate::collect::Pace;
use crate::core::chain;
use crate::handle::{Handle, Kept};

/// The annotation that names the source from which an alert was taken over.
pub(crate) const TAKEN_FROM: &str = "taken_from";

/// How long a round may take beyond what the settings of a source explain.
const SLACK: Millis = Millis::from_secs(60);

/// How long a round of a source may take: the wait for the interval and for the limit of
/// questions, and every answer as late as it may be.
pub(crate) fn round_max(source: &settings::source::Source) -> Millis {
    // Every question once more for the past, and two for what is asked in another form.
    let questions = source.kind.questions() as u64 * 2 + 2;
    let waits = questions * 60_000 / u64::from(source.queries_per_minute.max(1)) + 60_000;
    let answers = questions.saturating_mul(source.timeout.0);
    Millis(source.interval.0.saturating_add(waits).saturating_add(answers) + SLACK.0)
}

/// Asks one source.
pub(crate) struct SourceTask {
    handle: Handle,
    source: Source,
    pace: Pace,
    /// The alerts that were taken over and have not ended; none: what an earlier crew took over is
    /// not known yet.
    taken: Option<BTreeMap<Fingerprint, Labels>>,
    has_begun: bool,
}

impl SourceTask {
    pub(crate) fn new(handle: Handle, source: &settings::source::Source) -> Result<Self, String> {
        let source =
            Source::new(source, handle.settings().breaker).map_err(|error| chain(&error))?;
        Ok(Self { pace: Pace::new(&handle), handle, source, taken: None, has_begun: false })
    }

    async fn look(&mut self) -> Result<(), String> {
        let Self { source, pace, handle, .. } = self;
        pace.due(source.interval(), |target| source.is_about(target)).await;
        let samples = source.look(&handle.0.http, handle.clock()).await;
        let state = source.state().clone();
        let is_down = state.up == Some(false);
        let error = state.last_error.as_ref().map(|(_, why)| why.clone());
        {
            let sources = &handle.0.sources;
            let mut sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
            sources.insert(state.name.clone(), state);
        }
        handle.look(samples).await;
        self.take_alerts().await?;
        match error {
            Some(why) if is_down => Err(format!("it does not answer: {why}")),
            _ => Ok(()),
        }
    }

    /// Takes over what fires there, and ends what does not any longer.
    async fn take_alerts(&mut self) -> Result<(), String> {
        let (Some(firing), Some(way)) = (self.source.alerts(), self.source.alerts_come_as()) else {
            return Ok(());
        };
        let before = match self.taken.take() {
            Some(taken) => taken,
            None => self.taken_earlier(way).await?,
        };
        let name = self.source.state().name.clone();
        let (alerts, now) = changes(firing, &before, name.as_str(), self.handle.clock().now());
        let taken = self.handle.take_alerts(way, alerts).await;
        // What could not be taken is told again at the next look, and what ended with it.
        self.taken =
            Some(if taken.is_ok() { now } else { before.into_iter().chain(now).collect() });
        taken.map_err(|refusal| refusal.to_string())
    }

    /// What an earlier crew took over and is still said to fire.
    async fn taken_earlier(&self, way: Way) -> Result<BTreeMap<Fingerprint, Labels>, String> {
        let name = self.source.state().name.clone();
        let found = self.handle.view(move |state, _, _| {
            let ours = |alert: &&Alert| {
                alert.source == way && alert.annotations.get(TAKEN_FROM) == Some(name.as_str())
            };
            let alerts = state.alerts().filter(ours);
            alerts.map(|alert| (alert.fingerprint, alert.labels.clone())).collect()
        });
        found.await.map_err(|refusal| refusal.to_string())
    }
}

/// What is to be told of the alerts of a source: those that fire, and the ends of those that did;
/// and which ones fire now.
fn changes(
    firing: Vec<IncomingAlert>,
    before: &BTreeMap<Fingerprint, Labels>,
    name: &str,
    now: Timestamp,
) -> (Vec<IncomingAlert>, BTreeMap<Fingerprint, Labels>) {
    let mut alerts = firing;
    for alert in &mut alerts {
        alert.annotations.set(TAKEN_FROM, name);
    }
    let fire: BTreeMap<Fingerprint, Labels> =
        alerts.iter().map(|alert| (alert.labels.fingerprint(), alert.labels.clone())).collect();
    let ended = before.iter().filter(|(fingerprint, _)| !fire.contains_key(fingerprint));
    alerts.extend(ended.map(|(_, labels)| IncomingAlert {
        labels: labels.clone(),
        annotations: Labels::default(),
        starts_at: None,
        ends_at: Some(now),
        generator_url: String::new(),
    }));
    (alerts, fire)
}

impl Task for SourceTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            // The crew is ready without waiting for what others answer.
            if !std::mem::replace(&mut self.has_begun, true) {
                return Ok(());
            }
            let past = self.source.history(&self.handle.0.http, self.handle.clock()).await;
            self.handle.learn(past, Kept::Source).await.map_err(|refusal| refusal.to_string())?;
            self.look().await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str) -> IncomingAlert {
        IncomingAlert {
            labels: [("alertname", name)].into_iter().collect(),
            annotations: Labels::default(),
            starts_at: None,
            ends_at: None,
            generator_url: String::new(),
        }
    }

    #[test]
    fn what_is_gone_has_ended_and_the_rest_goes_on() {
        let now = Timestamp::UNIX_EPOCH;
        let (_, before) = changes(vec![alert("A"), alert("B")], &BTreeMap::new(), "p", now);
        let (told, fire) = changes(vec![alert("B"), alert("C")], &before, "p", now);
        let said: Vec<_> = told
            .iter()
            .map(|alert| (alert.labels.get("alertname").unwrap(), alert.ends_at.is_some()))
            .collect();
        assert_eq!(said, [("B", false), ("C", false), ("A", true)]);
        assert_eq!(told[0].annotations.get(TAKEN_FROM), Some("p"));
        assert_eq!(fire.len(), 2);
    }
}
