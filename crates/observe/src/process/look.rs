//! One complete look at the processes that match; blocking.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use nightcrew_model::sample::Unknown;
use nightcrew_runtime::process::{self, FindError, Identity, Matcher, OpenError};

use crate::process::ROOTS_MAX;

/// What a look found.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The processes that live, the oldest first.
    pub(crate) processes: Vec<SeenProcess>,
    /// Descriptors of those that were not watched yet.
    pub(crate) opened: Vec<(Identity, Result<OwnedFd, OpenError>)>,
}

/// One process.
#[derive(Debug)]
pub(crate) struct SeenProcess {
    pub(crate) identity: Identity,
    /// Its parent's number.
    parent: i32,
    /// Whether a signal keeps it from running, such as `SIGSTOP`.
    pub(crate) suspended: bool,
    /// How long it ran, in clock ticks.
    pub(crate) cpu_ticks: u64,
    /// How much of it is in memory.
    pub(crate) resident_bytes: u64,
}

/// Finds the processes, reads what they use, and opens those whose end should be watched: each
/// that is not the child of another one found, so that a pool of workers may breathe.
pub(crate) fn look(matcher: &Matcher, watched: &HashSet<Identity>) -> Result<Seen, Unknown> {
    let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(4_096);
    let mut processes = Vec::new();
    for identity in process::find(matcher).map_err(|error| failed(&error))? {
        // Gone, or its number reused, since it was found: then it is not there.
        let stat = process::stat(identity.pid).map_err(|error| failed(&error))?;
        let Some(stat) =
            stat.filter(|stat| stat.start_ticks == identity.start_ticks && stat.is_alive())
        else {
            continue;
        };
        processes.push(SeenProcess {
            identity,
            parent: stat.parent,
            suspended: matches!(stat.state, 'T' | 't'),
            cpu_ticks: stat.user_ticks.saturating_add(stat.system_ticks),
            resident_bytes: stat.resident_pages.saturating_mul(page_bytes),
        });
    }
    let numbers: HashSet<i32> =
        processes.iter().map(|seen| seen.identity.pid.as_raw_pid()).collect();
    let opened = processes
        .iter()
        .filter(|seen| !numbers.contains(&seen.parent))
        .take(ROOTS_MAX)
        .filter(|seen| !watched.contains(&seen.identity))
        .map(|seen| (seen.identity, process::open(seen.identity)))
        .collect();
    Ok(Seen { processes, opened })
}

fn failed(error: &FindError) -> Unknown {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    Unknown::Failed(match cause {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}
