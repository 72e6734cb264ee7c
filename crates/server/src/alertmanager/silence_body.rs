//! The body of `POST /api/v2/silences` (`postableSilence`), with Alertmanager's own complaints.

use axum::http::StatusCode;
use jiff::Timestamp;
use nightcrew_model::id::SilenceId;
use nightcrew_model::interval::TimeInterval;
use nightcrew_model::matcher::{MATCHERS_MAX, MatchOp, Matcher, Matchers};
use nightcrew_model::silence::Silence;
use serde::Deserialize;

use super::answer::Refused;

/// How many recurring times one silence may have.
const REPEATS_MAX: usize = 64;

/// What a request wants.
#[derive(Debug)]
pub(crate) struct Posted {
    /// The silence that it changes; none: a new one.
    pub(crate) id: Option<SilenceId>,
    /// As it is wanted; its id is still to be filled in.
    pub(crate) silence: Silence,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    id: Option<String>,
    matchers: Option<Vec<ToldMatcher>>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    created_by: Option<String>,
    comment: Option<String>,
    /// Of ours: the times at which it holds; as a silence shows them.
    repeats: Option<Vec<TimeInterval>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldMatcher {
    is_equal: Option<bool>,
    is_regex: Option<bool>,
    name: Option<String>,
    value: Option<String>,
}

/// Reads a body that came in at `now`.
pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Posted, Refused> {
    if text.trim().is_empty() {
        return Err(missing("silence"));
    }
    let told: Option<Told> = serde_json::from_str(text).map_err(|error| Refused::Rule {
        status: StatusCode::BAD_REQUEST,
        code: 400,
        message: format!("parsing silence body from \"\" failed, because {error}"),
    })?;
    let told = told.unwrap_or_default();
    let comment = told.comment.ok_or_else(|| missing("comment"))?;
    let created_by = told.created_by.ok_or_else(|| missing("createdBy"))?;
    let ends_at = told.ends_at.ok_or_else(|| missing("endsAt"))?;
    let told_matchers = told.matchers.ok_or_else(|| missing("matchers"))?;
    if told_matchers.is_empty() {
        return Err(Refused::unprocessable(612, "matchers in body should have at least 1 items"));
    }
    if told_matchers.len() > MATCHERS_MAX {
        return Err(invalid(&format!("more than {MATCHERS_MAX} matchers")));
    }
    let parts: Vec<_> =
        told_matchers.into_iter().enumerate().map(parts).collect::<Result<_, _>>()?;
    let starts_at = told.starts_at.ok_or_else(|| missing("startsAt"))?;
    if starts_at >= ends_at {
        return Err(failed("start time must be before end time"));
    }
    if ends_at < now {
        return Err(failed("end time can't be in the past"));
    }
    let matchers: Vec<Matcher> =
        parts.into_iter().enumerate().map(matcher).collect::<Result<_, _>>()?;
    let matchers = Matchers::new(matchers).map_err(|bad| invalid(&bad.why))?;
    if matchers.iter().all(matches_empty) {
        return Err(invalid("at least one matcher must not match the empty string"));
    }
    // An Alertmanager takes a silence of nobody for no reason; here each has an owner and a reason.
    if created_by.trim().is_empty() {
        return Err(invalid("createdBy is empty: say who answers for it"));
    }
    if comment.trim().is_empty() {
        return Err(invalid("comment is empty: say why nobody needs to hear of these alerts"));
    }
    let repeats = told.repeats.unwrap_or_default();
    if repeats.len() > REPEATS_MAX {
        return Err(invalid(&format!("more than {REPEATS_MAX} recurring times")));
    }
    let id = told.id.filter(|id| !id.is_empty()).map(SilenceId::from);
    let silence = Silence {
        id: SilenceId::from(""),
        matchers,
        starts_at,
        ends_at,
        updated_at: now,
        created_by: created_by.into(),
        comment,
        repeats,
    };
    Ok(Posted { id, silence })
}

/// Whether a matcher holds for a label that is not there, by Alertmanager's rule (`silence.go`,
/// `matchesEmpty`): one that wants a label to be unlike something is meant.
fn matches_empty(matcher: &Matcher) -> bool {
    matcher.op().is_equal() && matcher.holds_for("")
}

/// The parts of a matcher that the interface requires.
fn parts((n, told): (usize, ToldMatcher)) -> Result<(String, MatchOp, String), Refused> {
    let required = |name: &str| missing(&format!("matchers.{n}.{name}"));
    let is_regex = told.is_regex.ok_or_else(|| required("isRegex"))?;
    let name = told.name.ok_or_else(|| required("name"))?;
    let value = told.value.ok_or_else(|| required("value"))?;
    Ok((name, MatchOp::of(is_regex, told.is_equal.unwrap_or(true)), value))
}

fn matcher((n, (name, op, value)): (usize, (String, MatchOp, String))) -> Result<Matcher, Refused> {
    if name.is_empty() {
        return Err(invalid(&format!("invalid label matcher {n}: invalid label name \"\"")));
    }
    Matcher::new(name, op, value)
        .map_err(|bad| invalid(&format!("invalid label matcher {n}: {}", bad.why)))
}

/// A required part that is not there, in the words of `go-openapi/validate`.
fn missing(part: &str) -> Refused {
    Refused::unprocessable(602, format!("{part} in body is required"))
}

fn failed(why: &str) -> Refused {
    Refused::Bad(format!("Failed to create silence: {why}"))
}

fn invalid(why: &str) -> Refused {
    Refused::Bad(format!("silence invalid: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T03:00:00Z".parse().unwrap()
    }

    fn good() -> Value {
        json!({
            "matchers": [{"name": "service", "value": "결제", "isRegex": false}],
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2030-01-01T00:00:00.000Z",
            "createdBy": "kim",
            "comment": "점검",
        })
    }

    fn why(body: &Value) -> String {
        match parse(&body.to_string(), now()).unwrap_err() {
            Refused::Bad(why) => why,
            Refused::Rule { code, message, .. } => format!("{code} {message}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn takes_what_amtool_sends() {
        let posted = parse(&good().to_string(), now()).unwrap();
        assert_eq!(posted.id, None);
        assert_eq!(posted.silence.matchers.to_string(), "{service=\"결제\"}");
        let mut changed = good();
        changed["id"] = json!("11111111-1111-4111-8111-111111111111");
        changed["matchers"][0]["isEqual"] = json!(false);
        changed["status"] = json!({"state": "active"});
        let posted = parse(&changed.to_string(), now()).unwrap();
        assert_eq!(posted.id.unwrap().as_str(), "11111111-1111-4111-8111-111111111111");
        assert_eq!(posted.silence.matchers.to_string(), "{service!=\"결제\"}");
    }

    #[test]
    fn complains_in_the_words_of_alertmanager() {
        let with = |key: &str, value: Value| {
            let mut body = good();
            body[key] = value;
            why(&body)
        };
        let matcher = |matcher: Value| with("matchers", json!([matcher]));
        assert_eq!(why(&json!({})), "602 comment in body is required");
        assert_eq!(why(&json!(null)), "602 comment in body is required");
        assert_eq!(with("createdBy", json!(null)), "602 createdBy in body is required");
        assert_eq!(with("endsAt", json!(null)), "602 endsAt in body is required");
        assert_eq!(with("startsAt", json!(null)), "602 startsAt in body is required");
        assert_eq!(
            with("matchers", json!([])),
            "612 matchers in body should have at least 1 items"
        );
        assert_eq!(
            matcher(json!({"name": "a", "isRegex": false})),
            "602 matchers.0.value in body is required"
        );
        assert_eq!(
            with("endsAt", json!("2026-01-01T00:00:00Z")),
            "Failed to create silence: start time must be before end time"
        );
        assert_eq!(
            with("endsAt", json!("2026-01-02T00:00:00Z")),
            "Failed to create silence: end time can't be in the past"
        );
        assert_eq!(
            matcher(json!({"name": "a", "value": ".*", "isRegex": true})),
            "silence invalid: at least one matcher must not match the empty string"
        );
        assert_eq!(
            matcher(json!({"name": "", "value": "x", "isRegex": true})),
            "silence invalid: invalid label matcher 0: invalid label name \"\""
        );
        let bad = matcher(json!({"name": "a", "value": "(", "isRegex": true}));
        assert!(
            bad.starts_with("silence invalid: invalid label matcher 0: not a regular"),
            "{bad}"
        );
        assert!(with("comment", json!(" ")).contains("say why"));
        assert!(with("createdBy", json!("")).contains("say who"));
        assert!(
            with("startsAt", json!("어제"))
                .starts_with("400 parsing silence body from \"\" failed")
        );
        let many = vec![json!({"name": "a", "value": "x", "isRegex": false}); MATCHERS_MAX + 1];
        assert_eq!(with("matchers", many.into()), "silence invalid: more than 64 matchers");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = parse(&text, now());
        }

        #[test]
        fn a_member_of_any_type_is_taken_or_refused(key in "(id|matchers|startsAt|endsAt|createdBy|comment|repeats|x)", value in prop_oneof![Just(json!(null)), Just(json!(7)), Just(json!([])), Just(json!([{}])), Just(json!({})), "\\PC{0,9}".prop_map(Value::from)]) {
            let mut body = good();
            body[key] = value;
            if let Ok(posted) = parse(&body.to_string(), now()) {
                prop_assert!(!posted.silence.matchers.iter().all(matches_empty));
                prop_assert!(posted.silence.starts_at < posted.silence.ends_at);
            }
        }
    }
}
