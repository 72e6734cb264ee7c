//! What `/metrics` tells of how well the crew saw.

use nightcrew_report::detection_score::DetectionScore;

use crate::exposition::{Exposition, Type};

/// Writes the score of the last 30 days; nothing until it is known.
pub(super) fn write(text: &mut Exposition, score: Option<&DetectionScore>) {
    let Some(score) = score else { return };
    let name = "nightcrew_detection_incidents";
    text.head(name, Type::Gauge, "Incidents of 30 days, by who saw them first.");
    text.sample(name, &[("seen_by", "us")], score.own);
    text.sample(name, &[("seen_by", "others")], score.told);
    let shares = [
        (
            "nightcrew_detection_accuracy_ratio",
            "Incidents of ours that needed anybody.",
            score.accuracy,
        ),
        (
            "nightcrew_detection_completeness_ratio",
            "Incidents that we saw first.",
            score.completeness,
        ),
    ];
    for (name, help, share) in shares {
        if let Some(share) = share {
            text.single(name, Type::Gauge, help, share);
        }
    }
    let name = "nightcrew_detection_latency_seconds";
    text.head(name, Type::Gauge, "From the sample to the decision, over 30 days.");
    for (quantile, ms) in [("0.5", score.latency_median_ms), ("0.95", score.latency_p95_ms)] {
        if let Some(ms) = ms {
            text.sample(name, &[("quantile", quantile)], ms as f64 / 1_000.0);
        }
    }
    let name = "nightcrew_findings";
    text.head(name, Type::Gauge, "Findings by method, and what became of them.");
    for (method, of) in &score.methods {
        for (became, n) in
            [("incident", of.incidents), ("untouched", of.untouched), ("informed", of.informed)]
        {
            text.sample(name, &[("method", method), ("became", became)], n);
        }
    }
}
