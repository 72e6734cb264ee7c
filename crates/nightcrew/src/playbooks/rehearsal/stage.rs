//! The stage of a rehearsal: a folder with one throw-away service, its log and a small disk, and
//! the settings of a crew that knows nothing else.
//!
//! **Invariant:** nothing of the operator's machine is in those settings: no other service, no
//! channel, no tracker, no source, no log, and no folder but those made here.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, load};
use nightcrew_config::settings::{Disks, Settings};
use nightcrew_model::approval::Autonomy;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::{Action, Playbook};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::{Http, Request};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::demo::service::Ailment;
use crate::playbooks::rehearsal::adapt::Props;
use crate::playbooks::rehearsal::trouble::{Break, FULL_PERCENT, Trouble};
use crate::{child, wiring};

/// The size of the throw-away disk, in megabytes.
const DISK_MB: u64 = 16;

/// How many old files there are.
const OLD_FILES: u64 = 16;

/// The size of a file that fills nothing, in bytes.
const FILE_BYTES: u64 = 64;

/// What is younger than this is not put there to be kept: it may be old by the time it is looked at.
const YOUNG: Millis = Millis::from_secs(3_600);

/// How long a request to the throw-away service may take.
const ANSWER_MAX: Millis = Millis::from_secs(5);

/// Older than what a step removes by this much.
const OLDER_BY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Stage {
    folder: tempfile::TempDir,
    settings: Settings,
    props: Props,
    base: String,
    /// What must be there afterwards as it was.
    kept: Vec<PathBuf>,
    /// The patterns and ages of what is cleaned.
    cleans: Vec<(String, Millis)>,
    keep: bool,
    clean: bool,
}

impl Stage {
    /// Builds the stage for a service and what the incident is about; nothing runs yet.
    pub(super) fn build(
        operator: &Settings,
        service: &ServiceName,
        about: &ServiceName,
        trouble: &Trouble,
        keep: bool,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("nightcrew-playbook-")
            .tempdir()
            .context("making a folder for the test")?;
        let port = child::free_port()?;
        let base = format!("http://127.0.0.1:{port}");
        let props = Props {
            service: service.clone(),
            disk: folder.path().join("disk"),
            log: folder.path().join("service.log"),
            url: format!("{base}/action"),
        };
        fs::create_dir(&props.disk).context("making a folder for the disk")?;
        let written = configuration(folder.path(), &props, port, &base, trouble)?;
        let path = folder.path().join("nightcrew.json5");
        fs::write(&path, written).context("writing the configuration of the test")?;
        let loaded = load(ConfigSource::Path(path), &Env::default());
        if loaded.settings.is_none() {
            wiring::show(&loaded.problems);
        }
        let mut settings = loaded.settings.context("the test's own configuration has errors")?;
        settings.channels.clear();
        settings.healing = operator.healing.clone();
        let declared = operator.services.get(about).and_then(|service| service.autonomy);
        let autonomy = declared.unwrap_or(operator.healing.autonomy);
        settings.healing.autonomy = match autonomy {
            // What is rehearsed has to run.
            Autonomy::Observe | Autonomy::Suggest => Autonomy::Auto,
            Autonomy::Approve | Autonomy::Auto => autonomy,
        };
        settings.policy.files.clone_from(&operator.policy.files);
        settings.policy.sandbox = operator.policy.sandbox;
        settings.policy.docker_socket = folder.path().join("no-docker.sock");
        let (kept, cleans) = (Vec::new(), Vec::new());
        Ok(Self { folder, settings, props, base, kept, cleans, keep, clean: false })
    }

