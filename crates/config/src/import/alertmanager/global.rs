//! `global`: what holds where a receiver says nothing.

use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::fields::Fields;
use crate::import::alertmanager::left_out;
use crate::import::scalar;
use crate::problem::{Place, Severity};
use crate::tree::At;

/// The longest `resolve_timeout`.
const RESOLVE_TIMEOUT_MAX: Millis = Millis::from_secs(30 * 86_400);

/// The shortest `resolve_timeout`.
const RESOLVE_TIMEOUT_MIN: Millis = Millis::from_secs(1);

/// The defaults of a file.
#[derive(Debug, Default)]
pub(super) struct Global {
    pub(super) resolve_timeout: Option<Millis>,
    pub(super) smarthost: Option<(Place, String)>,
    pub(super) from: Option<(Place, String)>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) require_tls: Option<bool>,
    pub(super) slack_url: Option<(Place, String)>,
    pub(super) slack_token: Option<String>,
    pub(super) slack_app_url: Option<String>,
    pub(super) pagerduty_url: Option<String>,
    pub(super) opsgenie_key: Option<String>,
    pub(super) opsgenie_url: Option<String>,
    pub(super) telegram_url: Option<String>,
    pub(super) telegram_token: Option<String>,
}

/// Settings of receivers that are told of where the receiver is.
const OF_OTHERS: [&str; 19] = [
    "jira_api_url",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
    "msteams_api_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "victorops_api_key",
    "victorops_api_key_file",
    "victorops_api_url",
    "webex_api_url",
    "wechat_api_corp_id",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_url",
    "incidentio_url",
    "smtp_force_implicit_tls",
];

/// Reads `global`.
pub(super) fn global(at: &At<'_>, cx: &mut Context<'_>) -> Global {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return Global::default();
    };
    let placed = |found: Option<(At<'_>, String)>| found.map(|(at, text)| (Place::from(&at), text));
    let text = |found: Option<(At<'_>, String)>| found.map(|(_, text)| text);
    let range = RESOLVE_TIMEOUT_MIN..=RESOLVE_TIMEOUT_MAX;
    let global = Global {
        resolve_timeout: scalar::duration(&mut fields, "resolve_timeout", range, cx),
        smarthost: placed(scalar::text_of(&mut fields, "smtp_smarthost", cx)),
        from: placed(scalar::text_of(&mut fields, "smtp_from", cx)),
        username: text(scalar::text_of(&mut fields, "smtp_auth_username", cx)),
        password: text(scalar::secret_of(&mut fields, "smtp_auth_password", cx)),
        require_tls: scalar::boolean(&mut fields, "smtp_require_tls", cx),
        slack_url: placed(scalar::secret_of(&mut fields, "slack_api_url", cx)),
        slack_token: text(scalar::secret_of(&mut fields, "slack_app_token", cx)),
        slack_app_url: text(scalar::text_of(&mut fields, "slack_app_url", cx)),
        pagerduty_url: text(scalar::text_of(&mut fields, "pagerduty_url", cx)),
        opsgenie_key: text(scalar::secret_of(&mut fields, "opsgenie_api_key", cx)),
        opsgenie_url: text(scalar::text_of(&mut fields, "opsgenie_api_url", cx)),
        telegram_url: text(scalar::text_of(&mut fields, "telegram_api_url", cx)),
        telegram_token: text(scalar::secret_of(&mut fields, "telegram_bot_token", cx)),
    };
    left_out(
        &mut fields,
        &["http_config", "smtp_tls_config"],
        "proxies, certificates and other settings of connections are not carried over",
        "let the crew reach everything directly, and the machine trust the certificates",
        cx,
    );
    left_out(
        &mut fields,
        &["smtp_hello", "smtp_auth_secret", "smtp_auth_secret_file", "smtp_auth_identity"],
        "mail is sent with a user and a password, and the name of this machine",
        "use `smtp_auth_username` and `smtp_auth_password`",
        cx,
    );
    for key in OF_OTHERS {
        fields.take_unlisted(key);
    }
    fields.finish_with(&mut cx.report, |_| Severity::Warning);
    global
}
