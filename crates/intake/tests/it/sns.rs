//! The signature of Amazon SNS.
//!
//! The certificate is self-signed, RSA of 2,048 bits, valid 2026 to 2036.  The signatures in the
//! corpus were made with `openssl dgst -sha1 -sign` (version 1) and `-sha256` (version 2); the key is
//! gone.

use jiff::Timestamp;
use nightcrew_config::settings::{Inbound, InboundAuth};
use nightcrew_intake::auth::seen::Seen;
use nightcrew_intake::auth::sns::{BadCertificate, Certificates};
use nightcrew_intake::auth::{AuthError, Memory, Verification, Verified, verify};
use nightcrew_intake::door::cloudwatch::AmazonUrl;
use nightcrew_intake::limit::{CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX};
use nightcrew_intake::request::Request;
use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;
use serde_json::{Value, json};

use crate::payload::{now, one};

const PEM: &[u8] = include_bytes!("sns/certificate.pem");
const ELLIPTIC: &[u8] = include_bytes!("sns/elliptic.pem");
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alarms";

fn door(topics: &[&str]) -> Inbound {
    Inbound {
        name: "sns".to_owned(),
        source: Source::Cloudwatch,
        auth: InboundAuth::Sns { topics: topics.iter().map(|topic| (*topic).to_owned()).collect() },
        replay_window: Millis::from_secs(300),
        mapping: None,
    }
}

fn checked(
    inbound: &Inbound,
    body: &[u8],
    seen: &Seen,
    certificates: &Certificates,
    now: Timestamp,
) -> Result<Verification, AuthError> {
    let memory = Memory { seen, certificates };
    verify(inbound, &Request::post("/hooks/sns", body), &memory, now)
}

/// The URL of which a check asks for the certificate.
fn wanted(body: &[u8]) -> AmazonUrl {
    let (seen, none) = (Seen::default(), Certificates::default());
    match checked(&door(&[TOPIC]), body, &seen, &none, now()).unwrap() {
        Verification::NeedsCertificate(url) => url,
        Verification::Verified(_) => unreachable!("without a certificate"),
    }
}

fn certificates() -> Certificates {
    let mut certificates = Certificates::default();
    let url = wanted(&one(Source::Cloudwatch, "sns_alarm").body);
    certificates.add(url, PEM, now()).unwrap();
    certificates
}

pub(crate) fn verified(body: &[u8]) -> Result<Verified, AuthError> {
    match checked(&door(&[TOPIC]), body, &Seen::default(), &certificates(), now())? {
        Verification::Verified(verified) => Ok(verified),
        Verification::NeedsCertificate(_) => Err(AuthError::ForeignCertificate),
    }
}

/// A message of the corpus with some members changed.
fn changed(name: &str, changes: Value) -> Vec<u8> {
    let mut message: Value = serde_json::from_slice(&one(Source::Cloudwatch, name).body).unwrap();
    let Value::Object(changes) = changes else { unreachable!() };
    message.as_object_mut().unwrap().extend(changes);
    message.to_string().into_bytes()
}

#[test]
fn both_versions_of_the_signature_hold_with_and_without_a_subject() {
    for name in
        ["sns_alarm", "sns_ok", "sns_insufficient_data", "sns_subscription", "sns_unsubscribe"]
    {
        let verified = verified(&one(Source::Cloudwatch, name).body);
        assert_eq!(verified.unwrap().topic(), Some(TOPIC), "{name}");
    }
}

#[test]
fn whatever_is_changed_breaks_it() {
    let wrong = Err(AuthError::Wrong("the signature"));
    for changes in [
        json!({"Message": "{}"}),
        json!({"Subject": "other"}),
        json!({"Subject": null}),
        json!({"MessageId": "1"}),
        json!({"Timestamp": "2026-11-21T02:59:31.000Z"}),
        json!({"SignatureVersion": "2"}),
        json!({"Signature": "AAAA"}),
    ] {
        assert_eq!(verified(&changed("sns_alarm", changes.clone())), wrong, "{changes}");
    }
    let url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=other";
    assert_eq!(verified(&changed("sns_subscription", json!({"SubscribeURL": url}))), wrong);
    assert_eq!(verified(&changed("sns_subscription", json!({"Token": "other"}))), wrong);
    assert_eq!(
        verified(&changed("sns_subscription", json!({"Type": "UnsubscribeConfirmation"}))),
        wrong
    );
    for changes in [
        json!({"Signature": "?"}),
        json!({"SignatureVersion": "3"}),
        json!({"SignatureVersion": null}),
        json!({"Message": 7}),
        json!({"Type": "Other"}),
        json!({"Timestamp": null}),
    ] {
        let error = verified(&changed("sns_alarm", changes.clone())).unwrap_err();
        assert!(matches!(error, AuthError::Malformed { .. }), "{changes}: {error}");
    }
    let unsigned = verified(&changed("sns_alarm", json!({"Signature": ""})));
    assert_eq!(unsigned, Err(AuthError::Missing("Signature")));
}

