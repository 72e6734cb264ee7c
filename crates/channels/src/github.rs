//! GitHub: one issue for each incident or group.
//!
//! The first message makes the issue; its number is the receipt.  A later one about the same
//! subject opens or closes the issue as it has to be and becomes a comment.  Both carry a hidden
//! marker with a key, so that what a crash cut off between the request and the answer is found
//! again and not made twice: by the list of issues and of comments, because the search of GitHub
//! lags behind.
//!
//! Limits (GitHub REST API, "Issues"), in characters: title 256, body 65,536.
//!
//! Answers: 201 is taken.  403 and 429 with `retry-after`, or with `x-ratelimit-remaining: 0` and
//! `x-ratelimit-reset`, are rate limits ("Rate limits for the REST API") and pass.  422 means that
//! the form does not please, so the same issue is made once more without labels and assignees.

use jiff::Timestamp;
use nightcrew_config::settings::Secret;
use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Method, Request, Response};
use serde_json::{Value, json};

use crate::github_text::{body, marker, title};
use crate::message::{Message, Sending};
use crate::receiver::{
    self, REQUEST_TIMEOUT, Secrets, body_text, from_seconds, header, http_date, retry_after,
};

/// How many issues or comments are read at once.
const PAGE: usize = 30;

/// How many pages are read to find what a try that was cut off may have made.
const PAGES_MAX: usize = 4;

/// How far the clocks of GitHub and of this machine may differ.
const CLOCKS_DIFFER: Millis = Millis::from_secs(600);

/// Where issues are made.
pub(crate) struct Tracker<'a> {
    pub(crate) repository: &'a str,
    pub(crate) token: &'a Secret,
    pub(crate) api_url: &'a str,
    pub(crate) labels: &'a [String],
    pub(crate) assignees: &'a [String],
}

/// What the issue of a subject has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Open,
    Closed,
    AsItIs,
}

pub(crate) async fn deliver(to: &Tracker<'_>, message: &Message, http: &Http) -> Delivery {
    use NotificationKind as Kind;
    if !is_repository(to.repository) {
        return Delivery::Permanent {
            error: "`repository` of the channel is not of the form `owner/name`".to_owned(),
        };
    }
    let wanted = match message.kind {
        Kind::Escalated | Kind::ApprovalWanted | Kind::Firing | Kind::Digest => Wanted::Open,
        Kind::Resolved | Kind::ApprovalEnded | Kind::Test => Wanted::Closed,
        Kind::Acknowledged => Wanted::AsItIs,
        Kind::AllClear => {
            return Delivery::Permanent {
                error: "an issue for each daily word that all is well is of no use: send \
                        `all_clear` to a chat or by mail"
                    .to_owned(),
            };
        }
    };
    let mut secrets = Secrets::in_url("");
    secrets.add(to.token.expose());
    let desk = Desk { to, message, http, secrets: &secrets };
    desk.tell(wanted).await.unwrap_or_else(|undone| undone)
}

