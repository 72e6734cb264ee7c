//! How fakes fail, and how they listen and stop.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use nightcrew_testkit::fake::{Answer, Mode, Smtp, SmtpMode, Webhook};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

async fn post(fake: &Webhook) -> Response<Body> {
    let request = Request::post("http://fake/").header("content-type", "application/json");
    fake.router().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap()
}

#[tokio::test]
async fn what_fails_is_not_taken_and_the_script_comes_first() {
    let fake = Webhook::default();
    fake.fail_with(Mode::Status(503));
    fake.answer_next([Answer::new(418, "")]);
    for expected in [418, 503, 503] {
        assert_eq!(post(&fake).await.status(), expected);
    }
    fake.fail_with(Mode::RateLimited { after: Duration::from_secs(7) });
    assert_eq!(post(&fake).await.headers()["retry-after"], "7");
    fake.fail_with(Mode::Redirect);
    assert!(post(&fake).await.status().is_redirection());
    assert_eq!((fake.received().len(), fake.asked()), (0, 5));
    fake.fail_with(Mode::CloseMidBody);
    assert!(to_bytes(post(&fake).await.into_body(), 100).await.is_err());
    assert_eq!(fake.received().len(), 1, "what is answered badly was taken");
}

#[tokio::test(start_paused = true)]
async fn what_is_slow_is_taken_at_once() {
    let fake = Webhook::default();
    fake.fail_with(Mode::Slow(Duration::from_secs(60)));
    let answer = tokio::time::timeout(Duration::from_secs(1), post(&fake)).await;
    assert!(answer.is_err());
    assert_eq!(fake.received().len(), 1);
}

#[tokio::test]
async fn a_fake_listens_until_it_is_dropped() {
    let (url, fake) = Webhook::start().await;
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(fake.received().len(), 1);
    drop(fake);
    // The port is closed as soon as the task has ended.
    for _ in 0..500 {
        if TcpStream::connect(&address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still listens");
}

#[tokio::test]
async fn a_mail_server_keeps_the_order_of_the_protocol() {
    let (host, fake) = Smtp::start().await;
    let talk = async |lines: &str| {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        stream.write_all(lines.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        answers
    };
    let answers =
        talk("EHLO x\r\nRCPT TO:<a@b>\r\nDATA\r\nNOPE\r\nMAIL FROM:nobody\r\nQUIT\r\n").await;
    assert!(answers.contains("503 MAIL comes first") && answers.contains("501 no address"));
    let begin = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    let bare = format!("{begin}Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n");
    assert!(talk(&bare).await.contains("554 0 headers From"));
    let head =
        "From: a@b\r\nTo: c@d\r\nSubject: x\r\nDate: x\r\nMessage-ID: <x>\r\nMIME-Version: 1.0";
    let long = format!("{begin}{head}\r\n\r\n{}\r\n.\r\nQUIT\r\n", "x".repeat(999));
    assert!(talk(&long).await.contains("554 a line of 999 bytes"));
    let good = format!("{begin}{head}\r\n\r\n..dots\r\n.\r\nQUIT\r\n");
    assert!(talk(&good).await.contains("250 taken"));
    assert!(fake.received()[0].data.ends_with("\r\n.dots"));
    fake.fail_with(SmtpMode::Close);
    assert_eq!(talk("").await, "");
    assert_eq!(fake.asked(), 5);
}
