//! Where a source is reached, and how it is proven who asks.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::decode::Context;
use crate::fields::{self, Fields};
use crate::problem::Place;
use crate::settings::Secret;
use crate::settings::source::Endpoint;
use crate::tree::At;
use crate::web;

/// The largest number of headers of one source.
const HEADERS_MAX: usize = 32;

/// In which form a kind of source wants `token`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: ApiKey …`, as Elasticsearch has it.
    ApiKey,
    /// A header of its own, by this name.
    Header(&'static str),
}

/// Reads `url`, and `token` or `username` and `password`, and `headers`.
pub(super) fn endpoint(
    fields: &mut Fields<'_>,
    proof: Proof,
    cx: &mut Context<'_>,
) -> Option<Endpoint> {
    let url_at = fields.take("url");
    let url = match &url_at {
        Some(at) => url(at, cx),
        None => {
            cx.report
                .error(fields.at(), "`url` is missing: where the source is")
                .hint("such as `url: \"http://127.0.0.1:9090\"`");
            None
        }
    };
    let mut headers = BTreeMap::new();
    if let Some(at) = fields.take("headers") {
        for (name, at) in fields::named(&at, "an object of headers", &mut cx.report) {
            if let Some((name, value)) = header(name, &at, cx) {
                headers.insert(name, value);
            }
        }
        if headers.len() > HEADERS_MAX {
            cx.report.error(&at, format!("expected at most {HEADERS_MAX} headers"));
        }
    }
    if let Some((name, value)) = proven(fields, proof, cx) {
        headers.insert(name, value);
    }
    Some(Endpoint { url: url?, headers })
}

/// A URL without a slash at its end, without a user.
pub(super) fn url(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    let text = fields::text(at, &mut cx.report)?;
    if let Err(why) = web::http_url(text) {
        cx.report
            .error(at, format!("expected an HTTP URL, but {why}"))
            .hint("such as \"http://127.0.0.1:9090\"");
        return None;
    }
    let authority = text.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next());
    if authority.is_some_and(|authority| authority.contains('@')) {
        cx.report
            .error(at, "the URL holds a user, which is shown wherever the URL is")
            .hint("write `username` and `password` beside it");
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn header(name: &str, at: &At<'_>, cx: &mut Context<'_>) -> Option<(String, Secret)> {
    // RFC 9110: a name is a token.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        cx.report
            .error(Place::new(at.key_span, at.path.clone()), "expected the name of a header")
            .hint("such as \"X-Scope-OrgID\"");
        return None;
    }
    let value = fields::text(at, &mut cx.report)?;
    visible(value, at, cx).then(|| (name.to_ascii_lowercase(), Secret::new(value)))
}

fn visible(value: &str, at: &At<'_>, cx: &mut Context<'_>) -> bool {
    let is_good = value.chars().all(|c| (' '..='~').contains(&c));
    if !is_good {
        cx.report.error(at, "expected a text that can stand in a header: visible ASCII");
    }
    is_good
}

fn proven(fields: &mut Fields<'_>, proof: Proof, cx: &mut Context<'_>) -> Option<(String, Secret)> {
    let token_at = fields.take("token");
    let token = fields.text("token", &mut cx.report);
    let user_at = fields.take("username");
    let username = fields.text("username", &mut cx.report);
    let password_at = fields.take("password");
    let password = fields.text("password", &mut cx.report);
    if let (Some(_), Some(at)) = (&token_at, user_at.as_ref().or(password_at.as_ref())) {
        cx.report
            .error(at, "`token` and `username` are two ways to prove the same")
            .hint("keep one of the two");
        return None;
    }
    if let Some(at) = token_at {
        let token = token?;
        if !visible(token, &at, cx) {
            return None;
        }
        return Some(match proof {
            Proof::Bearer => ("authorization".to_owned(), Secret::new(format!("Bearer {token}"))),
            Proof::ApiKey => ("authorization".to_owned(), Secret::new(format!("ApiKey {token}"))),
            Proof::Header(name) => (name.to_ascii_lowercase(), Secret::new(token)),
        });
    }
    match (user_at, password_at) {
        (Some(_), Some(_)) => {
            let pair = STANDARD.encode(format!("{}:{}", username?, password?));
            Some(("authorization".to_owned(), Secret::new(format!("Basic {pair}"))))
        }
        (None, None) => None,
        (Some(at), None) | (None, Some(at)) => {
            cx.report.error(&at, "a user and a password go together: `username`, `password`");
            None
        }
    }
}
