//! The calls of Opsgenie's alert API.

use nightcrew_intake::change::{Key, News, settle};
use nightcrew_intake::door::opsgenie::{ALIAS_CHARS_MAX, Receipt};
use nightcrew_intake::parse::{Context, parse};
use nightcrew_intake::parsed::{Parsed, Unparsable};
use nightcrew_intake::request::Request;
use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;
use serde_json::json;

use crate::payload::now;

fn call(method: &str, path: &str, query: &str, body: &str) -> Result<Parsed, Unparsable> {
    let request = Request { method, query, ..Request::post(path, body.as_bytes()) };
    let context = Context { door: "genie", mapping: None, now: now() };
    parse(Source::Opsgenie, &request, &context)
}

fn created(body: &str) -> (Parsed, Receipt) {
    let parsed = call("POST", "/v2/alerts", "", body).unwrap();
    let receipt = parsed.receipt.clone().unwrap();
    (parsed, receipt)
}

fn key(parsed: &Parsed) -> &Key {
    &parsed.changes[0].key
}

#[test]
fn an_alert_is_closed_by_its_id_its_alias_and_its_tiny_id() {
    let (parsed, receipt) = created(r#"{"message":"느림","alias":"결제/1","priority":"P5"}"#);
    let id = receipt.alert_id.unwrap();
    let by_id = call("POST", &format!("/v2/alerts/{id}/close"), "", "").unwrap();
    assert_eq!(key(&by_id), key(&parsed));
    assert_eq!(by_id.changes[0].news, News::Ends { at: None });
    let upper = format!("/hooks/genie/v2/alerts/{}/close", id.to_uppercase());
    assert_eq!(key(&call("POST", &upper, "identifierType=id", "{}").unwrap()), key(&parsed));
    let alias = "/v2/alerts/%EA%B2%B0%EC%A0%9C%2F1";
    let by_alias = call("POST", &format!("{alias}/close"), "identifierType=alias", "{}").unwrap();
    assert_eq!(key(&by_alias), key(&parsed));
    let deleted = call("DELETE", alias, "identifierType=alias&user=x", "").unwrap();
    assert_eq!(key(&deleted), key(&parsed));
    let News::Fires(alert) = &parsed.changes[0].news else { unreachable!() };
    let tiny = alert.labels.get("opsgenie_tiny").unwrap();
    let by_tiny = call("POST", &format!("/v2/alerts/{tiny}/close"), "identifierType=tiny", "{}");
    let Key::Within(by_tiny) = key(&by_tiny.unwrap()).clone() else { unreachable!() };
    assert_eq!(by_tiny.get("opsgenie_tiny"), Some(tiny));
    assert_eq!(by_tiny.len(), 2);
}

#[test]
fn without_an_alias_the_same_request_is_the_same_alert_and_another_is_not() {
    let (first, _) = created(r#"{"message":"느림","tags":["a"]}"#);
    let (again, _) = created(r#"{ "message": "느림", "tags": ["a"] }"#);
    let (other, _) = created(r#"{"message":"느림","tags":["b"]}"#);
    assert_eq!(key(&first), key(&again));
    assert_ne!(key(&first), key(&other));
}

#[test]
fn other_calls_are_noted_or_refused() {
    let noted = call("POST", "/v2/alerts/x/notes", "", r#"{"note":"n"}"#).unwrap();
    assert_eq!(noted.notes, ["notes of an alert changes nothing here"]);
    assert!(noted.receipt.is_some());
    for (method, path) in [
        ("GET", "/v2/alerts"),
        ("GET", "/v2/alerts/x"),
        ("POST", "/v2/alerts/requests/x"),
        ("DELETE", "/v2/alerts"),
    ] {
        let said = call(method, path, "", "{}").unwrap_err();
        assert!(matches!(said, Unparsable::NoSuchCall { .. }), "{method} {path}: {said}");
    }
    for (path, query, begins) in [
        ("/v2/alerts/%ff/close", "", "identifier: not percent-encoded"),
        ("/v2/alerts/x/close", "identifierType=name", "identifierType: \"name\" is not known"),
    ] {
        let said = call("POST", path, query, "").unwrap_err().to_string();
        assert!(said.starts_with(begins), "{said}");
    }
    assert!(call("POST", "/v2/alerts/x/close", "", "{").is_err());
}

#[test]
fn an_alert_has_a_message_and_an_alias_of_bounded_length() {
    let alias = |n: usize| json!({"message": "m", "alias": "가".repeat(n)}).to_string();
    assert!(call("POST", "/v2/alerts", "", &alias(ALIAS_CHARS_MAX)).is_ok());
    let said = call("POST", "/v2/alerts", "", &alias(ALIAS_CHARS_MAX + 1)).unwrap_err();
    assert_eq!(said.to_string(), "alias: more than 512 characters");
    let said = call("POST", "/v2/alerts", "", r#"{"alias":"a"}"#).unwrap_err();
    assert_eq!(said.to_string(), "message: missing; expected the message of the alert");
    let long = format!("/v2/alerts/{}/close", "x".repeat(ALIAS_CHARS_MAX + 1));
    assert!(call("POST", &long, "identifierType=alias", "").is_err());
}

#[test]
fn the_answers_are_those_of_opsgenie() {
    let (parsed, receipt) = created(r#"{"message":"m","alias":"a"}"#);
    assert_eq!(
        receipt.accepted(Millis(302)),
        json!({"result": "Request will be processed", "took": 0.302, "requestId": receipt.request_id}),
    );
    let state = Receipt::state(&receipt.request_id, Millis(22));
    assert_eq!(state["data"]["alertId"].as_str(), receipt.alert_id.as_deref());
    assert_eq!((&state["data"]["success"], &state["took"]), (&json!(true), &json!(0.022)));
    let shape: Vec<_> = receipt.request_id.split('-').map(str::len).collect();
    assert_eq!(shape, [8, 4, 4, 4, 12]);
    assert_eq!(settle(Source::Opsgenie, parsed.changes, &[], now()).alerts.len(), 1);
}
