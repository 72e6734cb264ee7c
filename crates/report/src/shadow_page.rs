//! The review of playbooks in shadow, as `nightcrew playbooks review` prints it.

use std::fmt::Write as _;

use jiff::Timestamp;
use nightcrew_model::id::PlaybookName;
use nightcrew_model::plan::{Playbook, Stage};
use serde::Serialize;

use crate::page::{Page, cell, name, sentence};
use crate::shadow_case::{Admission, Became, ShadowRun};
use crate::shadow_review::{PlaybookReview, Reviewing};

/// The largest number of runs of a playbook that are shown: the last ones.
const RUNS_MAX: usize = 30;

/// The largest number of playbooks that are shown.
const PLAYBOOKS_MAX: usize = 100;

/// What is answered to whoever asks how the playbooks in shadow do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShadowReview {
    /// Runs that were decided earlier are left out.
    pub since: Timestamp,
    /// The playbooks that are in shadow now.
    pub in_shadow: Vec<PlaybookName>,
    /// The reviews by playbook, by their names.
    pub reviews: Vec<PlaybookReview>,
    /// All of it as Markdown.
    pub page: String,
}

impl ShadowReview {
    /// The answer by what was folded and the playbooks of the configuration.
    #[must_use]
    pub fn of(reviewing: &Reviewing, since: Timestamp, playbooks: &[Playbook]) -> Self {
        let in_shadow = playbooks.iter().filter(|playbook| playbook.stage == Stage::Shadow);
        let in_shadow: Vec<PlaybookName> =
            in_shadow.map(|playbook| playbook.name.clone()).collect();
        let reviews = reviewing.reviews_since(since);
        let mut page = markdown(&reviews);
        let silent: Vec<String> = in_shadow
            .iter()
            .filter(|playbook| reviews.iter().all(|review| review.playbook != **playbook))
            .map(|playbook| name(playbook.as_str()))
            .collect();
        // Writing to a string cannot fail.
        if !silent.is_empty() {
            let _ = writeln!(page, "\nIn shadow, and nothing decided yet: {}.", silent.join(", "));
        }
        if in_shadow.is_empty() {
            let _ = writeln!(
                page,
                "\nNo playbook is in shadow.  Give one `stage: \"shadow\"`: it decides and plans, \
                 nothing of it runs, and what people do instead is compared."
            );
        }
        Self { since, in_shadow, reviews, page }
    }
}

/// The reviews as Markdown.
#[must_use]
pub fn markdown(reviews: &[PlaybookReview]) -> String {
    let mut page = Page::default();
    page.line(format_args!("# Playbooks in shadow\n"));
    if reviews.is_empty() {
        page.line(format_args!("None has decided anything in shadow."));
    }
    page.both_ends(reviews, PLAYBOOKS_MAX, |page, review| {
        page.heading(&format!("## {}", name(review.playbook.as_str())));
        let agreement = review
            .agreement
            .map_or_else(|| "unknown".into(), |share| format!("{:.0} %", share * 100.0));
        page.item(
            "Proposal",
            format_args!("**{}**: {}", review.proposal.as_str(), sentence(&review.why)),
        );
        page.item(
            "Agreement",
            format_args!(
                "{agreement} ({} for, {} against, {} unclear, {} not over)",
                review.n_for, review.n_against, review.n_unclear, review.n_pending
            ),
        );
        let earlier = review.runs.len().saturating_sub(RUNS_MAX);
        if earlier > 0 {
            page.item("Earlier runs", format_args!("{earlier} left out"));
        }
        page.gap();
        page.line(format_args!("| decided | run | would have done | gate | then | says |"));
        page.line(format_args!("|---|---|---|---|---|---|"));
        review.runs.iter().skip(earlier).for_each(|it| run(page, it));
    });
    page.0
}

fn run(page: &mut Page, run: &ShadowRun) {
    let (agreement, why) = run.agreement();
    let about = cell(&run.key.to_string());
    page.line(format_args!(
        "| {:.0} | {} {about} | {} | {} | {} | {}: {why} |",
        run.at,
        run.attempt,
        cell(&run.commands.join("; ")),
        admission(&run.admission),
        then(run),
        agreement.as_str()
    ));
}

fn admission(admission: &Admission) -> String {
    match admission {
        Admission::Unknown => "unknown".into(),
        Admission::Admitted { class, asks: false } => format!("admitted, {class}"),
        Admission::Admitted { class, asks: true } => format!("asks a person, {class}"),
        Admission::Refused { why } => format!("refused: {}", cell(why)),
    }
}

fn then(run: &ShadowRun) -> String {
    let mut then = match &run.became {
        Became::Open => "goes on".to_owned(),
        Became::EndedByPerson { by, after } => {
            let by = by.as_ref().map_or_else(|| "a person".into(), |by| cell(by.as_str()));
            format!("ended by {by} after {after}")
        }
        Became::EndedByPlaybook { playbook, after, .. } => {
            format!("ended by playbook {} after {after}", cell(playbook.as_str()))
        }
        Became::EndedByItself { after } => format!("ended by itself after {after}"),
    };
    if run.became == Became::Open
        && let Some(by) = &run.acknowledged_by
    {
        // Writing to a string cannot fail.
        let _ = write!(then, ", with {}", cell(by.as_str()));
    }
    if let Some(at) = run.restarted_at {
        let _ = write!(then, ", running again at {at:.0}");
    }
    if run.came_back {
        then += ", came back";
    }
    then
}
