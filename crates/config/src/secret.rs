//! What looks like a secret, by its key or by its form.

/// The last words of keys whose values are never shown.
const SECRET_KEYS: [&str; 14] = [
    "url",
    "uri",
    "token",
    "secret",
    "secrets",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "api_key",
    "key",
    "authorization",
    "credential",
    "credentials",
];

/// How well-known secrets begin.
const SECRET_PREFIXES: [&str; 21] = [
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "pk_live_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "ATATT3",
    "AIza",
    "AKIA",
    "eyJ",
    "-----BEGIN",
];

/// The shortest text, in characters, that is taken for a secret by its prefix.
const SECRET_CHARS_MIN: usize = 12;

/// The paths of URLs that are a secret as a whole.
const SECRET_URLS: [&str; 5] = [
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "hooks.slack.com/services/",
    "api.telegram.org/bot",
    "events.pagerduty.com/integration/",
];

/// Whether the value of this key (a dotted path) is secret whatever it looks like.
pub(crate) fn is_secret_key(path: &str) -> bool {
    let is_index = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = path.rsplit(['.', '[', ']']).filter(|part| !is_index(part));
    let last = parts.next().unwrap_or(path).trim_matches('"');
    let is_header = parts.next() == Some("headers");
    is_header || names_secret(last)
}

/// Whether a single key names something secret: `webhook_url`, `SIGNOZ_API_KEY`, `authToken`.
pub(crate) fn names_secret(key: &str) -> bool {
    let lower = key.to_lowercase();
    if lower == "public_key" {
        return false;
    }
    SECRET_KEYS.iter().any(|word| lower == *word || lower.ends_with(&format!("_{word}")))
        || ["token", "secret", "password", "apikey"].iter().any(|word| lower.ends_with(word))
}

/// Whether the text has the form of a secret.
pub(crate) fn looks_like_secret(text: &str) -> bool {
    let bare =
        text.strip_prefix("Bearer ").or_else(|| text.strip_prefix("Basic ")).unwrap_or(text).trim();
    let long = bare.chars().count() >= SECRET_CHARS_MIN;
    let begins = SECRET_PREFIXES.iter().any(|start| bare.starts_with(start));
    (long && begins) || SECRET_URLS.iter().any(|part| bare.contains(part)) || has_userinfo(bare)
}

/// Whether a URL carries `user:password@`.
fn has_userinfo(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.contains('@')
}

/// Whether the text only stands for a secret that somebody has yet to fill in.
pub(crate) fn is_stand_in(text: &str) -> bool {
    let lower = text.to_lowercase();
    text.is_empty()
        || lower.contains("your")
        || lower.contains("xxxx")
        || lower.contains("example")
        || lower.contains("changeme")
        || lower.contains("placeholder")
        || text.starts_with('<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_secrets_by_key_and_by_form() {
        for key in [
            "channels.discord.webhook_url",
            "channels.a.headers.X-Any",
            "channels.a.headers[\"X Any\"]",
            "mcpServers.signoz.env.SIGNOZ_API_KEY",
            "authToken",
            "sources.sentry.secrets[1]",
            "url",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in [
            "chat.discord.public_key",
            "services.web.start.dir",
            "keyboard",
            "thresholds.monkey",
            "",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
        for text in [
            "ghp_abcdefghijklmnop",
            "Bearer sk-abcdefghijkl",
            "https://discord.com/api/webhooks/1/2",
            "postgres://me:pw@db/x",
            "ATATT3xFfGF0abcd",
        ] {
            assert!(looks_like_secret(text), "{text}");
        }
        for text in ["http://localhost:8080/health", "sk-", "a@b", "디스크 정리"] {
            assert!(!looks_like_secret(text), "{text}");
        }
    }
}
