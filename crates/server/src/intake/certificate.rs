//! What Amazon SNS makes us fetch.  Each URL was checked to lead there before it comes here.

use nightcrew_intake::door::cloudwatch::AmazonUrl;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Request, Response};

use crate::app::App;
use crate::problem::{Kind, Problem};

/// How long Amazon may take.
const FETCH_MAX: Millis = Millis::from_secs(10);

/// Fetches the certificate behind a signature and keeps it.
pub(super) async fn fetch(app: &App, url: AmazonUrl) -> Result<(), Problem> {
    let answer = get(app, &url).await?;
    let now = app.handle.clock().now();
    let added = app.doors.checks().certificates.add(url, &answer.body, now);
    added.map_err(|why| not_had(&format!("the certificate of Amazon SNS is not usable: {why}")))
}

/// Confirms a subscription.
pub(super) async fn confirm(app: &App, url: &AmazonUrl) -> Result<(), Problem> {
    get(app, url).await.map(drop)
}

async fn get(app: &App, url: &AmazonUrl) -> Result<Response, Problem> {
    let answer = app.handle.http().send(Request::get(url.as_str(), FETCH_MAX)).await;
    let answer = answer.map_err(|error| not_had(&format!("Amazon SNS did not answer: {error}")))?;
    if !answer.status.is_success() {
        return Err(not_had(&format!("Amazon SNS answered {}", answer.status)));
    }
    Ok(answer)
}

/// The sender repeats the message, and by then it may work.
fn not_had(why: &str) -> Problem {
    tracing::warn!("{why}");
    Problem::new(Kind::Overloaded, why, "send the same message again; repeating it is safe")
}
