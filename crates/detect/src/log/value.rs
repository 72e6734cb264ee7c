//! What kind of thing a parameter is, judged by its shape.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The kind of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueKind {
    /// A whole or decimal number.
    Number,
    /// A number with a unit of time, or hours and minutes.
    Duration,
    /// A number with a unit of size.
    Bytes,
    /// A number with a percent sign.
    Percent,
    /// An IPv4 or IPv6 address, with or without a port.
    Ip,
    /// A path of a file.
    Path,
    /// A URL.
    Url,
    /// A hexadecimal number or digest.
    Hex,
    /// A UUID.
    Uuid,
    /// A name with dots: a host, a class.
    Name,
    /// True or false.
    Truth,
    /// A word.
    Word,
    /// Several of the above.
    Text,
    /// Nothing, as in `ruser=`.
    Empty,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::Percent => "percent",
            Self::Ip => "ip",
            Self::Path => "path",
            Self::Url => "url",
            Self::Hex => "hex",
            Self::Uuid => "uuid",
            Self::Name => "name",
            Self::Truth => "truth",
            Self::Word => "word",
            Self::Text => "text",
            Self::Empty => "empty",
        })
    }
}

impl ValueKind {
    /// The kind of a value.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let Ok(text) = str::from_utf8(value.trim_ascii()) else { return Self::Text };
        match text {
            "" => return Self::Empty,
            "true" | "false" | "True" | "False" | "TRUE" | "FALSE" => return Self::Truth,
            _ => {}
        }
        if let Some(kind) = number_with_unit(text) {
            return kind;
        }
        if is_ip(text) {
            return Self::Ip;
        }
        if text.contains("://") && !text.contains(' ') {
            return Self::Url;
        }
        if is_uuid(text) {
            return Self::Uuid;
        }
        if is_clock(text) {
            return Self::Duration;
        }
        if is_hex(text) {
            return Self::Hex;
        }
        if text.contains(char::is_whitespace) {
            return Self::Text;
        }
        if text.starts_with(['/', '~', '\\']) || text.get(1..3) == Some(":\\") {
            return Self::Path;
        }
        let is_name = text.contains('.') && !text.starts_with('.') && !text.ends_with('.');
        if is_name { Self::Name } else { Self::Word }
    }
}

fn number_with_unit(text: &str) -> Option<ValueKind> {
    let text = text.strip_prefix('<').unwrap_or(text);
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+' | ','));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number = number.trim_end_matches(',').replace(',', "");
    if number.parse::<f64>().is_err() {
        return None;
    }
    Some(match unit.trim_start() {
        "" => ValueKind::Number,
        "%" => ValueKind::Percent,
        "ns" | "us" | "ms" | "s" | "sec" | "secs" | "second" | "seconds" | "m" | "min" | "mins"
        | "minutes" | "h" | "hr" | "hrs" | "hours" | "d" | "days" => ValueKind::Duration,
        "B" | "b" | "byte" | "bytes" | "kB" | "KB" | "MB" | "GB" | "TB" | "KiB" | "MiB" | "GiB"
        | "TiB" | "K" | "M" | "G" => ValueKind::Bytes,
        _ => return None,
    })
}

fn is_ip(text: &str) -> bool {
    let text = text.trim_start_matches('/').trim_matches(['[', ']']);
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host.trim_end_matches(']'),
        _ => text,
    };
    [text, host].iter().any(|text| {
        text.parse::<Ipv4Addr>().is_ok() || (text.len() > 2 && text.parse::<Ipv6Addr>().is_ok())
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(n, byte)| match n {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_clock(text: &str) -> bool {
    let parts = text.split(':').count();
    (2..=3).contains(&parts)
        && text.split(':').all(|part| (1..=2).contains(&part.len()) && part.parse::<u8>().is_ok())
}

fn is_hex(text: &str) -> bool {
    let (digits, has_prefix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (has_prefix || digits.len() >= 6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_typed_by_their_shape() {
        use ValueKind as V;
        let cases: &[(&str, ValueKind)] = &[
            ("-12.5", V::Number),
            ("1,024", V::Number),
            ("12 ms", V::Duration),
            ("<1 sec", V::Duration),
            ("00:02", V::Duration),
            ("14.9 KB", V::Bytes),
            ("45%", V::Percent),
            ("10.0.0.1:50010", V::Ip),
            ("/10.0.0.1", V::Ip),
            ("::ffff:10.1.2.3", V::Ip),
            ("/var/log/a.log", V::Path),
            ("C:\\Windows\\x.dll", V::Path),
            ("https://a.example/b", V::Url),
            ("0x2f", V::Hex),
            ("deadbeef01", V::Hex),
            ("7d5ea1ec-9d9c-4a4b-8d1e-2f3a4b5c6d7e", V::Uuid),
            ("db1.example.com", V::Name),
            ("true", V::Truth),
            ("root", V::Word),
            ("결제", V::Word),
            ("a b", V::Text),
            ("", V::Empty),
        ];
        for (text, kind) in cases {
            assert_eq!(ValueKind::of(text.as_bytes()), *kind, "{text}");
        }
        assert_eq!(ValueKind::of(&[0xff, 0xfe]), V::Text);
    }

    proptest! {
        #[test]
        fn no_value_is_too_strange(value in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = ValueKind::of(&value);
        }
    }
}
