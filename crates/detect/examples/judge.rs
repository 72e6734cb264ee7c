//! What the judge costs: `cargo run --release --example judge -p nightcrew-detect`.
//!
//! Ten days of a hundred quiet series, one sample each in 15 seconds: the time for one sample, and
//! how often it found something although nothing was wrong.

#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::unwrap_used, reason = "its series are those of the tests")]

use std::error::Error;

use nightcrew_detect::judge::Judge;
use nightcrew_detect::judge::rules::Rules;
use nightcrew_model::sample::Level;

#[path = "../tests/it/quiet.rs"]
mod quiet;

const SERIES: u64 = 100;
const DAYS: i64 = 10;
const STEP: usize = 15;

/// CPU time of this thread, in seconds, as the kernel counts it.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().ok_or("no time")?.parse()?;
    Ok(nanoseconds / 1e9)
}

fn main() -> Result<(), Box<dyn Error>> {
    let seed: u64 = std::env::args().nth(1).map_or(Ok(0), |seed| seed.parse())?;
    let mut judge = Judge::new(Rules::default());
    let mut quiet: Vec<_> = (0..SERIES).map(|n| quiet::Quiet::new(seed * SERIES + n)).collect();
    let (mut n_samples, mut spent, mut found) = (0_u32, 0.0, Vec::new());
    for second in (0..DAYS * 86_400).step_by(STEP) {
        let round: Vec<_> = (0..)
            .zip(&mut quiet)
            .map(|(n, quiet)| {
                let (metric, unit, value) = quiet.next(second);
                quiet::sample(&format!("s{n}"), metric, second, value, unit)
            })
            .collect();
        let begin = cpu_seconds()?;
        for sample in &round {
            let seen = judge.observe(sample).into_iter();
            found.extend(seen.filter(|it| matches!(it.level, Level::Firing(_))));
        }
        spent += cpu_seconds()? - begin;
        n_samples += u32::try_from(round.len())?;
    }
    found.sort_by(|a, b| {
        (&a.target, &a.symptom, a.sample.at).cmp(&(&b.target, &b.symptom, b.sample.at))
    });
    found.dedup_by(|a, b| a.target == b.target && a.symptom == b.symptom && a.sample == b.sample);
    println!("{n_samples} samples, {:.0} ns each", spent / f64::from(n_samples) * 1e9);
    println!("{} findings in {DAYS} days of {SERIES} quiet series", found.len());
    for finding in found {
        println!("  {} {}: {}", finding.sample.at, finding.target, finding.rule);
    }
    Ok(())
}
