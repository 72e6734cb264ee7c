//! Other settings while the crew runs: all of what can change changes between two rounds of the
//! core, or nothing does and the settings that were good stay.

use std::fmt;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use nightcrew_config::settings::Settings;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::handle::{Command, Handle, Refusal};

/// Where settings come from when somebody asks for a reload: the binary reads the same files
/// again.  It blocks, and an error is what is wrong with them, in words.
#[derive(Clone)]
pub struct Reloader(Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>);

impl Reloader {
    /// A source of settings.
    pub fn new(read: impl Fn() -> Result<Settings, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reloader")
    }
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// The parts that differ and stay as they were until the crew is started again.
    pub needs_restart: Vec<&'static str>,
}

/// Why the settings stay as they were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// Nobody said where settings come from.
    #[error("this crew has no configuration to read again; start it with --config")]
    NoSource,
    /// What was read cannot be used.
    #[error("the configuration has errors, the one before stays in force: {0}")]
    Configuration(String),
    /// The core could not take them.
    #[error("the settings were not changed: {0}")]
    Refused(Refusal),
}

/// How the last reload went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReload {
    /// When.
    pub at: Timestamp,
    /// What it did, or why it did nothing.
    pub outcome: Result<Reloaded, ReloadError>,
}

impl Handle {
    /// Says where settings come from when somebody asks for a reload.
    pub fn reload_from(&self, reloader: Reloader) {
        let mut source = self.0.reloader.lock().unwrap_or_else(PoisonError::into_inner);
        *source = Some(reloader);
    }

    /// Reads the settings again from where they came from, and goes by them.
    ///
    /// # Errors
    /// When they cannot be read or used; those before stay in force.
    pub async fn reload_again(&self) -> Result<Reloaded, ReloadError> {
        let source = self.0.reloader.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Reloader(read)) = source else {
            return self.reloaded(Err(ReloadError::NoSource));
        };
        match tokio::task::spawn_blocking(move || read()).await {
            Ok(Ok(settings)) => self.reload(settings).await,
            Ok(Err(problems)) => self.reloaded(Err(ReloadError::Configuration(problems))),
            Err(_) => {
                let panicked = "reading it panicked".to_owned();
                self.reloaded(Err(ReloadError::Configuration(panicked)))
            }
        }
    }

    /// Goes by other settings from now on.  When it returns they hold for the core, and everybody
    /// else sees them at the next look; what cannot change while the crew runs stays as it was and
    /// is named.
    ///
    /// # Errors
    /// When the core cannot take them; those before stay in force.
    pub async fn reload(&self, settings: Settings) -> Result<Reloaded, ReloadError> {
        // One reload at a time: what stays is taken from those in force.
        let turn = self.0.reloading.lock().await;
        let (settings, reloaded) = merged(&self.settings(), settings);
        let (answer, answered) = oneshot::channel();
        let asked = self.ask(Command::Reload { settings: Arc::new(settings), answer });
        let taken = match asked {
            Ok(()) => answered.await.unwrap_or(Err(Refusal::Stopping)),
            Err(refusal) => Err(refusal),
        };
        drop(turn);
        self.reloaded(taken.map(|()| reloaded).map_err(ReloadError::Refused))
    }

    /// How the last reload went; none: there was none.
    #[must_use]
    pub fn last_reload(&self) -> Option<LastReload> {
        self.0.last_reload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reloaded(&self, outcome: Result<Reloaded, ReloadError>) -> Result<Reloaded, ReloadError> {
        match &outcome {
            Ok(reloaded) if reloaded.needs_restart.is_empty() => {
                tracing::info!("the settings were reloaded");
            }
            Ok(reloaded) => tracing::warn!(
                "the settings were reloaded; a restart is needed for: {}",
                reloaded.needs_restart.join(", ")
            ),
            Err(error) => tracing::error!("{error}"),
        }
        let last = LastReload { at: self.clock().now(), outcome: outcome.clone() };
        *self.0.last_reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        outcome
    }
}

/// The new settings with what cannot change as it was, and the names of what would have changed.
fn merged(old: &Settings, mut new: Settings) -> (Settings, Reloaded) {
    let mut needs_restart = Vec::new();
    let mut keep = |name: &'static str, same: bool| {
        if !same {
            needs_restart.push(name);
        }
    };
    keep("listen", old.listen == new.listen);
    keep("data_dir", old.data_dir == new.data_dir);
    keep("workspace_dir", old.workspace_dir == new.workspace_dir);
    keep("host", same(&old.host, &new.host));
    keep("services", same(&old.services, &new.services));
    keep("policy", old.policy == new.policy);
    keep("breaker", old.breaker == new.breaker);
    // Compared as they are: they hold secrets.
    keep("sources", old.sources == new.sources);
    keep("logs", old.logs == new.logs);
    keep("retention", old.retention == new.retention);
    new.listen = old.listen;
    new.data_dir.clone_from(&old.data_dir);
    new.workspace_dir.clone_from(&old.workspace_dir);
    new.host = old.host.clone();
    new.services.clone_from(&old.services);
    new.policy = old.policy.clone();
    new.breaker = old.breaker;
    new.sources.clone_from(&old.sources);
    new.logs = old.logs.clone();
    new.retention = old.retention.clone();
    (new, Reloaded { needs_restart })
}

/// Whether two parts say the same.  None of those asked about holds a secret, which would be
/// hidden.
fn same<T: Serialize>(a: &T, b: &T) -> bool {
    match (serde_json::to_value(a), serde_json::to_value(b)) {
        (Ok(a), Ok(b)) => a == b,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::plan::Mode;
    use nightcrew_model::unit::Millis;

    use super::*;

    #[test]
    fn what_cannot_change_stays_and_is_named() {
        let old = Settings::zero("/tmp/결제".into());
        let mut new = Settings::zero("/tmp/other".into());
        new.listen.set_port(1);
        new.host.interval = Millis(1);
        new.mode = Mode::DryRun;
        new.healing.cooldown = Millis(7);
        let (merged, reloaded) = merged(&old, new);
        assert_eq!(reloaded.needs_restart, ["listen", "data_dir", "workspace_dir", "host"]);
        assert_eq!((merged.listen, &merged.data_dir), (old.listen, &old.data_dir));
        assert_eq!(merged.host.interval, old.host.interval);
        assert_eq!((merged.mode, merged.healing.cooldown), (Mode::DryRun, Millis(7)));
    }

    #[test]
    fn the_same_settings_need_nothing() {
        let settings = Settings::zero("/tmp/a".into());
        let (_, reloaded) = merged(&settings, settings.clone());
        assert_eq!(reloaded.needs_restart, [""; 0]);
    }
}
