//! The way through a workflow of Jira, which every project draws differently.
//!
//! What a status means is its category (`new`, `indeterminate`, `done`) and, among several of one
//! category, its name: those that the operator configured, then those that are well known, in
//! English and Korean.  A way of several hops is walked one hop at a time, because what can be
//! reached from a status is only told for the one that the ticket has.
//!
//! **Invariant:** a ticket never passes through a status that means "done" on its way to another
//! one, never comes twice to the same status, and goes back only when it is to stand further back.

use std::collections::BTreeMap;

use nightcrew_model::ticket::Stage;
use serde_json::{Value, json};

/// The largest number of hops in one try.
pub(super) const HOPS_MAX: usize = 5;

/// Well-known names of statuses, best first, in lower case.
const KNOWN: [(Stage, &[&str]); 4] = [
    (
        Stage::ToDo,
        &["to do", "해야 할 일", "할 일", "open", "reopened", "backlog", "백로그", "new", "todo"],
    ),
    (
        Stage::InProgress,
        &[
            "in progress",
            "진행 중",
            "진행중",
            "doing",
            "in development",
            "작업 중",
            "work in progress",
        ],
    ),
    (
        Stage::InReview,
        &[
            "in review",
            "review",
            "검토 중",
            "검토중",
            "검토",
            "code review",
            "verifying",
            "in testing",
        ],
    ),
    (
        Stage::Done,
        &["done", "완료", "완료됨", "resolved", "해결됨", "해결", "closed", "종료", "닫힘"],
    ),
];

/// How a resolution is called that says that the thing was done, best first, in lower case.
const RESOLUTIONS: [&str; 6] = ["done", "fixed", "resolved", "완료", "해결됨", "수정됨"];

/// The names that the operator gave statuses.
pub(super) type Names = BTreeMap<Stage, Vec<String>>;

/// A status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// What Jira calls it.
    pub(super) name: String,
    /// What it means.
    pub(super) stage: Stage,
    /// How well its name says so; smaller is better.
    rank: usize,
}

/// A hop that is open to a ticket now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    /// Its number, of this workflow only.
    pub(super) id: String,
    /// Where it leads.
    pub(super) to: Status,
    /// The fields that have to be filled in, and with what.
    pub(super) fields: Option<Value>,
    /// A field that a person has to fill in; none: the crew can go there.
    pub(super) wants: Option<String>,
}

impl Status {
    /// The status of `{"name", "statusCategory": {"key"}}`.
    pub(super) fn read(value: &Value, names: &Names) -> Self {
        let name = value["name"].as_str().unwrap_or_default().to_owned();
        let folded = name.trim().to_lowercase();
        for (stage, configured) in names {
            let at = configured.iter().position(|name| name.trim().to_lowercase() == folded);
            if let Some(rank) = at {
                return Self { name, stage: *stage, rank };
            }
        }
        let by_category = match value["statusCategory"]["key"].as_str() {
            Some("new") => Some(Stage::ToDo),
            Some("indeterminate") => Some(Stage::InProgress),
            Some("done") => Some(Stage::Done),
            _ => None,
        };
        let known = KNOWN.iter().find_map(|(stage, known)| {
            let rank = known.iter().position(|known| *known == folded)?;
            let fits = match by_category {
                None => true,
                // Both are of the same category.
                Some(Stage::InProgress) => matches!(stage, Stage::InProgress | Stage::InReview),
                Some(category) => *stage == category,
            };
            fits.then_some((*stage, names.len() + rank))
        });
        let (stage, rank) = known.unwrap_or((by_category.unwrap_or(Stage::ToDo), usize::MAX));
        Self { name, stage, rank }
    }

    /// Whether a ticket that has it stands where it should.
    pub(super) fn is(&self, target: Stage, names: &Names) -> bool {
        // Unless there is a status of its own, what is with a person is in progress.
        let in_progress = target == Stage::Escalated && !names.contains_key(&Stage::Escalated);
        self.stage == target || in_progress && self.stage == Stage::InProgress
    }
}

