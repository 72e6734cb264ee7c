//! The two lists of command lines.

use nightcrew_model::verdict::{RiskClass, Ruling};

use crate::machine::gate;

const DANGEROUS: &str = include_str!("corpus/dangerous.txt");
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
    assert!(lines(DANGEROUS).count() >= 250);
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
    assert!(lines(SAFE).count() >= 40);
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
