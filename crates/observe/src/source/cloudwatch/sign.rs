//! Signatures of Amazon Web Services, version 4.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::{digest, hmac};

/// Who asks, and whom.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// The path, encoded.
    pub(super) path: &'a str,
    /// The query, encoded, its members in order.
    pub(super) query: &'a str,
    /// Names in small letters and in order, values without space around.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// `20150830T123600Z`: the form of `x-amz-date`.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The header `authorization` of a request; `moment` is its header `x-amz-date`.
pub(super) fn authorization(scope: Scope<'_>, signed: Signed<'_>, moment: &str) -> String {
    let day = moment.get(..8).unwrap_or_default();
    let names: Vec<&str> = signed.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{}\n{}\n", signed.method, signed.path, signed.query);
    for (name, value) in signed.headers {
        // Writing to a string cannot fail.
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let _ = write!(canonical, "\n{names}\n{}", hex(hash(signed.body).as_ref()));
    let reach = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let hashed = hex(hash(canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{reach}\n{hashed}");
    let signature = hex(mac(key(scope, day).as_ref(), &to_sign).as_ref());
    let id = scope.access_key_id;
    format!(
        "AWS4-HMAC-SHA256 Credential={id}/{reach}, SignedHeaders={names}, Signature={signature}"
    )
}

/// The key of one day, region and service.
fn key(scope: Scope<'_>, day: &str) -> hmac::Tag {
    let first = format!("AWS4{}", scope.secret_access_key);
    let of_day = mac(first.as_bytes(), day);
    [scope.region, scope.service, "aws4_request"]
        .into_iter()
        .fold(of_day, |key, part| mac(key.as_ref(), part))
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hash(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope<'static> = Scope {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "service",
    };
    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");

    fn signature(method: &str, query: &str, headers: &[(&str, &str)], body: &str) -> String {
        let signed = Signed { method, path: "/", query, headers, body: body.as_bytes() };
        let header = authorization(SCOPE, signed, DATE.1);
        let (before, signature) = header.split_once("Signature=").unwrap();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let wanted = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={}, ",
            names.join(";")
        );
        assert_eq!(before, wanted);
        signature.to_owned()
    }

    #[test]
    fn the_test_suite_of_aws_is_signed_as_it_says() {
        for (name, method, query, headers, body, wanted) in [
            (
                "get-vanilla",
                "GET",
                "",
                vec![HOST, DATE],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla",
                "POST",
                "",
                vec![HOST, DATE],
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "get-vanilla-query-order-key-case",
                "GET",
                "Param1=value1&Param2=value2",
                vec![HOST, DATE],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-header-key-duplicate",
                "GET",
                "",
                vec![HOST, ("my-header1", "value2,value2,value1"), DATE],
                "",
                "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                "",
                vec![("content-type", "application/x-www-form-urlencoded"), HOST, DATE],
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            assert_eq!(signature(method, query, &headers, body), wanted, "{name}");
        }
    }

    #[test]
    fn the_key_of_the_documentation_is_derived() {
        let scope = Scope { service: "iam", ..SCOPE };
        let wanted = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
        assert_eq!(hex(key(scope, "20120215").as_ref()), wanted);
    }

    #[test]
    fn a_moment_is_written_in_utc() {
        let at = "2026-11-21T12:00:09.9+09:00".parse().unwrap();
        assert_eq!(moment(at), "20261121T030009Z");
    }
}