impl Transition {
    /// Where it leads, and what keeps the crew from going there.
    pub(super) fn shown(&self) -> String {
        match &self.wants {
            None => self.to.name.clone(),
            Some(field) => format!("{} (wants `{field}`)", self.to.name),
        }
    }

    /// The transitions of `{"transitions": [...]}`, with their fields if Jira was asked for them.
    pub(super) fn read_all(value: &Value, names: &Names) -> Vec<Self> {
        let list = value["transitions"].as_array().into_iter().flatten();
        list.filter_map(|one| {
            let id = one["id"].as_str()?.to_owned();
            let to = Status::read(&one["to"], names);
            let (fields, wants) = required(&one["fields"]);
            Some(Self { id, to, fields, wants })
        })
        .collect()
    }
}

/// What a transition wants filled in: a resolution can be chosen, anything else a person knows.
fn required(fields: &Value) -> (Option<Value>, Option<String>) {
    let mut filled = None;
    for (name, field) in fields.as_object().into_iter().flatten() {
        if field["required"] != true || field["hasDefaultValue"] == true {
            continue;
        }
        match resolution(&field["allowedValues"]) {
            Some(chosen) if name == "resolution" => {
                filled = Some(json!({"resolution": {"name": chosen}}));
            }
            _ => return (None, Some(field["name"].as_str().unwrap_or(name).to_owned())),
        }
    }
    (filled, None)
}

fn resolution(allowed: &Value) -> Option<&str> {
    let names = || allowed.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
    let rank = |name: &str| RESOLUTIONS.iter().position(|known| *known == name.to_lowercase());
    names().min_by_key(|name| rank(name).unwrap_or(usize::MAX))
}

/// The next hop toward where a ticket should stand; none: there is no way on from here.
pub(super) fn next<'a>(
    from: &Status,
    target: Stage,
    available: &'a [Transition],
    visited: &[String],
) -> Option<&'a Transition> {
    let open =
        || available.iter().filter(|hop| hop.wants.is_none() && !visited.contains(&hop.to.name));
    let direct =
        |stage| open().filter(move |hop| hop.to.stage == stage).min_by_key(|hop| hop.to.rank);
    if let Some(hop) = direct(target) {
        return Some(hop);
    }
    if target == Stage::Escalated
        && let Some(hop) = direct(Stage::InProgress)
    {
        return Some(hop);
    }
    let (here, there) = (order(from.stage), order(target));
    open()
        .filter(|hop| hop.to.stage != Stage::Done)
        .filter(|hop| {
            let next = order(hop.to.stage);
            if there > here { (here..there).contains(&next) } else { next < here }
        })
        .min_by_key(|hop| (order(hop.to.stage).abs_diff(there), hop.to.rank))
}

