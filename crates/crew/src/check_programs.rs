//! The programs of checks, started through the gate like everything else.
//!
//! They only look, so that they run while plans are only shown, and no step of an attempt stands in
//! the journal for them: their answers are samples.

use nightcrew_act::executor::Executor;
use nightcrew_act::gate::{Gate, Judgement};
use nightcrew_act::surroundings::{Sight, Surroundings};
use nightcrew_model::plan::{StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_observe::check::command::{Ended, Programs, Ran, Running};

use crate::handle::Handle;
use crate::heal::gate_of;

/// Starts the programs of checks.
#[derive(Debug)]
pub(crate) struct CheckPrograms {
    gate: Gate,
    around: Surroundings,
}

impl CheckPrograms {
    pub(crate) fn new(handle: &Handle) -> Self {
        let around = Surroundings {
            clock: handle.clock().clone(),
            http: handle.http().clone(),
            sight: Sight::default(),
        };
        Self { gate: gate_of(&handle.settings()), around }
    }
}

impl Programs for CheckPrograms {
    fn run<'a>(&'a self, argv: &'a [String], timeout: Millis) -> Running<'a> {
        Box::pin(async move {
            let Judgement { verdict, admitted } = self.gate.admit_check(argv);
            let Some(admitted) = admitted else { return Err(verdict.reason) };
            let outcome = Executor::Live.execute(admitted, timeout, &self.around).await;
            let StepOutcome { status, output, .. } = outcome;
            let ended = match status {
                StepStatus::Succeeded => Ended::Exited(Some(0)),
                StepStatus::Exited { code } => Ended::Exited(code),
                StepStatus::TimedOut => Ended::TimedOut,
                StepStatus::Failed | StepStatus::Shown | StepStatus::Refused => return Err(output),
            };
            Ok(Ran { ended, output })
        })
    }
}
