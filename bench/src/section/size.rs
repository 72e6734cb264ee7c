//! The size of the program.

use anyhow::Context as _;

use crate::figure::{Figure, Unit};
use crate::setting::{ALERTMANAGER, Installed, Setting};

pub(super) const NAME: &str = "binary_size";

const LIMIT_MB: f64 = 20.0;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let ours = megabytes(&setting.nightcrew)?;
    let theirs = setting.alertmanager.as_ref().map(megabytes).transpose()?;
    let figure = Figure::new(NAME, "release program", ours, Unit::Megabytes);
    Ok(vec![figure.limit(LIMIT_MB).peer(ALERTMANAGER, theirs)])
}

fn megabytes(program: &Installed) -> anyhow::Result<f64> {
    let about = std::fs::metadata(&program.path);
    let about = about.with_context(|| format!("looking at {}", program.path.display()))?;
    Ok(about.len() as f64 / 1e6)
}