#[test]
fn a_foreign_certificate_and_a_foreign_topic_are_never_fetched() {
    let none = Certificates::default();
    let said = |changes: Value| {
        let body = changed("sns_alarm", changes);
        checked(&door(&[TOPIC]), &body, &Seen::default(), &none, now())
    };
    for url in [
        "https://evil.example/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "",
    ] {
        let refused = said(json!({"SigningCertURL": url}));
        assert_eq!(refused, Err(AuthError::ForeignCertificate), "{url}");
    }
    let topic = "arn:aws:sns:us-east-1:666666666666:alarms";
    assert_eq!(said(json!({"TopicArn": topic})), Err(AuthError::WrongTopic(topic.to_owned())));
    let any = checked(
        &door(&[]),
        &one(Source::Cloudwatch, "sns_ok").body,
        &Seen::default(),
        &certificates(),
        now(),
    );
    assert!(matches!(any, Ok(Verification::Verified(_))));
    let other = Inbound { source: Source::Generic, ..door(&[TOPIC]) };
    let refused = checked(&other, b"{}", &Seen::default(), &none, now());
    assert_eq!(refused, Err(AuthError::Unsupported(Source::Generic)));
}

#[test]
fn a_subscription_is_confirmed_only_with_its_proof() {
    let payload = one(Source::Cloudwatch, "sns_subscription");
    let subscription = payload.parsed().unwrap().handshake.unwrap();
    let proof = verified(&payload.body).unwrap();
    let url = subscription.url(&proof).unwrap();
    assert!(url.as_str().starts_with("https://sns.us-east-1.amazonaws.com/?Action=Confirm"));
    let open = Inbound { auth: InboundAuth::Open, ..door(&[]) };
    let unproven = checked(&open, &payload.body, &Seen::default(), &certificates(), now());
    let Ok(Verification::Verified(unproven)) = unproven else { unreachable!() };
    assert_eq!(subscription.url(&unproven), None);
}

#[test]
fn a_message_is_repeated_for_an_hour_after_we_were_down_and_taken_once() {
    let body = one(Source::Cloudwatch, "sns_alarm").body;
    let certificates = certificates();
    let mut seen = Seen::default();
    let at = |minutes: u64| Millis::from_secs(60 * minutes).after(now());
    let late = checked(&door(&[TOPIC]), &body, &seen, &certificates, at(59)).unwrap();
    let Verification::Verified(late) = late else { unreachable!() };
    seen.remember(late.delivery.as_ref().unwrap(), at(59));
    let again = checked(&door(&[TOPIC]), &body, &seen, &certificates, at(59));
    assert_eq!(again, Err(AuthError::Replayed));
    let later = checked(&door(&[TOPIC]), &body, &Seen::default(), &certificates, at(61));
    assert!(matches!(later, Err(AuthError::TooOld { .. })), "{later:?}");
}

#[test]
fn only_a_valid_rsa_certificate_is_kept_and_only_so_many() {
    let body = |n: usize| {
        let url = format!("https://sns.us-east-1.amazonaws.com/{n}.pem");
        changed("sns_alarm", json!({"SigningCertURL": url}))
    };
    let mut certificates = Certificates::default();
    assert!(certificates.is_empty());
    let mut add = |pem: &[u8], now| certificates.add(wanted(&body(0)), pem, now);
    assert_eq!(add(b"no", now()), Err(BadCertificate::Unreadable));
    assert_eq!(add(&PEM[..PEM.len() / 2], now()), Err(BadCertificate::Unreadable));
    assert_eq!(add(ELLIPTIC, now()), Err(BadCertificate::NotRsa));
    let long = vec![b'x'; CERTIFICATE_BYTES_MAX + 1];
    assert_eq!(add(&long, now()), Err(BadCertificate::TooLong(long.len())));
    let too_late: Timestamp = "2046-01-01T00:00:00Z".parse().unwrap();
    assert!(matches!(add(PEM, too_late), Err(BadCertificate::NotValid { .. })));
    let too_early: Timestamp = "2006-01-01T00:00:00Z".parse().unwrap();
    assert!(matches!(add(PEM, too_early), Err(BadCertificate::NotValid { .. })));
    for n in 0..CERTIFICATES_MAX + 3 {
        certificates.add(wanted(&body(n)), PEM, now()).unwrap();
    }
    assert_eq!(certificates.len(), CERTIFICATES_MAX);
    // A certificate that has ended is asked for again.
    let ended = checked(
        &door(&[TOPIC]),
        &body(CERTIFICATES_MAX + 2),
        &Seen::default(),
        &certificates,
        too_late,
    );
    assert!(matches!(ended, Ok(Verification::NeedsCertificate(_))));
}
