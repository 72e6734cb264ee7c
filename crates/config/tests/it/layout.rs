//! Files: folders, layers, `$include`, `.env`.

use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, load};
use nightcrew_model::unit::Millis;

use crate::{Folder, load_text};

#[test]
fn layers_win_over_the_core_and_project_wins_over_config() {
    let folder = Folder::new(&[
        (
            "nightcrew.json5",
            "{ healing: { cooldown_seconds: 1 }, breaker: { failures: 1, reset_seconds: 7 } }",
        ),
        ("config/a.json5", "{ breaker: { failures: 2 }, healing: { cooldown_seconds: 2 } }"),
        ("project/b.json5", "{ healing: { cooldown_seconds: 3 } }"),
        ("config/alert-thresholds.json", "{ \"disk_usage\": { \"critical\": 77 } }"),
    ]);
    let (loaded, said) = folder.load("", &Env::default());
    assert_eq!(said, "");
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.healing.cooldown, Millis::from_secs(3));
    assert_eq!(settings.breaker.failures, 2);
    assert_eq!(settings.breaker.reset, Millis::from_secs(7));
    assert_eq!(settings.thresholds[0].critical.as_ref().unwrap().to_string(), "disk_usage > 77");
    assert_eq!(loaded.files.len(), 4);
}

#[test]
fn a_file_that_is_included_is_no_layer() {
    let folder = Folder::new(&[
        ("nightcrew.json5", "{ playbooks: { $include: './config/autoheal-playbooks.json' } }"),
        (
            "config/autoheal-playbooks.json",
            "{ p: { condition: 'cpu_usage > 90', actions: ['a'] } }",
        ),
    ]);
    let (loaded, said) = folder.load("", &Env::default());
    assert_eq!(said, "");
    assert_eq!(loaded.settings.unwrap().playbooks.len(), 1);
    assert_eq!(loaded.files.len(), 2);
}

#[test]
fn siblings_win_over_what_is_included_and_later_files_over_earlier_ones() {
    let folder = Folder::new(&[
        (
            "n.json5",
            "{ healing: { $include: ['a/a.json5', 'a/b.json5'], verify: { consecutive_checks: 9 } } }",
        ),
        ("a/a.json5", "{ $include: 'deep.json5', cooldown_seconds: 1 }"),
        (
            "a/deep.json5",
            "{ cooldown_seconds: 5, verify: { interval_ms: 500, consecutive_checks: 4 } }",
        ),
        ("a/b.json5", "{ resolve_timeout_seconds: 60 }"),
    ]);
    let (loaded, said) = folder.load("n.json5", &Env::default());
    assert_eq!(said, "");
    let healing = loaded.settings.unwrap().healing;
    assert_eq!(healing.cooldown, Millis::from_secs(1));
    assert_eq!(healing.resolve_timeout, Millis::from_secs(60));
    assert_eq!(healing.verify_interval, Millis(500));
    assert_eq!(healing.verify_needed, 9);
}

