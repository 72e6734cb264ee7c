//! Made-up lines: each kind of finding once, and ordinary lines that are none.

use jiff::{SignedDuration, Timestamp};
use nightcrew_detect::signs::finding::{Finding, State};
use nightcrew_detect::signs::kind::Kind;
use nightcrew_detect::signs::line;
use nightcrew_detect::{access, signs};
use nightcrew_model::severity::Severity;
use proptest::prelude::*;

fn start() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

/// What both watchers find in lines, an hour after their start.
fn found(lines: &[String]) -> Vec<Finding> {
    let now = start() + SignedDuration::from_hours(1);
    let (mut access, mut signs) = (access::Watcher::new(), signs::Watcher::new());
    for text in lines {
        let line = line::parse(text.as_bytes(), now);
        access.observe(&line);
        signs.observe(&line);
    }
    let mut all = access.findings(now);
    all.extend(signs.findings(now));
    all
}

fn kinds(lines: &[String]) -> Vec<(Kind, String)> {
    found(lines).into_iter().map(|found| (found.kind, found.subject.name().to_owned())).collect()
}

/// A syslog line so many seconds after the start.
fn syslog(second: i64, text: &str) -> String {
    let at = start() + SignedDuration::from_secs(second);
    format!("{} host {text}", at.strftime("%b %e %H:%M:%S"))
}

fn access_line(second: i64, address: &str, request: &str, status: u16) -> String {
    let at = (start() + SignedDuration::from_secs(second)).strftime("%d/%b/%Y:%H:%M:%S +0000");
    format!("{address} - - [{at}] \"{request} HTTP/1.1\" {status} 100 \"-\" \"Mozilla/5.0 (X11)\"")
}

fn failed(second: i64, address: &str) -> String {
    syslog(second, &format!("sshd[7]: Failed password for root from {address} port 9 ssh2"))
}

#[test]
fn guesses_over_ssh_are_one_finding_and_the_right_one_another() {
    let mut lines: Vec<String> = (0..300).map(|n| failed(n, "203.0.113.9")).collect();
    assert_eq!(kinds(&lines), [(Kind::SshBruteForce, "203.0.113.9".into())]);
    assert_eq!(found(&lines)[0].n_lines, 300);
    lines.push(syslog(301, "sshd[7]: Accepted password for root from 203.0.113.9 port 9 ssh2"));
    let found = found(&lines);
    assert_eq!((found[1].kind, found[1].severity), (Kind::BreachSuspected, Severity::Critical));
}

#[test]
fn a_person_who_mistypes_is_no_finding() {
    let mut lines: Vec<String> = (0..6).map(|n| failed(n * 5, "203.0.113.9")).collect();
    lines.push(syslog(40, "sshd[7]: Accepted password for root from 203.0.113.9 port 9 ssh2"));
    assert_eq!(kinds(&lines), []);
}

#[test]
fn many_addresses_that_guess_a_little_are_one_finding() {
    let lines: Vec<String> = (0..40)
        .flat_map(|n| (0..6).map(move |k| failed(n * 60 + k, &format!("203.0.113.{n}"))))
        .collect();
    let found = found(&lines);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].names.len()), (Kind::SshBruteForceSpread, 40));
}

#[test]
fn a_user_name_blames_nobody_else() {
    let text = "sshd[7]: Failed password for invalid user a from 10.0.0.1 port 1 from 203.0.113.9 port 9 ssh2";
    let lines: Vec<String> = (0..20).map(|n| syslog(n, text)).collect();
    assert_eq!(kinds(&lines), [(Kind::SshBruteForce, "203.0.113.9".into())]);
}

