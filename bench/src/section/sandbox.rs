//! Starting a program through the sandbox against a plain start: `/bin/true`, from the start of the
//! process until its end has been collected.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::figure::{Figure, Unit, percentile, sorted};
use crate::setting::{Setting, command};
use crate::stopwatch::Stopwatch;

pub(super) const NAME: &str = "sandbox";

/// How often it is started each way.
const STARTS: usize = 200;

/// How much longer a start may take.
const LIMIT_MS: f64 = 10.0;

/// What is started.
const PROGRAM: &str = "/bin/true";

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let folder = setting.fresh("sandbox")?;
    let order = order(&folder)?;
    let (mut plain, mut confined) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does meets both.
    for _ in 0..STARTS {
        plain.push(start_plainly()?);
        confined.push(start_confined(&setting.nightcrew.path, &order)?);
    }
    let (plain, confined) = (sorted(plain), sorted(confined));
    let mut figures = Vec::new();
    for (name, share) in [("median", 0.5), ("p99", 0.99)] {
        let (plain, confined) = (percentile(&plain, share), percentile(&confined, share));
        let started = format!("/bin/true in the sandbox, {name} of {STARTS}");
        let more = format!("more than a plain start, {name} of {STARTS}");
        let started = Figure::new(NAME, started, confined, Unit::Milliseconds);
        figures.push(started.peer("plain start", Some(plain)));
        let more = Figure::new(NAME, more, confined - plain, Unit::Milliseconds);
        figures.push(more.limit(LIMIT_MS));
    }
    Ok(figures)
}

/// Every layer, everything denied but one folder.
fn order(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let path = fs::canonicalize(PROGRAM).context("looking for /bin/true")?;
    let about = fs::metadata(&path).context("looking at /bin/true")?;
    let order = json!({
        "strictness": "required",
        "denied": ["network", "unix_sockets", "signals"],
        "writes": [folder],
        "cpu_seconds": 10,
        "program": {
            "path": path, "device": about.dev(), "inode": about.ino(), "called": "true",
        },
    });
    serde_json::to_vec(&order).context("writing the order")
}

fn start_plainly() -> anyhow::Result<f64> {
    let watch = Stopwatch::start();
    let status = command(Path::new(PROGRAM)).stdin(Stdio::null()).status();
    let status = status.context("starting /bin/true")?;
    ensure!(status.success(), "/bin/true ended with {status}");
    Ok(watch.ms())
}

fn start_confined(nightcrew: &Path, order: &[u8]) -> anyhow::Result<f64> {
    let watch = Stopwatch::start();
    let (mut ours, theirs) = UnixStream::pair().context("making a socket")?;
    let mut launcher = command(nightcrew);
    launcher.arg("sandbox-exec").stdin(Stdio::from(OwnedFd::from(theirs)));
    let mut child = launcher.spawn().context("starting the launcher")?;
    drop(launcher);
    ours.write_all(order).context("giving the order")?;
    ours.shutdown(Shutdown::Write).context("ending the order")?;
    let mut told = String::new();
    ours.read_to_string(&mut told).context("hearing the launcher")?;
    let status = child.wait().context("awaiting the program")?;
    let took = watch.ms();
    ensure!(status.success(), "the launcher ended with {status}: {told}");
    ensure!(told.trim_end() == r#"{"confined":[]}"#, "a layer is missing: {told}");
    Ok(took)
}
