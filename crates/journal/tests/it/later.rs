//! Decisions of the kinds that came after the first release, for the fixture of the format.

use nightcrew_model::alert::Source;
use nightcrew_model::decision::{
    CrewTopic, Decision, Fact, GroupNews, NotificationKind, Reason, Receipt, Subject,
};
use nightcrew_model::escalation::Told;
use nightcrew_model::id::{
    ChannelName, Fence, GroupKey, IncidentId, LevelIndex, NotificationId, PersonName, SilenceId,
};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::interval::{DayPart, TimeInterval};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::lock::{Blocked, Lock};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::mute::{MutedBy, Scope};
use nightcrew_model::oncall::Override;
use nightcrew_model::severity::Severity;
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::Millis;

use crate::sample::{alert, at, decision};

const INCIDENT: IncidentId = IncidentId(42);

fn person() -> PersonName {
    "민지".into()
}

fn group() -> Subject {
    Subject::Group { group: key() }
}

fn key() -> GroupKey {
    "{}/{team=\"결제\"}:{alertname=\"디스크 부족\"}".into()
}

fn service() -> Scope {
    Scope::Service("결제".into())
}

pub(crate) fn told(notification: u64, channel: &str, receipt: Option<&str>) -> [Decision; 2] {
    let (notification, channel) = (NotificationId(notification), ChannelName::from(channel));
    let queued = Fact::NotificationQueued {
        notification,
        subject: group(),
        channel: channel.clone(),
        kind: NotificationKind::Firing,
        mentions: vec![person(), "lead".into()],
    };
    let delivered = Fact::NotificationDelivered {
        notification,
        subject: group(),
        channel,
        receipt: receipt.map(|receipt| Receipt(receipt.to_owned())),
    };
    let reason = Reason::Routed { receiver: "팀".into(), news: GroupNews::New };
    [decision(30, queued, reason), decision(31, delivered, Reason::ReceiverAccepted)]
}

/// What [`told`] is about.
pub(crate) fn told_about() -> Subject {
    group()
}

pub(crate) fn later_kinds() -> Vec<Decision> {
    let mut all = told(3, "slack", Some("1700000000.000100")).to_vec();
    all.extend(incidents());
    all.extend(muting());
    all.extend(groups());
    all.extend(messages());
    all
}

fn incidents() -> Vec<Decision> {
    let incident = INCIDENT;
    let by = person;
    let waited = Millis::from_secs(1_800);
    let stepped = |level, told: Vec<Told>, next_at, reason| {
        let policy = "주간".into();
        let level = LevelIndex(level);
        let fact = Fact::EscalationStepped { incident, policy, level, round: 0, told, next_at };
        decision(40, fact, reason)
    };
    let escalated = |reason| decision(39, Fact::IncidentEscalated { incident }, reason);
    vec![
        decision(38, Fact::IncidentAcknowledged { incident, by: by() }, Reason::Asked { by: by() }),
        decision(
            39,
            Fact::AcknowledgementEnded { incident },
            Reason::AcknowledgementOld { waited },
        ),
        escalated(Reason::AutomaticTimeOver { waited }),
        escalated(Reason::WatchdogSilent { timeout: waited }),
        decision(
            39,
            Fact::IncidentCorrelated { incident, root: IncidentId(41) },
            Reason::DependsOn { service: "데이터베이스".into() },
        ),
        stepped(
            0,
            vec![Told::Schedule("engineers".into()), Told::Channel("slack".into())],
            Some(at(1_840)),
            Reason::Policy { policy: "주간".into() },
        ),
        stepped(
            1,
            vec![Told::Person(by())],
            None,
            Reason::NotAcknowledged { level: LevelIndex(0), waited },
        ),
        decision(
            41,
            Fact::EscalationHeld { incident, by: MutedBy::Cascade { root: IncidentId(41) } },
            Reason::Muted { by: MutedBy::Cascade { root: IncidentId(41) } },
        ),
        decision(
            42,
            Fact::RemedyHeld { incident, playbook: "disk_cleanup".into() },
            Reason::Locked { lock: "부하시험".into() },
        ),
        decision(43, Fact::IncidentResolved { incident, verified: false }, Reason::WatchdogHeard),
    ]
}

fn muting() -> Vec<Decision> {
    let (window, target) = (Millis::from_secs(600), alert(7).target);
    let flapping = || IncidentKey { target: target.clone(), symptom: alert(7).symptom };
    let channel = || ChannelName::from("slack");
    let asked = || Reason::Asked { by: person() };
    let nights =
        TimeInterval { times: vec![DayPart { from: 0, until: 360 }], ..TimeInterval::default() };
    let silence = |repeats| {
        Box::new(Silence {
            id: "8b1f3a52-0000-4000-8000-000000000001".into(),
            matchers: Matchers::parse("{alertname=~\"디스크.*\",severity!=\"critical\"}").unwrap(),
            starts_at: at(0),
            ends_at: at(7_200),
            updated_at: at(0),
            created_by: person(),
            comment: "디스크 교체".to_owned(),
            repeats,
        })
    };
    let lock = Lock {
        name: "부하시험".into(),
        owner: person(),
        reason: "부하 시험".to_owned(),
        services: vec!["결제".into()],
        blocks: Blocked::ALL.to_vec(),
        since: at(0),
        expected_release: Some(at(3_600)),
        expires_at: at(7_200),
        fence: Fence(7),
    };
    let released = Fact::LockReleased { lock: lock.name.clone(), fence: lock.fence };
    let replacement = Override { person: person(), from: at(0), until: at(60) };
    vec![
        decision(50, Fact::FlapBegan { key: flapping() }, Reason::Changes { changes: 6, window }),
        decision(51, Fact::FlapEnded { key: flapping() }, Reason::Calm { window }),
        decision(
            52,
            Fact::StormBegan { scope: service(), channel: channel() },
            Reason::TooMany { limit: 10, window },
        ),
        decision(
            53,
            Fact::StormEnded { scope: Scope::Everything, channel: channel(), suppressed: 4_990 },
            Reason::Calm { window },
        ),
        decision(54, Fact::SilenceSet { silence: silence(vec![]) }, asked()),
        decision(54, Fact::SilenceSet { silence: silence(vec![nights]) }, asked()),
        decision(55, Fact::SilenceExpired { silence: silence(vec![]).id }, asked()),
        decision(56, Fact::LockTaken { lock: Box::new(lock) }, asked()),
        decision(57, released, asked()),
        decision(58, Fact::OverrideSet { schedule: "engineers".into(), replacement }, asked()),
    ]
}

