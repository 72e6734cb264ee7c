//! Lock files: what another program that does not speak to the crew writes into
//! `state/locks/<name>.lock` to keep its hands off some services, and what the crew writes there
//! of the locks that it knows.
//!
//! The format is that of the source documents, JSON5:
//! `{ locked_by: "demo-controller", locked_at: "2026-02-11T15:00:00+09:00", reason: "…",
//! expected_release: "…", blocks: ["auto_restart", "auto_scale"] }`, and, where wanted,
//! `services` and `expires_at`.

use std::path::Path;

use jiff::Timestamp;
use jsonc_parser::ast::{Object, Value};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use nightcrew_model::id::{Fence, LockName, PersonName, ServiceName};
use nightcrew_model::lock::{Blocked, Lock};
use nightcrew_model::unit::Millis;
use serde_json::json;

/// The largest lock file, in bytes.
pub const FILE_BYTES_MAX: usize = 64 << 10;

/// The longest name of a lock that is a file, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// The largest number of services that a file names.
pub const SERVICES_MAX: usize = 1_000;

/// The longest word in a file, in characters.
pub const WORD_CHARS_MAX: usize = 500;

/// How long a lock holds past its expected release, where its file names no end.
pub const GRACE: Millis = Millis::from_secs(600);

/// How long a lock holds where its file names neither an end nor an expected release.
pub const HELD: Millis = Millis::from_secs(3_600);

/// How long any lock of a file holds at most: forgotten files must not hold for ever.
pub const HELD_MAX: Millis = Millis::from_secs(24 * 3_600);

/// The ending of a lock file.
pub const ENDING: &str = "lock";

/// What the owner of a lock that is a file begins with.
pub const OWNER: &str = "file:";

/// The key of the files that the crew itself writes.
const EXPORTED: &str = "exported_by";

/// A lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockFile {
    /// Of another program: what it asks for.
    Foreign(Box<Lock>),
    /// The crew's own view of a lock.
    Own,
}

/// The name of the lock of a file; none where the file is no lock file or has no usable name.
#[must_use]
pub fn name_of(path: &Path) -> Option<LockName> {
    if path.extension()?.to_str()? != ENDING {
        return None;
    }
    let name = path.file_stem()?.to_str()?;
    is_usable(name).then(|| LockName::from(name))
}

/// Whether a lock of this name can be a file.
#[must_use]
pub fn is_usable(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && name.chars().all(plain)
}

/// Reads a lock file.  `modified` stands for a beginning that it does not name.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(name: &LockName, text: &str, modified: Timestamp) -> Result<LockFile, String> {
    let options = ParseOptions::default();
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options)
        .map_err(|error| format!("it is not JSON5: {error}"))?;
    let Some(Value::Object(object)) = parsed.value else {
        return Err("it does not hold an object; expected { locked_by, reason, blocks, … }".into());
    };
    if object.get(EXPORTED).is_some() {
        return Ok(LockFile::Own);
    }
    let owner = needed(&object, "locked_by")?;
    let reason = needed(&object, "reason")?;
    let since = moment(&object, "locked_at")?.unwrap_or(modified);
    let expected_release = moment(&object, "expected_release")?;
    let end = match (moment(&object, "expires_at")?, expected_release) {
        (Some(end), _) => end,
        (None, Some(expected)) => GRACE.after(expected),
        (None, None) => HELD.after(since),
    };
    if end <= since {
        return Err(format!("it ends at {end}, which is not after its beginning at {since}"));
    }
    let mut blocks = Vec::new();
    for word in words(&object, "blocks")?.ok_or("`blocks` is missing: what must not be done")? {
        let known = Blocked::ALL.into_iter().find(|known| known.as_str() == word);
        blocks.push(known.ok_or_else(|| {
            format!("`blocks` holds `{word}`; expected auto_restart, auto_scale or notify")
        })?);
    }
    if blocks.is_empty() {
        return Err("`blocks` is empty: it keeps nothing from being done".to_owned());
    }
    blocks.sort_unstable();
    blocks.dedup();
    let services = words(&object, "services")?.unwrap_or_default();
    Ok(LockFile::Foreign(Box::new(Lock {
        name: name.clone(),
        owner: PersonName::from(format!("{OWNER}{owner}")),
        reason,
        services: services.into_iter().map(ServiceName::from).collect(),
        blocks,
        since,
        expected_release,
        expires_at: end.min(HELD_MAX.after(since)),
        fence: Fence::default(),
    })))
}

