//! Who may speak to us, and what a browser may do with what we say.
//!
//! Nothing here asks for a password: whoever can open a connection to the loopback address is
//! trusted.  A browser opens connections on behalf of any page that is open in it, so a request
//! has to name this host (a page that had its own name point to the loopback address does not),
//! and what changes something must not come from the page of another site.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::{Kind, Problem};

/// What a page of ours may load: what we serve, and nothing else.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
];

/// Lets a request in or not, and adds the headers that every answer has.
pub(crate) async fn keep(
    State(bound): State<Option<SocketAddr>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match admit(&request, bound) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    close(&mut response);
    response
}

/// Adds the headers that every answer has.
pub(crate) fn close(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// Whether a request may come in.
pub(crate) fn admit(request: &Request, bound: Option<SocketAddr>) -> Result<(), Problem> {
    judge(request.method(), request.uri(), request.headers(), bound)
}

fn judge(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    bound: Option<SocketAddr>,
) -> Result<(), Problem> {
    let named = uri.authority().map(|authority| authority.as_str());
    let mut hosts = named.into_iter().chain(headers.get_all(HOST).iter().map(text)).peekable();
    let Some(host) = hosts.peek().copied() else {
        return Err(Problem::bad_request(
            "the request has no Host header",
            "send HTTP/1.1 with a Host header",
        ));
    };
    if let Some(other) = hosts.find(|host| !is_ours(host, bound)) {
        return Err(Problem::new(
            Kind::WrongHost,
            format!("{other:?} is not a name of this host"),
            "use localhost or 127.0.0.1 in the URL",
        ));
    }
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    let ours = |origin: &str| {
        origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    };
    match headers.get_all(ORIGIN).iter().map(text).find(|origin| !ours(origin)) {
        None => Ok(()),
        Some(other) => Err(Problem::new(
            Kind::OtherSite,
            format!("a page of {other:?} sent the request"),
            "only the page that this server serves may change something from a browser",
        )),
    }
}

/// The text of a header; what is not text is no name of ours.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("?")
}

fn is_ours(host: &str, bound: Option<SocketAddr>) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_ours = |ip: IpAddr| ip.is_loopback() || bound.is_some_and(|bound| bound.ip() == ip);
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: &Method, uri: &str, headers: &[(HeaderName, &str)]) -> Option<Kind> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect();
        judge(method, &uri.parse().unwrap(), &headers, None).err().map(|problem| problem.kind())
    }

    #[test]
    fn a_name_of_another_host_is_refused() {
        for host in
            ["localhost", "LocalHost:7979", "localhost.", "127.0.0.1:1", "127.1.2.3", "[::1]:7979"]
        {
            assert_eq!(verdict(&Method::GET, "/", &[(HOST, host)]), None, "{host}");
        }
        let others = [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:7979",
            "",
            "[::1",
            "10.0.0.1",
            "한국",
            "0.0.0.0",
        ];
        for host in others {
            assert_eq!(
                verdict(&Method::GET, "/", &[(HOST, host)]),
                Some(Kind::WrongHost),
                "{host}"
            );
        }
        assert_eq!(verdict(&Method::GET, "/", &[]), Some(Kind::BadRequest));
        let both = [(HOST, "localhost")];
        assert_eq!(verdict(&Method::GET, "http://evil.example/", &both), Some(Kind::WrongHost));
        assert_eq!(verdict(&Method::GET, "http://127.0.0.1/", &[]), None);
    }

    #[test]
    fn the_bound_address_is_a_name_of_this_host() {
        let bound = Some("192.0.2.7:7979".parse().unwrap());
        assert!(is_ours("192.0.2.7:7979", bound) && !is_ours("192.0.2.8:7979", bound));
    }

    #[test]
    fn a_page_of_another_site_cannot_change_anything() {
        let post =
            |origin| verdict(&Method::POST, "/", &[(HOST, "localhost:7979"), (ORIGIN, origin)]);
        assert_eq!(post("http://localhost:7979"), None);
        for origin in [
            "http://localhost:3000",
            "http://localhost",
            "https://localhost:7979",
            "http://evil.example",
            "null",
            "",
        ] {
            assert_eq!(post(origin), Some(Kind::OtherSite), "{origin}");
        }
        let two =
            [(HOST, "localhost"), (ORIGIN, "http://localhost"), (ORIGIN, "http://evil.example")];
        assert_eq!(verdict(&Method::DELETE, "/", &two), Some(Kind::OtherSite));
        assert_eq!(verdict(&Method::POST, "/", &[(HOST, "localhost")]), None);
        let get = [(HOST, "localhost"), (ORIGIN, "http://evil.example")];
        assert_eq!(verdict(&Method::GET, "/", &get), None);
    }
}
