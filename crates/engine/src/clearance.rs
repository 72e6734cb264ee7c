//! Clearance: the gate looked at a whole plan, and it may begin, or a person is asked, or it ends
//! before anything was done.

use nightcrew_model::approval::{Autonomy, PlanHash};
use nightcrew_model::argv::Word;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{AttemptId, StepIndex};
use nightcrew_model::plan::{Action, Ask, Mode, Plan};
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

use crate::Step;
use crate::incident::{Attempt, Permit};
use crate::settings::Settings;
use crate::work::{Part, parts_of};

impl Step<'_> {
    /// The gate judged a whole plan.  Its answers come in the order of
    /// [`PlanDue::parts`](crate::work::PlanDue::parts); another number of them says nothing.
    pub(crate) fn plan_judged(&mut self, id: AttemptId, verdicts: Vec<Verdict>) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let plan = &attempt.plan;
        if attempt.state != AttemptState::Planned || verdicts.len() != parts_of(plan).count() {
            return;
        }
        let mode = plan.mode;
        let refused = parts_of(plan).zip(&verdicts).find_map(|((_, step, _), verdict)| {
            let reason = Reason::GateRefused { step, reason: verdict.reason.clone() };
            (verdict.verdict == Ruling::Refused).then_some(reason)
        });
        if let Some(reason) = refused {
            self.fail(id, reason);
            return;
        }
        match mode {
            Mode::DryRun => {
                self.decide(Fact::PlanCleared { attempt: id, verdicts }, Reason::GateAdmitted);
            }
            Mode::Shadow => self.show(id, verdicts, &Reason::Shadow),
            Mode::Suggest => {
                self.show(id, verdicts, &Reason::Autonomy { level: Autonomy::Suggest });
            }
            Mode::Live if self.is_good_already(id) => {
                self.start_verification(id, Reason::AlreadyGood);
            }
            Mode::Live => self.clear(id, verdicts),
        }
    }

    /// Shows a plan and ends it: nothing is done.
    fn show(&mut self, id: AttemptId, verdicts: Vec<Verdict>, reason: &Reason) {
        self.decide(Fact::PlanCleared { attempt: id, verdicts }, reason.clone());
        self.fail(id, reason.clone());
    }

    /// Lets a plan begin, or asks a person.
    fn clear(&mut self, id: AttemptId, verdicts: Vec<Verdict>) {
        let Some(attempt) = self.state.attempt(id) else {
            return;
        };
        let plan = &attempt.plan;
        let Some(class) = highest(self.settings, plan, &verdicts) else {
            self.decide(Fact::PlanCleared { attempt: id, verdicts }, Reason::GateAdmitted);
            return;
        };
        if let Some(approval) = self.standing_for(plan, &verdicts) {
            let reason = Reason::StandingApproval { approval };
            self.decide(Fact::PlanCleared { attempt: id, verdicts }, reason);
            return;
        }
        let hash = PlanHash::of(plan);
        let expires_at = self.settings.approval_timeout.after(self.now);
        self.decide(
            Fact::ApprovalRequested { attempt: id, hash, verdicts, expires_at },
            Reason::NeedsApproval { class },
        );
        self.ask_people(id.incident);
        // It holds no place any more.
        self.consider_waiting();
    }

    /// How what would run differs from what was let run; none: it does not.
    ///
    /// A plan that a person or a standing approval let run must be what the present settings make
    /// of the present labels.  No step may be riskier than it was.  A command line without globs
    /// must have the same words; of one with globs, which name what is there at the time, the
    /// program must be the same.
    pub(crate) fn differs(
        &self,
        attempt: &Attempt,
        step: StepIndex,
        verdict: &Verdict,
    ) -> Option<String> {
        let ask = attempt.step(step).map_or(Ask::ByClass, |step| step.ask);
        let Some(permit) = &attempt.permit else {
            let asks = needs_approval(self.settings, &attempt.plan, ask, verdict);
            return asks.then(|| format!("step {step} needs an approval now: {}", verdict.reason));
        };
        let Plan { playbook, target, mode, .. } = &attempt.plan;
        let Some(known) = self.settings.playbook(playbook) else {
            return Some(format!("there is no playbook {playbook} any more"));
        };
        if self.mode_of(known, &target.service) != *mode {
            return Some(format!("{playbook} may not act on {} any more", target.service));
        }
        match self.render(known, attempt.id.incident, target, *mode) {
            Ok(plan) if plan == attempt.plan => {}
            Ok(_) => return Some(format!("the settings make another plan of {playbook} now")),
            Err(reason) => return Some(reason.to_string()),
        }
        if let Permit::Standing { approval } = permit
            && self.standing_for(&attempt.plan, &attempt.verdicts).is_none()
        {
            return Some(format!("the standing approval {approval} does not cover it any more"));
        }
        let before = attempt.verdicts.get(usize::from(step.0))?;
        if verdict.class > before.class {
            return Some(format!(
                "step {step} is {} now, and was approved as {}",
                verdict.class, before.class
            ));
        }
        let Action::Run { argv } = &attempt.step(step)?.action else {
            return None;
        };
        let globs = argv.0.iter().any(|word| matches!(word, Word::Glob(_)));
        let same = if globs {
            before.argv.first() == verdict.argv.first()
        } else {
            before.argv == verdict.argv
        };
        (!same).then(|| format!("step {step} would run `{}`", verdict.argv.join(" ")))
    }
}

/// The highest risk of those actions of a plan that a person has to allow; none: nobody is asked.
fn highest(settings: &Settings, plan: &Plan, verdicts: &[Verdict]) -> Option<RiskClass> {
    needing(settings, plan, verdicts).map(|(_, verdict)| verdict.class).max()
}

/// The actions of a plan that a person has to allow, with what the gate said of them.
pub(crate) fn needing<'a>(
    settings: &'a Settings,
    plan: &'a Plan,
    verdicts: &'a [Verdict],
) -> impl Iterator<Item = (Part, &'a Verdict)> {
    parts_of(plan).zip(verdicts).filter_map(move |((part, step, _), verdict)| {
        let ask = plan.steps.get(usize::from(step.0)).map_or(Ask::ByClass, |step| step.ask);
        needs_approval(settings, plan, ask, verdict).then_some((part, verdict))
    })
}

/// Whether a person has to allow an action.
pub(crate) fn needs_approval(
    settings: &Settings,
    plan: &Plan,
    ask: Ask,
    verdict: &Verdict,
) -> bool {
    let by_class = match settings.autonomy_for(&plan.target.service) {
        Autonomy::Observe | Autonomy::Suggest | Autonomy::Approve => {
            verdict.class > RiskClass::Observe
        }
        Autonomy::Auto => settings.ask_from.is_some_and(|from| verdict.class >= from),
    };
    plan.mode.is_live() && (by_class || ask == Ask::Always || verdict.verdict == Ruling::Approval)
}
