//! What is past its time, or too much.

use std::sync::Arc;

use crate::config::Config;
use crate::sample::Moment;
use crate::segment::Segment;
use crate::shelf::Shelf;

/// The segments that are past their time, and, while all together are still too large, the oldest
/// of the finest resolution.
pub(crate) fn surplus(shelf: &Shelf, config: &Config, now: Moment) -> Vec<Arc<Segment>> {
    let is_old = |segment: &&Arc<Segment>| {
        segment.meta().last < now.minus(config.age_max(segment.resolution()))
    };
    let (mut surplus, mut kept): (Vec<_>, Vec<_>) = shelf.iter().partition(|each| is_old(each));
    let mut bytes: u64 = kept.iter().map(|segment| segment.bytes()).sum();
    kept.sort_by_key(|segment| (segment.resolution(), segment.meta().last));
    for segment in kept {
        if bytes <= config.bytes_max {
            break;
        }
        bytes -= segment.bytes();
        surplus.push(segment);
    }
    surplus.into_iter().cloned().collect()
}