    pub(super) fn props(&self) -> &Props {
        &self.props
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The only playbook of this stage's crew.
    pub(super) fn rehearse(&mut self, playbook: Playbook) {
        self.settings.playbooks = vec![playbook];
    }

    /// Starts the throw-away service.
    pub(super) async fn start(&self) -> anyhow::Result<()> {
        child::start(&self.settings, &self.props.service).await
    }

    /// Puts young, foreign and old files where files are cleaned.
    pub(super) fn lay_out(&mut self, actions: &[Action]) -> anyhow::Result<()> {
        let cleans = actions.iter().filter_map(|action| match action {
            Action::CleanFiles { name, older_than, .. } => {
                Some((name.clone().unwrap_or_else(|| "*".to_owned()), *older_than))
            }
            _ => None,
        });
        self.cleans = cleans.collect();
        let Some(oldest) = self.cleans.iter().map(|(_, older_than)| *older_than).max() else {
            return Ok(());
        };
        let disk = &self.props.disk;
        let elsewhere = self.folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).context("making a folder beside the disk")?;
        let foreign = elsewhere.join("foreign");
        write_aged(&foreign, FILE_BYTES, oldest)?;
        std::os::unix::fs::symlink(&foreign, disk.join("link-to-foreign"))
            .context("linking to a file elsewhere")?;
        self.kept.push(foreign);
        // A pattern that matches every name leaves no other.
        if self.cleans.iter().all(|(glob, _)| is_narrow(glob)) {
            let other = disk.join("Ω-of-somebody-else-Ω");
            write_aged(&other, FILE_BYTES, oldest)?;
            self.kept.push(other);
        }
        let all_spare_it = self.cleans.iter().all(|(_, older_than)| *older_than > YOUNG);
        for (n, (glob, _)) in self.cleans.iter().enumerate().filter(|_| all_spare_it) {
            let young = place(disk, glob, &format!("young-{n}"))?;
            fs::write(&young, "young\n").context("writing a young file")?;
            self.kept.push(young);
        }
        self.write_old(FILE_BYTES * OLD_FILES, "old")
    }

    /// Writes old files of so many bytes together.
    fn write_old(&self, bytes: u64, star: &str) -> anyhow::Result<()> {
        let disk = &self.props.disk;
        if self.cleans.is_empty() {
            return write_aged(&disk.join(star), bytes, Millis(0));
        }
        let of_each = bytes / OLD_FILES / u64::try_from(self.cleans.len())?;
        for (n, (glob, older_than)) in self.cleans.iter().enumerate() {
            for m in 0..OLD_FILES {
                let path = place(disk, glob, &format!("{star}-{n}-{m:02}"))?;
                write_aged(&path, of_each, *older_than)?;
            }
        }
        Ok(())
    }

    /// Fills the disk.
    fn fill(&self) -> anyhow::Result<()> {
        let quota = match &self.settings.host.disks {
            Disks::Listed(disks) => disks.first().and_then(|disk| disk.quota_bytes),
            Disks::All => None,
        };
        self.write_old(quota.unwrap_or(0) / 100 * FULL_PERCENT, "full")
    }

    /// Which of the files that nobody may remove are gone.
    pub(super) fn lost(&self) -> Vec<PathBuf> {
        self.kept.iter().filter(|path| !path.is_file()).cloned().collect()
    }

    /// How many files are watched over.
    pub(super) fn n_kept(&self) -> usize {
        self.kept.len()
    }

    /// Breaks what is to be healed.
    pub(super) async fn break_it(&self, broken: Break, http: &Http) -> anyhow::Result<()> {
        let ailment = match broken {
            Break::Killed => {
                return child::tell(&self.settings, &self.props.service, Signal::KILL);
            }
            Break::Failing => Ailment::Failing,
            Break::Slow { answer_ms } => Ailment::Slow { answer_ms },
            Break::Full => return self.fill(),
            Break::Nothing => return Ok(()),
        };
        let body: Value = serde_json::to_value(ailment)?;
        let request = Request::post_json(format!("{}/break", self.base), &body, ANSWER_MAX);
        let answer = http.send(request).await.context("breaking the throw-away service")?;
        anyhow::ensure!(answer.status.is_success(), "it would not break: {}", answer.status);
        Ok(())
    }

