//! The objectives as the judge sees them now, for whoever shows them.

use jiff::Timestamp;
use nightcrew_detect::burn::{Budget, Burning, Pace};
use nightcrew_detect::judge::slo::Standing;
use nightcrew_model::id::{ServiceName, SloName};
use nightcrew_model::unit::Millis;
use tokio::sync::oneshot;

use crate::handle::{Command, Handle, Look, Refusal};

/// What an objective says now.
#[derive(Clone, Debug, PartialEq)]
pub struct SloStanding {
    /// Its name.
    pub name: SloName,
    /// The service.
    pub service: ServiceName,
    /// The promised share of good events.
    pub promised: f64,
    /// Over how many hours.
    pub hours: usize,
    /// The share of the error budget that is left, negative when it is overspent; none: nothing
    /// happened in all that time.
    pub budget_left: Option<f64>,
    /// Since when it is watched without a restart; none: nothing was seen yet.
    pub since: Option<Timestamp>,
    /// What each pair of windows says, the fastest first.
    pub paces: Vec<PaceStanding>,
}

/// What one pair of windows says now.
#[derive(Clone, Debug, PartialEq)]
pub struct PaceStanding {
    /// The burn rate from which on it speaks.
    pub limit: f64,
    /// The long window.
    pub long_window: Millis,
    /// The short window.
    pub short_window: Millis,
    /// Whether it speaks; none: nobody knows.
    pub burns: Option<bool>,
    /// The burn rates in the long and the short window; none: nobody knows.
    pub rates: Option<(f64, f64)>,
}

impl Handle {
    /// What the objectives say now, in the order of the settings.
    ///
    /// # Errors
    /// When nobody can be asked, as for [`Handle::view`].
    pub async fn slos(&self) -> Result<Vec<SloStanding>, Refusal> {
        let (answer, answered) = oneshot::channel();
        let look: Look = Box::new(move |seen| {
            let standing = seen.map(|seen| seen.judge.slos(seen.now));
            // Whoever asked may have gone.
            let _ = answer.send(standing);
            None
        });
        self.ask(Command::View(look))?;
        let standing = answered.await.unwrap_or(Err(Refusal::Stopping))?;
        Ok(standing.into_iter().map(SloStanding::from).collect())
    }
}

impl From<Standing> for SloStanding {
    fn from(standing: Standing) -> Self {
        Self {
            name: standing.name,
            service: standing.service,
            promised: standing.promised,
            hours: standing.hours,
            budget_left: match standing.budget {
                Budget::Left { share } => Some(share),
                Budget::Unknown => None,
            },
            since: standing.since,
            paces: standing.paces.into_iter().map(PaceStanding::of).collect(),
        }
    }
}

impl PaceStanding {
    fn of((pace, burning): (Pace, Burning)) -> Self {
        let window = |minutes: i64| Millis::from_secs(minutes.unsigned_abs().saturating_mul(60));
        let (long_window, short_window) = pace.windows_minutes();
        let (burns, rates) = match burning {
            Burning::Yes { long, short } => (Some(true), Some((long, short))),
            Burning::No { long, short } => (Some(false), Some((long, short))),
            Burning::Unknown(_) => (None, None),
        };
        Self {
            limit: pace.rate_min(),
            long_window: window(long_window),
            short_window: window(short_window),
            burns,
            rates,
        }
    }
}
