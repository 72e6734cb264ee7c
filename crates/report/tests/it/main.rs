//! Records of whole incidents, from their decisions to the files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod chronicle;
mod contradictions;
mod detection_score;
mod files;
mod healing_score;
mod incidents;
mod limits;
mod post_mortems;
mod remedies;
mod repairs;
mod shadow_reviews;