/// The file that shows a lock to other programs.
#[must_use]
pub fn render(lock: &Lock) -> String {
    let shown = json!({
        EXPORTED: "nightcrew",
        "locked_by": lock.owner.as_str(),
        "locked_at": lock.since,
        "reason": lock.reason,
        "expected_release": lock.expected_release,
        "expires_at": lock.expires_at,
        "blocks": lock.blocks,
        "services": lock.services,
        "fence": lock.fence.0,
    });
    format!("{shown:#}\n")
}

fn needed(object: &Object<'_>, key: &str) -> Result<String, String> {
    let word = word(object, key)?.ok_or_else(|| format!("`{key}` is missing"))?;
    if word.trim().is_empty() { Err(format!("`{key}` is empty")) } else { Ok(word) }
}

fn word(object: &Object<'_>, key: &str) -> Result<Option<String>, String> {
    match object.get(key).map(|property| &property.value) {
        None | Some(Value::NullKeyword(_)) => Ok(None),
        Some(Value::StringLit(text)) => bounded(&text.value, key).map(Some),
        Some(_) => Err(format!("`{key}` is not a string")),
    }
}

fn words(object: &Object<'_>, key: &str) -> Result<Option<Vec<String>>, String> {
    let Some(property) = object.get(key) else { return Ok(None) };
    let Value::Array(array) = &property.value else {
        return Err(format!("`{key}` is not a list"));
    };
    if array.elements.len() > SERVICES_MAX {
        return Err(format!("`{key}` holds more than {SERVICES_MAX} words"));
    }
    let word = |value: &Value<'_>| match value {
        Value::StringLit(text) => bounded(&text.value, key),
        _ => Err(format!("`{key}` holds something that is not a string")),
    };
    array.elements.iter().map(word).collect::<Result<_, _>>().map(Some)
}

