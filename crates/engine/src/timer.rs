//! Timers: everything that happens because time has passed, or because the crew begins again.

use nightcrew_model::alert::Source;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::IncidentState;

use crate::Step;

impl Step<'_> {
    /// Time has passed.
    pub(crate) fn tick(&mut self) {
        self.state.silences.forget_old(self.now);
        self.forget_told();
        self.end_silent_alerts();
        self.listen_for_watchdogs();
        self.expire_requests();
        self.release_steps();
        for id in self.state.working.clone() {
            self.proof_overdue(id);
        }
        for id in self.state.waiting.clone() {
            if self.is_full() {
                break;
            }
            // What it waited for may be gone, and a fresh look may find that it healed by itself.
            self.consider(id);
        }
        for id in self.state.emptied.clone() {
            if !self.is_full() && self.state.is_idle(id) {
                self.resolve(id, false, Reason::AlertsEnded);
            }
        }
        for id in self.state.resolved.clone() {
            if self.is_full() {
                break;
            }
            self.review_resolved(id);
        }
        self.calm_down();
        self.take_up_untold();
        self.climb_on();
        self.calm_storms();
        self.say_all_clear();
        self.forget_old_locks();
        self.forget_standing();
        self.forget_history();
        self.forget_tickets();
    }

    /// The crew begins, on a state that was folded from the journal.
    pub(crate) fn started(&mut self) {
        // While nobody listened, nobody could repeat: every source gets its time again.
        let grace = self.settings.resolve_timeout.after(self.now);
        let expiring: Vec<_> =
            self.state.expiry.iter().filter(|(at, _)| *at < grace).copied().collect();
        for (_, fingerprint) in expiring {
            self.state.expire_at(fingerprint, grace);
        }
        // An open incident without an attempt was waiting for something; it waits again.
        let open = self.state.incidents().filter(|(_, found)| found.state == IncidentState::Open);
        let open: Vec<IncidentId> = open.map(|(id, _)| id).collect();
        self.state.waiting.extend(open);
        self.take_up_attempts();
    }

    fn end_silent_alerts(&mut self) {
        while let Some(&(at, fingerprint)) = self.state.expiry.first() {
            if at > self.now || self.is_full() {
                return;
            }
            self.state.expiry.remove(&(at, fingerprint));
            self.alert_ended(fingerprint, Reason::NotRepeated, Some(at));
        }
    }

    /// A resolved incident closes when it did not come back inside the window; while a source
    /// other than our own detectors goes on reporting it, it is not over.
    fn review_resolved(&mut self, id: IncidentId) {
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        let resolved_at = incident.changed_at;
        let reported = incident.alerts.iter().copied().find(|fingerprint| {
            self.state
                .alerts
                .get(fingerprint)
                .is_some_and(|held| held.alert.source != Source::Detector)
        });
        if let Some(trigger) = reported
            && self.settings.resolve_timeout.after(resolved_at) <= self.now
        {
            let proven = incident.attempt.as_ref().map(|attempt| attempt.state)
                == Some(AttemptState::Succeeded);
            let reason = if proven { Reason::StillReported } else { Reason::StillFires };
            self.decide(Fact::IncidentReopened { incident: id, trigger }, reason);
            self.began(id);
            self.consider(id);
        } else if self.settings.dedup_window.after(resolved_at) <= self.now
            && incident.alerts.is_empty()
        {
            self.decide(Fact::IncidentClosed { incident: id }, Reason::WindowPassed);
        }
    }
}
