//! A Discord webhook endpoint that refuses what Discord refuses.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::fixture::TOKEN;

/// What the fake does with the next requests that are valid, in order; delivered when none is left.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: String,
}

#[derive(Clone, Default)]
pub(crate) struct FakeDiscord {
    /// Whether embeds are refused, as by a rule that this fake does not know.
    pub(crate) refuses_embeds: bool,
    pub(crate) script: Arc<Mutex<Vec<Scripted>>>,
    pub(crate) taken: Arc<Mutex<Vec<Value>>>,
    pub(crate) asked: Arc<Mutex<u32>>,
}

impl FakeDiscord {
    pub(crate) fn answering(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: impl Into<String>,
    ) -> Self {
        let fake = Self::default();
        fake.script.lock().unwrap().push(Scripted {
            status,
            headers: headers.to_vec(),
            body: body.into(),
        });
        fake
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().route("/api/webhooks/{id}/{token}", post(execute)).with_state(self.clone())
    }

    pub(crate) fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }
}

async fn execute(
    State(fake): State<FakeDiscord>,
    axum::extract::Path((_, token)): axum::extract::Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    *fake.asked.lock().unwrap() += 1;
    if token != TOKEN {
        let body = json!({"message": "Invalid Webhook Token", "code": 50_027});
        return answer(401, &[], body.to_string());
    }
    assert_eq!(headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&body).unwrap();
    if let Err(what) = check(&body) {
        let body = json!({"message": "Invalid Form Body", "code": 50_035, "errors": {"_": what}});
        return answer(400, &[], body.to_string());
    }
    if fake.refuses_embeds && body.get("embeds").is_some() {
        let body = json!({"message": "Invalid Form Body", "code": 50_035});
        return answer(400, &[], body.to_string());
    }
    let mut script = fake.script.lock().unwrap();
    if !script.is_empty() {
        let next = script.remove(0);
        return answer(next.status, &next.headers, next.body);
    }
    fake.taken.lock().unwrap().push(body);
    match query.as_deref() {
        Some("wait=true") => answer(200, &[], json!({"id": "99"}).to_string()),
        _ => answer(204, &[], String::new()),
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: String) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).unwrap()
}

/// The rules of "Execute Webhook" and "Embed Limits".
fn check(body: &Value) -> Result<(), String> {
    if body["allowed_mentions"] != json!({"parse": []}) {
        return Err("somebody may be mentioned".into());
    }
    let content = chars(&body["content"]);
    if content > 2_000 {
        return Err(format!("content has {content} characters"));
    }
    let none = Vec::new();
    let embeds = body["embeds"].as_array().unwrap_or(&none);
    if content == 0 && embeds.is_empty() {
        return Err("cannot send an empty message (50006)".into());
    }
    let mut total = 0;
    for embed in embeds {
        let fields = embed["fields"].as_array().unwrap_or(&none);
        at_most("fields", fields.len(), 25)?;
        for field in fields {
            let (name, value) = (chars(&field["name"]), chars(&field["value"]));
            if name == 0 || value == 0 {
                return Err("a field is empty".into());
            }
            at_most("name", name, 256)?;
            at_most("value", value, 1_024)?;
            total += name + value;
        }
        let title = chars(&embed["title"]);
        let description = chars(&embed["description"]);
        let footer = chars(&embed["footer"]["text"]);
        at_most("title", title, 256)?;
        at_most("description", description, 4_096)?;
        at_most("footer", footer, 2_048)?;
        at_most("color", usize::try_from(embed["color"].as_u64().unwrap()).unwrap(), 0xff_ff_ff)?;
        let time = embed["timestamp"].as_str().unwrap();
        if time.parse::<jiff::Timestamp>().is_err() {
            return Err("timestamp".into());
        }
        total += title + description + footer;
    }
    at_most("embeds together", total, 6_000)
}

fn chars(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.trim().chars().count())
}

fn at_most(what: &str, is: usize, max: usize) -> Result<(), String> {
    if is <= max { Ok(()) } else { Err(format!("{what}: {is}, at most {max}")) }
}
