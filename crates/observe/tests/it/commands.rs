//! Checks that are programs, run by a stand-in.

use std::sync::{Arc, Mutex};

use nightcrew_config::settings::{Check, Probe};
use nightcrew_model::catalogue::{API_LATENCY_MS, HEALTH_STATUS};
use nightcrew_model::unit::Millis;
use nightcrew_observe::check::command::{Ended, Programs, Ran, Running};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

use crate::fixture::{check, checks, of, said};

/// Runs nothing, and says what it is told to.
#[derive(Debug)]
struct StandIn {
    answer: Result<Ran, String>,
    asked: Mutex<Vec<(Vec<String>, Millis)>>,
}

impl Programs for StandIn {
    fn run<'a>(&'a self, argv: &'a [String], timeout: Millis) -> Running<'a> {
        self.asked.lock().unwrap().push((argv.to_vec(), timeout));
        Box::pin(std::future::ready(self.answer.clone()))
    }
}

fn command(expect_output: Option<&str>) -> Check {
    let argv = ["/usr/lib/checks/check_queue", "--token=비밀"].map(str::to_owned).to_vec();
    let expect_output = expect_output.map(str::to_owned);
    check(Probe::Command { argv, expect_exit: 2, expect_output }, 700)
}

async fn look(answer: Result<Ran, String>, expect_output: Option<&str>) -> (String, String) {
    let stand_in = Arc::new(StandIn { answer, asked: Mutex::default() });
    let programs: Arc<dyn Programs> = stand_in.clone();
    let mut checks = checks(vec![command(expect_output)]).run_by(&programs);
    let samples = checks.look(&Http::Fake(axum::Router::new()), &Clock::System).await;
    assert!(of(&samples, API_LATENCY_MS).is_none(), "a program is no server");
    let asked = stand_in.asked.lock().unwrap();
    assert_eq!((asked[0].0[1].as_str(), asked[0].1), ("--token=비밀", Millis(700)));
    said(&samples, HEALTH_STATUS)
}

fn ran(ended: Ended, output: &str) -> Result<Ran, String> {
    Ok(Ran { ended, output: output.to_owned() })
}

#[tokio::test]
async fn a_program_says_how_the_service_is_by_its_code_and_output() {
    let exited = |code| Ended::Exited(Some(code));
    for (answer, pattern, status, words) in [
        (
            ran(exited(2), "\n 대기열 3\n"),
            None,
            "passing",
            "check_queue ended with code 2: 대기열 3",
        ),
        (
            ran(exited(2), "대기열 3"),
            Some("^대기열 \\d$"),
            "passing",
            "check_queue ended with code 2: 대기열 3",
        ),
        (ran(exited(0), ""), None, "failing", "check_queue ended with code 0"),
        (
            ran(exited(2), "빔"),
            Some("대기열"),
            "failing",
            "the output of check_queue is not as expected: 빔",
        ),
        (ran(Ended::Exited(None), ""), None, "failing", "check_queue was ended by a signal"),
        (ran(Ended::TimedOut, ""), None, "failing", "check_queue did not end within 700 ms"),
        (Err("not installed".to_owned()), None, "unknown (not installed)", ""),
    ] {
        assert_eq!(look(answer, pattern).await, (status.to_owned(), words.to_owned()));
    }
}

#[tokio::test]
async fn a_program_that_nobody_may_start_is_unknown() {
    let mut checks = checks(vec![command(None)]);
    let samples = checks.look(&Http::Fake(axum::Router::new()), &Clock::System).await;
    assert_eq!(said(&samples, HEALTH_STATUS).0, "unknown (no program may be started here)");
}
