//! How asking a source goes.

use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;

/// A source in `GET /api/v1/status`.
#[derive(Serialize)]
pub(crate) struct SourceView {
    name: String,
    kind: &'static str,
    /// Whether it answered when it was last asked.
    up: Option<bool>,
    last_success_at: Option<Timestamp>,
    last_error_at: Option<Timestamp>,
    last_error: Option<String>,
    /// How many questions it was asked.
    questions: u64,
    /// How many samples the last look gave, and how many of them say that nothing could be read.
    samples: u64,
    unknown: u64,
}

/// Every source that was asked already, by name.
pub(crate) fn sources(app: &App) -> Vec<SourceView> {
    let states = app.handle.sources().into_iter();
    let view = states.map(|state| {
        let (last_error_at, last_error) = state.last_error.unzip();
        SourceView {
            name: state.name.into(),
            kind: state.kind,
            up: state.up,
            last_success_at: state.last_success,
            last_error_at,
            last_error,
            questions: state.questions,
            samples: state.samples,
            unknown: state.unknown,
        }
    });
    view.collect()
}
