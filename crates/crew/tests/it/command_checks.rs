//! A check that is a real program.

use nightcrew_model::catalogue::HEALTH_STATUS;
use nightcrew_runtime::http::Http;

use crate::stage::{settings, start};

#[tokio::test]
async fn a_declared_program_is_run_through_the_gate_and_its_end_is_a_sample() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(
        folder.path(),
        r#"{ host: { disks: [] }, services: {
            good: { checks: [{ command: ["/bin/echo", "$(id)"], expect_output: "^\\$\\(id\\)$" }] },
            bad: { checks: [{ command: ["false"] }] },
        } }"#,
    );
    let crew = start(settings, Http::Fake(axum::Router::new())).await;
    let seen = async {
        loop {
            let latest = crew.handle().latest();
            let health = latest.iter().filter(|sample| sample.metric.as_str() == HEALTH_STATUS);
            let told: Vec<String> = health
                .map(|sample| {
                    let words = sample.detail.as_deref().unwrap_or_default();
                    format!("{} {}: {words}", sample.target, sample.observation)
                })
                .collect();
            if told.len() == 2 {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.unwrap();
    let wanted =
        ["bad failing: false ended with code 1", "good passing: echo ended with code 0: $(id)"];
    assert_eq!(told, wanted);
    crew.stop().await;
}