fn order(stage: Stage) -> u8 {
    match stage {
        Stage::ToDo => 0,
        Stage::InProgress | Stage::Escalated => 1,
        Stage::InReview => 2,
        Stage::Done => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(name: &str, category: &str) -> Value {
        json!({"name": name, "statusCategory": {"key": category}})
    }

    fn hop(id: &str, name: &str, category: &str) -> Value {
        json!({"id": id, "name": "…", "to": status(name, category)})
    }

    fn way(from: (&str, &str), target: Stage, hops: &[Value], names: &Names) -> Option<String> {
        let from = Status::read(&status(from.0, from.1), names);
        let hops = Transition::read_all(&json!({"transitions": hops}), names);
        next(&from, target, &hops, &[]).map(|hop| hop.to.name.clone())
    }

    #[test]
    fn the_category_decides_and_the_name_among_several() {
        let none = Names::new();
        let read = |name, category| Status::read(&status(name, category), &none).stage;
        assert_eq!(read("검토 중", "indeterminate"), Stage::InReview);
        assert_eq!(read("QA 대기", "indeterminate"), Stage::InProgress);
        assert_eq!(read("Review", "done"), Stage::Done, "a name does not outweigh its category");
        assert_eq!(read("Reopened", "undefined"), Stage::ToDo);
        let named = Names::from([(Stage::InReview, vec!["qa 대기".to_owned()])]);
        let read = Status::read(&status("QA 대기", "indeterminate"), &named);
        assert_eq!(read.stage, Stage::InReview);
    }

    #[test]
    fn the_best_name_wins() {
        let hops = [
            hop("1", "Won't Do", "done"),
            hop("2", "Closed", "done"),
            hop("3", "Resolved", "done"),
        ];
        let none = Names::new();
        let from = ("In Review", "indeterminate");
        assert_eq!(way(from, Stage::Done, &hops, &none).unwrap(), "Resolved");
        let named = Names::from([(Stage::Done, vec!["Closed".to_owned()])]);
        assert_eq!(way(from, Stage::Done, &hops, &named).unwrap(), "Closed");
    }

    #[test]
    fn without_a_direct_way_the_nearest_hop_is_taken_and_never_backwards() {
        let none = Names::new();
        let to_do = ("To Do", "new");
        let hops = [hop("1", "Selected", "new"), hop("2", "In Progress", "indeterminate")];
        assert_eq!(way(to_do, Stage::Done, &hops, &none).unwrap(), "In Progress");
        let hops = [hop("1", "To Do", "new"), hop("2", "Done", "done")];
        let working = ("In Progress", "indeterminate");
        assert_eq!(way(working, Stage::InReview, &hops, &none), None);
        let reopen = [hop("1", "Reopened", "new")];
        assert_eq!(way(("Done", "done"), Stage::InProgress, &reopen, &none).unwrap(), "Reopened");
    }

    #[test]
    fn a_resolution_is_chosen_and_what_only_a_person_knows_closes_a_way() {
        let field = |name: &str, values: Value| json!({name: {"required": true, "name": name, "allowedValues": values}});
        let mut done = hop("1", "Done", "done");
        done["fields"] = field("resolution", json!([{"name": "Won't Do"}, {"name": "Fixed"}]));
        let none = Names::new();
        let hops = Transition::read_all(&json!({"transitions": [done.clone()]}), &none);
        assert_eq!(hops[0].fields, Some(json!({"resolution": {"name": "Fixed"}})));
        done["fields"] = field("Root cause", json!([]));
        let hops = Transition::read_all(&json!({"transitions": [done]}), &none);
        assert_eq!(hops[0].wants.as_deref(), Some("Root cause"));
        let from = Status::read(&status("In Review", "indeterminate"), &none);
        assert_eq!(next(&from, Stage::Done, &hops, &[]), None);
    }

    proptest! {
        #[test]
        fn whatever_the_workflow_done_is_no_way_station_and_no_status_is_visited_twice(
            edges in prop::collection::vec((0usize..6, 0usize..6), 0..18),
            start in 0usize..6,
            target in prop::sample::select(Stage::ALL.to_vec()),
        ) {
            let statuses = [
                ("To Do", "new"), ("Selected", "new"), ("In Progress", "indeterminate"),
                ("Waiting", "indeterminate"), ("In Review", "indeterminate"), ("Done", "done"),
            ];
            let none = Names::new();
            let read = |n: usize| Status::read(&status(statuses[n].0, statuses[n].1), &none);
            let mut at = start;
            let mut visited = vec![read(at).name];
            for _ in 0..20 {
                if read(at).is(target, &none) {
                    break;
                }
                let hops: Vec<Value> = edges.iter().filter(|edge| edge.0 == at)
                    .map(|edge| hop(&edge.1.to_string(), statuses[edge.1].0, statuses[edge.1].1))
                    .collect();
                let hops = Transition::read_all(&json!({"transitions": hops}), &none);
                let Some(hop) = next(&read(at), target, &hops, &visited) else { break };
                prop_assert!(!visited.contains(&hop.to.name));
                prop_assert!(hop.to.stage != Stage::Done || target == Stage::Done);
                visited.push(hop.to.name.clone());
                at = hop.id.parse().unwrap();
            }
        }
    }
}
