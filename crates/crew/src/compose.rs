//! From a row of the outbox to the message that people read: what the journal holds of its
//! subject, put into words by `report`.

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_channels::approval::ApprovalView;
use nightcrew_channels::group::{AlertContent, AlertStatus, GroupContent};
use nightcrew_channels::message::{
    About, Action, ActionKind, DigestContent, IncidentContent, Message,
};
use nightcrew_config::settings::Settings;
use nightcrew_journal::entry::Entry;
use nightcrew_journal::limit::ENTRIES_MAX;
use nightcrew_journal::row::{AlertRow, OutboxRow};
use nightcrew_model::alert::Alert;
use nightcrew_model::decision::{CrewTopic, Decision, Fact, NotificationKind, Reason, Subject};
use nightcrew_model::escalation::Person;
use nightcrew_model::id::{GroupKey, IncidentId, NotificationId, PersonName, ReceiverName};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::mute::Scope;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use nightcrew_report::fold::incident_record;
use nightcrew_report::group::{self, Group};
use nightcrew_report::workspace::{host_name, incident_path};
use nightcrew_report::{crew_word, story};

use crate::core::chain;
use crate::handle::Handle;
use crate::{record, standing};

/// A message that is sent later than this says so.
pub(crate) const LATE: Millis = Millis::from_secs(3_600);

/// How many streams' last places are remembered.
const PLACES_MAX: usize = 1_000;

/// How often a fallback of a fallback is followed back.
const FALLBACKS_MAX: usize = 8;

/// Makes messages.
pub(crate) struct Composer {
    installation: String,
    /// Where in its stream the last message about a group was found: the next one is behind it.
    places: HashMap<String, (NotificationId, u64)>,
}

/// What the stream of a subject says of one message.
#[derive(Default)]
struct Trace {
    /// Why it was queued.
    because: Option<Reason>,
    /// What its group was told.
    told: Option<Told>,
}

/// What a group was told.
struct Told {
    version: u64,
    labels: Labels,
    receiver: ReceiverName,
    firing: Vec<Fingerprint>,
    resolved: Vec<Fingerprint>,
}

impl Composer {
    pub(crate) fn new() -> Self {
        Self { installation: host_name().unwrap_or_default(), places: HashMap::new() }
    }

    /// The message of a row, as it is to be sent at `now`.
    pub(crate) async fn compose(
        &mut self,
        handle: &Handle,
        row: &OutboxRow,
        now: Timestamp,
    ) -> Result<Message, String> {
        let settings = handle.settings();
        let mut message = match &row.subject {
            Subject::Incident { incident } => incident_message(handle, row, *incident).await?,
            Subject::Group { group } => self.group_message(handle, row, group).await?,
            Subject::Digest { digest } => digest_message(handle, row, digest).await?,
            Subject::Crew { crew: CrewTopic::AllClear } => standing::message(handle, row).await?,
            Subject::Crew { crew: CrewTopic::Test } => test_message(handle, row).await?,
        };
        message.installation.clone_from(&self.installation);
        message.mentions = mentions(&settings, row);
        let before = handle.journal().last_receipt(&row.subject, &row.channel).await;
        message.edits = before.map_err(|error| chain(&error))?.map(|(_, receipt)| receipt);
        let waited = Millis::between(row.queued_at, now);
        if waited > LATE {
            message.summary = format!(
                "Late by {waited}: this was so at {:.0}. {}",
                row.queued_at, message.summary
            );
        }
        Ok(message)
    }

    async fn group_message(
        &mut self,
        handle: &Handle,
        row: &OutboxRow,
        group_key: &GroupKey,
    ) -> Result<Message, String> {
        let trace = self.trace_group(handle, row).await?;
        let told = trace
            .told
            .ok_or_else(|| format!("the journal does not say what {} tells", row.notification))?;
        let firing = alerts(handle, &told.firing).await?;
        let resolved = alerts(handle, &told.resolved).await?;
        let found = firing.len() + resolved.len();
        let mut content = GroupContent::new(told.receiver.clone(), group_key.clone());
        content.group_labels = told.labels.clone();
        content.truncated = (told.firing.len() + told.resolved.len()).saturating_sub(found) as u64;
        content.external_url = format!("http://{}", handle.settings().listen);
        content.alerts = (firing.iter().map(|alert| alert_content(alert, AlertStatus::Firing)))
            .chain(resolved.iter().map(|alert| alert_content(alert, AlertStatus::Resolved)))
            .collect();
        let common = content.common_labels();
        let view = Group {
            receiver: &told.receiver,
            labels: &told.labels,
            common: &common,
            firing: firing.iter().collect(),
            resolved: resolved.iter().collect(),
            more: content.truncated,
        };
        let mut message = empty(row, About::Crew(CrewTopic::Test));
        message.severity = group::severity(&view);
        message.title = group::title(&view);
        message.summary = group::summary(&view);
        message.story = group::story(&view);
        message.story.extend(trace.because.as_ref().and_then(instead_of));
        message.about = About::Group(content);
        Ok(message)
    }

