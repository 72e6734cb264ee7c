//! Tokens, passwords and HMACs: right, wrong, missing, repeated and out of time.

use jiff::Timestamp;
use nightcrew_config::settings::{Inbound, InboundAuth, Secret};
use nightcrew_intake::auth::seen::Seen;
use nightcrew_intake::auth::sns::Certificates;
use nightcrew_intake::auth::{AuthError, Memory, Verification, Verified, verify};
use nightcrew_intake::limit::{AHEAD_MAX, REDELIVERY_MAX, SIGNATURES_MAX};
use nightcrew_intake::request::Request;
use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;
use ring::hmac;

use crate::payload::{now, one};

const WINDOW: Millis = Millis::from_secs(300);

fn door(source: Source, auth: InboundAuth) -> Inbound {
    Inbound { name: "정문".to_owned(), source, auth, replay_window: WINDOW, mapping: None }
}

fn check(
    inbound: &Inbound,
    headers: &[(&str, &str)],
    body: &[u8],
    seen: &Seen,
    now: Timestamp,
) -> Result<Verified, AuthError> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let request = Request { headers: &headers, ..Request::post("/hooks/x", body) };
    let certificates = Certificates::default();
    let memory = Memory { seen, certificates: &certificates };
    match verify(inbound, &request, &memory, now)? {
        Verification::Verified(verified) => Ok(verified),
        Verification::NeedsCertificate(url) => unreachable!("{url}"),
    }
}

