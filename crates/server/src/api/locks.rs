//! `/api/v1/locks`: what must not be done to some services for some time.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nightcrew_model::decision::Fact;
use nightcrew_model::event::Event;
use nightcrew_model::id::{Fence, LockName, ServiceName};
use nightcrew_model::lock::{Blocked, Lock};
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use super::command::{Command, line, person, reason};
use crate::app::App;
use crate::limit::{LOCK_SPAN_MAX, NAME_CHARS_MAX};
use crate::parameters::Segment;
use crate::problem::{Kind, Problem};

/// How many services one lock may list.
const SERVICES_MAX: usize = 200;

/// The locks that are held, and those that wait for their beginning.
#[derive(Serialize)]
pub(crate) struct Locks {
    items: Vec<LockView>,
}

/// A lock.
#[derive(Serialize)]
pub(crate) struct LockView {
    #[serde(flatten)]
    lock: Lock,
    held: bool,
    /// Whether its owner thought to have released it by now.
    late: bool,
}

impl LockView {
    fn of(lock: Lock, now: Timestamp) -> Self {
        let held = lock.is_held(now);
        let late = held && lock.expected_release.is_some_and(|expected| expected < now);
        Self { held, late, lock }
    }
}

/// `GET /api/v1/locks`.
pub(crate) async fn locks(State(app): State<App>) -> Result<Json<Locks>, Problem> {
    let look = app.handle.view(|engine, _, now| {
        let ahead = engine.locks().filter(|lock| now < lock.expires_at).cloned();
        ahead.map(|lock| LockView::of(lock, now)).collect()
    });
    Ok(Json(Locks { items: look.await? }))
}

/// What a lock is asked for with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    name: String,
    owner: String,
    reason: String,
    /// Empty: every service.
    #[serde(default)]
    services: Vec<String>,
    blocks: Vec<Blocked>,
    /// One of the two, at most [`LOCK_SPAN_MAX`] ahead.
    expires_at: Option<Timestamp>,
    expires_in_seconds: Option<u64>,
    expected_release: Option<Timestamp>,
}

impl Wanted {
    fn lock(self, now: Timestamp) -> Result<Lock, Problem> {
        let bad = |detail: &str, hint: String| Err(Problem::bad_request(detail, hint));
        let expires_at = match (self.expires_at, self.expires_in_seconds) {
            (Some(at), None) => at,
            (None, Some(seconds)) => Millis(seconds.saturating_mul(1_000)).after(now),
            _ => {
                return bad(
                    "a lock needs one end",
                    "give expires_at (RFC 3339) or expires_in_seconds".to_owned(),
                );
            }
        };
        if expires_at <= now || expires_at > LOCK_SPAN_MAX.after(now) {
            return bad(
                "the end of the lock is not valid",
                format!("give an end that is ahead, at most {LOCK_SPAN_MAX}; it can be prolonged"),
            );
        }
        if self.blocks.is_empty() {
            let words = Blocked::ALL.map(Blocked::as_str).join(", ");
            return bad("the lock blocks nothing", format!("give blocks: some of {words}"));
        }
        if self.services.len() > SERVICES_MAX {
            return bad(
                "too many services",
                format!("list at most {SERVICES_MAX}, or none for all"),
            );
        }
        let service = |name: &String| line("services", name, NAME_CHARS_MAX).map(ServiceName::from);
        Ok(Lock {
            name: lock_name(&self.name)?,
            owner: person("owner", &self.owner)?,
            reason: reason(&self.reason)?,
            services: self.services.iter().map(service).collect::<Result<_, _>>()?,
            blocks: self.blocks,
            since: now,
            expected_release: self.expected_release,
            expires_at,
            fence: Fence::default(),
        })
    }
}

/// A name that can stand in a path and in the name of a file.
fn lock_name(text: &str) -> Result<LockName, Problem> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !text.is_empty()
        && text.chars().count() <= NAME_CHARS_MAX
        && !text.starts_with('.')
        && text.chars().all(plain);
    if fits {
        return Ok(LockName::from(text));
    }
    Err(Problem::bad_request(
        format!("{text:?} is not a name of a lock"),
        format!("give 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.`"),
    ))
}

