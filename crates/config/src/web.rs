//! The parts of URLs and addresses that a configuration is judged by.

use std::fmt;

/// An HTTP URL, as far as it is looked at here; the rest is judged by who asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpUrl {
    pub(crate) is_https: bool,
    /// In lower case, without brackets.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// With query, without fragment; at least `/`.
    pub(crate) path: String,
}

/// Why a text is no URL or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWeb {
    Scheme,
    Blank,
    Host,
    Port,
}

impl fmt::Display for NotWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it does not begin with http:// or https://",
            Self::Blank => "it holds a blank or a control character",
            Self::Host => "it has no usable host",
            Self::Port => "its port is not a number from 1 to 65535",
        })
    }
}

impl HttpUrl {
    /// The port that is connected to.
    pub(crate) fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }
}

/// Reads an HTTP URL (RFC 3986, with http and https only).
pub(crate) fn http_url(text: &str) -> Result<HttpUrl, NotWeb> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(NotWeb::Blank);
    }
    let (scheme, rest) = text.split_once("://").ok_or(NotWeb::Scheme)?;
    let is_https = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(NotWeb::Scheme),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(NotWeb::Host)?;
    let address = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = split_port(address)?;
    let port = port.map(parse_port).transpose()?;
    Ok(HttpUrl {
        is_https,
        host: check_host(host)?,
        port,
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
    })
}

/// Reads `host:port`; an IPv6 host stands in brackets.
pub(crate) fn address(text: &str) -> Result<(String, u16), NotWeb> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(NotWeb::Blank);
    }
    let (host, port) = split_port(text)?;
    let port = parse_port(port.ok_or(NotWeb::Port)?)?;
    Ok((check_host(host)?, port))
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), NotWeb> {
    if let Some(inner) = text.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').ok_or(NotWeb::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(NotWeb::Host),
        };
    }
    Ok(match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    })
}

fn parse_port(text: &str) -> Result<u16, NotWeb> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { text.parse().ok() } else { None };
    port.filter(|port| *port > 0).ok_or(NotWeb::Port)
}

fn check_host(host: &str) -> Result<String, NotWeb> {
    let is_ip = host.parse::<std::net::IpAddr>().is_ok();
    let is_name = !host.is_empty()
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if is_ip || is_name { Ok(host.to_lowercase()) } else { Err(NotWeb::Host) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_urls_apart() {
        let url = http_url("HTTPS://me:pw@Example.COM:8443/a?b#c").unwrap();
        assert_eq!(
            url,
            HttpUrl {
                is_https: true,
                host: "example.com".into(),
                port: Some(8443),
                path: "/a?b".into(),
            }
        );
        assert_eq!(http_url("http://[::1]/").unwrap().host, "::1");
        assert_eq!(http_url("http://localhost").unwrap().port_or_default(), 80);
        assert_eq!(address("db:5432"), Ok(("db".into(), 5_432)));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("localhost:80", NotWeb::Scheme),
            ("ftp://h/", NotWeb::Scheme),
            ("http:///x", NotWeb::Host),
            ("http://h:0/", NotWeb::Port),
            ("http://h:99999/", NotWeb::Port),
            ("http://h/a b", NotWeb::Blank),
        ] {
            assert_eq!(http_url(text), Err(why), "{text}");
        }
        assert_eq!(address("db"), Err(NotWeb::Port));
        assert_eq!(address(":1"), Err(NotWeb::Host));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", tail in "\\PC{0,40}") {
            let _ = http_url(&text);
            let _ = http_url(&format!("http://{tail}"));
            let _ = address(&text);
        }
    }
}
