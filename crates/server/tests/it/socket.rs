//! The server on a real socket.

use std::time::Duration;

use nightcrew_server::limit::STOP_MAX;
use nightcrew_server::{ServeError, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::outpost::{Outpost, soon};

async fn exchange(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn serves_until_it_is_told_to_stop_and_ends_event_streams() {
    let outpost = Outpost::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(outpost.handle().clone(), listener, async { drop(stopped.await) });
    let client = async move {
        let head = "Host: localhost\r\nConnection: close\r\n\r\n";
        let health = exchange(address, &format!("GET /healthz HTTP/1.1\r\n{head}")).await;
        assert!(health.starts_with("HTTP/1.1 200 OK"), "{health}");
        let wrong = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        assert!(exchange(address, wrong).await.starts_with("HTTP/1.1 403"));

        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut begin = [0; 15];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200 OK");
        stop.send(()).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "the stream ends as a whole answer");
    };
    let both = async { tokio::join!(serving, client) };
    let (served, ()) = soon("the end", both).await;
    served.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    outpost.stop().await;
}

#[tokio::test]
async fn alerts_go_in_by_the_same_rules_as_everything_else() {
    let outpost = Outpost::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(outpost.handle().clone(), listener, async { drop(stopped.await) });
    let client = async move {
        let post = async |host: &str, origin: &str, body: &str| {
            let request = format!(
                "POST /api/v2/alerts HTTP/1.1\r\nHost: {host}\r\n{origin}Content-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            exchange(address, &request).await
        };
        let body = r#"[{"labels":{"alertname":"x"}}]"#;
        let taken = post("localhost", "", body).await;
        assert!(taken.starts_with("HTTP/1.1 200 OK\r\n"), "{taken}");
        for header in ["cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(taken.contains(header), "{taken}");
        }
        assert!(post("evil.example", "", body).await.starts_with("HTTP/1.1 403"));
        let foreign = post("localhost", "Origin: http://evil.example\r\n", body).await;
        assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
        assert!(post("localhost", "", "{").await.starts_with("HTTP/1.1 400"));
        stop.send(()).unwrap();
    };
    let (served, ()) = soon("the end", async { tokio::join!(serving, client) }).await;
    served.unwrap();
    assert_eq!(outpost.get("/api/v2/alerts").await.json().as_array().unwrap().len(), 1);
    outpost.stop().await;
}

#[tokio::test]
async fn a_body_of_50_mb_is_answered_and_not_kept() {
    let outpost = Outpost::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(outpost.handle().clone(), listener, async { drop(stopped.await) });
    let client = async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 52428800\r\n\
                    Connection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = vec![b' '; 1 << 20];
        for _ in 0..50 {
            stream.write_all(&chunk).await.unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        stop.send(()).unwrap();
    };
    let (served, ()) = soon("the end", async { tokio::join!(serving, client) }).await;
    served.unwrap();
    outpost.stop().await;
}

#[tokio::test]
async fn an_address_that_others_reach_is_not_served() {
    let outpost = Outpost::start().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let never = std::future::pending();
    let served = tokio::time::timeout(
        Duration::from_secs(5),
        serve(outpost.handle().clone(), listener, never),
    );
    let error = served.await.unwrap().unwrap_err();
    assert!(matches!(error, ServeError::NotLoopback(_)));
    assert!(error.to_string().contains("listen on 127.0.0.1"), "{error}");
    outpost.stop().await;
}

#[tokio::test]
async fn a_request_that_does_not_end_cannot_hold_up_the_stop() {
    let outpost = Outpost::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(outpost.handle().clone(), listener, async { drop(stopped.await) });
    let client = async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let half = "POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n[";
        stream.write_all(half.as_bytes()).await.unwrap();
        // A second connection is answered after the first one was accepted.
        let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert!(exchange(address, health).await.starts_with("HTTP/1.1 200"));
        stop.send(()).unwrap();
        stream
    };
    let begin = tokio::time::Instant::now();
    let (served, _stream) = soon("the end", async { tokio::join!(serving, client) }).await;
    served.unwrap();
    assert!(begin.elapsed() < STOP_MAX.duration() * 2, "{:?}", begin.elapsed());
    outpost.stop().await;
}
