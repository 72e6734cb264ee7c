//! What came out of looking at an action: fit to run, or not, and why.

use std::borrow::Cow;

use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

use crate::work::Work;

/// The id of a rule.
pub(crate) type Rule = Cow<'static, str>;

/// What may run, of itself or once a person has allowed it.
pub(crate) struct Fit {
    pub(crate) class: RiskClass,
    pub(crate) rule: Rule,
    pub(crate) reason: String,
    pub(crate) argv: Vec<String>,
    /// Why a person has to allow it; none: nobody has to.
    pub(crate) approval: Option<String>,
    pub(crate) work: Work,
}

/// What may not run.
pub(crate) struct Unfit {
    pub(crate) class: RiskClass,
    pub(crate) rule: Rule,
    pub(crate) reason: String,
    pub(crate) argv: Vec<String>,
}

impl Unfit {
    /// What is not understood is taken for the worst.
    pub(crate) fn refused(rule: impl Into<Rule>, reason: impl Into<String>) -> Self {
        Self {
            class: RiskClass::Destructive,
            rule: rule.into(),
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
            verdict: Ruling::Refused,
            class: self.class,
            argv: self.argv,
            reason: self.reason,
            rule: self.rule.into_owned(),
        }
    }
}

impl Fit {
    /// What is decided while nobody has allowed anything.
    pub(crate) fn verdict(&self) -> Verdict {
        let (verdict, reason) = match &self.approval {
            Some(why) => (Ruling::Approval, why),
            None => (Ruling::Admitted, &self.reason),
        };
        Verdict {
            verdict,
            class: self.class,
            argv: self.argv.clone(),
            reason: reason.clone(),
            rule: self.rule.to_string(),
        }
    }

    /// What is decided once a person has allowed it.
    pub(crate) fn allowed(&self) -> Verdict {
        let reason = match &self.approval {
            Some(why) => format!("a person allowed it: {why}"),
            None => self.reason.clone(),
        };
        Verdict { verdict: Ruling::Admitted, reason, ..self.verdict() }
    }
}