    /// Ends the service and removes the folder.
    pub(super) fn clean_up(&mut self) {
        if std::mem::replace(&mut self.clean, true) {
            return;
        }
        // It may be gone, or never have run.
        let _ = child::end(&self.settings, &self.props.service);
        if self.keep {
            self.folder.disable_cleanup(true);
            crate::output::note(&format!("kept: {}", self.folder.path().display()));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clean_up();
    }
}

fn configuration(
    folder: &Path,
    props: &Props,
    port: u16,
    base: &str,
    trouble: &Trouble,
) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("finding this program")?;
    let slow_ms = match trouble.broken {
        Break::Slow { answer_ms } => answer_ms,
        Break::Killed | Break::Failing | Break::Full | Break::Nothing => 0,
    };
    let port = port.to_string();
    let argv = json!([program, "demo-service", "--port", port, "--log", props.log]);
    let services = json!({
        props.service.as_str(): {
            "start": { "argv": argv },
            "stop_timeout_ms": 2_000,
            "interval_ms": 200,
            "checks": [{
                "http": format!("{base}/health"), "interval_ms": 250, "timeout_ms": slow_ms + 2_000,
            }],
            "reload": "HUP",
            "log_files": [props.log],
            "log_reopen": "USR1",
            "http_actions": [props.url],
        },
    });
    // Only the trouble of this test is one: nothing else opens an incident.
    let of = |broken: Break, limit: Value| {
        let is_it = trouble.told.is_none() && trouble.broken.metric() == broken.metric();
        if is_it { json!({ "critical": limit, "for": "1 of 1" }) } else { Value::Null }
    };
    let slow = json!(slow_ms.saturating_sub(slow_ms / 8).max(50));
    let thresholds = json!({
        "process_status": of(Break::Killed, json!("== 'stopped'")),
        "health_status": of(Break::Failing, json!("== 'failing'")),
        "api_latency_ms": of(Break::Slow { answer_ms: 0 }, slow),
        "disk_usage": of(Break::Full, json!(90)),
    });
    Ok(serde_json::to_string_pretty(&json!({
        "data_dir": folder.join("data"),
        "workspace_dir": folder.join("workspace"),
        "host": {
            "interval_seconds": 1, "disks": [{ "path": props.disk, "quota_mb": DISK_MB }],
        },
        "services": services,
        "thresholds": thresholds,
        "policy": { "clean_roots": [props.disk] },
    }))?)
}

/// Writes a file that nobody changed for longer than some time.
fn write_aged(path: &Path, bytes: u64, older_than: Millis) -> anyhow::Result<()> {
    let age = older_than.duration() + OLDER_BY;
    let now = std::time::SystemTime::from(Clock::System.now());
    let mut file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    file.write_all(&vec![b'.'; usize::try_from(bytes)?]).context("filling the disk")?;
    let at = now.checked_sub(age).unwrap_or(std::time::UNIX_EPOCH);
    file.set_modified(at).context("making a file old")
}

/// Where a file lies that a pattern matches; a pattern of one name has it in folders of their own.
fn place(disk: &Path, glob: &str, star: &str) -> anyhow::Result<PathBuf> {
    if glob.contains('*') {
        return Ok(disk.join(matching(glob, star)));
    }
    let folder = disk.join(star);
    fs::create_dir(&folder).context("making a folder on the disk")?;
    Ok(folder.join(matching(glob, star)))
}

/// Whether a pattern says anything about names.
fn is_narrow(glob: &str) -> bool {
    glob.chars().any(|c| c.is_ascii_alphanumeric())
}

/// A name that a pattern matches, as far as it is one of `*`, `?` and text.
fn matching(glob: &str, star: &str) -> String {
    let mut name = String::new();
    let mut star = Some(star);
    for c in glob.chars() {
        match c {
            '*' => name.push_str(star.take().unwrap_or("x")),
            '?' => name.push('x'),
            c => name.push(c),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_that_a_pattern_matches() {
        assert_eq!(matching("*", "old-1"), "old-1");
        assert_eq!(matching("*.log.*", "old-1"), "old-1.log.x");
        assert_eq!(matching("core.?", "old-1"), "core.x");
        assert!(is_narrow("*.log") && !is_narrow("*"));
    }
}