#[test]
fn privileges_that_change_are_found() {
    let rows = [
        (
            "sudo:  eve : 3 incorrect password attempts ; TTY=x ; USER=root ; COMMAND=/bin/sh",
            Kind::SudoRefused,
        ),
        (
            "sudo:  eve : user NOT in sudoers ; TTY=x ; USER=root ; COMMAND=/bin/sh",
            Kind::SudoRefused,
        ),
        ("su[9]: Successful su for root by eve", Kind::RootGained),
        ("usermod[9]: add 'eve' to group 'sudo'", Kind::AdministratorAdded),
        (
            "useradd[9]: new user: name=eve, UID=0, GID=0, home=/, shell=/bin/sh",
            Kind::RootAccountAdded,
        ),
    ];
    for (text, kind) in rows {
        assert_eq!(kinds(&[syslog(0, text)]), [(kind, "eve".into())], "{text}");
    }
    for text in [
        "sudo:  bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls",
        "useradd[9]: new user: name=bob, UID=1001, GID=1001, home=/home/bob, shell=/bin/sh",
        "usermod[9]: add 'bob' to group 'audio'",
        "su[9]: Successful su for root by root",
        "CRON[9]: pam_unix(cron:session): session opened for user root by (uid=0)",
    ] {
        assert_eq!(kinds(&[syslog(0, text)]), [], "{text}");
    }
}

#[test]
fn a_scanner_is_one_finding_with_its_attacks_counted() {
    let mut lines: Vec<String> =
        (0..80).map(|n| access_line(n, "203.0.113.9", &format!("GET /old{n}.php"), 404)).collect();
    lines.push(access_line(90, "203.0.113.9", "GET /x?f=../../../../etc/passwd", 404));
    let found = found(&lines);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].kinds.len()), (Kind::Scanner, 2));
    assert_eq!(found[0].exemplars.len(), 3);
}

#[test]
fn guesses_at_a_web_login_are_found_and_the_right_one() {
    let mut lines: Vec<String> =
        (0..40).map(|n| access_line(n, "203.0.113.9", "POST /api/login", 401)).collect();
    assert_eq!(kinds(&lines), [(Kind::LoginBruteForce, "203.0.113.9".into())]);
    lines.push(access_line(41, "203.0.113.9", "POST /api/login", 302));
    assert_eq!(kinds(&lines)[1].0, Kind::BreachSuspected);
}

#[test]
fn many_user_names_or_many_addresses_are_credential_stuffing() {
    let names: Vec<String> = (0..40)
        .map(|n| access_line(n, "203.0.113.9", &format!("POST /login?user=u{n}"), 401))
        .collect();
    assert_eq!(kinds(&names), [(Kind::CredentialStuffing, "203.0.113.9".into())]);
    let addresses: Vec<String> = (0..60)
        .map(|n| access_line(n, &format!("203.0.113.{}", n % 30), "POST /login", 401))
        .collect();
    assert_eq!(kinds(&addresses), [(Kind::CredentialStuffing, String::new())]);
}

#[test]
fn people_behind_one_address_who_mistype_are_no_finding() {
    let lines: Vec<String> = (0..60)
        .map(|n| access_line(n, "203.0.113.9", "POST /login", if n % 4 == 0 { 401 } else { 302 }))
        .collect();
    assert_eq!(kinds(&lines), []);
}

#[test]
fn signs_of_a_failing_host_are_found_at_their_first_line() {
    let rows = [
        ("kernel: Out of memory: Killed process 812 (java) total-vm:1kB", Kind::OutOfMemory),
        ("kernel: blk_update_request: I/O error, dev sdb, sector 12", Kind::DiskError),
        ("kernel: EXT4-fs (sda1): Remounting filesystem read-only", Kind::ReadOnlyFileSystem),
        ("kernel: app[7]: segfault at 0 ip 00 sp 00 error 4 in app", Kind::Segfault),
        ("kernel: INFO: task x:9 blocked for more than 120 seconds.", Kind::HungTask),
        ("app[7]: write failed: No space left on device", Kind::NoSpace),
        ("app[7]: thread 'main' panicked at src/main.rs:1", Kind::Crash),
    ];
    for (text, kind) in rows {
        assert_eq!(kinds(&[syslog(0, text)])[0].0, kind, "{text}");
    }
}

