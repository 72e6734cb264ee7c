//! Whatever an incident says, a ticket is taken, and nothing in it acts.

use nightcrew_channels::message::Sending;
use nightcrew_channels::ticket::compose::{Progress, Related, comment, draft};
use nightcrew_config::settings::JiraFlavour;
use nightcrew_model::id::IncidentId;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{self, GithubIssues, Gitlab, check_document};
use proptest::prelude::*;
use serde_json::Value;

use crate::ticket_fixture::{client, github, gitlab, jira, view};

/// Text that wants to be more than text.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "@all",
        "[~admin]",
        "[~accountid:5b10]",
        "{code}",
        "{noformat}",
        "{NOFORMAT}",
        "{panel}",
        "[x|http://evil.example]",
        "![x](http://evil)",
        "h1. ",
        "bq. ",
        "/close",
        "\n/close",
        "\n",
        "```",
        "~~~",
        "<!-- ",
        "<script>",
        "&#91;",
        "\\\\",
        "\u{202e}",
        "\u{0}",
        "\u{1b}[2J",
        "#1",
        "!1",
        "https://evil.example",
        "www.evil.example",
        "|",
        "*",
        "_",
        "가",
        "🔥",
        " ",
        "\"",
        "\\",
    ]);
    prop::collection::vec(prop_oneof![3 => piece.prop_map(str::to_owned), 1 => "\\PC{0,9}"], 0..120)
        .prop_map(|pieces| pieces.concat())
}

fn check_wiki(text: &str) {
    assert_eq!(text.matches("{noformat}").count() % 2, 0, "{text}");
    assert_eq!(
        text.to_lowercase().matches("{noformat").count(),
        text.matches("{noformat}").count()
    );
    let mut inside = false;
    for line in text.lines() {
        if line == "{noformat}" {
            inside = !inside;
        } else if !inside {
            assert!(!line.contains("[~") && !line.contains('{'), "{line}");
            assert!(!line.starts_with("h1.") && !line.starts_with("bq."), "{line}");
            let unlinked =
                line.replace("|https://signoz.example/", "").replace("|https://night.example", "");
            assert!(!unlinked.contains("://"), "{line}");
        }
    }
    assert!(!inside);
}

fn check_markdown(text: &str) {
    let mut fence: Option<String> = None;
    for line in text.lines() {
        match &fence {
            Some(end) => {
                if line == end {
                    fence = None;
                }
            }
            None if line.starts_with("```") => {
                fence = Some(line.chars().take_while(|c| *c == '`').collect());
            }
            None => {
                assert!(!line.starts_with('/'), "{line}");
                assert!(!line.contains('<') || line.contains("](<https://"), "{line}");
                assert!(!line.contains("@all") && !line.contains("#1"), "{line}");
                assert!(!line.contains("://evil") && !line.contains("www.evil"), "{line}");
            }
        }
    }
    assert!(fence.is_none(), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_outside_text_breaks_a_form_or_acts(texts in prop::collection::vec(hostile(), 8)) {
        let mut view = view(42);
        view.service = texts[0].as_str().into();
        view.headline.clone_from(&texts[1]);
        view.symptom.clone_from(&texts[2]);
        view.impact.clone_from(&texts[3]);
        view.recommended.clone_from(&texts[4]);
        let link = |text: &String, url: &str| Related { text: text.clone(), url: Some(url.into()) };
        view.related = vec![
            link(&texts[5], "https://signoz.example/t/1"),
            link(&texts[5], &texts[6]),
        ];
        view.evidence = vec![texts[6].clone(); 60];
        let progress = Progress {
            incident: IncidentId(42),
            at: "2026-02-11T05:31:00Z".parse().unwrap(),
            stage: None,
            what: texts[7].clone(),
            done: texts.clone(),
            evidence: texts.clone(),
            left_out: vec![texts[0].clone()],
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let said = comment(&progress);
            for flavour in [JiraFlavour::Cloud, JiraFlavour::DataCenter] {
                let (fake, tracker) = (fake::Jira::default(), jira(flavour));
                let http = Http::Fake(fake.router());
                let jira = client(&tracker, &http);
                let key = jira.open(&draft(&view, &tracker)).await.unwrap().key;
                jira.comment(&key, &said, Sending::PossibleRepeat).await.unwrap();
                let issue = fake.issues().remove(0);
                for text in [&issue.fields["description"], &issue.comments[0]] {
                    match text {
                        Value::String(wiki) => check_wiki(wiki),
                        document => check_document(document).unwrap(),
                    }
                }
            }
            let (fake, tracker) = (GithubIssues::default(), github());
            let http = Http::Fake(fake.router());
            let key = client(&tracker, &http).open(&draft(&view, &tracker)).await.unwrap().key;
            client(&tracker, &http).comment(&key, &said, Sending::PossibleRepeat).await.unwrap();
            let issue = fake.issues().remove(0);
            check_markdown(issue["body"].as_str().unwrap());
            check_markdown(issue["comments_sent"][0].as_str().unwrap());
            let (fake, tracker) = (Gitlab::default(), gitlab());
            let http = Http::Fake(fake.router());
            let key = client(&tracker, &http).open(&draft(&view, &tracker)).await.unwrap().key;
            client(&tracker, &http).comment(&key, &said, Sending::PossibleRepeat).await.unwrap();
        });
    }
}
