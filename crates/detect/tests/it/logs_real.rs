//! Real logs, where they are: what is in them, as counted by hand, and what is found.
//!
//! | log | truth | found |
//! |---|---|---|
//! | `auth.log` | 13 addresses that guess through more than one connection | each by itself |
//! | `auth.log` | 89 addresses with one exhausted connection for root each | one finding |
//! | `auth.log` | 24.151.103.17 guesses 147 times and then logs in | a login after many failures |
//! | `auth.log` | 91.197.232.109 tries 86 user names without a password | by itself |
//! | `auth.log` | 10 users made by a script, sudo and su by their owner | nothing |
//! | `apache_access.log` | 8 addresses that look for administration pages | each by itself |
//! | `apache_access.log` | some 30 more that look for one WordPress page each | one finding |
//! | `apache_access.log` | crawlers with broken links, one client with 60 times one 404 | nothing |
//! | `nginxplus_json.log` | the state of a server, no requests | nothing |

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use nightcrew_detect::signs::finding::Finding;
use nightcrew_detect::signs::kind::Kind;
use nightcrew_detect::signs::line;
use nightcrew_detect::{access, signs};

/// Both watchers over a log of the shared data; none where it is absent.
fn findings(name: &str) -> Option<Vec<Finding>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let roots = [
        std::env::var_os("NIGHTCREW_SHARED").map(PathBuf::from),
        Some(root.join("../../../shared")),
        Some(root.join("../../../../shared")),
    ];
    let mut paths = roots.into_iter().flatten().map(|root| root.join("data/logs").join(name));
    let bytes = std::fs::read(paths.find(|path| path.exists())?).unwrap();
    let reference: Timestamp = "2017-05-01T00:00:00Z".parse().unwrap();
    let (mut access, mut signs) = (access::Watcher::new(), signs::Watcher::new());
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line::parse(line, reference);
        access.observe(&line);
        signs.observe(&line);
    }
    let mut all = access.findings(reference);
    all.extend(signs.findings(reference));
    Some(all)
}

fn subjects(findings: &[Finding], kind: Kind) -> BTreeSet<&str> {
    findings
        .iter()
        .filter(|finding| finding.kind == kind)
        .map(|finding| finding.subject.name())
        .collect()
}

#[test]
fn the_ssh_attackers_of_the_real_log_are_found_and_nobody_else() {
    let Some(findings) = findings("auth.log") else { return };
    let expected = BTreeSet::from([
        "14.54.210.101",
        "24.151.103.17",
        "34.204.227.175",
        "49.4.143.105",
        "77.231.252.103",
        "91.197.232.109",
        "122.163.61.218",
        "181.25.201.155",
        "181.25.206.27",
        "181.26.186.35",
        "201.178.81.113",
        "221.194.44.190",
        "222.186.56.220",
    ]);
    assert_eq!(subjects(&findings, Kind::SshBruteForce), expected);
    assert_eq!(subjects(&findings, Kind::BreachSuspected), BTreeSet::from(["24.151.103.17"]));
    let spread: Vec<_> =
        findings.iter().filter(|finding| finding.kind == Kind::SshBruteForceSpread).collect();
    assert_eq!(spread.len(), 1);
    let names: BTreeSet<&str> =
        spread.iter().flat_map(|finding| &finding.names).map(String::as_str).collect();
    assert_eq!(names.len(), 89);
    assert!(!names.contains("85.245.107.41"), "the owner mistyped, and logged in");
    assert_eq!(findings.len(), 14 + 1 + 1, "{findings:#?}");
}

#[test]
fn the_scanners_of_the_real_access_log_are_found_and_nobody_else() {
    let Some(findings) = findings("apache_access.log") else { return };
    let expected = BTreeSet::from([
        "91.236.75.25",
        "95.78.54.93",
        "144.76.194.187",
        "188.165.243.45",
        "195.250.34.144",
        "198.245.61.43",
        "199.168.96.66",
        "212.90.148.107",
    ]);
    assert_eq!(subjects(&findings, Kind::Scanner), expected);
    assert_eq!(subjects(&findings, Kind::ProbeSpread).len(), 1);
    assert_eq!(findings.len(), 9, "{findings:#?}");
}

#[test]
fn the_state_of_a_server_is_no_access_and_no_sign() {
    let Some(findings) = findings("nginxplus_json.log") else { return };
    assert_eq!(findings, []);
}
