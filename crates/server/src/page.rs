//! The page: its files are part of the program, and it loads nothing else.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

/// One file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! assets {
    ($($path:literal, $file:literal, $content_type:expr;)*) => {
        [$(Asset {
            path: $path,
            content_type: $content_type,
            content: include_str!(concat!("../../../web/", $file)),
        }),*]
    };
}

static ASSETS: [Asset; 9] = assets! {
    "/", "index.html", HTML;
    "/app.js", "app.js", SCRIPT;
    "/approvals.js", "approvals.js", SCRIPT;
    "/dom.js", "dom.js", SCRIPT;
    "/events.js", "events.js", SCRIPT;
    "/format.js", "format.js", SCRIPT;
    "/panels.js", "panels.js", SCRIPT;
    "/style.css", "style.css", STYLE;
    "/favicon.svg", "favicon.svg", SVG;
};

/// The routes of the page.
pub(crate) fn routes() -> Router<App> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let tag = tag(asset.content);
        router.route(asset.path, get(move |headers| async move { serve(asset, &tag, &headers) }))
    })
}

/// The page itself is never kept by a browser; its parts are, and are asked for again by their
/// tag.
fn serve(asset: &Asset, tag: &str, headers: &HeaderMap) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok());
    if known.flat_map(|known| known.split(',')).any(|known| known.trim() == tag) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag.to_owned())]).into_response();
    }
    let keep = if asset.content_type == HTML { "no-store" } else { "no-cache" };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    (headers, asset.content).into_response()
}

/// A tag that changes with the content.
fn tag(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// What tells how things are now is not kept by a browser.
pub(crate) async fn never_stored(request: Request, next: Next) -> Response {
    not_stored(next.run(request).await)
}

/// The answer, not to be kept.
pub(crate) fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