fn groups() -> Vec<Decision> {
    let fingerprint = Fingerprint(u64::MAX);
    let routed = |news| Reason::Routed { receiver: "팀".into(), news };
    let group_told = |news| {
        let fact = Fact::GroupTold {
            group: key(),
            labels: [("alertname", "디스크 부족")].into_iter().collect(),
            receiver: "팀".into(),
            channel: "slack".into(),
            notification: NotificationId(3),
            firing: vec![fingerprint],
            resolved: vec![Fingerprint(0)],
        };
        decision(60, fact, routed(news))
    };
    let silence = SilenceId::from("8b1f3a52-0000-4000-8000-000000000001");
    let mutes = [
        MutedBy::Silence { silence },
        MutedBy::Inhibition { rule: "1".to_owned(), source: fingerprint },
        MutedBy::Interval { interval: "주말".into() },
        MutedBy::OutsideActive,
        MutedBy::Lock { lock: "부하시험".into() },
        MutedBy::Flapping { changes: 6 },
        MutedBy::Storm { scope: service() },
    ];
    let held = Fact::GroupHeld {
        group: key(),
        receiver: "팀".into(),
        held: mutes.into_iter().map(|by| (fingerprint, by)).collect(),
    };
    let news =
        [GroupNews::New, GroupNews::More, GroupNews::Fewer, GroupNews::Over, GroupNews::Reminder];
    let mut all: Vec<Decision> = news.into_iter().map(group_told).collect();
    all.push(decision(61, held, Reason::RoutedMuted));
    all
}

#[expect(clippy::too_many_lines, reason = "a table with a line for each kind")]
fn messages() -> Vec<Decision> {
    let (notification, channel) = (NotificationId(4), ChannelName::from("메일"));
    let queued = |subject, kind, reason| {
        let (channel, mentions) = (channel.clone(), Vec::new());
        let fact = Fact::NotificationQueued { notification, subject, channel, kind, mentions };
        decision(70, fact, reason)
    };
    let crew = |crew| Subject::Crew { crew };
    let digest = || Subject::Digest { digest: service() };
    let by_storm = MutedBy::Storm { scope: Scope::Everything };
    vec![
        queued(crew(CrewTopic::AllClear), NotificationKind::AllClear, Reason::Daily),
        queued(crew(CrewTopic::Test), NotificationKind::Test, Reason::Asked { by: person() }),
        queued(
            digest(),
            NotificationKind::Digest,
            Reason::TooMany { limit: 5, window: Millis::from_secs(60) },
        ),
        queued(
            INCIDENT.into(),
            NotificationKind::Acknowledged,
            Reason::Fallback { from: "slack".into(), notification: NotificationId(3) },
        ),
        queued(INCIDENT.into(), NotificationKind::Resolved, Reason::ChannelListens),
        decision(
            71,
            Fact::NotificationSuppressed {
                subject: group(),
                channel: channel.clone(),
                kind: NotificationKind::Firing,
            },
            Reason::Muted { by: by_storm },
        ),
        decision(
            72,
            Fact::NotificationSuperseded {
                notification,
                subject: group(),
                channel: channel.clone(),
            },
            Reason::Superseded { by: NotificationId(5) },
        ),
        queued(
            digest(),
            NotificationKind::Digest,
            Reason::KeptBack {
                messages: 4_990,
                window: Millis::from_secs(60),
                first: vec![INCIDENT],
            },
        ),
        // Every door by which an alert can come.
        reported(Source::AlertsApi),
        reported(Source::Grafana),
        reported(Source::Signoz),
        reported(Source::Pagerduty),
        reported(Source::Opsgenie),
        reported(Source::Datadog),
        reported(Source::Newrelic),
        reported(Source::Sentry),
        reported(Source::Cloudwatch),
        reported(Source::Uptime),
        reported(Source::Generic),
        reported(Source::Watchdog),
        reported(Source::Prometheus),
        decision(
            73,
            Fact::NotificationSuppressed {
                subject: group(),
                channel: channel.clone(),
                kind: NotificationKind::Resolved,
            },
            Reason::EndsNotWanted,
        ),
        queued(INCIDENT.into(), NotificationKind::Acknowledged, Reason::WasTold),
        decision(
            81,
            Fact::IncidentReopened { incident: INCIDENT, trigger: Fingerprint(9) },
            Reason::StillFires,
        ),
        decision(
            82,
            Fact::AlertJoined {
                incident: INCIDENT,
                alert: Fingerprint(10),
                severity: Severity::Warning,
            },
            Reason::SameService,
        ),
    ]
}

fn reported(source: Source) -> Decision {
    let fact = Fact::AlertResolved { fingerprint: Fingerprint(9), ends_at: at(80) };
    decision(80, fact, Reason::Reported { source })
}
