//! Whatever stands in the files, a load ends, without a panic and without showing a secret.

use nightcrew_config::env::Env;
use nightcrew_config::problem::PROBLEMS_MAX;
use proptest::prelude::*;

use crate::{Folder, examples, load_text};

#[test]
fn files_that_are_no_text_are_told_with_their_place() {
    let folder = Folder::new(&[]);
    folder.write("a.json5", b"{ listen:\n  '\xea\xb0\x80\xff' }");
    let (_, said) = folder.load("a.json5", &Env::default());
    assert_eq!(
        said,
        "a.json5:2:5: error: the file is not UTF-8: byte 16 begins no character (save it as UTF-8)"
    );
    folder.write("b.json5", "\u{feff}{ listem: 1 }".as_bytes());
    let (_, said) = folder.load("b.json5", &Env::default());
    assert!(said.starts_with("b.json5:1:3: error: listem: unknown key"), "{said}");
    for (name, bytes) in [("c.json5", &b""[..]), ("d.json5", b"\xff\xfe{\0}\0"), ("e.json5", b"\0")]
    {
        folder.write(name, bytes);
        let (loaded, said) = folder.load(name, &Env::default());
        assert!(loaded.settings.is_none(), "{said}");
        assert!(said.contains("error"), "{name}: {said}");
    }
}

#[test]
fn a_large_file_is_told_without_being_read() {
    let folder = Folder::new(&[("n.json5", "")]);
    let file = std::fs::File::options().write(true).open(folder.path("n.json5")).unwrap();
    file.set_len(10 * 1024 * 1024).unwrap();
    let (_, said) = folder.load("n.json5", &Env::default());
    assert_eq!(
        said,
        "n.json5:1:1: error: the file has 10485760 bytes; at most 4194304 are read (split it with \
         $include)"
    );
}

#[test]
fn deep_and_wide_files_end() {
    let deep = format!("{{ agents: {}{} }}", "[".repeat(509), "]".repeat(509));
    let (_, said) = load_text(&deep);
    assert!(!said.contains("nested"), "{said}");
    let (_, said) = load_text(&"{a:".repeat(50_000));
    assert!(said.contains("nested too deeply"), "{said}");
    let wide = format!("{{ {} }}", "x: 1, ".repeat(2_000));
    let (loaded, said) = load_text(&wide);
    assert_eq!(loaded.problems.len(), PROBLEMS_MAX + 1);
    assert!(said.contains("more problems are not shown"));
}

#[test]
fn nesting_is_counted_through_includes() {
    let folder = Folder::new(&[]);
    for n in 0..12 {
        let text = format!(
            "{}{{ $include: '{}.json5' }}{}",
            "{ agents: [".repeat(20),
            n + 1,
            "] }".repeat(20)
        );
        folder.write(&format!("{n}.json5"), text.as_bytes());
    }
    folder.write("12.json5", b"{}");
    let (_, said) = folder.load("0.json5", &Env::default());
    assert!(said.contains("nested deeper than 512 levels"), "{said}");
}

#[test]
fn every_problem_of_a_load_is_told_at_once() {
    let folder = Folder::new(&[
        ("nightcrew.json5", "{ listen: '0.0.0.0:80', hosst: {},\n services: { host: {} } }"),
        ("config/broken.json5", "{ a: "),
        ("project/thresholds/t.json5", "{ thresholds: { cpu_usage: { critical: 'a lot' } } }"),
        (".env", "x\n"),
    ]);
    let (_, said) = folder.load("", &Env::default());
    let errors = said.lines().filter(|line| line.contains(" error: ")).count();
    assert_eq!(errors, 6, "{said}");
}

/// With signs that are escaped when a text is quoted.
const SECRET: &str = "hunter2\"-비밀\n0123456789";

/// Puts `${SECRET}` in the place of one value or key after the other, and of all at once.
#[test]
fn a_secret_is_never_shown_wherever_it_stands() {
    let forms = ["${SECRET}", "disk_usage > ${SECRET}", "http://${SECRET}:x/", "a; ${SECRET}"];
    hides("nightcrew.json5", &forms);
}

#[test]
fn a_secret_is_never_shown_wherever_it_stands_in_triage() {
    let forms = ["${SECRET}", "a=~(${SECRET}"];
    hides("oncall/nightcrew.json5", &forms);
    hides("alertmanager/alertmanager.yml", &["${SECRET}", "a=~(${SECRET}"]);
}

fn hides(example: &str, forms: &[&str]) {
    let name = example.rsplit('/').next().unwrap();
    let text = std::fs::read_to_string(examples().join(example)).unwrap();
    let env: Env = [("SECRET", SECRET)].into_iter().collect();
    let strings: Vec<(usize, usize)> = quoted(&text);
    assert!(strings.len() > 20);
    let folder = Folder::new(&[]);
    for (start, end) in strings {
        for form in forms {
            let mut changed = text.clone();
            changed.replace_range(start..end, form);
            folder.write(name, changed.as_bytes());
            let (loaded, _) = folder.load(name, &env);
            for problem in &loaded.problems {
                let said = format!("{problem} {}", serde_json::to_string(problem).unwrap());
                assert!(!said.contains("hunter2"), "{form} at {start}: {said}");
            }
        }
    }
}

/// The insides of the strings of a text without escapes.
fn quoted(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split(" // ").next().unwrap();
        if !code.trim_start().starts_with("//") {
            let quotes: Vec<usize> = code.match_indices('"').map(|(at, _)| offset + at).collect();
            found.extend(quotes.chunks_exact(2).map(|pair| (pair[0] + 1, pair[1])));
        }
        offset += line.len();
    }
    found
}

fn valid_files() -> Vec<String> {
    [
        "nightcrew.json5",
        "oncall/nightcrew.json5",
        "ops-automation/config/autoheal-playbooks.json",
        "openclaw-agent-configs/config/agents/ops-monitor.json5",
        "openclaw-agent-configs/project/thresholds/runbooks.json5",
    ]
    .iter()
    .map(|name| std::fs::read_to_string(examples().join(name)).unwrap())
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = Folder::new(&[]);
        folder.write("n.json5", &bytes);
        let _ = folder.load("n.json5", &Env::default());
    }

    #[test]
    fn arbitrary_words_of_the_language_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "services", "'웹'", "playbooks", "condition", "actions",
            "'disk_usage > 90'", "thresholds", "cpu_usage", "critical", "1e9", "-1", "0x1F", "null",
            "true", "$include", "'n.json5'", "'${X:-y}'", "'${'", "cron", "'0 0 30 2 *'", "verify",
            "checks", "http", "'http://[::1'", "agents", "verification", "\n", "// c\n", "/*",
        ]), 0..60),
    ) {
        let folder = Folder::new(&[("n.json5", &words.concat())]);
        let _ = folder.load("n.json5", &Env::default());
    }

    #[test]
    fn damaged_files_never_panic(
        which in 0..4_usize,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[\\[\\]{}:,'\"0-9$.가-힣 -]{0,4}"), 1..4),
    ) {
        let mut bytes = valid_files().swap_remove(which).into_bytes();
        for (at, length, insert) in cuts {
            let start = at.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, insert.into_bytes());
        }
        let folder = Folder::new(&[]);
        folder.write("n.json5", &bytes);
        let (loaded, _) = folder.load("n.json5", &Env::default());
        for problem in &loaded.problems {
            prop_assert!(problem.line >= 1 && problem.column >= 1);
        }
    }
}
