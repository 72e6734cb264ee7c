//! Secrets that are written into a file instead of the environment.

use crate::problem::Report;
use crate::secret;
use crate::tree::{At, Value};

/// Shorter values are not taken for secrets.
const SECRET_CHARS_MIN: usize = 8;

/// Looks at texts whose key or form is that of a secret.
pub(crate) fn visit(at: &At<'_>, key: &str, report: &mut Report) {
    let Value::Text(text) = &at.node.value else {
        return;
    };
    let value = &text.text;
    if text.from_env || value.chars().count() < SECRET_CHARS_MIN || secret::is_stand_in(value) {
        return;
    }
    let lower = key.to_lowercase();
    // An ordinary URL is no secret; one with a token in it is known by its form.
    let is_url =
        lower == "url" || lower == "uri" || lower.ends_with("_url") || lower.ends_with("_uri");
    let named = !is_url && secret::names_secret(key);
    if named || secret::looks_like_secret(value) {
        let name: String = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        report
            .warning(at, "a secret seems to be written into the file")
            .hint(format!("put it into .env as {name}, and write `${{{name}}}` here"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::problems_of;

    #[test]
    fn secrets_in_files_are_told_of_and_never_shown() {
        let cases = [
            ("{ webhook_url: 'https://discord.com/api/webhooks/123456/s3cr3ts3cr3t' }", true),
            ("{ api_key: 's3cr3ts3cr3t' }", true),
            ("{ headers: { Authorization: 'Bearer ghp_s3cr3ts3cr3t' } }", true),
            ("{ args: ['--token', 'ghp_s3cr3ts3cr3t'] }", true),
            ("{ api_key: 'your-signoz-api-key' }", false),
            ("{ url: 'http://localhost:8080/health' }", false),
            ("{ api_key: 'short' }", false),
            ("{ description: '비밀번호를 바꾸세요 지금' }", false),
        ];
        for (text, is_bad) in cases {
            let said = problems_of(text, visit);
            assert_eq!(!said.is_empty(), is_bad, "{text}: {said:?}");
            assert!(!said.join("").contains("s3cr3t"), "{said:?}");
        }
    }
}
