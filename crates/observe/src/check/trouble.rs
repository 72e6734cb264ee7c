//! Whose fault it is that there was no answer.

use rustix::io::Errno;

/// Why there was no whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The service's.
    Failing(String),
    /// Ours: nobody could ask.
    Unknown(String),
}

/// What keeps *us* from asking: no descriptors, memory, ports or permission left, no route out.
const OURS: [Errno; 9] = [
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
    Errno::NOBUFS,
    Errno::ADDRNOTAVAIL,
    Errno::ACCESS,
    Errno::PERM,
    Errno::NETDOWN,
    Errno::NETUNREACH,
];

/// What `getaddrinfo(3)` says (in glibc and in musl) when no name server answers.  That a name does
/// not exist is an answer, and the service's fault.
const NO_NAME_SERVER: [&str; 2] = ["Temporary failure in name resolution", "Try again"];

/// Judges an error by its text, because the HTTP client passes no more than that on.
pub(crate) fn judge(error: &str) -> Trouble {
    let (text, errno) = split_errno(error);
    let words = lower_first(text);
    let no_name_server = NO_NAME_SERVER.iter().any(|said| error.contains(said));
    if no_name_server || errno.is_some_and(|errno| OURS.contains(&errno)) {
        Trouble::Unknown(words)
    } else {
        Trouble::Failing(words)
    }
}

/// `Connection refused (os error 111)` in its two parts.
fn split_errno(error: &str) -> (&str, Option<Errno>) {
    let parts = error.strip_suffix(')').and_then(|text| text.rsplit_once(" (os error "));
    match parts.map(|(text, code)| (text, code.parse())) {
        Some((text, Ok(code))) => (text, Some(Errno::from_raw_os_error(code))),
        Some((_, Err(_))) | None => (error, None),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_our_faults_from_the_services() {
        let failing = |text: &str| Trouble::Failing(text.into());
        let ours = |text: &str| Trouble::Unknown(text.into());
        for (error, verdict) in [
            ("Connection refused (os error 111)", failing("connection refused")),
            ("Too many open files (os error 24)", ours("too many open files")),
            ("Network is unreachable (os error 101)", ours("network is unreachable")),
            ("No route to host (os error 113)", failing("no route to host")),
            (
                "failed to lookup address information: Name or service not known",
                failing("failed to lookup address information: Name or service not known"),
            ),
            (
                "failed to lookup address information: Temporary failure in name resolution",
                ours("failed to lookup address information: Temporary failure in name resolution"),
            ),
            ("unexpected end of file", failing("unexpected end of file")),
            ("오류 (os error x)", failing("오류 (os error x)")),
            ("", failing("no answer")),
        ] {
            assert_eq!(judge(error), verdict, "{error}");
        }
    }
}
