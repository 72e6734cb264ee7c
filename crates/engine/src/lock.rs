//! Locks: while a load test or maintenance goes on, some things are not done to some services.
//!
//! A lock that blocks `auto_restart` keeps every playbook from beginning on the services under it;
//! an attempt that is under way goes on to its end, because half a repair is worse than one.
//!
//! People are not told of incidents of a service when a lock that blocks `notify` covers it, or
//! when a lock that blocks `auto_restart` *lists* it: who tests a service by name expects its
//! alerts.  A lock without services and without `notify` keeps the crew's hands off everything,
//! and people hear of everything.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{Fence, LockName, PersonName, ServiceName};
use nightcrew_model::lock::{Blocked, Lock};
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::state::State;

/// The largest number of locks that are known; a further one is not given.
pub const LOCKS_MAX: usize = 1_000;

/// How long a lock that has ended by itself is shown.
const SHOWN_AFTER: Millis = Millis::from_secs(24 * 3_600);

/// The locks that are known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Locks {
    locks: BTreeMap<LockName, Lock>,
    /// The highest number of any holding.
    fence: Fence,
}

impl Locks {
    pub(crate) fn apply(&mut self, fact: &Fact) {
        if let Fact::LockTaken { lock } = fact {
            self.fence = self.fence.max(lock.fence);
            self.locks.insert(lock.name.clone(), lock.as_ref().clone());
        } else if let Fact::LockReleased { lock, fence } = fact
            && self.locks.get(lock).is_some_and(|held| held.fence == *fence)
        {
            self.locks.remove(lock);
        }
    }
}

impl State {
    /// The locks that are held, wait for their beginning, or ended by themselves within a day.
    pub fn locks(&self) -> impl Iterator<Item = &Lock> {
        self.locks.locks.values()
    }

    /// The lock of that name.
    #[must_use]
    pub fn lock(&self, name: &LockName) -> Option<&Lock> {
        self.locks.locks.get(name)
    }

    /// A lock that keeps something from being done to a service now.  `notify` is also blocked by
    /// a lock that lists the service and blocks `auto_restart`.
    #[must_use]
    pub fn lock_on(&self, what: Blocked, service: &ServiceName, now: Timestamp) -> Option<&Lock> {
        self.locks().find(|lock| {
            lock.blocks(what, service, now)
                || what == Blocked::Notify
                    && !lock.services.is_empty()
                    && lock.blocks(Blocked::AutoRestart, service, now)
        })
    }
}

impl Step<'_> {
    /// Gives a lock, unless another owner has it or it would have ended already.
    pub(crate) fn lock_asked(&mut self, mut lock: Lock) {
        let locks = &self.state.locks;
        let held = locks.locks.get(&lock.name).filter(|held| self.now < held.expires_at);
        if lock.expires_at <= self.now || lock.expires_at <= lock.since {
            return;
        }
        match held {
            Some(held) if held.owner != lock.owner => return,
            Some(held) => lock.since = lock.since.min(held.since),
            None if locks.locks.len() >= LOCKS_MAX => return,
            None => lock.since = lock.since.max(self.now),
        }
        lock.fence = Fence(locks.fence.0 + 1);
        let by = lock.owner.clone();
        self.decide(Fact::LockTaken { lock: Box::new(lock) }, Reason::Asked { by });
    }

    /// Takes a lock back.  Who names an earlier holding is too late and changes nothing.
    pub(crate) fn lock_end_asked(&mut self, name: LockName, fence: Option<Fence>, by: PersonName) {
        let Some(lock) = self.state.locks.locks.get(&name) else {
            return;
        };
        let held = lock.fence;
        if self.now < lock.expires_at && fence.is_none_or(|fence| fence == held) {
            self.decide(Fact::LockReleased { lock: name, fence: held }, Reason::Asked { by });
        }
    }

    pub(crate) fn forget_old_locks(&mut self) {
        let now = self.now;
        self.state.locks.locks.retain(|_, lock| SHOWN_AFTER.after(lock.expires_at) > now);
    }
}