fn bounded(text: &str, key: &str) -> Result<String, String> {
    if text.chars().count() > WORD_CHARS_MAX {
        return Err(format!("`{key}` is longer than {WORD_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

fn moment(object: &Object<'_>, key: &str) -> Result<Option<Timestamp>, String> {
    let Some(text) = word(object, key)? else { return Ok(None) };
    let moment = text.parse().map_err(|_| {
        format!("`{key}` is `{text}`; expected a time such as 2026-02-11T15:00:00+09:00")
    })?;
    Ok(Some(moment))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRESS: &str = r#"// state/locks/stress-test.lock
        {
          locked_by: "demo-controller",
          locked_at: "2026-02-11T15:00:00+09:00",
          reason: "부하 시험",
          expected_release: "2026-02-11T15:05:00+09:00",
          // jira-resolver는 이 lock이 있으면 자동 재시작을 보류
          blocks: ["auto_restart", "auto_scale"],
        }"#;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn read(text: &str) -> Result<Lock, String> {
        match parse(&"stress-test".into(), text, at("2026-02-11T06:00:00Z"))? {
            LockFile::Foreign(lock) => Ok(*lock),
            LockFile::Own => Err("own".to_owned()),
        }
    }

    #[test]
    fn the_file_of_the_source_document_is_a_lock() {
        let lock = read(STRESS).unwrap();
        assert_eq!(lock.owner.as_str(), "file:demo-controller");
        assert_eq!((lock.reason.as_str(), lock.services.len()), ("부하 시험", 0));
        assert_eq!(lock.blocks, [Blocked::AutoRestart, Blocked::AutoScale]);
        assert_eq!(lock.since, at("2026-02-11T06:00:00Z"));
        assert_eq!(lock.expires_at, at("2026-02-11T06:15:00Z"));
    }

    #[test]
    fn without_a_named_end_it_holds_for_an_hour_and_never_longer_than_a_day() {
        let lock = read("{locked_by: 'a', reason: 'b', blocks: ['notify']}").unwrap();
        assert_eq!(lock.expires_at, at("2026-02-11T07:00:00Z"));
        let lock = read(
            "{locked_by: 'a', reason: 'b', blocks: ['notify'], expected_release: '2030-01-01T00:00:00Z'}",
        );
        assert_eq!(lock.unwrap().expires_at, at("2026-02-12T06:00:00Z"));
    }

    #[test]
    fn a_malformed_file_says_what_is_wrong() {
        for (text, wrong) in [
            ("", "does not hold an object"),
            ("{", "not JSON5"),
            ("[]", "does not hold an object"),
            ("{reason: 'b', blocks: ['notify']}", "`locked_by` is missing"),
            ("{locked_by: 'a', reason: ' ', blocks: ['notify']}", "`reason` is empty"),
            ("{locked_by: 'a', reason: 'b'}", "`blocks` is missing"),
            ("{locked_by: 'a', reason: 'b', blocks: []}", "`blocks` is empty"),
            ("{locked_by: 'a', reason: 'b', blocks: 'notify'}", "`blocks` is not a list"),
            ("{locked_by: 'a', reason: 'b', blocks: ['all']}", "`blocks` holds `all`"),
            ("{locked_by: 7, reason: 'b', blocks: ['notify']}", "`locked_by` is not a string"),
            (
                "{locked_by: 'a', reason: 'b', blocks: ['notify'], locked_at: 'noon'}",
                "`locked_at` is `noon`",
            ),
            (
                "{locked_by: 'a', reason: 'b', blocks: ['notify'], expires_at: '2020-01-01T00:00:00Z'}",
                "not after its beginning",
            ),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(wrong), "{text}: {found}");
        }
    }

    #[test]
    fn words_and_lists_have_limits() {
        let long = "가".repeat(WORD_CHARS_MAX + 1);
        let found = read(&format!("{{locked_by: 'a', reason: '{long}', blocks: ['notify']}}"));
        assert!(found.unwrap_err().contains("longer than 500 characters"));
        let many = "'a',".repeat(SERVICES_MAX + 1);
        let text =
            format!("{{locked_by: 'a', reason: 'b', blocks: ['notify'], services: [{many}]}}");
        assert!(read(&text).unwrap_err().contains("more than 1000 words"));
    }

    #[test]
    fn what_the_crew_writes_is_its_own_and_nobody_elses_wish() {
        let lock = read(STRESS).unwrap();
        let text = render(&lock);
        assert_eq!(parse(&lock.name, &text, lock.since), Ok(LockFile::Own));
    }

    #[test]
    fn only_plain_names_are_locks() {
        let name = |path: &str| name_of(Path::new(path)).map(|name| name.to_string());
        assert_eq!(name("/x/stress-test.lock").as_deref(), Some("stress-test"));
        assert_eq!(name("부하.v2.lock").as_deref(), Some("부하.v2"));
        for other in ["a.json", ".lock", "..lock", "a b.lock", "a\n.lock"] {
            assert_eq!(name(other), None, "{other:?}");
        }
        assert_eq!(name(&format!("{}.lock", "a".repeat(NAME_BYTES_MAX + 1))), None);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,200}", deep in 0..3_000_usize) {
            let _ = read(&text);
            let _ = read(&"[".repeat(deep));
            let _ = read(&format!("{{locked_by: {text}, reason: '', blocks: [{text}]}}"));
        }
    }
}
