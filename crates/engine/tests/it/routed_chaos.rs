//! Whatever happens to a crew that routes, and whenever it crashes: nothing is told twice, nothing
//! that is silenced is told, and in the end people know what fires.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Subject};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::{ChannelName, GroupKey, NotificationId, ReceiverName, SilenceId};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::Millis;
use proptest::prelude::*;

use crate::routed::{print, routed};

#[derive(Clone, Debug)]
enum Happening {
    Alert { labels: Labels, firing: bool, age: i64 },
    Silence { n: u8, matchers: &'static str, seconds: i64 },
    Unsilence { n: u8 },
    Delivered { n: u64 },
    Pass { seconds: i64 },
    Crash,
    Reload,
}

const MATCHERS: [&str; 4] = ["alertname=A", "service=~\"s0|s1\"", "team=db", "alertname!=C"];

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let labels = (
        prop::sample::select(vec!["A", "B", "Down"]),
        prop::sample::select(vec!["s0", "s1"]),
        prop::sample::select(vec!["", "db", "day"]),
        prop::sample::select(vec!["", "critical", "warning"]),
        prop::sample::select(vec!["", "", "yes"]),
    );
    let labels = labels.prop_map(|(name, service, team, severity, audit)| {
        let pairs = [
            ("alertname", name),
            ("service", service),
            ("team", team),
            ("severity", severity),
            ("audit", audit),
        ];
        pairs.into_iter().collect::<Labels>()
    });
    let silence = (0..4u8, prop::sample::select(MATCHERS.to_vec()), 1..2_000i64);
    let one = prop_oneof![
        8 => (labels, prop::bool::weighted(0.6), 0..60i64)
            .prop_map(|(labels, firing, age)| Happening::Alert { labels, firing, age }),
        2 => silence.prop_map(|(n, matchers, seconds)| Happening::Silence { n, matchers, seconds }),
        1 => (0..4u8).prop_map(|n| Happening::Unsilence { n }),
        2 => (1..30u64).prop_map(|n| Happening::Delivered { n }),
        6 => (0..400i64).prop_map(|seconds| Happening::Pass { seconds }),
        1 => (-600..0i64).prop_map(|seconds| Happening::Pass { seconds }),
        1 => Just(Happening::Crash),
        1 => Just(Happening::Reload),
    ];
    prop::collection::vec(one, 0..80)
}

struct World {
    settings: Settings,
    state: State,
    now: Timestamp,
    log: Vec<Decision>,
}

impl World {
    fn step(&mut self, event: Event) {
        self.log.extend(step(&mut self.state, &self.settings, self.now, event));
    }

    fn pass(&mut self, seconds: i64) {
        let until = self.now + SignedDuration::from_secs(seconds);
        while let Some(due) = self.state.next_due().filter(|due| *due < until) {
            self.now = self.now.max(due);
            self.step(Event::Tick);
        }
        self.now = until;
        self.step(Event::Tick);
    }

    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Alert { labels, firing, age } => {
                let alert = IncomingAlert {
                    labels: labels.clone(),
                    annotations: Labels::default(),
                    starts_at: firing.then(|| self.now - SignedDuration::from_secs(*age)),
                    ends_at: (!firing).then_some(self.now),
                    generator_url: String::new(),
                };
                let alerts = vec![alert];
                self.step(Event::AlertsReceived { source: Source::Alertmanager, alerts });
            }
            Happening::Silence { n, matchers, seconds } => {
                let id: SilenceId = format!("s{n}").into();
                let known = self.state.silence(&id).is_some();
                let fresh = format!("s{n}/{}", self.state.silences().count()).into();
                let silence = Silence {
                    id: id.clone(),
                    matchers: Matchers::parse(matchers).unwrap(),
                    starts_at: self.now,
                    ends_at: self.now + SignedDuration::from_secs(*seconds),
                    updated_at: self.now,
                    created_by: "kim".into(),
                    comment: String::new(),
                    repeats: Vec::new(),
                };
                let fresh = if known { fresh } else { id };
                self.step(Event::SilenceAsked { silence: Box::new(silence), fresh });
            }
            Happening::Unsilence { n } => {
                let (silence, by) = (format!("s{n}").into(), "lee".into());
                self.step(Event::SilenceEndAsked { silence, by });
            }
            Happening::Delivered { n } => {
                let delivery = Delivery::Delivered { receipt: None };
                let notification = NotificationId(*n);
                self.step(Event::Delivered { notification, delivery });
            }
            Happening::Pass { seconds } => self.pass(*seconds),
            Happening::Crash => {
                self.state = self.folded();
                self.step(Event::Started);
            }
            Happening::Reload => {
                let Some(routing) = &mut self.settings.routing else { return };
                routing.inhibit_rules.reverse();
                self.step(Event::Tick);
            }
        }
    }

    fn folded(&self) -> State {
        let mut folded = State::default();
        self.log.iter().for_each(|decision| folded.apply(decision));
        folded
    }
}

type To = (GroupKey, ReceiverName, ChannelName);

