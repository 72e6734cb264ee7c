//! Grammars of an operator: what they add, and what they can never add.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nightcrew_act::gate::{Facts, Gate};
use nightcrew_act::grammar::{Network, Sockets};
use nightcrew_act::library::Library;
use nightcrew_config::settings::GatePolicy;
use nightcrew_model::argv::Argv;
use nightcrew_model::plan::Action;
use nightcrew_model::verdict::{RiskClass, Ruling};

/// A gate with one file of an operator, and what is wrong with the file.
fn gate(text: &str) -> (Gate, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.json5");
    fs::write(&file, text).unwrap();
    let policy = GatePolicy { files: vec![file.clone()], ..GatePolicy::default() };
    let gate = Gate::new(&policy, &BTreeMap::new(), Facts::new(PathBuf::from("/var/lib/nc")));
    let shown = format!("{}:", file.display());
    let problems = gate.unusable_grammars().iter().map(ToString::to_string);
    let problems = problems.map(|problem| problem.replacen(&shown, "", 1)).collect();
    (gate, problems)
}

#[test]
fn a_file_adds_a_program_and_a_form_of_a_shipped_one() {
    let (gate, problems) = gate(
        r#"{
            program: "varnishadm",
            forms: [
                {
                    rule: "varnishadm.ban",
                    class: "reversible",
                    words: ["ban", "cache ban"],
                    flags: { "-t": { next: { number: [1, 60] } }, "-q": "bare" },
                    operands: { kind: { one_of: ["all", "static"] } },
                    sandbox: { network: true, writes: ["/var/lib/varnish"] },
                },
            ],
        }"#,
    );
    assert_eq!(problems, [""; 0]);
    for (line, ruling) in [
        ("varnishadm ban all", Ruling::Admitted),
        ("varnishadm cache ban -t 5 -q static", Ruling::Admitted),
        ("varnishadm ban", Ruling::Refused),
        ("varnishadm ban everything", Ruling::Refused),
        ("varnishadm ban -t 61 all", Ruling::Refused),
        ("varnishadm ban -t=5 all", Ruling::Refused),
        ("varnishadm ban -qt 5 all", Ruling::Refused),
        ("varnishadm -t 5 ban all", Ruling::Refused),
        ("varnishadm stop", Ruling::Refused),
    ] {
        assert_eq!(gate.judge_line(line).verdict, ruling, "{line}");
    }
    let action = Action::Run { argv: Argv::parse("varnishadm ban all").unwrap() };
    let admitted = gate.admit(&action, jiff::Timestamp::UNIX_EPOCH).admitted.unwrap();
    let profile = admitted.profile().unwrap();
    assert_eq!((profile.network, profile.unix_sockets), (Network::Open, Sockets::None));
    assert_eq!(profile.writes, [PathBuf::from("/var/lib/varnish")]);

    let (gate, problems) = self::gate(
        "{ program: 'df', forms: [{ rule: 'df.inodes', class: 'observe', words: 'inodes' }] }",
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(gate.judge_line("df inodes").rule, "df.inodes");
    assert_eq!(gate.judge_line("df -h").rule, "df.show");
}

fn assert_told(text: &str, expected: &str) {
    let (gate, problems) = gate(text);
    assert!(problems.iter().any(|problem| problem.contains(expected)), "{text}: {problems:#?}");
    assert!(problems.iter().all(|problem| problem.starts_with("1:")), "{problems:?}");
    assert_eq!(gate.judge_line("tool").verdict, Ruling::Refused, "{text}");
    assert_eq!(gate.judge_line("df -h").verdict, Ruling::Admitted);
}

