//! The blast radius: not too many services of a group are down or worked on at a time.
//!
//! A service counts while an incident of it is open, which it is while an attempt is at work on
//! it.  The incident that asks counts too; one service of a group always may.  What has to wait is
//! considered again whenever another attempt ends and with every tick.  It waits as long as for a
//! fresh look; then a person gets it, because so many services that are down at a time are no
//! matter for a playbook.

use nightcrew_model::decision::Reason;
use nightcrew_model::id::ServiceName;

use crate::Step;

/// How many services of a group are down, and how many may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowd {
    pub(crate) down: u32,
    pub(crate) allowed: u32,
}

impl From<Crowd> for Reason {
    fn from(Crowd { down, allowed }: Crowd) -> Self {
        Self::BlastRadius { down, allowed }
    }
}

impl Step<'_> {
    /// Why a service must not be worked on now: too many of its group are down.
    pub(crate) fn crowd_around(&self, service: &ServiceName) -> Option<Crowd> {
        let settings = self.settings;
        let group = settings.groups.get(service)?;
        let members = settings.groups.iter().filter(|(_, other)| *other == group);
        let (mut n_members, mut down) = (0_u32, 0_u32);
        for (member, _) in members {
            n_members += 1;
            down += u32::from(member == service || self.state.has_open_incident(member));
        }
        let allowed = n_members.saturating_mul(settings.group_down_max_percent.into()) / 100;
        let crowd = Crowd { down, allowed: allowed.max(1) };
        (crowd.down > crowd.allowed).then_some(crowd)
    }
}