/// `owner/name`, in the letters that GitHub allows.
pub(crate) fn is_repository(text: &str) -> bool {
    let name = |part: &str| {
        !part.is_empty()
            && !part.bytes().all(|b| b == b'.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    text.split_once('/').is_some_and(|(owner, repository)| name(owner) && name(repository))
}

struct Desk<'a> {
    to: &'a Tracker<'a>,
    message: &'a Message,
    http: &'a Http,
    secrets: &'a Secrets,
}

/// What could not be done, as what came of the try.
type Undone = Delivery;

impl Desk<'_> {
    async fn tell(&self, wanted: Wanted) -> Result<Delivery, Undone> {
        let known = self.message.edits.as_ref().and_then(|receipt| receipt.0.parse::<u64>().ok());
        let repeat = self.message.sending == Sending::PossibleRepeat;
        let over = matches!(
            self.message.kind,
            NotificationKind::Resolved
                | NotificationKind::ApprovalEnded
                | NotificationKind::Acknowledged
        );
        let number = match known {
            Some(number) => Some(number),
            None if repeat || over => self.issue_of_subject().await?,
            None => None,
        };
        if let Some(number) = number {
            match self.go_on(number, wanted, known.is_some() && repeat).await? {
                Some(delivered) => return Ok(delivered),
                None => tracing::warn!("the issue #{number} is gone"),
            }
        }
        if over {
            // There is no issue, so there is none to close.
            return Ok(Delivery::Delivered { receipt: None });
        }
        let number = self.create().await?;
        if wanted == Wanted::Closed {
            // The issue is there, whatever comes of this.
            let _ = self.change(number, Wanted::Closed).await?;
        }
        Ok(delivered(number))
    }

    /// Opens or closes an issue and comments on it; none: it is gone.
    async fn go_on(
        &self,
        number: u64,
        wanted: Wanted,
        look_for_comment: bool,
    ) -> Result<Option<Delivery>, Undone> {
        // Changing the state twice is changing it once, so that comes first.
        if wanted != Wanted::AsItIs && !self.change(number, wanted).await? {
            return Ok(None);
        }
        let key = self.message.dedup_key();
        let path = format!("issues/{number}/comments");
        if look_for_comment && self.find(&path, "", &marker(&key)).await?.is_some() {
            return Ok(Some(delivered(number)));
        }
        // An issue that was found again and not known holds this message already.
        if self.message.edits.is_none() && self.message.sending == Sending::PossibleRepeat {
            return Ok(Some(delivered(number)));
        }
        let comment = json!({"body": body(self.message, &[&key])});
        let answer = self.ask(Method::POST, &path, Some(&comment)).await?;
        match answer.status.as_u16() {
            201 if receiver::json(&answer)["id"].is_u64() => Ok(Some(delivered(number))),
            404 | 410 => Ok(None),
            _ => Err(self.judge(&answer)),
        }
    }

    async fn change(&self, number: u64, wanted: Wanted) -> Result<bool, Undone> {
        let change = match wanted {
            Wanted::Closed => json!({"state": "closed", "state_reason": "completed"}),
            Wanted::Open | Wanted::AsItIs => json!({"state": "open"}),
        };
        let answer = self.ask(Method::PATCH, &format!("issues/{number}"), Some(&change)).await?;
        match answer.status.as_u16() {
            200 if receiver::json(&answer)["number"].is_u64() => Ok(true),
            404 | 410 => Ok(false),
            _ => Err(self.judge(&answer)),
        }
    }

    /// The issue that an earlier try, or an earlier message, made.
    async fn issue_of_subject(&self) -> Result<Option<u64>, Undone> {
        let key = marker(&self.message.subject_key());
        let filter = "&state=all&sort=created&direction=desc";
        self.find("issues", filter, &key).await
    }

    /// The number of the first entry of a list whose body holds this marker.
    async fn find(&self, path: &str, filter: &str, marker: &str) -> Result<Option<u64>, Undone> {
        let since = match self.message.incident() {
            Some(content) => content.opened_at.min(self.message.at),
            None => self.message.at,
        };
        let since = since.checked_sub(CLOCKS_DIFFER.duration()).unwrap_or(Timestamp::UNIX_EPOCH);
        // Whoever resolves or acknowledges may mean an issue of long ago.
        let since = match self.message.group() {
            Some(_) if path == "issues" => String::new(),
            _ => format!("&since={since:.0}"),
        };
        for page in 1..=PAGES_MAX {
            let path = format!("{path}?per_page={PAGE}&page={page}{filter}{since}");
            let answer = self.ask(Method::GET, &path, None).await?;
            if answer.status.as_u16() != 200 {
                return Err(self.judge(&answer));
            }
            // A list that cannot be read must not keep people from being told.
            let list: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
            let found = list
                .iter()
                .find(|entry| entry["body"].as_str().is_some_and(|body| body.contains(marker)));
            if let Some(found) = found {
                return Ok(found["number"].as_u64().or_else(|| found["id"].as_u64()));
            }
            if list.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }

    async fn create(&self) -> Result<u64, Undone> {
        let keys = [self.message.subject_key(), self.message.dedup_key()];
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut issue = json!({
            "title": title(self.message),
            "body": body(self.message, &keys),
        });
        let bare = issue.clone();
        if !self.to.labels.is_empty() {
            issue["labels"] = json!(self.to.labels);
        }
        if !self.to.assignees.is_empty() {
            issue["assignees"] = json!(self.to.assignees);
        }
        let mut answer = self.ask(Method::POST, "issues", Some(&issue)).await?;
        if matches!(answer.status.as_u16(), 400 | 422) && issue != bare {
            tracing::warn!(
                notification.id = self.message.notification.0,
                "GitHub refused the issue{}; making it without labels and assignees",
                self.said(&answer),
            );
            answer = self.ask(Method::POST, "issues", Some(&bare)).await?;
        }
        match receiver::json(&answer)["number"].as_u64() {
            Some(number) if answer.status.as_u16() == 201 => Ok(number),
            _ => Err(self.judge(&answer)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, Undone> {
        let base = self.to.api_url.trim_end_matches('/');
        let url = format!("{base}/repos/{}/{path}", self.to.repository);
        let request = match body {
            Some(body) => Request::post_json(url, body, REQUEST_TIMEOUT),
            None => Request::get(url, REQUEST_TIMEOUT),
        };
        let request = request
            .method(method)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .header("user-agent", "nightcrew");
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

    fn said(&self, answer: &Response) -> String {
        let body = receiver::json(answer);
        let text = body["message"].as_str().map_or_else(|| body_text(answer), str::to_owned);
        self.secrets.quote(&text)
    }

    fn judge(&self, answer: &Response) -> Delivery {
        let status = answer.status.as_u16();
        let said = self.said(answer);
        if let Some(later) = receiver::later("GitHub", answer, &said) {
            return match later {
                Delivery::Retry { after, error } => {
                    Delivery::Retry { after: after.max(until_reset(answer)), error }
                }
                other => other,
            };
        }
        let limited = retry_after(answer).max(until_reset(answer));
        if status == 403 && limited.is_some() {
            let error = format!("GitHub answered HTTP {status}{said}");
            return Delivery::Retry { after: limited, error };
        }
        let permanent = |advice: &str| Delivery::Permanent {
            error: format!("GitHub answered HTTP {status}{said}; {advice}"),
        };
        match status {
            200..=299 => receiver::not_the_service("GitHub", answer, &said),
            300..=399 => permanent(
                "redirects are not followed: the repository was renamed or moved; set \
                 `repository` to its name of today",
            ),
            401 => permanent("the token does not work any more: set a new one as `token`"),
            403 | 404 => permanent(
                "check `repository`, and give the token the permission to write issues there",
            ),
            410 => permanent("the repository has no issues: enable them in its settings"),
            _ => permanent("check `labels` and `assignees` of the channel"),
        }
    }
}

fn delivered(number: u64) -> Delivery {
    Delivery::Delivered { receipt: Some(Receipt(number.to_string())) }
}

/// How long the limit of the hour holds, against the clock of the answer.
pub(crate) fn until_reset(answer: &Response) -> Option<Millis> {
    if header(answer, "x-ratelimit-remaining")? != "0" {
        return None;
    }
    let reset: i64 = header(answer, "x-ratelimit-reset")?.parse().ok()?;
    let now = http_date(header(answer, "date")?)?;
    let seconds = reset.saturating_sub(now.as_second()).clamp(0, i64::from(u32::MAX));
    from_seconds(seconds as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_a_repository() {
        assert!(is_repository("acme/night.crew_1"));
        for bad in ["acme", "acme/", "/x", "a/b/c", "a/..", "a/b?x", "야간/crew", "a b/c"] {
            assert!(!is_repository(bad), "{bad}");
        }
    }
}
