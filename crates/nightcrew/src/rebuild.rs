//! `nightcrew rebuild`: the tables of a journal, anew from its log.

use anyhow::Context as _;
use nightcrew_journal::rebuild::{rebuild, verify};

use crate::output::{self, Exit};
use crate::{cli, wiring};

pub(crate) fn run(args: &cli::Rebuild) -> anyhow::Result<Exit> {
    let data = wiring::data_dir(args.data.as_ref());
    if args.verify {
        let verified = verify(&data)
            .with_context(|| format!("the journal in {} is not whole", data.display()))?;
        if args.json {
            output::json(&verified)?;
        } else {
            let (entries, skipped) = (verified.entries, verified.skipped);
            output::line(&format!("whole: {entries} entries, {skipped} of them in no table"));
        }
        return Ok(Exit::Done);
    }
    let rebuilt = rebuild(&data)
        .with_context(|| format!("cannot rebuild the journal in {}", data.display()))?;
    if args.json {
        output::json(&rebuilt)?;
    } else {
        let (entries, before) = (rebuilt.entries, rebuilt.before.display());
        output::line(&format!(
            "rebuilt from {entries} entries; the file as it was before: {before}"
        ));
    }
    Ok(Exit::Done)
}
