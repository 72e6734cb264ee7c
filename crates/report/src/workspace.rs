//! The files under the workspace folder that people and other programs read.
//!
//! **Invariant:** a reader sees a whole file, the old one or the new one, at any time and after a
//! loss of power: a file is written beside its place, synced, and then renamed into it.
//!
//! Every function here blocks; call it where blocking is allowed.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nightcrew_model::decision::AgentState;
use nightcrew_model::id::{AgentName, IncidentId};
use nightcrew_model::sample::Sample;
use serde::Serialize;

use crate::markdown::markdown;
use crate::picture::svg;
use crate::post_mortem::PostMortem;
use crate::post_mortem_page;
use crate::record::Record;
use crate::sample_view::SampleView;

/// The largest number of samples in one file; what is left out is counted in it.
pub const METRICS_SAMPLES_MAX: usize = 10_000;

/// How many files one call of [`remove_metrics_before`] removes at most.
pub const METRICS_REMOVED_MAX: usize = 10_000;

/// The longest name of an agent that can be a file name, in bytes.
pub const AGENT_NAME_BYTES_MAX: usize = 100;

/// Who may read the files, before the process's umask: everyone.
const FILE_MODE: u32 = 0o644;

/// How a member of the crew is, for `state/heartbeat/{agent}.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// Which.
    pub agent: AgentName,
    /// How it is.
    pub state: AgentState,
    /// When it said so.
    pub at: Timestamp,
    /// What it says in words.
    pub detail: String,
}

/// Where the record of an incident lies, relative to the workspace folder: the day is that of its
/// detection in UTC, so that it never moves.
#[must_use]
pub fn incident_path(record: &Record) -> PathBuf {
    let day = record.detected_at.strftime("%Y-%m-%d");
    PathBuf::from("incidents").join(format!("{day}-{}.md", record.id))
}

/// Where the post-mortem of an incident lies, beside its record.
#[must_use]
pub fn post_mortem_path(record: &Record) -> PathBuf {
    post_mortem_file(record.id, record.detected_at)
}

/// Where the post-mortem of an incident lies that was detected then.
#[must_use]
pub fn post_mortem_file(id: IncidentId, detected_at: Timestamp) -> PathBuf {
    let day = detected_at.strftime("%Y-%m-%d");
    PathBuf::from("incidents").join(format!("{day}-{id}-post-mortem.md"))
}

/// The name of the file with the picture of that number, beside the record of the incident.
#[must_use]
pub fn picture_name(record: &Record, n: usize) -> String {
    let day = record.detected_at.strftime("%Y-%m-%d");
    format!("{day}-{}-{n}.svg", record.id)
}

/// Writes the record of an incident to [`incident_path`], its pictures beside it, and returns the
/// whole path.
///
/// # Errors
/// When the file system refuses; the old file is then untouched.
pub fn write_incident(workspace_dir: &Path, record: &Record) -> io::Result<PathBuf> {
    let path = workspace_dir.join(incident_path(record));
    for (picture, n) in record.pictures.iter().zip(1..) {
        let beside = path.with_file_name(picture_name(record, n));
        write_whole(&beside, svg(&picture.chart).as_bytes())?;
    }
    write_whole(&path, markdown(record).as_bytes())?;
    Ok(path)
}

/// Writes the post-mortem of an incident to [`post_mortem_path`] and returns the whole path.
///
/// # Errors
/// When the file system refuses; the old file is then untouched.
pub fn write_post_mortem(
    workspace_dir: &Path,
    record: &Record,
    post_mortem: &PostMortem,
) -> io::Result<PathBuf> {
    let path = workspace_dir.join(post_mortem_path(record));
    write_whole(&path, post_mortem_page::markdown(post_mortem).as_bytes())?;
    Ok(path)
}

/// Writes samples to `metrics/YYYY-MM-DD-HHmm.json` (UTC) and returns the whole path.  Within one
/// minute the later snapshot replaces the earlier one.
///
/// The file holds `{"at", "host", "samples", "left_out"}`; `host` is `null` where the system does
/// not tell its name.
///
/// # Errors
/// When the file system refuses; the old file is then untouched.
pub fn write_metrics(
    workspace_dir: &Path,
    at: Timestamp,
    samples: &[Sample],
) -> io::Result<PathBuf> {
    #[derive(Serialize)]
    struct Snapshot<'a> {
        at: Timestamp,
        host: Option<String>,
        samples: Vec<SampleView<'a>>,
        left_out: usize,
    }
    let snapshot = Snapshot {
        at,
        host: host_name(),
        samples: samples.iter().take(METRICS_SAMPLES_MAX).map(SampleView::of).collect(),
        left_out: samples.len().saturating_sub(METRICS_SAMPLES_MAX),
    };
    let name = format!("{}.json", at.strftime("%Y-%m-%d-%H%M"));
    let path = workspace_dir.join("metrics").join(name);
    replace_json(&path, &snapshot)?;
    Ok(path)
}

/// Removes the files of `metrics/` that were written before a moment, by their names; other files
/// there stay.  Returns how many went, at most [`METRICS_REMOVED_MAX`] in one call.
///
/// # Errors
/// When the file system refuses.
pub fn remove_metrics_before(workspace_dir: &Path, before: Timestamp) -> io::Result<usize> {
    let folder = workspace_dir.join("metrics");
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry?.path();
        if removed < METRICS_REMOVED_MAX && written_at(&path).is_some_and(|at| at < before) {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// When a file of `metrics/` was written, by its name; none where the name is another one.
fn written_at(path: &Path) -> Option<Timestamp> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    // A shorter form would be another file.
    if name.len() != "2026-11-21-0305".len() {
        return None;
    }
    let civil = DateTime::strptime("%Y-%m-%d-%H%M", name).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Writes a heartbeat to `state/heartbeat/{agent}.json` and returns the whole path.
///
/// # Errors
/// When the name of the agent cannot be the name of a file, or the file system refuses; the old
/// file is then untouched.
pub fn write_heartbeat(workspace_dir: &Path, heartbeat: &Heartbeat) -> io::Result<PathBuf> {
    let agent = heartbeat.agent.as_str();
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if agent.is_empty()
        || agent.len() > AGENT_NAME_BYTES_MAX
        || agent.starts_with('.')
        || !agent.chars().all(allowed)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the agent name {agent:?} cannot be a file name; use letters, digits, `-`, `_` \
                 and `.`, at most {AGENT_NAME_BYTES_MAX} bytes"
            ),
        ));
    }
    let folder = workspace_dir.join("state").join("heartbeat");
    let path = folder.join(format!("{agent}.json"));
    replace_json(&path, heartbeat)?;
    Ok(path)
}

fn replace_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    write_whole(path, &json)
}

/// Puts a whole file in the place of another one, or of none.
///
/// # Errors
/// When the file system refuses; the old file is then untouched.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Its name is new every time, so that two writers never share one; it is removed when
    // anything fails.
    let mut file = tempfile::Builder::new()
        .prefix(".nightcrew-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|refused| refused.error)?;
    // The new name is on disk only when its folder is.
    File::open(folder)?.sync_all()
}

/// The name of this machine as the kernel knows it.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
