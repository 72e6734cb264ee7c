//! One HTTP request as an access log wrote it: Common, Combined, the nginx default (which is
//! Combined), any of them with times behind, and JSON with the usual key names.
//!
//! **Invariant:** fields are borrowed from the line as they stand; nothing is decoded here.

use jiff::Timestamp;

use crate::signs::clock;
use crate::signs::scan::{cut, cut_at, decimal, decimal_len, number, rest, word};

/// The largest number of keys of a JSON line that are looked at.
pub const JSON_KEYS_MAX: usize = 64;

/// One request; what the log did not say is empty or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request<'a> {
    /// Who asked: an address, or a host name where the server looks names up.
    pub address: &'a [u8],
    /// The user of basic authentication.
    pub user: &'a [u8],
    /// The method; what stands in its place when the request was not HTTP.
    pub method: &'a [u8],
    /// Path and query, still encoded.
    pub target: &'a [u8],
    /// The answer's status.
    pub status: u16,
    /// Where the client says that it came from.
    pub referer: &'a [u8],
    /// What the client calls itself.
    pub agent: &'a [u8],
    /// How long the answer took, in seconds.
    pub seconds: Option<f64>,
    /// How long the upstream took, in seconds.
    pub upstream_seconds: Option<f64>,
}

/// Reads a Common or Combined line; none: it is not one.
pub(crate) fn combined(line: &[u8]) -> Option<(Request<'_>, Option<Timestamp>)> {
    let (mut address, left) = cut(line, b' ')?;
    let (names, left) = cut(left, b'[')?;
    // The two names before the bracket; a longer gap is some other line with a bracket in it.
    let mut names = names.split(|byte| *byte == b' ');
    let (mut first, mut user) = (names.next()?, names.next()?);
    let mut third = names.next();
    if third.is_some_and(|name| !name.is_empty()) && first.iter().any(u8::is_ascii_digit) {
        // Apache's shape for several sites puts the site before the address.
        (address, first, user, third) = (first, user, third?, names.next());
    }
    if third != Some(b"") || names.next().is_some() || first.is_empty() {
        return None;
    }
    let (time, left) = cut_at(left, b"] \"")?;
    let (request, left) = quoted_rest(left)?;
    let (status, left) = cut(left.strip_prefix(b" ")?, b' ')?;
    let status = u16::try_from(number(status)?).ok()?;
    let (_, left) = cut(left, b' ').unwrap_or((left, b""));
    let mut read = Request { address, user: absent(user), status, ..Request::default() };
    (read.method, read.target) = method_and_target(request);
    let mut left = left;
    if let Some((referer, behind)) = left.strip_prefix(b"\"").and_then(quoted_rest) {
        read.referer = absent(referer);
        left = behind.strip_prefix(b" ").unwrap_or(behind);
        if let Some((agent, behind)) = left.strip_prefix(b"\"").and_then(quoted_rest) {
            read.agent = absent(agent);
            left = behind;
        }
    }
    read_times(left, &mut read);
    Some((read, clock::bracketed(time)))
}

/// Reads one flat JSON object; none: it is not one, or has no request in it.
pub(crate) fn json(line: &[u8]) -> Option<(Request<'_>, Option<Timestamp>)> {
    let mut read = Request::default();
    let (mut time, mut has_status) = (None, false);
    for (key, value) in fields(line) {
        match key {
            b"remote_addr" | b"remote_ip" | b"client_ip" | b"clientip" | b"client" | b"ip"
            | b"remoteAddr" | b"remote_host" => read.address = value,
            b"http_x_forwarded_for" if read.address.is_empty() => {
                read.address = word(cut(value, b',').map_or(value, |(first, _)| first));
            }
            b"remote_user" | b"user" => read.user = absent(value),
            b"request" => (read.method, read.target) = method_and_target(value),
            b"request_method" | b"method" | b"verb" => read.method = value,
            b"request_uri" | b"uri" | b"path" | b"url" | b"target" if read.target.is_empty() => {
                read.target = value;
            }
            b"status" | b"response" | b"status_code" => {
                if let Some(status) = number(value).and_then(|code| u16::try_from(code).ok()) {
                    read.status = status;
                    has_status = true;
                }
            }
            b"http_referer" | b"http_referrer" | b"referer" | b"referrer" => {
                read.referer = absent(value);
            }
            b"http_user_agent" | b"user_agent" | b"agent" | b"userAgent" => {
                read.agent = absent(value);
            }
            b"request_time" | b"duration_seconds" | b"latency_seconds" => {
                read.seconds = decimal(value);
            }
            b"upstream_response_time" => read.upstream_seconds = last_decimal(value),
            b"time_local" => time = clock::bracketed(value).or(time),
            b"time_iso8601" | b"@timestamp" | b"time" | b"timestamp" | b"ts" => {
                time = read_time(value).or(time);
            }
            b"msec" => time = clock::unix(value).or(time),
            _ => {}
        }
    }
    (has_status && !read.target.is_empty()).then_some((read, time))
}

