//! What came out of looking at an action: fit to run, or not, and why.

use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

use crate::work::Work;

/// What may run.
pub(crate) struct Fit {
    pub(crate) class: RiskClass,
    pub(crate) rule: &'static str,
    pub(crate) reason: String,
    pub(crate) argv: Vec<String>,
    pub(crate) work: Work,
}

/// What may not run, or not without a person.
pub(crate) struct Unfit {
    pub(crate) ruling: Ruling,
    pub(crate) class: RiskClass,
    pub(crate) rule: &'static str,
    pub(crate) reason: String,
    pub(crate) argv: Vec<String>,
}

impl Unfit {
    /// What is not understood is taken for the worst.
    pub(crate) fn refused(rule: &'static str, reason: impl Into<String>) -> Self {
        Self {
            ruling: Ruling::Refused,
            class: RiskClass::Destructive,
            rule,
            reason: reason.into(),
            argv: Vec::new(),
        }
    }

    pub(crate) fn of_class(self, class: RiskClass) -> Self {
        Self { class, ..self }
    }

    pub(crate) fn of_words(self, argv: Vec<String>) -> Self {
        Self { argv, ..self }
    }

    pub(crate) fn verdict(self) -> Verdict {
        Verdict {
            verdict: self.ruling,
            class: self.class,
            argv: self.argv,
            reason: self.reason,
            rule: self.rule.to_owned(),
        }
    }
}

impl Fit {
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict {
            verdict: Ruling::Admitted,
            class: self.class,
            argv: self.argv.clone(),
            reason: self.reason.clone(),
            rule: self.rule.to_owned(),
        }
    }
}
