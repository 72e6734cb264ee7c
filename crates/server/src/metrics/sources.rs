//! What `/metrics` tells of the systems that are asked for numbers.

use nightcrew_model::unit::Millis;

use crate::app::App;
use crate::exposition::{Exposition, Type};

/// Writes how asking each source goes; a source that was not asked yet is not told of.
pub(crate) fn write(text: &mut Exposition, app: &App) {
    let (sources, now) = (app.handle.sources(), app.handle.clock().now());
    let mut each = |name: &str, kind: Type, help: &str, value: &dyn Fn(usize) -> Option<f64>| {
        text.head(name, kind, help);
        for (n, source) in sources.iter().enumerate() {
            if let Some(value) = value(n) {
                let labels = [("source", source.name.as_str()), ("kind", source.kind)];
                text.sample(name, &labels, value);
            }
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "the format has floating point numbers only")]
    let number = |count: u64| count as f64;
    let at = |n: usize| sources.get(n);
    each(
        "nightcrew_source_up",
        Type::Gauge,
        "Whether a source answered when it was last asked.",
        &|n| at(n)?.up.map(|up| if up { 1.0 } else { 0.0 }),
    );
    each(
        "nightcrew_source_questions_total",
        Type::Counter,
        "Questions that a source was asked.",
        &|n| Some(number(at(n)?.questions)),
    );
    each("nightcrew_source_samples", Type::Gauge, "Samples of the last look at a source.", &|n| {
        Some(number(at(n)?.samples))
    });
    each(
        "nightcrew_source_samples_unknown",
        Type::Gauge,
        "Samples of the last look at a source in which nothing could be read.",
        &|n| Some(number(at(n)?.unknown)),
    );
    each(
        "nightcrew_source_last_success_age_seconds",
        Type::Gauge,
        "The time since a source answered last.",
        &|n| Some(Millis::between(at(n)?.last_success?, now).duration().as_secs_f64()),
    );
}