/// A time in any of the shapes that a JSON field has.
pub(crate) fn read_time(value: &[u8]) -> Option<Timestamp> {
    clock::iso(value)
        .map(|(time, _)| time)
        .or_else(|| clock::bracketed(value))
        .or_else(|| clock::unix(value))
}

/// The keys and scalar values of a JSON object, as they stand between their quotes; what is nested
/// is stepped over.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut left = line.strip_prefix(b"{").unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let (_, behind) = cut(left, b'"')?;
            let (key, behind) = quoted_rest(behind)?;
            let behind = behind.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
            let (value, behind) = match behind.first()? {
                b'"' => quoted_rest(rest(behind, 1))?,
                b'{' | b'[' => {
                    left = skip_nested(behind)?;
                    continue;
                }
                _ => {
                    let is_end = |byte: &u8| matches!(byte, b',' | b'}');
                    let at = behind.iter().position(is_end).unwrap_or(behind.len());
                    (behind.get(..at)?.trim_ascii(), rest(behind, at))
                }
            };
            left = behind;
            return Some((key, value));
        }
    })
    .take(JSON_KEYS_MAX)
}

/// What follows a nested object or list.
fn skip_nested(bytes: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut left = bytes;
    loop {
        let at = left.iter().position(|byte| matches!(byte, b'{' | b'[' | b'}' | b']' | b'"'))?;
        let byte = *left.get(at)?;
        left = rest(left, at + 1);
        match byte {
            b'"' => left = quoted_rest(left)?.1,
            b'{' | b'[' => depth += 1,
            _ => depth = depth.saturating_sub(1),
        }
        if depth == 0 {
            return Some(left);
        }
    }
}

/// What stands before the closing quote, over escaped ones, and what follows it.
fn quoted_rest(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some((bytes.get(..at)?, bytes.get(at + 1..)?));
        }
        from = at + 2;
    }
}

/// The method and the target of a request line; a line that is not HTTP is all method.
fn method_and_target(request: &[u8]) -> (&[u8], &[u8]) {
    let Some((method, left)) = cut(request, b' ') else { return (request, b"") };
    // The target may hold spaces when a client does not encode; only the version is cut off.
    let target = match memchr::memrchr(b' ', left) {
        Some(at) if rest(left, at + 1).starts_with(b"HTTP/") => left.get(..at).unwrap_or(left),
        _ => left,
    };
    (method, target)
}

/// Times behind the user agent: `rt=0.123 urt="0.120"`, or bare decimals in the same order.
fn read_times(left: &[u8], read: &mut Request<'_>) {
    let mut left = left.trim_ascii_start();
    while !left.is_empty() {
        let at = memchr::memchr2(b' ', b'=', left).unwrap_or(left.len());
        let (mut key, mut value) = (left.get(..at).unwrap_or_default(), rest(left, at + 1));
        if left.get(at) != Some(&b'=') {
            (key, value) = (b"", left);
        }
        let (value, behind) = match value.strip_prefix(b"\"").and_then(|value| cut(value, b'"')) {
            Some(quoted) => quoted,
            None => cut(value, b' ').unwrap_or((value, b"")),
        };
        left = behind.trim_ascii_start();
        match key {
            b"rt" | b"request_time" => read.seconds = decimal(value),
            b"urt" | b"upstream_response_time" => read.upstream_seconds = last_decimal(value),
            b"" if value.contains(&b'.') && decimal_len(value) == value.len() => {
                let slot = if read.seconds.is_none() {
                    &mut read.seconds
                } else {
                    &mut read.upstream_seconds
                };
                *slot = slot.or(decimal(value));
            }
            _ => {}
        }
    }
}

