//! Folds over the journal's decisions, and what people and programs read of them.
//!
//! [`fold::incident_record`] folds decisions into a [`record::Record`]; [`markdown`], [`story`] and
//! the record's own JSON show it; [`workspace`] writes the files under the workspace folder.
//!
//! **Invariant:** everything here can be made again from the journal at any time.  This room
//! writes no facts, decides nothing and reads no clock.  Text from outside is data: it cannot
//! break out of the place where it is shown (module `quote`).

mod attempt_transition;
pub mod crew_word;
pub mod detection_score;
pub mod evidence;
pub mod fold;
pub mod follow_up;
pub mod group;
pub mod healing_figures;
pub mod healing_score;
pub mod log_insights;
pub mod markdown;
mod markdown_actions;
mod page;
pub mod picture;
pub mod post_mortem;
pub mod post_mortem_page;
mod quote;
pub mod record;
pub mod sample_view;
mod sentence;
pub mod shadow_case;
pub mod shadow_page;
pub mod shadow_review;
pub mod story;
pub mod surroundings;
mod transition;
pub mod workspace;
