//! The three lists of command lines.

use nightcrew_model::argv::Argv;
use nightcrew_model::plan::Action;
use nightcrew_model::verdict::{RiskClass, Ruling};

use crate::machine::gate;

const DANGEROUS: &str = include_str!("corpus/dangerous.txt");
const APPROVAL: &str = include_str!("corpus/approval.txt");
const SAFE: &str = include_str!("corpus/safe.txt");

fn lines(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

#[test]
fn no_dangerous_line_is_admitted() {
    let gate = gate();
    let passed: Vec<String> = lines(DANGEROUS)
        .map(|line| (line, gate.judge_line(line)))
        .filter(|(_, verdict)| verdict.verdict != Ruling::Refused || verdict.reason.is_empty())
        .map(|(line, verdict)| {
            format!("{line}: {} by {}: {}", verdict.verdict, verdict.rule, verdict.reason)
        })
        .collect();
    assert!(passed.is_empty(), "{passed:#?}");
    assert!(lines(DANGEROUS).count() >= 1_400);
}

#[test]
fn every_safe_line_is_admitted_by_its_rule() {
    let gate = gate();
    let mut wrong = Vec::new();
    for entry in lines(SAFE) {
        let (rule, line) = entry.split_once(": ").unwrap();
        let verdict = gate.judge_line(line);
        if verdict.verdict != Ruling::Admitted || verdict.rule != rule {
            wrong.push(format!(
                "{line}: {} by {}: {}",
                verdict.verdict, verdict.rule, verdict.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(lines(SAFE).count() >= 90);
}

#[test]
fn what_a_person_must_allow_is_not_admitted_before_and_is_after() {
    let gate = gate();
    let now = jiff::Timestamp::UNIX_EPOCH;
    for entry in lines(APPROVAL) {
        let (rule, line) = entry.split_once(": ").unwrap();
        let verdict = gate.judge_line(line);
        assert_eq!(
            (verdict.verdict, verdict.rule.as_str()),
            (Ruling::Approval, rule),
            "{line}: {}",
            verdict.reason
        );
        let action = Action::Run { argv: Argv::parse(line).unwrap() };
        assert!(gate.admit(&action, now).admitted.is_none(), "{line}");
        let judgement = gate.admit_approved(&action, now);
        assert!(judgement.admitted.is_some(), "{line}: {}", judgement.verdict.reason);
        assert_eq!(judgement.verdict.verdict, Ruling::Admitted);
        assert!(judgement.verdict.reason.starts_with("a person allowed it"));
    }
}

#[test]
fn nobody_can_allow_what_is_refused() {
    let gate = gate();
    for line in lines(DANGEROUS).filter(|line| !line.starts_with('[')) {
        if let Ok(argv) = Argv::parse(line) {
            let judgement = gate.admit_approved(&Action::Run { argv }, jiff::Timestamp::UNIX_EPOCH);
            assert!(judgement.admitted.is_none(), "{line}");
        }
    }
}

#[test]
fn every_safe_line_is_refused_with_any_word_more() {
    let gate = gate();
    for entry in lines(SAFE) {
        let (_, line) = entry.split_once(": ").unwrap();
        if line.starts_with('[') {
            continue;
        }
        for more in [
            "--",
            "-",
            "--help=x",
            "-x",
            "-delete",
            "--volumes",
            "-exec",
            ";",
            "$(id)",
            "/etc/passwd",
            "''",
            "'a b'",
        ] {
            let longer = format!("{line} {more}");
            let verdict = gate.judge_line(&longer);
            // One line takes any path to look at, and one adds its removal of old files.
            let harmless = verdict.class == RiskClass::Observe
                || (more == "-delete" && verdict.rule == "find.delete");
            assert!(verdict.verdict == Ruling::Refused || harmless, "{longer}: {}", verdict.reason);
        }
    }
}

#[test]
fn a_prefix_of_a_flag_is_no_flag() {
    let gate = gate();
    for entry in lines(SAFE) {
        let (_, line) = entry.split_once(": ").unwrap();
        let Some((head, flag)) = line.rsplit_once(' ').filter(|(_, last)| last.starts_with("--"))
        else {
            continue;
        };
        let name = flag.split('=').next().unwrap();
        for end in 3..name.len() {
            let shorter = format!("{head} {}", name.get(..end).unwrap());
            let verdict = gate.judge_line(&shorter);
            assert_eq!(verdict.verdict, Ruling::Refused, "{shorter}: {}", verdict.reason);
        }
    }
}