/// What a channel was told last: when, what fires, what ended.
type Entry = (Timestamp, BTreeSet<Fingerprint>, BTreeSet<Fingerprint>);

/// Reads the log as a person reads messages: each must bring news, and none may name what is
/// silenced.  What each channel was told last comes of it.
fn read(log: &[Decision], repeat: Millis) -> Result<BTreeMap<To, Entry>, String> {
    let mut told: BTreeMap<To, Entry> = BTreeMap::new();
    let mut silences: BTreeMap<SilenceId, Silence> = BTreeMap::new();
    let mut labels: BTreeMap<Fingerprint, Labels> = BTreeMap::new();
    for decision in log {
        let at = decision.at;
        match &decision.fact {
            Fact::AlertFired { alert } => {
                labels.insert(alert.fingerprint, alert.labels.clone());
            }
            Fact::SilenceSet { silence } => {
                silences.insert(silence.id.clone(), silence.as_ref().clone());
            }
            Fact::SilenceExpired { silence } => {
                silences.get_mut(silence).ok_or("an unknown silence ended")?.ends_at = at;
            }
            Fact::GroupTold { group, receiver, channel, firing, resolved, .. } => {
                let to = (group.clone(), receiver.clone(), channel.clone());
                let firing: BTreeSet<_> = firing.iter().copied().collect();
                let resolved: BTreeSet<_> = resolved.iter().copied().collect();
                for alert in firing.iter().chain(&resolved) {
                    let labels = labels.get(alert).ok_or("told of an unknown alert")?;
                    if silences.values().any(|silence| silence.mutes(labels, at)) {
                        return Err(format!("{at}: told of {labels}, which is silenced"));
                    }
                }
                let news = match told.get(&to) {
                    None => !firing.is_empty(),
                    Some((before, known, ended)) => {
                        !firing.is_subset(known)
                            || firing.is_empty() && !known.is_empty()
                            || !resolved.is_subset(ended)
                            || repeat.after(*before) < at
                    }
                };
                if !news {
                    return Err(format!("{at}: {to:?} hears nothing new"));
                }
                told.insert(to, (at, firing, resolved));
            }
            Fact::NotificationSuppressed {
                subject: Subject::Group { group },
                channel,
                kind: NotificationKind::Resolved,
            } => {
                for ((of, _, to), entry) in &mut told {
                    if (of, to) == (group, channel) {
                        entry.1.clear();
                    }
                }
            }
            _ => {}
        }
    }
    Ok(told)
}

proptest! {
    #[test]
    fn nothing_is_told_twice_and_in_the_end_people_know(happenings in happenings()) {
        let (state, now) = (State::default(), Timestamp::from_second(1_000_000).unwrap());
        let mut world = World { settings: routed(), state, now, log: Vec::new() };
        for happening in &happenings {
            world.happens(happening);
            if !matches!(happening, Happening::Crash | Happening::Silence { .. }) {
                continue;
            }
            let folded = serde_json::to_value(world.folded()).unwrap();
            let live = serde_json::to_value(&world.state).unwrap();
            prop_assert_eq!(&folded["told"], &live["told"]);
            prop_assert_eq!(&folded["silences"], &live["silences"]);
        }
        // Every silence ends, nothing inhibits any more, `team=day` has its hour, and every group
        // is looked at.
        world.now = "1970-01-14T01:00:00Z".parse().unwrap();
        let inhibits = |labels: &Labels| {
            labels.get("severity") == Some("critical") || labels.get("alertname") == Some("Down")
        };
        let sources = world.state.alerts().map(|alert| alert.labels.clone()).filter(inhibits);
        for labels in sources.collect::<Vec<_>>() {
            world.happens(&Happening::Alert { labels, firing: false, age: 0 });
        }
        world.pass(1_000);
        let told = read(&world.log, Millis::from_secs(3_600));
        let told = told.map_err(|why| TestCaseError::fail(format!("{why}\n{}", print(&world.log))))?;
        let settings = &world.settings;
        let mut firing: BTreeMap<To, BTreeSet<Fingerprint>> = BTreeMap::new();
        for alert in world.state.alerts() {
            let why = world.state.why(settings, alert.fingerprint, world.now).unwrap();
            prop_assert_eq!(why.muted_by, []);
            for route in why.routes {
                let routing = settings.routing.as_ref().unwrap();
                for channel in &routing.receiver(&route.receiver).unwrap().channels {
                    let to = (route.group.clone(), route.receiver.clone(), channel.clone());
                    firing.entry(to).or_default().insert(alert.fingerprint);
                }
            }
        }
        for (to, (_, known, _)) in &told {
            let fires = firing.remove(to).unwrap_or_default();
            prop_assert!(fires.is_subset(known), "{:?}\n{}", to, print(&world.log));
            // A channel that does not hear of ends knows of them when all is over.
            if fires.is_empty() || to.2.as_str() != "pager" {
                prop_assert_eq!(&fires, known, "{:?}\n{}", to, print(&world.log));
            }
        }
        prop_assert!(firing.is_empty(), "never told: {firing:?}\n{}", print(&world.log));
    }
}