    /// What the stream of a group says of a message.  Streams of groups grow long: the search
    /// begins where the last message about it was found, and at the beginning only where that
    /// was not enough.
    async fn trace_group(&mut self, handle: &Handle, row: &OutboxRow) -> Result<Trace, String> {
        let stream = row.subject.stream();
        let place = self.places.get(&stream).filter(|(last, _)| *last < row.notification);
        let after = place.map_or(0, |(_, version)| *version);
        let mut found = trace(handle, &stream, after, row.notification).await?;
        if found.told.is_none() && after > 0 {
            found = trace(handle, &stream, 0, row.notification).await?;
        }
        // What a fallback tells is what the message before it was to tell.
        let mut because = found.because.clone();
        for _ in 0..FALLBACKS_MAX {
            let Some(Reason::Fallback { notification: before, .. }) = because else { break };
            if found.told.is_some() {
                break;
            }
            let earlier = trace(handle, &stream, 0, before).await?;
            because = earlier.because;
            found.told = earlier.told;
        }
        if let Some(told) = &found.told {
            if self.places.len() >= PLACES_MAX {
                self.places.clear();
            }
            self.places.insert(stream, (row.notification, told.version.saturating_sub(1)));
        }
        Ok(found)
    }
}

/// What a stream says of a message, from behind a version on.
async fn trace(
    handle: &Handle,
    stream: &str,
    after: u64,
    wanted: NotificationId,
) -> Result<Trace, String> {
    let (mut found, mut at) = (Trace::default(), after);
    loop {
        let page = handle.journal().read_stream(stream, at, ENTRIES_MAX).await;
        let page = page.map_err(|error| chain(&error))?;
        let Some(last) = page.last() else { return Ok(found) };
        at = last.version;
        for entry in page {
            found.learn(entry, wanted);
        }
    }
}

impl Trace {
    fn learn(&mut self, entry: Entry, wanted: NotificationId) {
        match entry.decision.fact {
            Fact::NotificationQueued { notification, .. } if notification == wanted => {
                self.because = Some(entry.decision.reason);
            }
            Fact::GroupTold { notification, labels, receiver, firing, resolved, .. }
                if notification == wanted =>
            {
                let version = entry.version;
                self.told = Some(Told { version, labels, receiver, firing, resolved });
            }
            _ => {}
        }
    }
}

/// That another channel should have told it.
fn instead_of(because: &Reason) -> Option<String> {
    match because {
        Reason::Fallback { from, notification } => {
            Some(format!("Told here because {notification} could not be delivered to {from}"))
        }
        _ => None,
    }
}

fn empty(row: &OutboxRow, about: About) -> Message {
    Message::new(row.notification, row.kind, about, row.queued_at)
}

async fn incident_message(
    handle: &Handle,
    row: &OutboxRow,
    id: IncidentId,
) -> Result<Message, String> {
    let decisions = record::decisions(handle, id).await?;
    let record =
        incident_record(id, &decisions).ok_or_else(|| format!("the journal has no {id}"))?;
    let about = About::Incident(IncidentContent {
        incident: id,
        key: record.key.clone(),
        opened_at: record.detected_at,
    });
    let mut message = empty(row, about);
    message.severity = record.severity;
    message.title = story::title(&record, row.kind);
    message.summary = story::summary(&record);
    message.story = story::story(&record);
    let queued = |fact: &Fact| matches!(fact, Fact::NotificationQueued { notification, .. } if *notification == row.notification);
    let because = decisions.iter().find(|decision| queued(&decision.fact));
    message.story.extend(because.and_then(|decision| instead_of(&decision.reason)));
    message.record = Some(handle.settings().workspace_dir.join(incident_path(&record)));
    message.actions = actions(id, row.kind);
    if row.kind == NotificationKind::ApprovalWanted {
        let until = because.map_or(row.queued_at, |decision| decision.at);
        message.approval = wanted(&decisions, until);
        message.actions = message.approval.iter().flat_map(ApprovalView::actions).collect();
    }
    Ok(message)
}

