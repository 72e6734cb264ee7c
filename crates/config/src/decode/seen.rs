//! Where the parts of triage are written, for the lints that judge them together.

use std::collections::{BTreeMap, BTreeSet};

use nightcrew_model::id::{ChannelName, PersonName, ReceiverName, ScheduleName, ServiceName};

use crate::problem::Place;

/// The places of what triage is made of.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) channels: BTreeMap<ChannelName, SeenChannel>,
    /// In the order of the tree's routes; empty where there is no tree.
    pub(crate) routes: Vec<SeenRoute>,
    pub(crate) receivers: BTreeMap<ReceiverName, Place>,
    /// Receivers of which it is told already that they lack a channel.
    pub(crate) told_empty: BTreeSet<ReceiverName>,
    /// In the order of the rules.
    pub(crate) inhibit_rules: Vec<Place>,
    /// The key fields of `deduplication`.
    pub(crate) dedup_fields: Vec<(String, Place)>,
    pub(crate) people: BTreeMap<PersonName, Place>,
    pub(crate) schedules: BTreeMap<ScheduleName, Place>,
    /// In the order of the policies.
    pub(crate) policies: Vec<SeenPolicy>,
    /// In the order of the mute windows.
    pub(crate) mute_windows: Vec<Place>,
    pub(crate) needs: Vec<SeenNeed>,
    pub(crate) all_clear: Vec<(ChannelName, Place)>,
}

/// A channel as it is written, also where it cannot be used.
#[derive(Debug)]
pub(crate) struct SeenChannel {
    /// The word of `type`.
    pub(crate) kind: String,
    /// Where `notify` is written.
    pub(crate) notify: Option<Place>,
    /// Where `rate` is written.
    pub(crate) rate: Option<Place>,
    /// Where `fallback` is written.
    pub(crate) fallback: Option<Place>,
}

/// A route as it is written.
#[derive(Clone, Debug)]
pub(crate) struct SeenRoute {
    pub(crate) place: Place,
    pub(crate) group_by: Vec<(String, Place)>,
}

/// A policy as it is written.
#[derive(Debug)]
pub(crate) struct SeenPolicy {
    pub(crate) place: Place,
    pub(crate) repeat: Option<Place>,
    pub(crate) levels: Vec<SeenLevel>,
}

/// A level as it is written.
#[derive(Debug)]
pub(crate) struct SeenLevel {
    pub(crate) place: Place,
    /// Where its timeout is written.
    pub(crate) timeout: Option<Place>,
}

/// One service that another one needs.
#[derive(Debug)]
pub(crate) struct SeenNeed {
    pub(crate) service: ServiceName,
    pub(crate) service_place: Place,
    pub(crate) needed: ServiceName,
    pub(crate) needed_place: Place,
}