#[test]
fn problems_point_into_the_file_that_has_to_be_changed() {
    let folder = Folder::new(&[
        ("n.json5", "{ services: { $include: '부품/웹.json5' },\n  hots: {} }"),
        ("부품/웹.json5", "// 설명\r\n{ 웹: { 한글키: 1 } }"),
    ]);
    let (loaded, said) = folder.load("n.json5", &Env::default());
    assert!(loaded.settings.is_none());
    insta::assert_snapshot!(said, @r#"
    n.json5:2:3: error: hots: unknown key (did you mean `host`?)
    부품/웹.json5:2:3: warning: services.웹: nothing of this service is looked at (add `process` or `checks`)
    부품/웹.json5:2:8: error: services.웹.한글키: unknown key (known are autonomy, brew, checks, compose, container, containers, depends_on, group, http_actions, interval_ms, launchd, log_files, log_reopen, memory_limit_max_mb, openclaw_gateway, process, reload, restart_allowed, start, stop_timeout_ms, unit)
    "#);
}

#[test]
fn includes_that_cannot_be_followed_are_told_with_the_chain() {
    let folder = Folder::new(&[
        (
            "in/n.json5",
            "{ services: { $include: 'a.json5' },\n\
             healing: { $include: '../outside.json5' },\n\
             policy: { $include: 'link.json5' },\n\
             host: { $include: 'polici.json5' },\n\
             breaker: { $include: 5 },\n\
             channels: { $include: 'list.json5', x: { type: 'console' } },\n\
             playbooks: { $include: 'folder' } }",
        ),
        ("outside.json5", "{}"),
        ("in/a.json5", "{ $include: 'b/b.json5' }"),
        ("in/b/b.json5", "{\n  $include: '../a.json5',\n}"),
        ("in/policy.json5", "{}"),
        ("in/list.json5", "[]"),
        ("in/folder/x", ""),
    ]);
    std::os::unix::fs::symlink(folder.path("outside.json5"), folder.path("in/link.json5")).unwrap();
    let (_, said) = folder.load("in/n.json5", &Env::default());
    insta::assert_snapshot!(said, @r#"
    in/n.json5:2:22: error: healing.$include: "../outside.json5" leads out of the root folder in (move the file below the folder of the main file; links count as their target)
    in/n.json5:3:21: error: policy.$include: "link.json5" leads out of the root folder in (move the file below the folder of the main file; links count as their target)
    in/n.json5:4:19: error: host.$include: there is no file "polici.json5" (did you mean `policy.json5` in the same folder?)
    in/n.json5:5:22: error: breaker.$include: expected a path or an array of paths, found 5
    in/n.json5:6:23: error: channels.$include: expected the included file to hold an object, because it is merged (include it under a key of its own)
    in/n.json5:7:24: error: playbooks: the included file cannot be used: it is not a regular file (give the path of a file)
    in/b/b.json5:2:13: error: services.$include: the files include each other: in/n.json5 → in/a.json5 → in/b/b.json5 → in/a.json5 (remove one of the includes)
    "#);
}

#[test]
fn chains_of_includes_have_a_limit() {
    let folder = Folder::new(&[]);
    for n in 0..20 {
        let text = format!("{{ $include: '{}.json5' }}", n + 1);
        folder.write(&format!("{n}.json5"), text.as_bytes());
    }
    folder.write("20.json5", b"{}");
    let (_, said) = folder.load("0.json5", &Env::default());
    assert_eq!(
        said,
        "15.json5:1:13: error: $include: more than 16 files include each other in a chain"
    );
}

#[test]
fn a_bomb_of_includes_ends() {
    let folder = Folder::new(&[]);
    for n in 0..14 {
        let next = format!("'{}.json5'", n + 1);
        let text = format!("{{ $include: [{next}, {next}, {next}] }}");
        folder.write(&format!("{n}.json5"), text.as_bytes());
    }
    folder.write("14.json5", b"{}");
    let (loaded, said) = folder.load("0.json5", &Env::default());
    assert!(said.contains("too much is included: at most 512 files"), "{said}");
    assert!(loaded.settings.is_none());
}

#[test]
fn a_variable_comes_from_the_process_or_from_env_beside_the_file() {
    let folder = Folder::new(&[
        (
            "n.json5",
            "{ services: { '${NAME}': { checks: [{ http: 'http://${WHERE}/', interval_seconds: \
             '${EVERY}' }] } } }",
        ),
        (".env", "NAME='웹'\nWHERE=file.example\nEVERY=20\n"),
    ]);
    let env: Env = [("WHERE", "process.example")].into_iter().collect();
    let (loaded, said) = folder.load("n.json5", &env);
    insta::assert_snapshot!(said, @".env:1:1: warning: other users of this machine can read the secrets in this file (chmod 600 .env)");
    let settings = loaded.settings.unwrap();
    let service = &settings.services[&"웹".into()];
    assert_eq!(service.checks[0].interval, Millis::from_secs(20));
    assert!(format!("{:?}", service.checks[0].probe).contains("process.example"));
    assert_eq!(loaded.files.len(), 2);
}

#[test]
fn a_variable_that_only_the_example_asks_for_is_told_so() {
    let folder = Folder::new(&[
        ("n.json5", "{ data_dir: '${DATA}' }"),
        (".env.example", "DATA=/srv/x\n"),
        (".env", "나쁜 줄\n"),
    ]);
    let (_, said) = folder.load("n.json5", &Env::default());
    insta::assert_snapshot!(said, @r#"
    .env:1:1: error: expected `=` after the name of the variable (a line is `KEY=VALUE`, `KEY='VALUE'`, `KEY="VALUE"`, or begins with `#`)
    .env:1:1: warning: other users of this machine can read the secrets in this file (chmod 600 .env)
    n.json5:1:14: error: data_dir: the variable DATA is not set (.env.example asks for it: copy that file to .env and fill it in)
    "#);
}

#[test]
fn what_is_no_configuration_is_told_so() {
    let folder = Folder::new(&[("readme.md", "x")]);
    let (loaded, said) = folder.load("", &Env::default());
    assert!(loaded.settings.is_none());
    assert!(said.contains("the folder holds no configuration"), "{said}");
    let (_, said) = folder.load("absent.json5", &Env::default());
    assert!(said.starts_with("absent.json5:1:1: error: there is no such file"), "{said}");
    let source = ConfigSource::Path("/dev/null".into());
    let said = load(source, &Env::default()).problems[0].to_string();
    assert!(said.starts_with("/dev/null:1:1: error: it is not a regular file"), "{said}");
}

#[test]
fn unknown_keys_of_layers_and_of_openclaw_are_only_warnings() {
    let folder = Folder::new(&[
        ("openclaw.json", "{ gateway: { port: 18789 }, frobnicate: 1, channels: { discord: {} } }"),
        ("config/default.json", "{ database: { host: 'x' } }"),
    ]);
    let (loaded, said) = folder.load("", &Env::default());
    assert!(loaded.settings.is_some(), "{said}");
    assert_eq!(said.matches("warning").count(), 4, "{said}");
    let (loaded, _) = load_text("{ gateway: {} }");
    assert!(loaded.settings.is_none());
}

#[test]
fn an_agent_file_that_nothing_includes_is_one_more_agent() {
    let folder = Folder::new(&[
        ("openclaw.json", "{ agents: [{ name: 'a' }] }"),
        (
            "config/agents/b.json5",
            "{ guardrails: { circuit_breaker: { failure_threshold: 9, reset_timeout_seconds: 8 } } }",
        ),
    ]);
    let (loaded, said) = folder.load("", &Env::default());
    assert_eq!(said, "openclaw.json:1:3: warning: agents: read, not acted on by this version");
    let breaker = loaded.settings.unwrap().breaker;
    assert_eq!((breaker.failures, breaker.reset), (9, Millis::from_secs(8)));
}
