//! Memory of real processes, and a real limit of it.

use std::fs;
use std::path::{Path, PathBuf};

use nightcrew_config::settings::{Service, Supervisor};
use nightcrew_model::plan::{Action, StepStatus};
use nightcrew_model::verdict::{RiskClass, Ruling};

use crate::machine::service;
use crate::stage::{Stranger, act, gate, number, refusal};

fn collect(name: &str) -> Action {
    Action::CollectMemory { service: name.into() }
}

fn raise(name: &str, by_percent: u16) -> Action {
    Action::RaiseMemoryLimit { service: name.into(), by_percent }
}

/// A control group of its own that ends with the test; none: this machine gives none.
struct Group {
    folder: PathBuf,
    limit: &'static str,
}

impl Group {
    fn new(name: &str) -> Option<Self> {
        let name = format!("nightcrew-test-{name}-{}", std::process::id());
        let kinds =
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        kinds.into_iter().find_map(|(top, limit)| {
            let folder = Path::new(top).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Self { folder, limit };
            group.folder.join(limit).exists().then_some(group)
        })
    }

    fn limit(&self) -> u64 {
        fs::read_to_string(self.folder.join(self.limit)).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::yield_now();
        }
    }
}

#[tokio::test]
async fn the_memory_of_a_process_is_kept_as_results() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = Stranger::script("while :; do sleep 1; done", &[]);
    let gate = gate(folder.path(), vec![stranger.service("web", folder.path()), service("none")]);
    let outcome = act(&gate, &collect("web")).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(number(&outcome, "rss_mb").unwrap() > 0.1, "{}", outcome.output);
    assert!(number(&outcome, "anonymous_mb").is_some() && number(&outcome, "swap_mb").is_some());
    assert_eq!(gate.judge(&collect("web")).class, RiskClass::Observe);
    assert!(refusal(&gate, &collect("none")).contains("no process, unit or container"));
    drop(stranger);
    let outcome = act(&gate, &collect("web")).await;
    assert_eq!(outcome.status, StepStatus::Failed, "{}", outcome.output);
    assert!(outcome.results.is_empty());
}

#[tokio::test]
async fn a_limit_is_raised_to_its_bound_and_no_further() {
    const MEBI: u64 = 1 << 20;
    let Some(group) = Group::new("raise") else {
        eprintln!("SKIPPED a_limit_is_raised_to_its_bound_and_no_further: no control group here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let stranger = Stranger::script("while :; do sleep 1; done", &[]);
    fs::write(group.folder.join("cgroup.procs"), stranger.pid().to_string()).unwrap();
    fs::write(group.folder.join(group.limit), (64 * MEBI).to_string()).unwrap();
    let web = Service { memory_limit_max_mb: Some(110), ..stranger.service("web", folder.path()) };
    let gate = gate(folder.path(), vec![web]);
    let outcome = act(&gate, &raise("web", 50)).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert_eq!(group.limit(), 96 * MEBI);
    assert!((number(&outcome, "before_mb").unwrap() - 67.1).abs() < 0.1);
    assert!((number(&outcome, "after_mb").unwrap() - 100.7).abs() < 0.1);
    let outcome = act(&gate, &collect("web")).await;
    assert!((number(&outcome, "limit_mb").unwrap() - 100.7).abs() < 0.1, "{}", outcome.output);
    let outcome = act(&gate, &raise("web", 50)).await;
    assert!(number(&outcome, "after_mb").unwrap() <= 110.0, "{}", outcome.output);
    let full = group.limit();
    let outcome = act(&gate, &raise("web", 50)).await;
    assert!(outcome.status == StepStatus::Failed || group.limit() >= full, "{}", outcome.output);
    assert!(group.limit() <= 110_000_000);
    fs::write(group.folder.join(group.limit), "-1")
        .or_else(|_| fs::write(group.folder.join(group.limit), "max"))
        .unwrap();
    let outcome = act(&gate, &raise("web", 50)).await;
    assert!(outcome.output.contains("no limit"), "{}", outcome.output);
    drop(stranger);
}

#[test]
fn a_raise_needs_a_bound_a_sensible_part_and_a_grant() {
    let folder = tempfile::tempdir().unwrap();
    let docker = Some(Supervisor::Docker { container: "web-1".into() });
    let bound = Some(512);
    let gate = gate(
        folder.path(),
        vec![
            Service { unit: Some("web.service".into()), ..service("unbound") },
            Service {
                unit: Some("web.service".into()),
                memory_limit_max_mb: bound,
                ..service("bound")
            },
            Service { supervisor: docker, memory_limit_max_mb: bound, ..service("boxed") },
        ],
    );
    assert!(refusal(&gate, &raise("unbound", 50)).contains("memory_limit_max_mb"));
    assert!(refusal(&gate, &raise("bound", 0)).contains("by_percent is 0"));
    assert!(refusal(&gate, &raise("bound", 401)).contains("by_percent is 401"));
    assert!(refusal(&gate, &raise("boxed", 50)).contains("does not permit `update`"));
    let verdict = gate.judge(&raise("bound", 50));
    assert_eq!((verdict.verdict, verdict.class), (Ruling::Admitted, RiskClass::Reversible));
}
