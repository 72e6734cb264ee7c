//! Trackers and incidents that the tests of tickets use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_channels::ticket::compose::{
    Progress, Related, TicketView, comment, draft, finding_label,
};
use nightcrew_channels::ticket::document::Document;
use nightcrew_channels::ticket::{Client, Draft};
use nightcrew_config::settings::{JiraFlavour, OpenTicket, Rate, Secret, Tracker, TrackerKind};
use nightcrew_model::id::{IncidentId, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;

use crate::fixture::TOKEN;

pub(crate) fn tracker(kind: TrackerKind) -> Tracker {
    Tracker {
        name: "tracker".into(),
        kind,
        open: OpenTicket::Every,
        labels: vec!["auto-detected".into(), "ops-monitor".into()],
        limit: Rate { messages: 10, window: Millis::from_secs(3_600) },
        reopen_window: Millis::from_secs(1_800),
        resolver: None,
        page_url: Some("https://night.example:7979/".into()),
    }
}

pub(crate) fn jira(flavour: JiraFlavour) -> Tracker {
    tracker(TrackerKind::Jira {
        url: "https://acme.atlassian.example".into(),
        flavour,
        email: (flavour == JiraFlavour::Cloud).then(|| "crew@acme.example".into()),
        token: Secret::new(TOKEN),
        project: "OPS".into(),
        issue_type: "Bug".into(),
        priorities: BTreeMap::from([(Severity::Critical, "High".to_owned())]),
        statuses: BTreeMap::new(),
    })
}

pub(crate) fn github() -> Tracker {
    let (url, repository) = ("https://api.github.example".into(), "acme/ops".into());
    tracker(TrackerKind::Github { url, repository, token: Secret::new(TOKEN) })
}

pub(crate) fn gitlab() -> Tracker {
    let (url, project) = ("https://gitlab.example".into(), "acme/ops".into());
    tracker(TrackerKind::Gitlab { url, project, token: Secret::new(TOKEN) })
}

pub(crate) fn client<'a>(tracker: &'a Tracker, http: &'a Http) -> Client<'a> {
    Client::new(tracker, http)
}

pub(crate) fn view(incident: u64) -> TicketView {
    let key = IncidentKey {
        target: Target::service("cartservice".into()),
        symptom: "high_error_rate".into(),
    };
    let opened_at: Timestamp = "2026-02-11T05:30:00Z".parse().unwrap();
    TicketView {
        label: finding_label("night-1", IncidentId(incident), &key, opened_at),
        incident: IncidentId(incident),
        detected_at: "2026-02-11T14:30:00+09:00".into(),
        service: "cartservice".into(),
        severity: Severity::Critical,
        headline: "에러율 급증 (12.3%)".into(),
        symptom: "에러율 12.3% (기준: 5%)".into(),
        impact: "높음 - 사용자 장바구니 기능 장애".into(),
        related: vec![Related {
            text: "4bf92f3577b34da6".into(),
            url: Some("https://signoz.example/trace/4bf92f3577b34da6".into()),
        }],
        recommended: "서비스 재시작 후 메트릭 확인".into(),
        evidence: vec!["14:29:30 error_rate 11.8 %".into(), "14:30:00 error_rate 12.3 %".into()],
    }
}

pub(crate) fn drafted(tracker: &Tracker, incident: u64) -> Draft {
    draft(&view(incident), tracker)
}

pub(crate) fn said(stage: Stage, what: &str, evidence: &[&str]) -> Document {
    comment(&Progress {
        incident: IncidentId(42),
        at: "2026-02-11T05:31:00Z".parse().unwrap(),
        stage: Some(stage),
        what: what.into(),
        done: Vec::new(),
        evidence: evidence.iter().map(|line| (*line).to_owned()).collect(),
        left_out: Vec::new(),
    })
}