/// The plan that waited when a message was queued.
fn wanted(decisions: &[Decision], until: Timestamp) -> Option<ApprovalView> {
    let before = || decisions.iter().rev().filter(|decision| decision.at <= until);
    let (attempt, hash, verdicts, expires_at) = before().find_map(|decision| {
        let Fact::ApprovalRequested { attempt, hash, verdicts, expires_at } = &decision.fact else {
            return None;
        };
        Some((*attempt, *hash, verdicts, *expires_at))
    })?;
    let plan = before().find_map(|decision| match &decision.fact {
        Fact::AttemptPlanned { attempt: planned, plan } if *planned == attempt => Some(plan),
        _ => None,
    })?;
    let steps = plan.steps.iter().zip(verdicts).map(|(step, verdict)| {
        format!("{} ({}): {}", step.description, verdict.class, verdict.argv.join(" "))
    });
    Some(ApprovalView {
        attempt,
        hash,
        class: verdicts.iter().map(|verdict| verdict.class).max()?,
        steps: steps.collect(),
        expires_at,
    })
}

/// What a person can do about an incident.
fn actions(id: IncidentId, kind: NotificationKind) -> Vec<Action> {
    let acknowledge = Action {
        kind: ActionKind::Acknowledge,
        command: format!("nightcrew incidents ack {id}"),
        button: Some(format!("ack:{id}")),
    };
    let resolve = Action {
        kind: ActionKind::Resolve,
        command: format!("nightcrew incidents resolve {id}"),
        button: Some(format!("resolve:{id}")),
    };
    match kind {
        NotificationKind::Escalated => vec![acknowledge, resolve],
        NotificationKind::Acknowledged => vec![resolve],
        NotificationKind::Resolved
        | NotificationKind::ApprovalWanted
        | NotificationKind::ApprovalEnded
        | NotificationKind::Firing
        | NotificationKind::Digest
        | NotificationKind::AllClear
        | NotificationKind::Test => Vec::new(),
    }
}

async fn digest_message(
    handle: &Handle,
    row: &OutboxRow,
    scope: &Scope,
) -> Result<Message, String> {
    let (suppressed, window, first) = match origin(handle, row).await? {
        Some(Reason::KeptBack { messages, window, first }) => (messages, window, first),
        _ => return Err(format!("the journal does not say what {} counts", row.notification)),
    };
    let mut sample = Vec::new();
    for id in first {
        let incident = handle.journal().incident(id).await.map_err(|error| chain(&error))?;
        sample.extend(incident.map(|incident| {
            format!("{id}: {} ({}), {}", incident.summary.key, incident.severity, incident.state)
        }));
    }
    let (title, summary) = crew_word::digest(scope, suppressed, window);
    let about = DigestContent { scope: scope.clone(), suppressed, window, sample };
    let mut message = empty(row, About::Digest(about));
    message.severity = Severity::Warning;
    (message.title, message.summary) = (title, summary);
    Ok(message)
}

async fn test_message(handle: &Handle, row: &OutboxRow) -> Result<Message, String> {
    let by = match origin(handle, row).await? {
        Some(Reason::Asked { by }) => by,
        _ => PersonName::from("somebody"),
    };
    Ok(Message::test(row.notification, &by, row.queued_at))
}

/// Why a message was queued; of a fallback, why the message was that it stands for.
async fn origin(handle: &Handle, row: &OutboxRow) -> Result<Option<Reason>, String> {
    let stream = row.subject.stream();
    let mut because = trace(handle, &stream, 0, row.notification).await?.because;
    for _ in 0..FALLBACKS_MAX {
        let Some(Reason::Fallback { notification, .. }) = because else { break };
        because = trace(handle, &stream, 0, notification).await?.because;
    }
    Ok(because)
}

/// The alerts of these fingerprints, as the journal left them.
async fn alerts(handle: &Handle, wanted: &[Fingerprint]) -> Result<Vec<Alert>, String> {
    let rows = handle.journal().alerts_of(wanted.to_vec()).await;
    let rows: Vec<AlertRow> = rows.map_err(|error| chain(&error))?;
    Ok(rows.into_iter().map(|row| row.alert).collect())
}

fn alert_content(alert: &Alert, status: AlertStatus) -> AlertContent {
    AlertContent {
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        status,
        starts_at: alert.starts_at,
        ends_at: match status {
            AlertStatus::Firing => None,
            AlertStatus::Resolved => alert.ends_at,
        },
        generator_url: alert.generator_url.clone(),
        fingerprint: alert.fingerprint,
    }
}

/// How the people of a row are called in its channel.
fn mentions(settings: &Settings, row: &OutboxRow) -> Vec<String> {
    let called = |person: &Person| {
        let contacts = person.channels.iter().filter(|contact| contact.channel == row.channel);
        contacts.filter_map(|contact| contact.mention.clone()).collect::<Vec<_>>()
    };
    let people = row.mentions.iter().filter_map(|person| settings.triage.people.get(person));
    people.flat_map(called).collect()
}
