//! The record, the story and the Markdown of whole incidents.

use nightcrew_model::decision::{Decision, Fact, NotificationKind, Reason};
use nightcrew_model::id::{AgentName, IncidentId, StepIndex};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::plan::StepStatus;
use nightcrew_model::sample::Status;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;
use nightcrew_report::fold::incident_record;
use nightcrew_report::markdown::markdown;
use nightcrew_report::record::{Progress, Record};
use nightcrew_report::story::{story, summary, title};

use crate::chronicle::{
    ATTEMPT, INCIDENT, at, decided, ended, escalated, finished, fired, healed, process, started,
};

fn record(decisions: &[Decision]) -> Record {
    incident_record(INCIDENT, decisions).unwrap()
}

#[test]
fn a_healed_incident_reads_from_detection_to_proof() {
    insta::assert_snapshot!(markdown(&record(&healed())), @r#"
    # Incident INC-42

    - **Type**: `process_down`
    - **Service**: `결제-api`
    - **Detected**: 2026-11-21T03:00:00.350Z (350 ms after it began)
    - **Severity**: critical
    - **Trigger**: process_status == 'stopped' in 1 of 1 samples; seen: stopped
    - **Labels**: `alertname=process_down` `service=결제-api`
    - **Annotations**: `summary=the process of 결제-api does not live`
    - **State**: resolved
    - **Over**: 2026-11-21T03:00:02.790Z (2.4 s after detection, proven)

    ## Initial State

    ```json
    [
      {
        "target": "결제-api",
        "metric": "process_status",
        "value": null,
        "unit": null,
        "status": "stopped",
        "at": "2026-11-21T03:00:00.34Z",
        "detail": "pid 4711 killed by signal 9"
      }
    ]
    ```

    ## Actions Taken

    Playbook `process_down`, attempt INC-42/1, at 2026-11-21T03:00:00.350Z, because process_status != 'running'; seen: as it is.

    ### Restart the stopped process

    - **Command**: `restart_process 결제-api`
    - **Gate**: admitted, disruptive, by rule `service.restart`: declared by the operator
    - **Ran as**: `/srv/pay/bin/api --port 8443`
    - **Status**: ✅ Success (after 420 ms)
    - **Output**:

    ```
    started, pid 4712
    ```

    ## Verification

    - **Status**: ✅ Resolved
    - **Proof**: `process_status == 'running'`, 2 in a row until 2026-11-21T03:01:00.780Z; every step is done
    - **Why**: 2 fresh good samples in a row, at 2026-11-21T03:00:02.790Z
    - **Final State**:

    ```json
    [
      {
        "target": "결제-api",
        "metric": "process_status",
        "value": null,
        "unit": null,
        "status": "running",
        "at": "2026-11-21T03:00:02.78Z",
        "detail": null
      }
    ]
    ```

    ## Timeline

    - 2026-11-21T03:00:00.350Z alert 3e35cfe0cb54eb0c fires: 결제-api process_down (critical, from detector) – process_status == 'stopped' in 1 of 1 samples; seen: stopped
    - 2026-11-21T03:00:00.350Z INC-42 opened: 결제-api process_down (critical) – first of its service and symptom inside the window
    - 2026-11-21T03:00:00.350Z INC-42/1: playbook process_down planned for 결제-api, 1 step – process_status != 'running'; seen: as it is
    - 2026-11-21T03:00:00.360Z INC-42/1: step 1 begins – admitted by the gate
    - 2026-11-21T03:00:00.780Z INC-42/1: step 1 succeeded after 420 ms – the step ended
    - 2026-11-21T03:00:00.780Z INC-42/1: fresh samples decide until 2026-11-21T03:01:00.780Z – every step is done
    - 2026-11-21T03:00:01.790Z INC-42/1: process_status = running, 1 good in a row – a fresh sample
    - 2026-11-21T03:00:02.790Z INC-42/1: process_status = running, 2 good in a row – a fresh sample
    - 2026-11-21T03:00:02.790Z INC-42/1 succeeded – 2 fresh good samples in a row
    - 2026-11-21T03:00:02.790Z INC-42 is over, proven – 2 fresh good samples in a row
    - 2026-11-21T03:00:02.790Z message N-7 (resolved) to discord queued – the channel listens to this
    - 2026-11-21T03:00:02.800Z alert 3e35cfe0cb54eb0c ended at 2026-11-21T03:00:02.800Z – process_status == 'stopped' in 1 of 1 samples; seen: running
    - 2026-11-21T03:00:03.100Z message N-7 arrived through discord – the receiver has it
    "#);
}

#[test]
fn an_escalated_incident_holds_hostile_text_as_text() {
    insta::assert_snapshot!(markdown(&record(&escalated())), @r#"
    # Incident INC-42

    - **Type**: `disk_space_low`
    - **Service**: ``host:/var` # 가짜``
    - **Detected**: 2026-11-21T03:00:01.000Z (1 s after it began)
    - **Severity**: critical
    - **Trigger**: disk_usage >= 90 in 3 of 3 samples; seen: 97.2 % \`rm\`
    - **Labels**: `alertname=disk_space_low` `service=host`
    - **Annotations**: ``summary=`code` <img src=x> **굵게** # heading``
    - **State**: escalated

    ## Initial State

    ```json
    [
      {
        "target": "host:/var` # 가짜",
        "metric": "disk_usage",
        "value": 97.2,
        "unit": "percent",
        "at": "2026-11-21T03:00:00.9Z",
        "detail": null
      }
    ]
    ```

    ## Actions Taken

    Playbook `disk_space_low`, attempt INC-42/1, at 2026-11-21T03:00:01.000Z, because disk_usage >= 85; seen: as it is.

    ### Remove old logs \#\# Verification

    - **Command**: `clean_files /var/log named '*.log.*' older than 720 h`
    - **Gate**: admitted, destructive, by rule `service.restart`: declared by the operator
    - **Status**: ❌ Failed (failed with exit code 1 after 420 ms)
    - **Output**:

    `````
    정리 중…
    ```
    ## 가짜 제목
    <script>alert(1)</script>
    \u001b[2J\u001b[31mrm: cannot remove
    ````
    - **Status**: ✅ Success
    \u202e끝
    `````

    ### Prune \<b>images\</b>

    - **Command**: ``docker system prune '`-f`'``
    - **Status**: ➖ Not begun

    ## Verification

    - **Status**: ❌ Still failing
    - **Why**: step 1 failed with exit code 1

    ## Escalation

    - **At**: 2026-11-21T03:00:01.430Z
    - **Why**: INC-42/1 did not heal it

    - Detected 2026-11-21T03:00:01Z, 1 s after it began: host:/var\` \# 가짜 disk_space_low (critical); disk_usage >= 90 in 3 of 3 samples; seen: 97.2 % \`rm\`
    - Known then: disk_usage = 97.2 %
    - Tried playbook disk_space_low at 2026-11-21T03:00:01Z, because disk_usage >= 85; seen: as it is
    - Step 1, Remove old logs \#\# Verification \[clean_files /var/log named '\*.log.\*' older than 720 h\]: failed with exit code 1 after 420 ms: \\u202e끝
    - Step 2, Prune \<b>images\</b> \[docker system prune '\`-f\`'\]: not begun
    - Playbook disk_space_low failed: step 1 failed with exit code 1
    - With a person since 2026-11-21T03:00:01Z, because INC-42/1 did not heal it.
    - The message (escalated) through discord did not arrive: the receiver will not take it: Discord answered HTTP 404: \`Unknown Webhook\`

    ## Timeline

    - 2026-11-21T03:00:01.000Z alert d913e1a519ed316a fires: host:/var\` \# 가짜 disk_space_low (critical, from detector) – disk_usage >= 90 in 3 of 3 samples; seen: 97.2 % \`rm\`
    - 2026-11-21T03:00:01.000Z INC-42 opened: host:/var\` \# 가짜 disk_space_low (critical) – first of its service and symptom inside the window
    - 2026-11-21T03:00:01.000Z INC-42/1: playbook disk_space_low planned for host:/var\` \# 가짜, 2 steps – disk_usage >= 85; seen: as it is
    - 2026-11-21T03:00:01.010Z INC-42/1: step 1 begins – admitted by the gate
    - 2026-11-21T03:00:01.430Z INC-42/1: step 1 failed with exit code 1 after 420 ms – the step ended
    - 2026-11-21T03:00:01.430Z INC-42/1 failed – step 1 failed with exit code 1
    - 2026-11-21T03:00:01.430Z INC-42 goes to a person – INC-42/1 did not heal it
    - 2026-11-21T03:00:01.430Z message N-8 (escalated) to discord queued – the channel listens to this
    - 2026-11-21T03:00:01.900Z message N-8 through discord will never arrive – the receiver will not take it: Discord answered HTTP 404: \`Unknown Webhook\`
    "#);
}

#[test]
fn the_story_of_an_escalation_says_what_a_person_needs() {
    let record = record(&escalated());
    insta::assert_snapshot!(title(&record, NotificationKind::Escalated), @"INC-42 needs a person: host:/var` # 가짜 disk_space_low");
    insta::assert_snapshot!(summary(&record), @"host:/var` # 가짜 disk_space_low (critical) since 2026-11-21T03:00:00Z: disk_usage >= 90 in 3 of 3 samples; seen: 97.2 % `rm`. Tried: playbook disk_space_low, which failed: step 1 failed with exit code 1. With a person since 2026-11-21T03:00:01Z, because INC-42/1 did not heal it.");
    insta::assert_snapshot!(story(&record).join("\n"), @r"
    Detected 2026-11-21T03:00:01Z, 1 s after it began: host:/var` # 가짜 disk_space_low (critical); disk_usage >= 90 in 3 of 3 samples; seen: 97.2 % `rm`
    Known then: disk_usage = 97.2 %
    Tried playbook disk_space_low at 2026-11-21T03:00:01Z, because disk_usage >= 85; seen: as it is
    Step 1, Remove old logs ## Verification [clean_files /var/log named '*.log.*' older than 720 h]: failed with exit code 1 after 420 ms: \u202e끝
    Step 2, Prune <b>images</b> [docker system prune '`-f`']: not begun
    Playbook disk_space_low failed: step 1 failed with exit code 1
    With a person since 2026-11-21T03:00:01Z, because INC-42/1 did not heal it.
    The message (escalated) through discord did not arrive: the receiver will not take it: Discord answered HTTP 404: `Unknown Webhook`
    ");
}

#[test]
fn the_story_of_a_repair_says_that_it_is_proven() {
    let record = record(&healed());
    insta::assert_snapshot!(title(&record, NotificationKind::Resolved), @"INC-42 is over: 결제-api process_down");
    insta::assert_snapshot!(summary(&record), @"결제-api process_down (critical) since 2026-11-21T03:00:00Z: process_status == 'stopped' in 1 of 1 samples; seen: stopped. Tried: playbook process_down, which healed it. Over since 2026-11-21T03:00:02Z, 2.4 s after detection, proven by fresh samples: 2 fresh good samples in a row.");
    insta::assert_snapshot!(story(&record).join("\n"), @"
    Detected 2026-11-21T03:00:00Z, 350 ms after it began: 결제-api process_down (critical); process_status == 'stopped' in 1 of 1 samples; seen: stopped
    Known then: process_status = stopped (pid 4711 killed by signal 9)
    Tried playbook process_down at 2026-11-21T03:00:00Z, because process_status != 'running'; seen: as it is
    Step 1, Restart the stopped process [restart_process 결제-api]: succeeded after 420 ms: started, pid 4712
    Proof, process_status == 'running': last seen process_status = running
    Playbook process_down succeeded: 2 fresh good samples in a row
    Over since 2026-11-21T03:00:02Z, 2.4 s after detection, proven by fresh samples: 2 fresh good samples in a row.
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "the whole record is the expectation")]
fn the_json_of_a_record_has_ids_as_people_write_them() {
    let mut record = record(&healed());
    record.timeline.truncate(2);
    record.trigger.alert = None;
    insta::assert_json_snapshot!(record, @r#"
    {
      "id": "INC-42",
      "key": {
        "target": {
          "service": "결제-api"
        },
        "symptom": "process_down"
      },
      "severity": "critical",
      "state": "resolved",
      "trigger": {
        "fingerprint": "3e35cfe0cb54eb0c",
        "alert": null,
        "why": "process_status == 'stopped' in 1 of 1 samples; seen: stopped"
      },
      "began_at": "2026-11-21T03:00:00Z",
      "detected_at": "2026-11-21T03:00:00.35Z",
      "detect_ms": 350,
      "repair_ms": 2440,
      "initial": [
        {
          "target": "결제-api",
          "metric": "process_status",
          "value": null,
          "unit": null,
          "status": "stopped",
          "at": "2026-11-21T03:00:00.34Z",
          "detail": "pid 4711 killed by signal 9"
        }
      ],
      "attempts": [
        {
          "id": "INC-42/1",
          "playbook": "process_down",
          "mode": "live",
          "planned_at": "2026-11-21T03:00:00.35Z",
          "because": "process_status != 'running'; seen: as it is",
          "hash": "e063084efb6b90261831a1d18b423542998255128cf314613e14a7f78e560383",
          "steps": [
            {
              "index": 0,
              "description": "Restart the stopped process",
              "command": "restart_process 결제-api",
              "verdict": {
                "verdict": "admitted",
                "class": "disruptive",
                "argv": [
                  "/srv/pay/bin/api",
                  "--port",
                  "8443"
                ],
                "reason": "declared by the operator",
                "rule": "service.restart"
              },
              "progress": "ended",
              "at": "2026-11-21T03:00:00.78Z",
              "outcome": {
                "status": {
                  "status": "succeeded"
                },
                "output": "started, pid 4712\n",
                "took": 420
              }
            }
          ],
          "verify": {
            "condition": {
              "metric": "process_status",
              "operator": "==",
              "operand": "running"
            },
            "needed": 2,
            "interval": 1000,
            "wait_after": 0,
            "deadline": 60000
          },
          "verification": {
            "began_at": "2026-11-21T03:00:00.78Z",
            "because": "every step is done",
            "deadline": "2026-11-21T03:01:00.78Z",
            "samples": [
              {
                "sample": {
                  "target": "결제-api",
                  "metric": "process_status",
                  "value": null,
                  "unit": null,
                  "status": "running",
                  "at": "2026-11-21T03:00:01.78Z",
                  "detail": null
                },
                "good": "true",
                "in_a_row": 1
              },
              {
                "sample": {
                  "target": "결제-api",
                  "metric": "process_status",
                  "value": null,
                  "unit": null,
                  "status": "running",
                  "at": "2026-11-21T03:00:02.78Z",
                  "detail": null
                },
                "good": "true",
                "in_a_row": 2
              }
            ]
          },
          "state": "succeeded",
          "end": {
            "at": "2026-11-21T03:00:02.79Z",
            "why": "2 fresh good samples in a row"
          },
          "relapsed_at": null
        }
      ],
      "held": [],
      "relapses": [],
      "escalation": null,
      "resolved": {
        "at": "2026-11-21T03:00:02.79Z",
        "verified": true,
        "reason": "2 fresh good samples in a row"
      },
      "notifications": [
        {
          "id": "N-7",
          "channel": "discord",
          "kind": "resolved",
          "queued_at": "2026-11-21T03:00:02.79Z",
          "outcome": "delivered",
          "at": "2026-11-21T03:00:03.1Z"
        }
      ],
      "timeline": [
        {
          "at": "2026-11-21T03:00:00.35Z",
          "what": "alert 3e35cfe0cb54eb0c fires: 결제-api process_down (critical, from detector)",
          "why": "process_status == 'stopped' in 1 of 1 samples; seen: stopped"
        },
        {
          "at": "2026-11-21T03:00:00.35Z",
          "what": "INC-42 opened: 결제-api process_down (critical)",
          "why": "first of its service and symptom inside the window"
        }
      ]
    }
    "#);
}

#[test]
fn times_count_from_the_alert_and_from_the_detection() {
    let record = record(&healed());
    assert_eq!(record.began_at, at(0));
    assert_eq!(record.detected_at, at(350));
    assert_eq!(record.detect_ms, Millis(350));
    assert_eq!(record.repair_ms, Some(Millis(2_440)));
    assert_eq!(record.state, IncidentState::Resolved);
}

#[test]
fn a_relapse_takes_the_repair_back() {
    let mut decisions = healed();
    let Fact::AlertFired { alert } = decisions[0].fact.clone() else { unreachable!() };
    decisions.push(fired(60_000, &alert, "process_status == 'stopped'", "stopped"));
    decisions.push(decided(
        60_000,
        Fact::IncidentReopened { incident: INCIDENT, trigger: alert.fingerprint },
        Reason::SameKey,
    ));
    let record = record(&decisions);
    assert_eq!(record.state, IncidentState::Open);
    assert_eq!((record.repair_ms, &record.resolved), (None, &None));
    assert_eq!(record.attempts[0].relapsed_at, Some(at(60_000)));
    assert!(markdown(&record).contains("❌ Still failing (it came back)"));
    assert!(summary(&record).contains("healed it until"));
    let last: Vec<&str> = record.timeline.iter().rev().take(2).map(|e| e.what.as_str()).collect();
    assert!(last[0].starts_with("INC-42 is back"), "{last:?}");
    assert!(last[1].contains("fires"), "{last:?}");
}

#[test]
fn an_alert_that_fires_for_a_later_incident_is_not_in_the_record() {
    let mut decisions = healed();
    let Fact::AlertFired { alert } = decisions[0].fact.clone() else { unreachable!() };
    let n_before = record(&decisions).timeline.len();
    decisions.push(fired(7_200_000, &alert, "process_status == 'stopped'", "stopped"));
    decisions.push(ended(7_200_100, alert.fingerprint));
    decisions.push(decided(
        7_200_200,
        Fact::AgentChanged {
            agent: AgentName::from("autoheal"),
            state: nightcrew_model::decision::AgentState::Late,
        },
        Reason::Supervision { detail: "no heartbeat".into() },
    ));
    assert_eq!(record(&decisions).timeline.len(), n_before);
    assert_eq!(incident_record(IncidentId(43), &decisions), None);
}

#[test]
fn an_incident_is_told_without_the_decisions_about_its_alerts() {
    let own: Vec<Decision> = healed()
        .into_iter()
        .filter(|decision| decision.fact.incident() == Some(INCIDENT))
        .collect();
    let record = record(&own);
    assert_eq!(record.trigger.alert, None);
    assert_eq!(record.began_at, record.detected_at);
    assert_eq!(record.state, IncidentState::Resolved);
}

#[test]
fn a_refused_step_shows_what_the_gate_said() {
    let mut decisions: Vec<Decision> = escalated().into_iter().take(3).collect();
    decisions.push(decided(
        1_020,
        Fact::AttemptFailed { attempt: ATTEMPT },
        Reason::GateRefused { step: StepIndex(0), reason: "/var/log is in no allowed root".into() },
    ));
    let record = record(&decisions);
    assert!(matches!(record.attempts[0].steps[0].progress, Progress::Refused { .. }));
    assert_eq!(record.attempts[0].steps[1].progress, Progress::NotBegun);
    let page = markdown(&record);
    assert!(page.contains("❌ Failed (not admitted by the gate: /var/log is in no allowed root)"));
    assert!(page.contains("➖ Not begun"));
}

#[test]
fn a_step_that_a_crash_cut_off_is_not_called_a_success() {
    let mut decisions: Vec<Decision> = healed().into_iter().take(4).collect();
    decisions.push(decided(
        5_000,
        Fact::VerificationStarted { attempt: ATTEMPT, not_before: at(5_000), deadline: at(65_000) },
        Reason::CutOffEffectUnproven { step: StepIndex(0) },
    ));
    // A second crash: verification begins again.
    let mut again = decisions[4].clone();
    again.at = at(9_000);
    decisions.push(again);
    decisions.push(decided(
        70_000,
        Fact::AttemptInterrupted { attempt: ATTEMPT },
        Reason::CutOffEffectUnproven { step: StepIndex(0) },
    ));
    decisions.push(decided(
        70_000,
        Fact::IncidentEscalated { incident: INCIDENT },
        Reason::NotVerified { best: 0, needed: 2, waited: Millis::from_secs(60) },
    ));
    let record = record(&decisions);
    assert!(record.timeline.iter().all(|entry| entry.contradiction.is_none()));
    let page = markdown(&record);
    assert!(page.contains("❔ Begun at 2026-11-21T03:00:00.360Z; its end is not known"), "{page}");
    assert!(page.contains("cut off, effect not proven"));
    assert!(story(&record).iter().any(|line| line.contains("no sample came in")));
}

#[test]
fn a_dry_run_is_shown_as_one() {
    let mut decisions: Vec<Decision> = healed().into_iter().take(3).collect();
    let Fact::AttemptPlanned { plan, .. } = &mut decisions[2].fact else { unreachable!() };
    plan.mode = nightcrew_model::plan::Mode::DryRun;
    decisions.push(started(360, 0, &["/srv/pay/bin/api"], RiskClass::Disruptive));
    decisions.push(finished(361, 0, StepStatus::Shown, ""));
    decisions.push(decided(362, Fact::AttemptFailed { attempt: ATTEMPT }, Reason::DryRun));
    let record = record(&decisions);
    let page = markdown(&record);
    assert!(page.contains("➖ Shown, not executed (dry run)"));
    assert!(page.contains("(dry run), attempt INC-42/1"));
    assert!(!page.contains('✅'), "{page}");
    assert!(story(&record).iter().any(|line| line.contains("dry run: nothing was executed")));
}

#[test]
fn what_is_over_without_a_repair_is_not_called_healed() {
    let mut decisions: Vec<Decision> = healed().into_iter().take(2).collect();
    decisions.push(decided(
        9_000,
        Fact::IncidentResolved { incident: INCIDENT, verified: false },
        Reason::AlertsEnded,
    ));
    let record = record(&decisions);
    let page = markdown(&record);
    assert!(page.contains("⚠️ Over, not proven"));
    assert!(!page.contains('✅'), "{page}");
    assert!(summary(&record).contains("not proven by samples of our own"));
    let status = process("결제-api", 0, Status::Stopped);
    assert!(page.contains(status.detail.as_deref().unwrap()));
}
