//! What `/metrics` tells of the way from alerts to people.

use std::sync::Arc;

use nightcrew_crew::audit::Audit;
use nightcrew_crew::lane::LaneStats;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_journal::dead_letter::DeadLetterCounts;
use nightcrew_model::silence::SilenceState;
use nightcrew_model::unit::Millis;

use crate::alertmanager::alerts::look;
use crate::alertmanager::wanted::Wanted;
use crate::app::App;
use crate::exposition::{Exposition, Type};
use crate::problem::Problem;

const SILENCE_STATES: [SilenceState; 3] =
    [SilenceState::Pending, SilenceState::Active, SilenceState::Expired];

/// How many alerts the core looks through for their state; more are told as firing only.
const ALERTS_JUDGED_MAX: usize = 20_000;

/// What only the core knows.
struct Live {
    alerts: usize,
    silences: [usize; 3],
    locks: usize,
    groups: usize,
    escalations_pending: usize,
    escalations_held: usize,
    escalations_acknowledged: usize,
    storms: usize,
    held_back: u64,
}

impl Live {
    fn of(state: &State, settings: &Settings, now: jiff::Timestamp) -> Self {
        let silences: Vec<SilenceState> = state
            .silences()
            .chain(&settings.mute_windows)
            .map(|silence| silence.state(now))
            .collect();
        let escalations: Vec<_> =
            state.incidents().filter_map(|(id, _)| state.escalation(id)).collect();
        let n = |of: &dyn Fn(&nightcrew_engine::escalation::Escalation) -> bool| {
            escalations.iter().filter(|escalation| of(escalation)).count()
        };
        Self {
            alerts: state.n_alerts(),
            silences: SILENCE_STATES
                .map(|wanted| silences.iter().filter(|state| **state == wanted).count()),
            locks: state.locks().filter(|lock| lock.is_held(now)).count(),
            groups: state.groups(),
            escalations_pending: n(&|escalation| {
                escalation.acknowledged.is_none()
                    && escalation.stage.as_ref().is_some_and(|stage| stage.next_at.is_some())
            }),
            escalations_held: n(&|escalation| escalation.held.is_some()),
            escalations_acknowledged: n(&|escalation| escalation.acknowledged.is_some()),
            storms: state.storms().count(),
            held_back: state.storms().map(|(_, _, suppressed)| suppressed).sum(),
        }
    }

    fn write(&self, text: &mut Exposition) {
        text.head("nightcrew_silences", Type::Gauge, "Silences by state.");
        for (state, n) in SILENCE_STATES.into_iter().zip(self.silences) {
            text.sample("nightcrew_silences", &[("state", state.as_str())], n);
        }
        let mut gauge = |name: &str, help: &str, n: u64| text.single(name, Type::Gauge, help, n);
        gauge("nightcrew_locks", "Locks that are held.", self.locks as u64);
        gauge("nightcrew_groups", "Groups of alerts.", self.groups as u64);
        gauge("nightcrew_storms", "Storms that go on.", self.storms as u64);
        gauge(
            "nightcrew_notifications_held",
            "Messages that the storms that go on keep back.",
            self.held_back,
        );
        let help = "Incidents that are with people, by what happens next.";
        text.head("nightcrew_escalations", Type::Gauge, help);
        for (state, n) in [
            ("pending", self.escalations_pending),
            ("held", self.escalations_held),
            ("acknowledged", self.escalations_acknowledged),
        ] {
            text.sample("nightcrew_escalations", &[("state", state)], n);
        }
    }
}

/// Adds everything.
pub(super) async fn write(text: &mut Exposition, app: &App) {
    match live(app).await {
        Ok((live, suppressed)) => {
            live.write(text);
            text.head("nightcrew_alerts", Type::Gauge, "Firing alerts by state.");
            if let Some(suppressed) = suppressed {
                let active = live.alerts.saturating_sub(suppressed);
                text.sample("nightcrew_alerts", &[("state", "active")], active);
                text.sample("nightcrew_alerts", &[("state", "suppressed")], suppressed);
            }
        }
        Err(problem) => tracing::warn!("the core is silent for /metrics: {}", problem.detail()),
    }
    lanes(text, &app.handle.lanes());
    audit(text, app.handle.audit().as_ref(), app);
}

async fn live(app: &App) -> Result<(Live, Option<usize>), Problem> {
    let live = app.handle.view(Live::of).await?;
    if live.alerts > ALERTS_JUDGED_MAX {
        return Ok((live, None));
    }
    let suppressed = look(app, Arc::new(Wanted::everything()), |look, alert| {
        (!look.engine.muted_by(look.settings, alert, look.now).is_empty()).then_some(())
    });
    Ok((live, Some(suppressed.await?.len())))
}

fn lanes(text: &mut Exposition, lanes: &[LaneStats]) {
    let name = "nightcrew_notifications_total";
    text.head(name, Type::Counter, "Tries to tell people, by channel and outcome.");
    for lane in lanes {
        for (outcome, n) in
            [("delivered", lane.sent), ("retried", lane.retried), ("failed", lane.failed)]
        {
            text.sample(name, &[("channel", lane.channel.as_str()), ("outcome", outcome)], n);
        }
    }
    let name = "nightcrew_channel_waits";
    text.head(name, Type::Gauge, "1 while a channel gets nothing, by reason.");
    for lane in lanes {
        if let Some(wait) = lane.waits {
            let labels = [("channel", lane.channel.as_str()), ("reason", wait.because.as_str())];
            text.sample(name, &labels, 1);
        }
    }
    let name = "nightcrew_channel_failures_in_a_row";
    text.head(name, Type::Gauge, "Tries in a row that did not succeed, by channel.");
    for lane in lanes {
        text.sample(name, &[("channel", lane.channel.as_str())], lane.failed_in_a_row);
    }
}

fn audit(text: &mut Exposition, audit: Option<&Audit>, app: &App) {
    let (name, now) = ("nightcrew_audit_violations", app.handle.clock().now());
    text.head(name, Type::Gauge, "What nobody goes on with, at the last look.");
    if let Some(audit) = audit {
        text.sample(name, &[], audit.violations.len());
    }
    let name = "nightcrew_audit_passes";
    text.head(name, Type::Gauge, "Whether the last look found all well, and is not too old.");
    if let Some(audit) = audit {
        text.sample(name, &[], u8::from(audit.passes(now)));
    }
    let name = "nightcrew_audit_age_seconds";
    text.head(name, Type::Gauge, "The time since the last look.");
    if let Some(audit) = audit {
        text.sample(name, &[], Millis::between(audit.at, now).duration().as_secs_f64());
    }
}

/// The dead letters, which only the journal knows.
pub(super) fn dead_letters(text: &mut Exposition, counts: &DeadLetterCounts) {
    let name = "nightcrew_dead_letters";
    text.head(name, Type::Gauge, "What came in and could not be read, by what became of it.");
    text.sample(name, &[("state", "waiting")], counts.kept.saturating_sub(counts.replayed));
    text.sample(name, &[("state", "replayed")], counts.replayed);
    let help = "Dead letters that went to make room.";
    text.single("nightcrew_dead_letters_dropped_total", Type::Counter, help, counts.dropped);
}