fn hex_mac(secret: &str, parts: &[&[u8]]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mac = hmac::sign(&key, &parts.concat());
    mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signed_by(source: Source, secrets: &[&str]) -> Inbound {
    door(source, InboundAuth::Signature(secrets.iter().map(|it| Secret::new(*it)).collect()))
}

/// No door with a secret lets in whoever does not know it.
pub(crate) fn assert_nobody_gets_in(source: Source, name: &str, value: &[u8], body: &[u8]) {
    let secret = || Secret::new("a secret that nobody guesses: 결제");
    for auth in [
        InboundAuth::Token(secret()),
        InboundAuth::Basic { username: String::new(), password: secret() },
        InboundAuth::Signature(vec![secret()]),
        InboundAuth::Sns { topics: Vec::new() },
    ] {
        let request = Request { headers: &[(name, value)], ..Request::post("/hooks/x", body) };
        let (seen, certificates) = (Seen::default(), Certificates::default());
        let memory = Memory { seen: &seen, certificates: &certificates };
        let error = verify(&door(source, auth), &request, &memory, now()).unwrap_err();
        assert!(!error.to_string().contains("guesses"));
    }
}

#[test]
fn a_known_signature_is_the_one_that_others_compute() {
    // printf body | openssl dgst -sha256 -hmac secret
    let mac = hex_mac("secret", &[b"body"]);
    assert_eq!(mac, "dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355");
}

#[test]
fn a_token_comes_in_the_header_of_its_format() {
    let seen = Seen::default();
    let token = || InboundAuth::Token(Secret::new("비밀-1"));
    let ascii = || InboundAuth::Token(Secret::new("s3cret"));
    let generic = door(Source::Generic, ascii());
    let genie = door(Source::Opsgenie, ascii());
    let said = |inbound: &Inbound, headers: &[(&str, &str)]| {
        check(inbound, headers, b"{}", &seen, now()).map(|verified| verified.delivery)
    };
    for headers in [
        [("authorization", "Bearer s3cret")],
        [("Authorization", "bearer  s3cret")],
        [("X-Api-Key", "s3cret")],
        [("api-key", "s3cret")],
    ] {
        assert_eq!(said(&generic, &headers), Ok(None), "{headers:?}");
    }
    assert_eq!(said(&genie, &[("Authorization", "GenieKey s3cret")]), Ok(None));
    let wrong = |result: Result<_, AuthError>| result.unwrap_err();
    assert_eq!(wrong(said(&generic, &[])), AuthError::Missing("Authorization"));
    for value in ["Bearer s3cre", "Bearer s3crett", "Bearer", "Bearer S3CRET"] {
        let error = wrong(said(&generic, &[("Authorization", value)]));
        assert_eq!(error, AuthError::Wrong("the token"), "{value}");
        assert_eq!(error.status(), 401);
    }
    for headers in [
        vec![("Authorization", "GenieKey s3cret")],
        vec![("Authorization", "Basic s3cret")],
        vec![("Authorization", "Bearer s3cret"), ("authorization", "Bearer s3cret")],
        vec![("X-Api-Key", "비밀-1")],
    ] {
        let error = wrong(said(&generic, &headers));
        assert!(matches!(error, AuthError::Malformed { .. }), "{headers:?}: {error}");
    }
    // A secret that no header can hold, or none at all, lets nobody in.
    for secret in [token(), InboundAuth::Token(Secret::new(""))] {
        let inbound = door(Source::Generic, secret);
        assert!(said(&inbound, &[("Authorization", "Bearer ")]).is_err());
        assert!(said(&inbound, &[("X-Api-Key", "")]).is_err());
    }
    assert_eq!(said(&door(Source::Generic, InboundAuth::Open), &[]), Ok(None));
}

#[test]
fn a_user_has_a_password() {
    let seen = Seen::default();
    let auth = InboundAuth::Basic { username: "김".to_owned(), password: Secret::new("a:b") };
    let inbound = door(Source::Signoz, auth);
    let said = |value: &str| check(&inbound, &[("Authorization", value)], b"", &seen, now());
    // printf '김:a:b' | base64
    assert!(said("Basic 6rmAOmE6Yg==").is_ok());
    assert_eq!(said("Basic 6rmAOmE6Yw=="), Err(AuthError::Wrong("the user or the password")));
    assert_eq!(said("Basic eDphOmI="), Err(AuthError::Wrong("the user or the password")));
    for value in ["Basic ???", "Basic 6rmA", "Bearer 6rmAOmE6Yg==", "Basic"] {
        assert!(matches!(said(value), Err(AuthError::Malformed { .. })), "{value}");
    }
    let missing = check(&inbound, &[], b"", &seen, now());
    assert_eq!(missing, Err(AuthError::Missing("Authorization")));
}

#[test]
fn each_format_has_its_header_and_any_of_the_secrets_will_do() {
    let seen = Seen::default();
    let body = "결제".as_bytes();
    let mac = |secret: &str| hex_mac(secret, &[body]);
    for (source, header, form) in [
        (Source::Grafana, "X-Grafana-Alerting-Signature", mac("new")),
        (Source::Sentry, "Sentry-Hook-Signature", mac("new").to_uppercase()),
        (Source::Pagerduty, "x-pagerduty-signature", format!("v1={}", mac("new"))),
        (
            Source::Pagerduty,
            "X-PagerDuty-Signature",
            format!("v0=00, v1={},v1={}", mac("x"), mac("old")),
        ),
        (Source::Generic, "X-Hub-Signature-256", format!("sha256={}", mac("old"))),
        (Source::Datadog, "X-Hub-Signature-256", format!("sha256={}", mac("new"))),
    ] {
        let inbound = signed_by(source, &["new", "old"]);
        let right = check(&inbound, &[(header, &form)], body, &seen, now());
        assert!(right.unwrap().delivery.is_some(), "{source}");
        let tampered = check(&inbound, &[(header, &form)], b"other", &seen, now());
        assert_eq!(tampered, Err(AuthError::Wrong("the signature")), "{source}");
        let missing = check(&inbound, &[], body, &seen, now()).unwrap_err();
        assert!(matches!(missing, AuthError::Missing(_)), "{source}");
        assert_eq!((missing.status(), tampered.unwrap_err().status()), (401, 401));
        for bad in ["", "zz", "v1=", "sha256=00", &"0".repeat(63), "ㄱ"] {
            let error = check(&inbound, &[(header, bad)], body, &seen, now()).unwrap_err();
            assert!(matches!(error, AuthError::Malformed { .. }), "{source} {bad}: {error}");
        }
        let nobody = signed_by(source, &["", ""]);
        let empty = form.replace(&mac("new"), &mac("")).replace(&mac("old"), &mac(""));
        let refused = check(&nobody, &[(header, &empty)], body, &seen, now());
        assert!(refused.is_err(), "{source}: an empty secret lets nobody in");
    }
    let many = format!("{}v1={}", "v1=00,".repeat(SIGNATURES_MAX), mac("new"));
    let inbound = signed_by(Source::Pagerduty, &["new"]);
    assert!(check(&inbound, &[("X-PagerDuty-Signature", &many)], body, &seen, now()).is_err());
    for source in [Source::Cloudwatch, Source::Detector] {
        let unsupported = check(&signed_by(source, &["a"]), &[], body, &seen, now());
        assert_eq!(unsupported, Err(AuthError::Unsupported(source)));
    }
}

#[test]
fn a_signed_time_is_inside_the_window_on_both_sides() {
    let seen = Seen::default();
    for (source, header, time_header, prefix) in [
        (Source::Grafana, "X-Grafana-Alerting-Signature", "X-Grafana-Alerting-Timestamp", ""),
        (Source::Generic, "X-Hub-Signature-256", "X-Nightcrew-Timestamp", "sha256="),
    ] {
        let inbound = signed_by(source, &["s"]);
        let said = |seconds: i64| {
            let time = (now().as_second() + seconds).to_string();
            let mac = hex_mac("s", &[time.as_bytes(), b":", b"{}"]);
            let headers = [(header, &*format!("{prefix}{mac}")), (time_header, &*time)];
            check(&inbound, &headers, b"{}", &seen, now())
        };
        let window = i64::try_from(WINDOW.0 / 1_000).unwrap();
        let ahead = i64::try_from(AHEAD_MAX.0 / 1_000).unwrap();
        assert!(said(-window).is_ok() && said(ahead).is_ok());
        let old = said(-window - 1).unwrap_err();
        assert_eq!(old, AuthError::TooOld { age: Millis::from_secs(301), window: WINDOW });
        let new = said(ahead + 1).unwrap_err();
        assert_eq!(new, AuthError::TooNew { ahead: Millis::from_secs(301) });
        assert_eq!((old.status(), new.status()), (403, 403));
        // Without its time, a signature over both is a signature over something else.
        let time = now().as_second().to_string();
        let mac = format!("{prefix}{}", hex_mac("s", &[time.as_bytes(), b":", b"{}"]));
        let stripped = check(&inbound, &[(header, &mac)], b"{}", &seen, now());
        assert_eq!(stripped, Err(AuthError::Wrong("the signature")));
        let mac = format!("{prefix}{}", hex_mac("s", &[b"soon:{}"]));
        let no_time =
            check(&inbound, &[(header, &mac), (time_header, "soon")], b"{}", &seen, now());
        assert!(matches!(no_time, Err(AuthError::Malformed { .. })));
    }
}

#[test]
fn a_message_is_taken_once_it_was_stored_and_not_again() {
    let mut seen = Seen::default();
    let body = one(Source::Sentry, "issue__created").body;
    let inbound = signed_by(Source::Sentry, &["s"]);
    let mac = hex_mac("s", &[&body]);
    let headers = [("Sentry-Hook-Signature", mac.as_str())];
    let first = check(&inbound, &headers, &body, &seen, now()).unwrap();
    // Not stored yet: the sender tries again, and is taken.
    assert!(check(&inbound, &headers, &body, &seen, now()).is_ok());
    seen.remember(first.delivery.as_ref().unwrap(), now());
    let again = check(&inbound, &headers, &body, &seen, now());
    assert_eq!(again, Err(AuthError::Replayed));
    assert_eq!(again.unwrap_err().status(), 403);
    let other = Inbound { name: "옆문".to_owned(), ..inbound };
    assert!(check(&other, &headers, &body, &seen, now()).is_ok(), "another door");
}

#[test]
fn what_was_sent_while_we_were_down_is_taken_after_it_and_no_later() {
    let inbound = signed_by(Source::Pagerduty, &["s"]);
    let body = one(Source::Pagerduty, "triggered").body;
    let header = format!("v1={}", hex_mac("s", &[&body]));
    let headers = [("X-PagerDuty-Signature", header.as_str())];
    let occurred: Timestamp = "2026-11-21T02:57:00Z".parse().unwrap();
    let late = REDELIVERY_MAX.after(occurred);
    let mut seen = Seen::default();
    let taken = check(&inbound, &headers, &body, &seen, late).unwrap();
    seen.remember(taken.delivery.as_ref().unwrap(), late);
    assert_eq!(check(&inbound, &headers, &body, &seen, late), Err(AuthError::Replayed));
    let later = Millis(REDELIVERY_MAX.0 + 1).after(occurred);
    let refused = check(&inbound, &headers, &body, &Seen::default(), later).unwrap_err();
    assert!(matches!(refused, AuthError::TooOld { .. }), "{refused}");
    let mut earlier = occurred;
    earlier = Timestamp::from_second(earlier.as_second() - 301).unwrap();
    let refused = check(&inbound, &headers, &body, &seen, earlier).unwrap_err();
    assert!(matches!(refused, AuthError::TooNew { .. } | AuthError::Replayed), "{refused}");
}
