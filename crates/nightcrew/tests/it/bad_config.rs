//! Configurations that are not as they should be: each is told with its place, none is run.

use crate::crew::quiet;
use crate::stage::{Done, Stage};

/// Checks a configuration and tries to run it.
fn refused(stage: &Stage, config: &str) -> Done {
    let up = ["up", "--config", config, "--data", "data", "--listen", "127.0.0.1:0"];
    let up = stage.nightcrew(&up).calm();
    assert_eq!(up.code, Some(2), "{config}: {}", up.err);
    assert!(up.err.contains("see `nightcrew check`"), "{config}: {}", up.err);
    assert!(!stage.path("data").exists(), "{config}: something was made");
    let check = stage.nightcrew(&["check", "--config", config]).calm();
    assert_eq!(check.code, Some(1), "{config}: {}", check.err);
    check
}

/// Whether a line begins with the file, a line, a column and `error`.
fn has_place(said: &str, file: &str) -> bool {
    said.lines().any(|line| {
        let parts: Vec<&str> = line.splitn(5, ':').collect();
        let &[at, row, column, severity, _] = parts.as_slice() else { return false };
        let is_number = |text: &str| text.parse::<usize>().is_ok_and(|number| number > 0);
        at == file && is_number(row) && is_number(column) && severity == " error"
    })
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let stage = Stage::new();
    stage.write("b.json5", "{ $include: 'cyclic.json5' }");
    let large = format!("{{ /*{}*/ }}", "x".repeat(10 << 20));
    let cases: [(&str, &[u8], &str); 14] = [
        ("truncated.json5", b"{ services: { web: {", "`}`"),
        ("empty.json5", b"", ""),
        ("types.json5", b"{ services: 3, host: [], playbooks: 'x' }", "expected an object"),
        ("word.json5", "{ listen: 안녕 }".as_bytes(), ""),
        ("duplicate.json5", b"{ listen: '127.0.0.1:1',\n  listen: '127.0.0.1:2' }", "listen"),
        ("cyclic.json5", b"{ $include: 'b.json5' }", "the files include each other"),
        ("absent.json5", b"{ $include: 'nowhere.json5' }", "there is no file"),
        ("outside.json5", b"{ $include: '../../etc/passwd' }", "root folder"),
        ("variable.json5", b"{ data_dir: '${NO_SUCH_VARIABLE}' }", "NO_SUCH_VARIABLE is not set"),
        ("large.json5", large.as_bytes(), "bytes; at most"),
        ("bytes.json5", b"{ listen: '\xff\xfe' }", "not UTF-8"),
        ("unit.json5", b"{ host: { interval: 5 } }", "interval"),
        ("unknown.json5", b"{ servces: {} }", "did you mean `services`?"),
        ("open.json5", b"{ listen: '0.0.0.0:7979' }", "loopback"),
    ];
    for (name, content, expected) in cases {
        stage.write(name, content);
        let check = refused(&stage, name);
        // The last link of a circle is what is wrong with it.
        let place = if name == "cyclic.json5" { "b.json5" } else { name };
        assert!(has_place(&check.err, place), "{name} has no place: {}", check.err);
        assert!(check.err.contains(expected), "{name} does not say {expected}: {}", check.err);
    }
}

#[test]
fn a_configuration_that_is_not_there_is_told() {
    let stage = Stage::new();
    let check = refused(&stage, "nowhere.json5");
    assert!(check.err.contains("there is no such file"), "{}", check.err);
    std::fs::create_dir(stage.path("empty")).unwrap();
    let check = refused(&stage, "empty");
    assert!(check.err.contains("the folder holds no configuration"), "{}", check.err);
}

#[test]
fn a_secret_is_not_shown() {
    let stage = Stage::new();
    stage.write(
        "n.json5",
        "{ channels: { d: { type: 'discord', webhook_url: '${HOOK}' } }, listen: '${HOOK}' }",
    );
    let secret = "https://discord.invalid/api/webhooks/1/hunter2-비밀";
    let check = stage.nightcrew_with(&["check", "--config", "n.json5"], &[("HOOK", secret)], "");
    assert_eq!(check.code, Some(1));
    assert!(!check.err.contains("hunter2") && !check.out.contains("hunter2"), "{}", check.err);
}

#[test]
fn a_playbook_that_the_gate_would_refuse_fails_the_check() {
    let stage = Stage::new();
    let cases = [
        "find / -type f -delete",
        "rm -rf /",
        "find /tmp -type f -exec sh -c x {} +",
        "docker system prune -f --volumes",
        "sh -c 'echo 안녕'",
    ];
    for command in cases {
        let text = serde_json::json!({
            "playbooks": { "disk": { "condition": "disk_usage > 90", "actions": [command] } },
        });
        stage.write("n.json5", text.to_string());
        let check = stage.nightcrew(&["check", "--config", "n.json5"]).calm();
        assert_eq!(check.code, Some(1), "{command}: {}{}", check.out, check.err);
        assert!(check.err.contains("gate"), "{command}: {}", check.err);
        assert!(check.err.contains("playbooks.disk"), "{command}: {}", check.err);
    }
    let text = "{\n  playbooks: { disk: {\n    condition: 'disk_usage > 90',\n    actions: ['df -h',\n      'reboot'],\n  } },\n}";
    stage.write("n.json5", text);
    let check = stage.nightcrew(&["check", "--config", "n.json5"]).calm();
    let place = "n.json5:5:7: error: playbooks.disk.actions[1]: the gate would answer";
    assert!(check.err.contains(place), "{}", check.err);
}

#[test]
fn only_this_machine_may_be_listened_to() {
    let stage = Stage::new();
    stage.write("n.json5", quiet());
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.7:7979"] {
        let args = ["up", "--config", "n.json5", "--data", "data", "--listen", address];
        let up = stage.nightcrew(&args).calm();
        assert_eq!(up.code, Some(2), "{address}: {}", up.err);
        assert!(up.err.contains("can be reached from other machines"), "{}", up.err);
        assert!(up.err.contains("127.0.0.1"), "{}", up.err);
        assert!(!up.out.contains("listening"), "{}", up.out);
    }
    let wrong = stage.nightcrew(&["up", "--listen", "everywhere"]).calm();
    assert_eq!(wrong.code, Some(2), "{}", wrong.err);
}