/// The last of several times: nginx lists one for each upstream that was tried.
fn last_decimal(value: &[u8]) -> Option<f64> {
    value.rsplit(|byte| matches!(byte, b',' | b' ' | b':')).find_map(decimal)
}

/// Nothing where the log wrote `-`.
fn absent(value: &[u8]) -> &[u8] {
    if value == b"-" { b"" } else { value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_combined_line_is_read() {
        let line = br#"83.149.9.216 - bob [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 203023 "http://x/" "Mozilla/5.0 (\"x\")""#;
        let (read, time) = combined(line).unwrap();
        assert_eq!(read.address, b"83.149.9.216");
        assert_eq!(
            (read.user, read.method, read.target),
            (&b"bob"[..], &b"GET"[..], &b"/a?b=c"[..])
        );
        assert_eq!((read.status, read.referer), (200, &b"http://x/"[..]));
        assert_eq!(read.agent, br#"Mozilla/5.0 (\"x\")"#);
        assert_eq!(time.unwrap().to_string(), "2015-05-17T10:05:03Z");
    }

    #[test]
    fn a_line_with_its_site_before_it_is_read() {
        let line = br#"www.example.org:443 10.0.0.1 - bob [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#;
        let (read, _) = combined(line).unwrap();
        assert_eq!((read.address, read.user), (&b"10.0.0.1"[..], &b"bob"[..]));
    }

    #[test]
    fn times_behind_are_read_in_both_shapes() {
        let named = br#"::1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 502 5 "-" "x" rt=0.250 urt="0.100, 0.200""#;
        let (read, _) = combined(named).unwrap();
        assert_eq!((read.seconds, read.upstream_seconds), (Some(0.25), Some(0.2)));
        let bare =
            br#"h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x" 1.500 1.499 ."#;
        let (read, _) = combined(bare).unwrap();
        assert_eq!((read.seconds, read.upstream_seconds), (Some(1.5), Some(1.499)));
    }

    #[test]
    fn a_common_line_and_one_that_is_not_http_are_read() {
        let (read, _) =
            combined(br#"h - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 -"#).unwrap();
        assert_eq!((read.method, read.target, read.status), (&br"\x16\x03\x01"[..], &b""[..], 400));
    }

    #[test]
    fn a_json_line_is_read_and_what_is_nested_is_stepped_over() {
        let line = br#"{"time":"2026-01-02T03:04:05Z","x":{"status":1,"a":["}"]},"remote_addr":"10.0.0.1","request":"GET /a\"b HTTP/1.1","status":"404","request_time":0.5}"#;
        let (read, time) = json(line).unwrap();
        assert_eq!((read.status, read.target), (404, &br#"/a\"b"#[..]));
        assert_eq!((read.address, read.seconds), (&b"10.0.0.1"[..], Some(0.5)));
        assert!(time.is_some());
    }

    #[test]
    fn a_json_line_without_a_request_is_none() {
        assert_eq!(json(br#"{"version":6,"timestamp":1446249499322,"status":"up"}"#), None);
        assert_eq!(json(b"{\"a"), None);
    }

    #[test]
    fn keys_beyond_the_limit_are_not_looked_at() {
        let many: String = (0..JSON_KEYS_MAX + 9).map(|n| format!("\"k{n}\":{n},")).collect();
        assert_eq!(fields(format!("{{{many}").as_bytes()).count(), JSON_KEYS_MAX);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (combined(&line), json(&line));
        }

        #[test]
        fn no_broken_line_panics(cut in 0_usize..180, byte in any::<u8>()) {
            let mut line = br#"{"time":"2026-01-02T03:04:05Z","x":{"a":["}"]},"remote_addr":"10.0.0.1","request":"GET /a\"b HTTP/1.1","status":"404"}"#.to_vec();
            if let Some(at) = line.get_mut(cut) { *at = byte; }
            let _ = json(&line);
            line.truncate(cut);
            let _ = json(&line);
        }
    }
}
