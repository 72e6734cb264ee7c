//! A plan that waits for a yes or a no, in the chats that have buttons and on the pagers.

use nightcrew_channels::approval::ApprovalView;
use nightcrew_channels::message::Message;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{AttemptId, IncidentId};
use nightcrew_model::verdict::RiskClass;
use nightcrew_testkit::fake::{Discord, Opsgenie, Pagerduty, Slack, Telegram, Webhook};
use serde_json::{Value, json};

use crate::fixture::{
    deliver, discord, message, opsgenie, over, pagerduty, receipt, slack_api, telegram, webhook,
};

fn wanted() -> Message {
    let approval = ApprovalView {
        attempt: AttemptId { incident: IncidentId(42), number: 1 },
        hash: "0123456789ab".repeat(6).chars().take(64).collect::<String>().parse().unwrap(),
        class: RiskClass::Disruptive,
        steps: vec!["restart_service web (disruptive)".into(), "wait 10 s (observe)".into()],
        expires_at: "2026-11-21T03:05:05Z".parse().unwrap(),
    };
    Message {
        kind: NotificationKind::ApprovalWanted,
        title: "INC-42/1 waits for approval: host:/var disk_space_low".into(),
        actions: approval.actions().into(),
        approval: Some(approval),
        ..message()
    }
}

fn pick(buttons: &Value, names: &[&str]) -> Vec<Value> {
    let buttons = buttons.as_array().into_iter().flatten();
    buttons.map(|button| names.iter().map(|name| button[*name].clone()).collect()).collect()
}

#[tokio::test]
async fn chats_with_buttons_offer_a_yes_to_this_plan_and_a_no() {
    let (yes, no) = ("approve:INC-42/1:0123456789ab", "deny:INC-42/1");
    let plan = "1. restart_service web (disruptive)";

    let fake = Discord::default();
    receipt(deliver(&discord(), &wanted(), fake.router()).await);
    let body = fake.bodies().remove(0);
    let buttons = pick(&body["components"][0]["components"], &["style", "custom_id"]);
    assert_eq!(buttons, [json!([3, yes]), json!([4, no])]);
    let told = body["embeds"][0]["description"].to_string().replace('\\', "");
    assert!(told.contains("restart_service web"), "{told}");

    let fake = Slack::default();
    receipt(deliver(&slack_api("https://slack.example"), &wanted(), fake.router()).await);
    let body = fake.bodies().remove(0);
    let blocks = body["blocks"].as_array().unwrap();
    let row = blocks.iter().find(|block| block["type"] == "actions").unwrap();
    let buttons = pick(&row["elements"], &["style", "value"]);
    assert_eq!(buttons, [json!(["primary", yes]), json!(["danger", no])]);
    assert!(body.to_string().contains(plan), "{body}");

    let fake = Telegram::default();
    receipt(deliver(&telegram("https://telegram.example"), &wanted(), fake.router()).await);
    let body = fake.bodies().remove(0);
    let row = &body["reply_markup"]["inline_keyboard"][0];
    let buttons = pick(row, &["text", "callback_data"]);
    assert_eq!(buttons, [json!(["Approve", yes]), json!(["Deny", no])]);
    assert!(body["text"].as_str().unwrap().contains(plan), "{body}");
}

#[tokio::test]
async fn a_program_gets_the_plan_with_its_whole_hash() {
    let fake = Webhook::default();
    deliver(&webhook(&[]), &wanted(), fake.router()).await;
    let body = fake.bodies().remove(0);
    assert_eq!(
        body["approval"],
        json!({
            "attempt": "INC-42/1",
            "hash": "0123456789ab".repeat(6).chars().take(64).collect::<String>(),
            "class": "disruptive",
            "steps": ["restart_service web (disruptive)", "wait 10 s (observe)"],
            "expires_at": "2026-11-21T03:05:05Z",
        })
    );
    assert_eq!(body["story"][1], "1. restart_service web (disruptive)");
    assert_eq!(body["kind"], "approval_wanted");
}

#[tokio::test]
async fn a_pager_wakes_once_for_the_question_and_the_escalation_after_it() {
    let escalated = message();
    let fake = Pagerduty::default();
    for message in [&wanted(), &escalated, &over()] {
        deliver(&pagerduty("https://pager.example"), message, fake.router()).await;
    }
    let keys: Vec<Value> = fake.bodies().iter().map(|body| body["dedup_key"].clone()).collect();
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(fake.bodies()[0]["payload"]["severity"], "critical");

    let fake = Opsgenie::default();
    for message in [&wanted(), &escalated] {
        deliver(&opsgenie("https://opsgenie.example"), message, fake.router()).await;
    }
    assert_eq!(fake.bodies()[0]["alias"], fake.bodies()[1]["alias"]);
}
