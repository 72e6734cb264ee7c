//! Secrets that are sent as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nightcrew_config::settings::Secret;
use nightcrew_model::alert::Source;
use ring::hmac;

use super::AuthError;
use crate::request::{Header, Request};

const AUTHORIZATION: &str = "Authorization";

/// The headers in which systems that know no scheme send a key.
const KEY_HEADERS: [&str; 2] = ["X-Api-Key", "Api-Key"];

/// Whether both are the same, in a time that depends only on their lengths.  Nothing is the same
/// as an empty secret.
pub(super) fn is_same(secret: &Secret, presented: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"nightcrew-intake");
    let expected = hmac::sign(&key, secret.expose().as_bytes());
    hmac::verify(&key, presented, expected.as_ref()).is_ok() && !secret.expose().is_empty()
}

/// Checks a token: `Authorization: Bearer …` (`GenieKey …` at Opsgenie's API), or a header for
/// API keys.
pub(super) fn token(
    source: Source,
    request: &Request<'_>,
    secret: &Secret,
) -> Result<(), AuthError> {
    let presented = match request.header(AUTHORIZATION) {
        Header::Text(text) => {
            let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
            let genie = source == Source::Opsgenie && scheme.eq_ignore_ascii_case("GenieKey");
            if !genie && !scheme.eq_ignore_ascii_case("Bearer") {
                return Err(malformed("expected the scheme Bearer, or GenieKey for Opsgenie"));
            }
            rest.trim()
        }
        Header::Unclear => return Err(malformed("expected one value in ASCII")),
        Header::Absent => {
            let mut headers = KEY_HEADERS.iter().map(|name| request.header(name));
            match headers.find(|header| *header != Header::Absent) {
                Some(Header::Text(key)) => key,
                Some(Header::Unclear) => {
                    let why = "expected one value in ASCII".to_owned();
                    return Err(AuthError::Malformed { what: "the API key", why });
                }
                Some(Header::Absent) | None => return Err(AuthError::Missing(AUTHORIZATION)),
            }
        }
    };
    if !is_same(secret, presented.as_bytes()) {
        return Err(AuthError::Wrong("the token"));
    }
    Ok(())
}

/// Checks a user and a password (RFC 7617).
pub(super) fn basic(
    request: &Request<'_>,
    username: &str,
    password: &Secret,
) -> Result<(), AuthError> {
    let text = match request.header(AUTHORIZATION) {
        Header::Text(text) => text,
        Header::Unclear => return Err(malformed("expected one value in ASCII")),
        Header::Absent => return Err(AuthError::Missing(AUTHORIZATION)),
    };
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(malformed("expected the scheme Basic"));
    }
    let decoded = STANDARD.decode(rest.trim()).map_err(|_| malformed("expected base64"))?;
    let colon = decoded.iter().position(|byte| *byte == b':');
    let Some((user, secret)) = colon.and_then(|at| decoded.split_at_checked(at)) else {
        return Err(malformed("expected user:password"));
    };
    let user = is_same(&Secret::new(username), user);
    let secret = is_same(password, secret.get(1..).unwrap_or_default());
    // Both are looked at, so that the time does not tell which one is wrong.
    if !(user & secret) {
        return Err(AuthError::Wrong("the user or the password"));
    }
    Ok(())
}

fn malformed(why: &str) -> AuthError {
    AuthError::Malformed { what: AUTHORIZATION, why: why.to_owned() }
}
