//! Programs of others against the server; skipped where they are not installed.

use std::process::Stdio;

use nightcrew_server::serve;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::oneshot;

use crate::outpost::{Outpost, soon};

#[expect(clippy::disallowed_methods, reason = "a test starts the program it tests against")]
fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// Runs a program with this input; none where it is not installed.
async fn run(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut child = match command(program, arguments).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = soon(program, child.wait_with_output()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let outpost = Outpost::start().await;
    outpost.until("/readyz", |answer| answer.status.is_success()).await;
    outpost.post("/api/v2/alerts", r#"[{"labels":{"alertname":"x\"\\","service":"결제"}}]"#).await;
    let metrics = outpost.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "nightcrew_ready 1",
        "nightcrew_alerts_active 1",
        "nightcrew_alerts_received_total 1",
        "nightcrew_incidents{state=\"escalated\"} 1",
        "nightcrew_journal_readable 1",
        "nightcrew_task_state{agent=\"alert-handler\",task=\"core\",state=\"healthy\"} 1",
    ] {
        assert!(
            metrics.text.lines().any(|have| have == line),
            "{line} is not in\n{}",
            metrics.text
        );
    }
    if let Some((ok, text)) = run("promtool", &["check", "metrics"], &metrics.text).await {
        assert!(ok && text.is_empty(), "{text}");
    }
    outpost.stop().await;
}

#[tokio::test]
async fn amtool_adds_and_queries_alerts() {
    let outpost = Outpost::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("--alertmanager.url=http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(outpost.handle().clone(), listener, async { drop(stopped.await) });
    let client = async move {
        let add = [
            "alert",
            "add",
            "디스크",
            "service=결제",
            "severity=critical",
            "--annotation=summary=\"가득 참\"",
        ];
        let Some((ok, text)) = run("amtool", &[&[url.as_str()], &add[..]].concat(), "").await
        else {
            stop.send(()).unwrap();
            return;
        };
        assert!(ok, "{text}");
        let query = ["alert", "query", "-o", "extended", "severity=~crit.*"];
        let (ok, text) = run("amtool", &[&[url.as_str()], &query[..]].concat(), "").await.unwrap();
        assert!(ok && text.contains("service=\"결제\"") && text.contains("가득 참"), "{text}");
        assert!(text.contains("active"), "{text}");
        let other = ["alert", "query", "severity=info"];
        let (ok, text) = run("amtool", &[&[url.as_str()], &other[..]].concat(), "").await.unwrap();
        assert!(ok && !text.contains("디스크"), "{text}");
        let (ok, text) = run("amtool", &[url.as_str(), "config", "show"], "").await.unwrap();
        assert!(ok, "{text}");
        stop.send(()).unwrap();
    };
    let (served, ()) = soon("the end", async { tokio::join!(serving, client) }).await;
    served.unwrap();
    outpost.stop().await;
}
