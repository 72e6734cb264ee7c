//! Made-up logs of many styles, whose templates are known.

pub(crate) mod generator;

use generator::{Seeded, fill};

/// A made-up system: its name and the patterns of its messages, the most frequent first.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) patterns: Vec<&'static str>,
}

/// The systems that the miner was built with: each begins with `== name`, one pattern a line.
pub(crate) fn systems() -> Vec<System> {
    read(include_str!("systems.txt"))
}

/// Systems that were written down afterwards, to see how it does with what it has not seen.
pub(crate) fn unseen() -> Vec<System> {
    read(include_str!("unseen.txt"))
}

fn read(text: &'static str) -> Vec<System> {
    let mut systems: Vec<System> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("== ") {
            Some(name) => systems.push(System { name, patterns: Vec::new() }),
            None if line.is_empty() => {}
            None => systems.last_mut().unwrap().patterns.push(line),
        }
    }
    systems
}

/// Messages, each with the number of its pattern; how often a pattern occurs falls with its place
/// as it does in life, and the last ones occur once or twice.
pub(crate) fn messages(system: &System, n: usize, mut seeded: Seeded) -> Vec<(usize, String)> {
    let count = system.patterns.len();
    let total: f64 = (0..count).map(|rank| 1.0 / (1.0 + rank as f64)).sum();
    let mut messages = Vec::new();
    for (place, pattern) in system.patterns.iter().enumerate() {
        let share = 1.0 / (1.0 + place as f64) / total;
        let lines = ((share * n as f64) as usize).saturating_sub(place).max(1 + place % 2);
        for _ in 0..lines {
            messages.push((place, fill(pattern, &mut seeded)));
        }
    }
    for at in (1..messages.len()).rev() {
        messages.swap(at, seeded.below(at as u64 + 1) as usize);
    }
    messages
}
