//! A request, as the parsers and the checks see it.

/// One HTTP request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method, in capitals.
    pub method: &'a str,
    /// Its path, as it came: percent-encoded.
    pub path: &'a str,
    /// What stands behind the `?`; empty where there is none.
    pub query: &'a str,
    /// Its headers, names in any case, values as they came.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Its body, exactly as it came: signatures are made over bytes.
    pub body: &'a [u8],
}

/// What a request has under one header name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header<'a> {
    /// Nothing.
    Absent,
    /// One text.
    Text(&'a str),
    /// Several values, or one that is not visible ASCII: nobody can say what was meant.
    Unclear,
}

impl<'a> Request<'a> {
    /// A POST of a body to a path, without headers.
    #[must_use]
    pub fn post(path: &'a str, body: &'a [u8]) -> Self {
        Self { method: "POST", path, query: "", headers: &[], body }
    }

    /// The header of this name.
    pub(crate) fn header(&self, name: &str) -> Header<'a> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (None, _) => Header::Absent,
            (Some((_, value)), None) => match std::str::from_utf8(value) {
                Ok(text) if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                    Header::Text(text.trim())
                }
                _ => Header::Unclear,
            },
            (Some(_), Some(_)) => Header::Unclear,
        }
    }

    /// The value of a parameter behind the `?`, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| percent_decoded(&value.replace('+', " ")))?
        })
    }
}

/// The text behind a percent-encoding (RFC 3986); none where it is not UTF-8 or cut off.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_text_or_it_is_unclear() {
        let headers: &[(&str, &[u8])] = &[
            ("X-One", b" a b "),
            ("x-two", b"1"),
            ("X-Two", b"2"),
            ("x-bytes", b"\xff"),
            ("x-korean", "결제".as_bytes()),
        ];
        let request = Request { headers, ..Request::post("/", b"") };
        assert_eq!(request.header("x-one"), Header::Text("a b"));
        assert_eq!(request.header("x-two"), Header::Unclear);
        assert_eq!(request.header("x-bytes"), Header::Unclear);
        assert_eq!(request.header("x-korean"), Header::Unclear);
        assert_eq!(request.header("x-none"), Header::Absent);
    }

    #[test]
    fn percent_encoding_is_undone_or_refused() {
        assert_eq!(percent_decoded("a%2Fb%EA%B2%B0%EC%A0%9C").as_deref(), Some("a/b결제"));
        for bad in ["%", "%1", "%zz", "%ff", "%+1"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
        let request = Request { query: "x&identifierType=alias&a=b+c", ..Request::post("/", b"") };
        assert_eq!(request.parameter("identifierType").as_deref(), Some("alias"));
        assert_eq!(request.parameter("a").as_deref(), Some("b c"));
        assert_eq!(request.parameter("none"), None);
    }
}
