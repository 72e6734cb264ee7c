//! `nightcrew playbooks review`: playbooks in shadow, compared with what people did instead.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use form_urlencoded::Serializer;
use nightcrew_journal::history;
use nightcrew_report::shadow_page::ShadowReview;
use nightcrew_report::shadow_review::Reviewing;

use crate::client::{found, text};
use crate::output::{self, Exit};
use crate::{cli, span, wiring};

/// Which runs, and where their records are.
#[derive(Debug, Args)]
pub(crate) struct Review {
    /// How far back decisions in shadow are reviewed: `12h`, `30d`.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    since: String,
    /// Read this data folder instead of asking a crew; one may run on it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    config: cli::Config,
    #[command(flatten)]
    ask: cli::Ask,
}

pub(super) async fn run(args: &Review) -> anyhow::Result<Exit> {
    let since = span::until_now(&args.since)?;
    if let Some(data) = &args.data {
        // Which playbooks are in shadow now is known by the configuration.
        let settings = wiring::usable(&args.config)?;
        let mut reviewing = Reviewing::default();
        history::read(data, |decision| reviewing.apply(&decision))
            .with_context(|| format!("nothing can be reviewed in {}", data.display()))?;
        let review = ShadowReview::of(&reviewing, since, &settings.playbooks);
        if args.ask.json {
            output::json(&review)?;
        } else {
            print(&review.page);
        }
        return Ok(Exit::Done);
    }
    let mut path = Serializer::new("/api/v1/playbooks/review?".to_owned());
    path.append_pair("since", &since.to_string());
    let review = found(&args.ask, &path.finish()).await?;
    if args.ask.json {
        output::json(&review)?;
    } else {
        print(&text(&review, "/page"));
    }
    Ok(Exit::Done)
}

/// Prints a page; what is told in it comes from outside.
fn print(page: &str) {
    page.trim_end().lines().for_each(|line| output::line(&output::plain(line)));
}
