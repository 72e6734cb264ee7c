//! The throw-away service: a small HTTP server whose health depends on a file.

use std::path::PathBuf;

use anyhow::Context as _;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::cli;
use crate::output::Exit;

pub(crate) async fn run(args: cli::DemoService) -> anyhow::Result<Exit> {
    let listener =
        TcpListener::bind(("127.0.0.1", args.port)).await.context("listening for requests")?;
    let needs = args.needs;
    let health = move || {
        let needs = needs.clone();
        async move { health(needs) }
    };
    let router = Router::new().route("/health", get(health));
    axum::serve(listener, router).await.context("serving requests")?;
    Ok(Exit::Done)
}

fn health(needs: Option<PathBuf>) -> (StatusCode, String) {
    match needs.filter(|path| !path.exists()) {
        None => (StatusCode::OK, "healthy\n".to_owned()),
        Some(path) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{} is missing\n", path.display()))
        }
    }
}
