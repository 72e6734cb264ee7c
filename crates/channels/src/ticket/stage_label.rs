//! Where a ticket stands, as a label: for trackers whose issues are only open or closed.

use nightcrew_model::ticket::Stage;

/// The label of what is with a person, in every tracker.
pub(super) const ESCALATED: &str = "escalated";

/// Every label of a stage.
const LABELS: [(Stage, &str); 5] = [
    (Stage::ToDo, "status: to do"),
    (Stage::InProgress, "status: in progress"),
    (Stage::InReview, "status: in review"),
    (Stage::Done, "status: done"),
    (Stage::Escalated, ESCALATED),
];

/// The label of a stage.
pub(super) fn of(stage: Stage) -> &'static str {
    match stage {
        Stage::ToDo => "status: to do",
        Stage::InProgress => "status: in progress",
        Stage::InReview => "status: in review",
        Stage::Done => "status: done",
        Stage::Escalated => ESCALATED,
    }
}

/// Where a ticket stands by its labels and by whether it is closed; a person may have closed it.
pub(super) fn read(labels: &[String], closed: bool) -> Stage {
    if closed {
        return Stage::Done;
    }
    let said = LABELS
        .iter()
        .find(|(stage, name)| *stage != Stage::Done && labels.iter().any(|label| label == name));
    said.map_or(Stage::ToDo, |(stage, _)| *stage)
}

/// The labels that have to go when a ticket comes to stand there.  What is done keeps `escalated`:
/// it was with a person once.
pub(super) fn others(stage: Stage) -> impl Iterator<Item = &'static str> {
    LABELS.into_iter().filter_map(move |(other, name)| {
        let kept = other == stage || stage == Stage::Done && other == Stage::Escalated;
        (!kept).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_reads_back() {
        for stage in Stage::ALL {
            assert_eq!(read(&[of(stage).to_owned()], stage == Stage::Done), stage);
            assert!(!others(stage).any(|label| label == of(stage)));
        }
        assert_eq!(read(&["status: done".to_owned()], false), Stage::ToDo, "somebody reopened it");
    }
}