#[test]
fn a_burst_of_time_outs_and_of_error_lines_is_found_and_a_few_are_not() {
    let line = |second, bad: bool, n: i64| {
        let text =
            if bad { "app[7]: ERROR call timed out" } else { "app[7]: INFO call done, 0 errors" };
        syslog(second, &format!("{text} {n}"))
    };
    let mut lines: Vec<String> = (0..2_400).map(|n| line(n, n % 200 == 0, n)).collect();
    assert_eq!(kinds(&lines), []);
    lines.extend((2_400..2_700).map(|n| line(n, n % 2 == 0, n)));
    let found: Vec<Kind> = kinds(&lines).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(found, [Kind::Timeouts, Kind::ErrorLines]);
}

#[test]
fn a_program_that_becomes_slow_is_found() {
    let line = |second: i64, millis: i64| {
        syslog(second, &format!("pay[7]: INFO order done, took {} ms", millis + second % 7))
    };
    let mut lines: Vec<String> = (0..2_400).map(|second| line(second, 40)).collect();
    assert_eq!(kinds(&lines), []);
    lines.extend((2_400..3_000).map(|second| line(second, 400)));
    let found = found(&lines);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].subject.name()), (Kind::SlowResponses, "pay"));
    let shift = found[0].shift.unwrap();
    assert!(shift.before < 0.06 && shift.now > 0.35, "{shift:?}");
}

#[test]
fn a_burst_of_slow_queries_is_found() {
    let line = |second, query: &str| syslog(second, &format!("mysqld[7]: {query}"));
    let mut lines: Vec<String> =
        (0..600).map(|n| line(n * 4, "# Query_time: 0.010  Lock_time: 0.000")).collect();
    lines.extend((0..40).map(|n| line(2_400 + n, "# Query_time: 12.5  Lock_time: 0.000")));
    assert!(kinds(&lines).iter().any(|(kind, _)| *kind == Kind::SlowQueries));
}

#[test]
fn json_access_lines_are_judged_as_the_others() {
    let line = |n: i64| {
        let at = start() + SignedDuration::from_secs(n);
        format!(
            r#"{{"time_iso8601":"{at}","remote_addr":"203.0.113.9","request":"GET /p?id=1%20AND%20{n}={n} HTTP/1.1","status":"200","request_time":"0.010","http_user_agent":"a"}}"#
        )
    };
    let lines: Vec<String> = (0..30).map(line).collect();
    assert_eq!(kinds(&lines), [(Kind::SqlInjection, "203.0.113.9".into())]);
}

#[test]
fn a_finding_closes_after_quiet_and_is_said_once_more() {
    let mut access = access::Watcher::new();
    for n in 0..30 {
        access.line(failed(n, "203.0.113.9").as_bytes(), start());
    }
    assert_eq!(access.findings(start())[0].state, State::Open);
    let later = start() + SignedDuration::from_hours(3);
    assert_eq!(access.findings(later)[0].state, State::Closed);
    assert!(access.findings(later).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_lines_panic(lines in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let (mut access, mut signs) = (access::Watcher::new(), signs::Watcher::new());
        for line in &lines {
            access.line(line, start());
            signs.line(line, start());
        }
        let _ = (access.findings(start()), signs.findings(start()));
    }

    #[test]
    fn lines_in_any_order_of_time_do_not_panic(seconds in proptest::collection::vec(-4_000_000_000_i64..4_000_000_000, 0..60)) {
        let mut access = access::Watcher::new();
        let mut signs = signs::Watcher::new();
        for second in seconds {
            let at = Timestamp::from_second(start().as_second() + second).unwrap();
            let line = format!("{at} host sshd[1]: Failed password for x from 10.0.0.1 port 1 ssh2");
            access.line(line.as_bytes(), Timestamp::MAX);
            signs.line(line.as_bytes(), Timestamp::MAX);
        }
        let _ = (access.findings(Timestamp::MAX), signs.findings(Timestamp::MIN));
    }
}
