//! The stage: a folder, two small services, a small disk, and a configuration like an operator's.
//! Everything on it was made here and is removed here.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nightcrew_channels::console::Console;
use nightcrew_config::load::{ConfigSource, load};
use nightcrew_config::settings::Settings;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Signal;
use serde_json::json;

use crate::{child, wiring};

/// The service that is killed and hung.
pub(crate) const SHOP: &str = "shop";
/// The service that cannot be healed by a restart.
pub(crate) const LEDGER: &str = "ledger";
/// The size of the disk, in megabytes.
pub(crate) const DISK_MB: u64 = 16;

/// What the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    /// A real file system of limited size.
    Tmpfs,
    /// A folder with a quota, where mounting is not allowed.
    Quota,
}

pub(crate) struct Stage {
    folder: tempfile::TempDir,
    disk: Disk,
    settings: Settings,
    keep: bool,
    clean: bool,
}

impl Stage {
    /// Builds the stage.
    pub(crate) fn build(keep: bool) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("nightcrew-demo-")
            .tempdir()
            .context("making a folder for the demo")?;
        let disk_dir = folder.path().join("disk");
        fs::create_dir(&disk_dir).context("making a folder for the disk")?;
        let options = format!("size={DISK_MB}m,mode=0700");
        let options = std::ffi::CString::new(options).context("writing mount options")?;
        let mounted = mount(
            "tmpfs",
            &disk_dir,
            "tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            Some(options.as_c_str()),
        );
        let disk = if mounted.is_ok() { Disk::Tmpfs } else { Disk::Quota };
        let config = folder.path().join("nightcrew.json5");
        let mut stage = Self {
            disk,
            keep,
            clean: false,
            settings: Settings::zero(folder.path().join("data")),
            folder,
        };
        fs::write(stage.ledger_needs(), "books\n").context("writing the ledger's books")?;
        fs::write(&config, stage.configuration()?).context("writing the demo's configuration")?;
        let loaded = load(ConfigSource::Path(config), &wiring::env());
        wiring::show(&loaded.problems);
        stage.settings = loaded.settings.context("the demo's own configuration has errors")?;
        Ok(stage)
    }

    fn configuration(&self) -> anyhow::Result<String> {
        let program = std::env::current_exe().context("finding this program")?;
        let kept = std::env::current_dir().context("finding the current folder")?;
        let service = |port: u16, more: &[&Path]| {
            let mut start = vec![
                json!(program),
                json!("demo-service"),
                json!("--port"),
                json!(port.to_string()),
            ];
            if let [needs] = more {
                start.extend([json!("--needs"), json!(needs)]);
            }
            json!({
                "start": { "argv": start },
                "stop_timeout_ms": 2_000,
                "checks": [{
                    "http": format!("http://127.0.0.1:{port}/health"),
                    "interval_ms": 400,
                    "timeout_ms": 400,
                }],
            })
        };
        let healthy = json!({
            "metric": "health_status", "operator": "==", "value": "passing",
            "consecutive_checks": 3, "interval_ms": 200, "deadline_seconds": 6,
        });
        let restart = json!([{ "type": "restart_process", "service": "{service_name}",
            "description": "Restart the service" }]);
        let needs = self.ledger_needs();
        let disk = match self.disk {
            Disk::Tmpfs => json!(self.disk_dir()),
            Disk::Quota => json!({ "path": self.disk_dir(), "quota_mb": DISK_MB }),
        };
        let configuration = json!({
            "data_dir": self.folder.path().join("data"),
            "workspace_dir": kept.join(".nightcrew/demo"),
            "host": { "interval_seconds": 1, "disks": [disk] },
            "services": {
                SHOP: service(child::free_port()?, &[]),
                LEDGER: service(child::free_port()?, &[&needs]),
            },
            "thresholds": {
                "disk_usage": { "warning": 80, "critical": 90, "for": "1 of 1" },
                "health_status": { "critical": "health_status == 'failing'", "for": "2 of 2" },
            },
            "playbooks": {
                "process_down": {
                    "condition": "process_status == 'stopped'", "actions": restart, "verify": healthy,
                },
                "service_unresponsive": {
                    "condition": "health_status == 'failing'", "actions": restart, "verify": healthy,
                },
                "disk_space_low": {
                    "condition": "disk_usage > 90",
                    "actions": [{
                        "type": "clean_files", "root": self.disk_dir(), "older_than_days": 7,
                        "description": "Remove files that nobody changed for a week",
                    }],
                    "verify": {
                        "metric": "disk_usage", "operator": "<", "threshold": 80,
                        "consecutive_checks": 3, "interval_ms": 200, "deadline_seconds": 10,
                    },
                },
            },
            "policy": { "clean_roots": [self.disk_dir()] },
        });
        Ok(serde_json::to_string_pretty(&configuration)?)
    }

    /// Starts both services.
    pub(crate) async fn start_services(&self) -> anyhow::Result<()> {
        for service in [SHOP, LEDGER] {
            child::start(&self.settings, &service.into()).await?;
        }
        Ok(())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The crew's own messages would tear the demo's timeline apart; they are in the records.
    pub(crate) fn console(&self) -> Console {
        Console::new(std::io::sink())
    }

    pub(crate) fn disk_dir(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub(crate) fn ledger_needs(&self) -> PathBuf {
        self.folder.path().join("books.txt")
    }

    pub(crate) fn disk_in_words(&self) -> String {
        match self.disk {
            Disk::Tmpfs => format!("a real file system of {DISK_MB} MB (tmpfs)"),
            Disk::Quota => {
                format!(
                    "a folder with a quota of {DISK_MB} MB, because mounting is not allowed here"
                )
            }
        }
    }

    /// Sends a signal to the process of a service of this stage, and to no other.
    pub(crate) fn signal(&self, service: &str, signal: Signal) -> anyhow::Result<()> {
        child::tell(&self.settings, &service.into(), signal)
    }

    /// Ends the services, unmounts the disk, removes the folder.
    pub(crate) fn clean_up(&mut self) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.clean, true) {
            return Ok(());
        }
        for service in [SHOP, LEDGER] {
            // It may be gone: it was there to be killed.
            let _ = child::end(&self.settings, &service.into());
        }
        if self.disk == Disk::Tmpfs {
            unmount(self.disk_dir(), UnmountFlags::DETACH).context("unmounting the disk")?;
        }
        if self.keep {
            self.folder.disable_cleanup(true);
            crate::output::note(&format!("kept: {}", self.folder.path().display()));
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.clean_up() {
            crate::output::note(&format!("the demo could not clean up: {error:#}"));
        }
    }
}
