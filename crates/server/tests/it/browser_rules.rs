//! What a browser may not do on behalf of another site, through the whole router.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::outpost::Outpost;

#[tokio::test]
async fn a_page_of_another_site_can_neither_read_nor_report() {
    let outpost = Outpost::start().await;
    let ask = |method: &str, host: &str, origin: Option<&str>| {
        let mut request =
            Request::builder().method(method).uri("/api/v2/alerts").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        outpost.send(request.body(Body::from(r#"[{"labels":{"a":"1"}}]"#)).unwrap())
    };
    let rebound = ask("GET", "attacker.example:7979", None).await;
    assert_eq!(rebound.status, StatusCode::FORBIDDEN);
    assert_eq!(rebound.json()["type"], "urn:nightcrew:problem:wrong-host");
    let foreign = ask("POST", "localhost:7979", Some("http://attacker.example")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(foreign.json()["type"], "urn:nightcrew:problem:other-site");
    assert_eq!(ask("GET", "localhost:7979", None).await.text, "[]\n", "nothing was stored");
    let own = ask("POST", "localhost:7979", Some("http://localhost:7979")).await;
    assert_eq!(own.status, StatusCode::OK);
    outpost.stop().await;
}