#[test]
fn every_mistake_of_a_form_is_told_with_its_place_and_leaves_the_file_out() {
    for (more, expected) in [
        ("glags: {}", "1:64: error: forms[0].glags: unknown key (did you mean `flags`?)"),
        ("flags: { x: 'bare' }", "`x` is not a flag: it begins with no dash"),
        ("flags: { '--': 'bare' }", "`--` is not a flag"),
        ("flags: { '-a b': 'bare' }", "`-a b` is not a flag"),
        ("flags: { '-x': 'bare', '-x': 'bare' }", "the key is written twice"),
        ("flags: { '-x': { joined: 'moment' } }", "`-x` is short"),
        ("flags: { '-x': { next: 'anything' } }", "`anything` is not known here"),
        ("flags: { '-x': { next: 'path', joined: 'path' } }", "a flag has one value"),
        ("flags: { '-x': { next: { number: [5, 1] } } }", "a range is [smallest, largest]"),
        ("needs: ['-x']", "`-x` is not among the flags"),
        ("operands: { kind: 'path', min: 3, max: 2 }", "min is not above max"),
        ("operands: { kind: { shell: 1 } }", "unknown key"),
        ("sandbox: { writes: ['/'] }", "`/` cannot be granted"),
        ("sandbox: { writes: ['/srv/../etc'] }", "cannot be granted"),
        ("sandbox: { network: 'yes' }", "expected true or false"),
    ] {
        let form = format!("{{ rule: 'tool.a', class: 'observe', {more} }}");
        assert_told(&format!("{{ program: 'tool', forms: [{form}] }}"), expected);
    }
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_place_and_leaves_it_out() {
    let form = "{ rule: 'tool.a', class: 'observe' }";
    for (rest, expected) in [
        (format!("program: 'tool', forms: [{form}, {form}]"), "the rule tool.a is given twice"),
        (format!("program: 'tool', forms: [{form}], more: 1"), "unknown key"),
        ("program: 'tool', forms: [{ rule: 'tool.a' }]".to_owned(), "and is missing"),
        (
            "program: 'tool', forms: [{ rule: 'tool.a', class: 'harmless' }]".to_owned(),
            "`harmless` is not known here",
        ),
        (
            "program: 'tool', forms: [{ rule: 'other.a', class: 'observe' }]".to_owned(),
            "does not begin with its program",
        ),
        ("program: 'tool', forms: []".to_owned(), "`forms` is empty"),
        ("forms: []".to_owned(), "`program` is missing"),
        ("program: 'tool', forms: [".to_owned(), "unexpected close brace"),
        (
            "program: 'df', forms: [{ rule: 'df.show', class: 'observe' }]".to_owned(),
            "the rule df.show is known already",
        ),
        (
            "program: 'find', forms: [{ rule: 'find.x', class: 'observe' }]".to_owned(),
            "find has a reader of its own",
        ),
    ] {
        assert_told(&format!("{{ {rest} }}"), expected);
    }
}

#[test]
fn no_file_adds_what_starts_another_program() {
    for program in [
        "sh",
        "bash",
        "zsh",
        "env",
        "sudo",
        "nice",
        "timeout",
        "xargs",
        "busybox",
        "python3",
        "python3.12",
        "perl5.36",
        "ruby3.1",
        "node20",
        "awk",
        "sed",
        "vim",
        "less",
        "ssh",
        "npx",
        "systemd-run",
        "flock",
        "./tool",
        "/usr/bin/tool",
        "../sh",
        "a b",
        "-x",
        "",
    ] {
        let text = format!(
            "{{ program: '{program}', forms: [{{ rule: '{program}.x', class: 'observe' }}] }}"
        );
        let (gate, problems) = gate(&text);
        assert!(!problems.is_empty(), "{program}");
        assert_eq!(gate.judge_line(program).verdict, Ruling::Refused, "{program}");
    }
    for (program, words, flag) in [
        ("docker", "exec", "-t"),
        ("docker", "run", "-d"),
        ("docker", "compose exec", "-T"),
        ("docker", "cp", "-q"),
        ("kubectl", "exec", "-q"),
        ("npm", "run", "-q"),
        ("yarn", "dlx", "-q"),
        ("brew", "sh", "-q"),
        ("redis-cli", "eval", "-q"),
        ("systemctl", "edit", "-q"),
        ("certbot", "renew", "--deploy-hook"),
        ("tar", "-x", "--to-command"),
        ("rsync", "a", "--rsh"),
        ("gfind", "a", "-exec"),
    ] {
        let (_, problems) = gate(&format!(
            "{{ program: '{program}', forms: [{{ rule: '{program}.own', class: 'observe', words: \
             '{words}', flags: {{ '{flag}': 'bare' }} }}] }}"
        ));
        assert!(
            problems.iter().any(|problem| problem.contains("start")),
            "{program} {words} {flag}: {problems:?}"
        );
    }
}

#[test]
fn the_example_of_the_documentation_is_a_grammar() {
    let page = include_str!("../../../../docs/grammars.md");
    let (_, rest) = page.split_once("```json5\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let (gate, problems) = gate(example);
    assert_eq!(problems, [""; 0]);
    let verdict = gate.judge_line("varnishadm cache ban -t 5 --host=localhost static");
    assert_eq!(verdict.verdict, Ruling::Approval, "{}", verdict.reason);
    assert!(verdict.reason.contains("takes an hour to fill"));
}

#[test]
fn of_an_unreadable_file_the_path_is_told() {
    let files = [PathBuf::from("/no/such/policy.json5")];
    let (library, problems) = Library::with_files(&files);
    assert!(problems[0].to_string().starts_with("/no/such/policy.json5:1:1: error: "));
    assert_eq!(library.forms().count(), Library::shipped().forms().count());
}

#[test]
fn shipped_forms_that_only_look_write_next_to_nothing() {
    let library = Library::shipped();
    for (program, form) in library.forms() {
        let quiet = ["certbot", "nginx"].contains(&program);
        if form.class == RiskClass::Observe && !quiet {
            assert!(form.sandbox.writes.is_empty(), "{}", form.rule);
        }
    }
    assert!(library.forms().count() >= 45);
}
