//! `nightcrew schema`: the JSON Schema of the configuration.

use crate::output::{self, Exit};

#[expect(clippy::unnecessary_wraps, reason = "every command answers like this")]
pub(crate) fn run() -> anyhow::Result<Exit> {
    output::line(nightcrew_config::schema::TEXT.trim_end());
    Ok(Exit::Done)
}
