//! Slack's Web API: `chat.postMessage`, and `chat.update` for what changes an earlier message.
//!
//! It answers 200 whatever happened; `{"ok": false, "error": "…"}` says what.  The words that mend
//! themselves (`ratelimited`, `internal_error`, …), and those that nobody knows, are tried again;
//! those that need a person are permanent and say what to do; those about the form bring plain
//! text.  A message that cannot be changed any more is sent as one of its own.
//!
//! The receipt is `channel:ts`, because only the id of the channel will do for a change, not its
//! name.

use nightcrew_config::settings::Secret;
use nightcrew_model::decision::Receipt;
use nightcrew_model::event::Delivery;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::{Value, json};

use crate::message::Message;
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, body_text, retry_after};
use crate::slack::{BAD_FORM, plain, rich};

/// What is wrong with the message that is to be changed, so that a message of its own has to do.
const GONE: [&str; 4] =
    ["message_not_found", "cant_update_message", "edit_window_closed", "invalid_ts"];

/// Where messages go.
pub(crate) struct Conversation<'a> {
    pub(crate) token: &'a Secret,
    pub(crate) channel: &'a str,
    pub(crate) api_url: &'a str,
}

pub(crate) async fn deliver(to: &Conversation<'_>, message: &Message, http: &Http) -> Delivery {
    let mut secrets = Secrets::in_url("");
    secrets.add(to.token.expose());
    let call = Call { to, message, http, secrets: &secrets };
    let told = match message.replaces().and_then(earlier) {
        None => None,
        Some((channel, ts)) => {
            let place = json!({"channel": channel, "ts": ts});
            let answer = call.in_some_form("chat.update", &place).await;
            match answer {
                Ok(answer) if GONE.contains(&word(&answer).as_str()) => None,
                told => Some(told),
            }
        }
    };
    let told = match told {
        Some(told) => told,
        None => call.in_some_form("chat.postMessage", &json!({"channel": to.channel})).await,
    };
    told.map_or_else(|unsent| unsent, |answer| judge(&answer, &secrets))
}

/// The channel and the `ts` of an earlier message; none where the receipt is not one of ours.
fn earlier(receipt: &Receipt) -> Option<(&str, &str)> {
    let (channel, ts) = receipt.0.split_once(':')?;
    let id = !channel.is_empty() && channel.bytes().all(|b| b.is_ascii_alphanumeric());
    let time = !ts.is_empty() && ts.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (id && time).then_some((channel, ts))
}

struct Call<'a> {
    to: &'a Conversation<'a>,
    message: &'a Message,
    http: &'a Http,
    secrets: &'a Secrets,
}

impl Call<'_> {
    /// One method, with blocks, or with plain text where Slack does not take the blocks.
    async fn in_some_form(&self, method: &str, place: &Value) -> Result<Response, Delivery> {
        let answer = self.once(method, place, rich(self.message)).await?;
        let word = word(&answer);
        if answer.status.as_u16() != 400 && !BAD_FORM.contains(&word.as_str()) {
            return Ok(answer);
        }
        tracing::warn!(
            notification.id = self.message.notification.0,
            "Slack refused the blocks{}; sending the message as plain text",
            self.secrets.quote(&word),
        );
        let mut body = plain(self.message);
        // A message that is changed loses its blocks.
        body["blocks"] = json!([]);
        self.once(method, place, body).await
    }

    async fn once(
        &self,
        method: &str,
        place: &Value,
        mut body: Value,
    ) -> Result<Response, Delivery> {
        for name in ["channel", "ts"] {
            if let Some(value) = place.get(name) {
                body[name] = value.clone();
            }
        }
        let url = format!("{}/{method}", self.to.api_url.trim_end_matches('/'));
        let request = Request::post_json(url, &body, REQUEST_TIMEOUT)
            .header("content-type", "application/json; charset=utf-8");
        let bearer = format!("Bearer {}", self.to.token.expose());
        let request =
            receiver::authorised(request, &bearer).ok_or_else(|| Delivery::Permanent {
                error:
                    "the token has characters that no token has; copy it anew into `token` of the \
                    channel"
                        .to_owned(),
            })?;
        receiver::send(self.http, request, self.secrets).await
    }
}

/// The error word of an answer; empty where it has none.
fn word(answer: &Response) -> String {
    receiver::json(answer)["error"].as_str().unwrap_or_default().to_owned()
}

fn judge(answer: &Response, secrets: &Secrets) -> Delivery {
    let status = answer.status.as_u16();
    let body = receiver::json(answer);
    if status == 200 && body["ok"] == true {
        let (channel, ts) = (body["channel"].as_str(), body["ts"].as_str());
        let receipt = channel.zip(ts).map(|(channel, ts)| Receipt(format!("{channel}:{ts}")));
        return Delivery::Delivered { receipt };
    }
    let word = body["error"].as_str().unwrap_or_default();
    let said =
        if word.is_empty() { secrets.quote(&body_text(answer)) } else { secrets.quote(word) };
    if let Some(later) = receiver::later("Slack", answer, &said) {
        return later;
    }
    let permanent = |advice: &str| Delivery::Permanent {
        error: format!("Slack answered HTTP {status}{said}; {advice}"),
    };
    match word {
        "" if status == 200 => receiver::not_the_service("Slack", answer, &said),
        "" if matches!(status, 300..=399) => {
            permanent("redirects are not followed: check `api_url` of the channel")
        }
        "" => permanent("check `api_url` of the channel"),
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            permanent(
                "the token does not work any more: install the app anew and set its bot token \
                 (`xoxb-…`) as `token`",
            )
        }
        "missing_scope" | "no_permission" | "not_allowed_token_type" => permanent(
            "the token may not write: give the app the scope `chat:write` and install it anew",
        ),
        "channel_not_found" => permanent(
            "no such conversation, or the app cannot see it: set `channel` to its id and invite \
             the app (`/invite`)",
        ),
        "not_in_channel" => permanent("invite the app to the conversation (`/invite`)"),
        "is_archived" => permanent("the conversation is archived: choose another one"),
        "restricted_action"
        | "restricted_action_read_only_channel"
        | "ekm_access_denied"
        | "team_access_not_granted"
        | "org_login_required"
        | "access_denied" => permanent(
            "an administrator of the workspace forbids it: choose another conversation or ask for \
             it to be allowed",
        ),
        "msg_too_long"
        | "no_text"
        | "invalid_blocks"
        | "invalid_arguments"
        | "invalid_json"
        | "too_many_attachments" => permanent(
            "it takes the message neither as blocks nor as plain text: please report this message",
        ),
        // Those that pass (`ratelimited`, `internal_error`, `fatal_error`, `request_timeout`,
        // `service_unavailable`), and those that nobody knows.
        _ => Delivery::Retry {
            after: retry_after(answer),
            error: format!("Slack answered HTTP {status}{said}"),
        },
    }
}