/// `POST /api/v1/locks`: takes a lock, or prolongs the own one.
pub(crate) async fn take(
    State(app): State<App>,
    Command(wanted): Command<Wanted>,
) -> Result<Json<LockView>, Problem> {
    let now = app.handle.clock().now();
    let lock = wanted.lock(now)?;
    let name = lock.name.clone();
    let decisions = app.handle.submit(vec![Event::LockAsked { lock: Box::new(lock) }]).await?;
    let taken = decisions.into_iter().find_map(|decision| match decision.fact {
        Fact::LockTaken { lock } => Some(*lock),
        _ => None,
    });
    if let Some(lock) = taken {
        return Ok(Json(LockView::of(lock, now)));
    }
    let detail = match known(&app, &name).await? {
        Some(held) => format!("{name} is held by {} until {}", held.owner, held.expires_at),
        None => "there are as many locks as are kept".to_owned(),
    };
    Err(Problem::new(Kind::Conflict, detail, "wait for its end, or ask its owner to release it"))
}

/// What a lock is released with.
#[derive(Deserialize)]
pub(crate) struct Release {
    /// Only this holding of it.
    fence: Option<u64>,
    by: Option<String>,
}

/// `POST /api/v1/locks/{name}/release`.
pub(crate) async fn release(
    State(app): State<App>,
    Segment(name): Segment,
    Command(asked): Command<Release>,
) -> Result<Json<LockView>, Problem> {
    let lock = LockName::from(name);
    let by = person("by", asked.by.as_deref().unwrap_or("api"))?;
    let now = app.handle.clock().now();
    let held = known(&app, &lock).await?.filter(|lock| lock.is_held(now));
    let held = held.ok_or_else(|| {
        Problem::not_found(format!("lock {lock} that is held"), "GET /api/v1/locks lists them")
    })?;
    let event = Event::LockEndAsked { lock, fence: asked.fence.map(Fence), by };
    let decisions = app.handle.submit(vec![event]).await?;
    if decisions.is_empty() {
        return Err(Problem::new(
            Kind::Conflict,
            format!("the lock is held with fence {}", held.fence),
            "a later holder has it; there is nothing of yours to release",
        ));
    }
    Ok(Json(LockView { held: false, late: false, lock: held }))
}

async fn known(app: &App, name: &LockName) -> Result<Option<Lock>, Problem> {
    let name = name.clone();
    Ok(app.handle.view(move |engine, _, _| engine.lock(&name).cloned()).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lock(change: &[(&str, Value)]) -> Result<Lock, String> {
        let mut wanted = json!({
            "name": "stress-test", "owner": "kim", "reason": "부하 시험", "services": ["결제"],
            "blocks": ["auto_restart"], "expires_in_seconds": 600,
        });
        for (key, value) in change {
            wanted[*key] = value.clone();
        }
        let wanted: Wanted = serde_json::from_value(wanted).map_err(|error| error.to_string())?;
        let now = "2026-11-21T03:00:00Z".parse().unwrap();
        wanted.lock(now).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_lock_has_an_owner_a_reason_and_one_end() {
        let good = lock(&[]).unwrap();
        assert_eq!(good.expires_at.to_string(), "2026-11-21T03:10:00Z");
        assert!(
            lock(&[("expires_at", json!("2026-11-21T04:00:00Z"))]).unwrap_err().contains("one end")
        );
        assert!(lock(&[("expires_in_seconds", json!(0))]).unwrap_err().contains("not valid"));
        assert!(
            lock(&[("expires_in_seconds", json!(u64::MAX))]).unwrap_err().contains("not valid")
        );
        assert!(lock(&[("expires_in_seconds", json!(LOCK_SPAN_MAX.0 / 1_000))]).is_ok());
        assert!(lock(&[("blocks", json!([]))]).unwrap_err().contains("blocks nothing"));
        assert!(lock(&[("blocks", json!(["auto_pilot"]))]).unwrap_err().contains("auto_pilot"));
        assert!(lock(&[("owner", json!(""))]).unwrap_err().contains("owner"));
        assert!(lock(&[("reason", json!("\n"))]).unwrap_err().contains("reason"));
        assert!(lock(&[("name", json!("../x"))]).unwrap_err().contains("not a name"));
        assert!(lock(&[("name", json!("점검"))]).is_ok());
        let many = vec!["s"; SERVICES_MAX + 1];
        assert!(lock(&[("services", json!(many))]).unwrap_err().contains("too many"));
    }
}
