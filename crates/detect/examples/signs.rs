//! Reads log files and prints what they say, as a table, and how fast:
//! `cargo run --release -p nightcrew-detect --example signs -- FILE…`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a tool for a person at a terminal"
)]

use std::time::Instant;

use jiff::Timestamp;
use nightcrew_detect::access;
use nightcrew_detect::signs::finding::Finding;
use nightcrew_detect::signs::{self, line};

/// How many names of a finding are printed.
const NAMES_SHOWN: usize = 200;

fn main() -> std::io::Result<()> {
    let now = Timestamp::now();
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let start = Instant::now();
        let (mut access, mut signs) = (access::Watcher::new(), signs::Watcher::new());
        let mut n_lines = 0_u64;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            n_lines += 1;
            let line = line::parse(line, now);
            access.observe(&line);
            signs.observe(&line);
        }
        let seconds = start.elapsed().as_secs_f64();
        let mut findings = access.findings(now);
        findings.extend(signs.findings(now));
        println!("{path}: {n_lines} lines, {} findings", findings.len());
        print(&findings);
        println!(
            "{:.0} lines/s, {:.0} MB/s",
            n_lines as f64 / seconds,
            bytes.len() as f64 / 1e6 / seconds
        );
    }
    Ok(())
}

fn print(findings: &[Finding]) {
    println!("{:<9}{:<36}{:<22}{:>7}  from and to", "severity", "kind", "about", "lines");
    for finding in findings {
        let kinds: Vec<String> =
            finding.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        println!(
            "{:<9}{:<36}{:<22}{:>7}  {:.16} to {:.16}  {}",
            finding.severity,
            finding.kind,
            finding.subject,
            finding.n_lines,
            finding.first_seen,
            finding.last_seen,
            kinds.join(", ")
        );
        if let Some(shift) = &finding.shift {
            println!("         {:?}: {:.4} before, {:.4} now", shift.unit, shift.before, shift.now);
        }
        let names: Vec<&str> = finding.names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
        println!("         names ({}): {}", finding.names.len(), names.join(" "));
        if let Some(exemplar) = finding.exemplars.first() {
            println!("         {}", exemplar.text);
        }
    }
}
