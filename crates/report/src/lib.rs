//! Folds over the journal's decisions, and what people and programs read of them.
//!
//! [`fold::incident_record`] folds decisions into a [`record::Record`]; [`markdown`], [`story`] and
//! the record's own JSON show it; [`workspace`] writes the files under the workspace folder.
//!
//! **Invariant:** everything here can be made again from the journal at any time.  This room
//! writes no facts, decides nothing and reads no clock.  Text from outside is data: it cannot
//! break out of the place where it is shown (module `quote`).

pub mod crew_word;
pub mod detection_score;
pub mod fold;
pub mod group;
pub mod log_insights;
pub mod markdown;
pub mod picture;
mod quote;
pub mod record;
pub mod sample_view;
mod sentence;
pub mod story;
mod transition;
pub mod workspace;
