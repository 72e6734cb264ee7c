//! Which findings in logs become alerts, and how bad each is.
//!
//! On the open internet every address is scanned all day; waking somebody for that is noise.  An
//! attack from there is told only when it had an effect, or is strong; it is in the report in any
//! case.

use std::net::IpAddr;

use nightcrew_detect::signs::finding::{Finding, Subject};
use nightcrew_detect::signs::kind::Kind;
use nightcrew_model::severity::Severity;

/// How many lines an attack from the internet has at least to be strong.
pub(crate) const STRONG_LINES_MIN: u64 = 100;

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AddressClass {
    /// This machine.
    Loopback,
    /// A private network (RFC 1918, 4193, 6598) or a link.
    Private,
    /// Anybody's.
    Internet,
}

impl AddressClass {
    /// The class of an address as a log writes it; a name is anybody's.
    pub(crate) fn of(address: &str) -> Self {
        let Ok(address) = address.parse::<IpAddr>() else { return Self::Internet };
        match address.to_canonical() {
            address if address.is_loopback() => Self::Loopback,
            IpAddr::V4(address) => {
                let [first, second, ..] = address.octets();
                let is_shared = first == 100 && second & 0xc0 == 64;
                if address.is_private() || address.is_link_local() || is_shared {
                    Self::Private
                } else {
                    Self::Internet
                }
            }
            IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => {
                Self::Private
            }
            IpAddr::V6(_) => Self::Internet,
        }
    }

    /// Its name, which is the part of the service that an alert is about.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loopback => "this host",
            Self::Private => "private network",
            Self::Internet => "internet",
        }
    }
}

/// The class of those that a finding is about; none: it is about no attack.
pub(crate) fn attackers(finding: &Finding) -> Option<AddressClass> {
    match (&finding.subject, finding.kind) {
        (Subject::Address(address), _) => Some(AddressClass::of(address)),
        (
            _,
            Kind::SshBruteForce
            | Kind::SshBruteForceSpread
            | Kind::LoginBruteForce
            | Kind::CredentialStuffing
            | Kind::BreachSuspected
            | Kind::Scanner
            | Kind::ProbeSpread
            | Kind::PathTraversal
            | Kind::SqlInjection
            | Kind::CrossSiteScripting
            | Kind::CommandInjection
            | Kind::RequestForgery
            | Kind::Log4Shell,
        ) => Some(AddressClass::Internet),
        _ => None,
    }
}

/// How bad an alert about a finding is; none: it is only in the report.
pub(crate) fn severity_of(finding: &Finding) -> Option<Severity> {
    let severity = finding.severity;
    match attackers(finding) {
        _ if severity == Severity::Info => None,
        Some(AddressClass::Internet) if severity == Severity::Warning => {
            is_strong(finding).then_some(severity)
        }
        _ => Some(severity),
    }
}

/// Whether an attack is more than what every address sees: many lines, one a second at least.
fn is_strong(finding: &Finding) -> bool {
    let seconds = finding.last_seen.as_second() - finding.first_seen.as_second();
    finding.n_lines >= STRONG_LINES_MIN
        && u64::try_from(seconds).is_ok_and(|seconds| seconds <= finding.n_lines)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nightcrew_detect::signs::finding::{FindingId, State};

    use super::*;

    fn finding(kind: Kind, address: &str, n_lines: u64, seconds: i64) -> Finding {
        Finding {
            id: FindingId(1),
            kind,
            severity: kind.severity(),
            subject: Subject::Address(address.to_owned()),
            state: State::Open,
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::from_second(seconds).unwrap(),
            n_lines,
            kinds: Vec::new(),
            names: Vec::new(),
            shift: None,
            exemplars: Vec::new(),
        }
    }

    #[test]
    fn noise_of_the_internet_is_no_alert_and_what_is_strong_or_near_is() {
        let guessed =
            |address, n, seconds| severity_of(&finding(Kind::SshBruteForce, address, n, seconds));
        assert_eq!(guessed("203.0.113.9", 99, 10), None);
        assert_eq!(guessed("203.0.113.9", 5_000, 86_400), None, "all day, slowly");
        assert_eq!(guessed("203.0.113.9", 120, 60), Some(Severity::Warning));
        assert_eq!(guessed("10.0.0.7", 10, 60), Some(Severity::Warning));
        let breach = finding(Kind::BreachSuspected, "203.0.113.9", 1, 0);
        assert_eq!(severity_of(&breach), Some(Severity::Critical));
        let gained = finding(Kind::RootGained, "", 1, 0);
        assert_eq!(severity_of(&gained), None);
        let mut host = finding(Kind::DiskError, "", 1, 0);
        host.subject = Subject::Program("kernel".to_owned());
        assert_eq!((severity_of(&host), attackers(&host)), (Some(Severity::Critical), None));
    }

    #[test]
    fn addresses_have_classes() {
        for (address, class) in [
            ("192.168.1.2", AddressClass::Private),
            ("100.64.0.1", AddressClass::Private),
            ("fd00::1", AddressClass::Private),
            ("fe80::1", AddressClass::Private),
            ("::ffff:10.1.1.1", AddressClass::Private),
            ("127.0.0.1", AddressClass::Loopback),
            ("::1", AddressClass::Loopback),
            ("2001:db8::1", AddressClass::Internet),
            ("8.8.8.8", AddressClass::Internet),
            ("evil.example", AddressClass::Internet),
        ] {
            assert_eq!(AddressClass::of(address), class, "{address}");
        }
    }
}
