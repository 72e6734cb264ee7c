//! What carrying out an action came to.

use std::collections::BTreeMap;

use nightcrew_model::plan::{ResultKey, ResultValue, StepStatus};

/// The longest text of a result, in characters.
pub(crate) const RESULT_CHARS_MAX: usize = 400;

/// How an action ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: StepStatus,
    pub(crate) output: String,
    pub(crate) results: BTreeMap<ResultKey, ResultValue>,
}

impl Done {
    pub(crate) fn succeeded(output: impl Into<String>) -> Self {
        Self::new(StepStatus::Succeeded, output)
    }

    pub(crate) fn failed(output: impl Into<String>) -> Self {
        Self::new(StepStatus::Failed, output)
    }

    pub(crate) fn new(status: StepStatus, output: impl Into<String>) -> Self {
        Self { status, output: output.into(), results: BTreeMap::new() }
    }

    /// With one more result for later steps; what is no number is left out.
    pub(crate) fn number(mut self, key: &str, value: f64) -> Self {
        if value.is_finite() {
            self.results.insert(ResultKey::from(key), ResultValue::Number(value));
        }
        self
    }

    /// With one more result for later steps, cut to [`RESULT_CHARS_MAX`].
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        let mut shown: String = value.chars().filter(|c| !c.is_control()).collect();
        if let Some((at, _)) = shown.char_indices().nth(RESULT_CHARS_MAX) {
            shown.truncate(at);
        }
        self.results.insert(ResultKey::from(key), ResultValue::Text(shown));
        self
    }

    /// With one more result for later steps.
    pub(crate) fn flag(mut self, key: &str, value: bool) -> Self {
        self.results.insert(ResultKey::from(key), ResultValue::Flag(value));
        self
    }
}

impl From<(StepStatus, String)> for Done {
    fn from((status, output): (StepStatus, String)) -> Self {
        Self::new(status, output)
    }
}
