//! `PagerDuty`, Opsgenie, GitHub: systems that keep an alert or an issue of their own.

use crate::decode::Context;
use crate::decode::channel::{api_url, http, required};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::settings::{ChannelKind, Secret};

/// The endpoint of `PagerDuty`'s Events API v2.
pub(crate) const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// The bases of Opsgenie's API.
pub(crate) const OPSGENIE_API: &str = "https://api.opsgenie.com";
const OPSGENIE_API_EU: &str = "https://api.eu.opsgenie.com";

/// The base of GitHub's API.
const GITHUB_API: &str = "https://api.github.com";

/// Who can be responsible at Opsgenie.
const RESPONDERS: [&str; 4] = ["team", "user", "escalation", "schedule"];

/// Reads `type: "pagerduty"`.
pub(crate) fn pagerduty(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    let key = required(fields, "routing_key", "the integration key of the service, from .env", cx);
    let url = api_url(fields, "url", PAGERDUTY_URL, cx);
    Some(ChannelKind::Pagerduty { routing_key: Secret::new(key?.1), url: url? })
}

/// Reads `type: "opsgenie"`.
pub(crate) fn opsgenie(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    let key = required(fields, "api_key", "the key of an API integration, from .env", cx);
    let region_at = fields.take("region");
    let region = fields.text("region", &mut cx.report);
    let url_at = fields.take("api_url");
    let url = fields.text("api_url", &mut cx.report);
    let api_url = match (region_at, url_at) {
        (Some(at), Some(_)) => {
            cx.report
                .error(&at, "`region` and `api_url` both say where")
                .hint("keep one of the two");
            None
        }
        (None, Some(at)) => {
            let url = url?;
            http(&at, url, "\"https://api.eu.opsgenie.com\"", cx)?;
            Some(url.trim_end_matches('/').to_owned())
        }
        (Some(at), None) => match region? {
            "us" => Some(OPSGENIE_API.to_owned()),
            "eu" => Some(OPSGENIE_API_EU.to_owned()),
            other => {
                cx.report.expected(&at, "a region").hint(suggestion(other, ["us", "eu"]));
                None
            }
        },
        (None, None) => Some(OPSGENIE_API.to_owned()),
    };
    let responders_at = fields.take("responders");
    let texts = responders_at.map(|at| fields::texts(&at, &mut cx.report)).unwrap_or_default();
    let mut responders = Vec::new();
    for (at, text) in texts {
        match text.split_once(':') {
            Some((kind, name)) if RESPONDERS.contains(&kind) && !name.trim().is_empty() => {
                responders.push(text.to_owned());
            }
            _ => {
                cx.report
                    .expected(&at, "somebody who is responsible")
                    .hint("such as \"team:ops\", \"user:kim@example.org\", \"schedule:primary\"");
            }
        }
    }
    let tags = list(fields, "tags", cx);
    Some(ChannelKind::Opsgenie {
        api_key: Secret::new(key?.1),
        api_url: api_url?,
        responders,
        tags,
    })
}

/// Reads `type: "github"`.
pub(crate) fn github(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    let repository = required(fields, "repository", "such as \"example/operations\"", cx);
    let token = required(fields, "token", "a token that may write issues, from .env", cx);
    let api_url = api_url(fields, "api_url", GITHUB_API, cx);
    let labels = list(fields, "labels", cx);
    let assignees = list(fields, "assignees", cx);
    let (at, repository) = repository?;
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let is_repository =
        repository.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name));
    if !is_repository {
        cx.report.expected(&at, "a repository").hint("such as \"example/operations\"");
        return None;
    }
    Some(ChannelKind::Github {
        repository: repository.to_owned(),
        token: Secret::new(token?.1),
        api_url: api_url?,
        labels,
        assignees,
    })
}

fn list(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> Vec<String> {
    let at = fields.take(key);
    let texts = at.map(|at| fields::texts(&at, &mut cx.report)).unwrap_or_default();
    texts.into_iter().map(|(_, text)| text.to_owned()).collect()
}
