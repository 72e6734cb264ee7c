//! One row of the table: what was broken, when it was seen, when it was healed, and what proves it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::crew::Crew;
use crate::stage::{Part, missing, until_within};

/// How long a repair may take, from the break to its proof.
const PATIENCE: Duration = Duration::from_secs(100);

/// Whether a part has ended by itself.
pub(crate) fn is_over(part: &Part) -> bool {
    // What has ended, and was not asked for its end yet, has no program.
    fs::read_link(format!("/proc/{}/exe", part.pid())).is_err()
}

/// A scenario that is under way.  Until it is proven, its row says that it failed.
pub(crate) struct Scenario {
    row: PathBuf,
    name: &'static str,
    times: Option<(Duration, Duration)>,
}

impl Scenario {
    /// Begins a scenario; none: a part that it needs is not installed here, which its row says.
    pub(crate) fn with(name: &'static str, programs: &[&str]) -> Option<Self> {
        let scenario = Self::begin(name);
        if let Some(missing) = missing(programs) {
            scenario.skip(&format!("{missing} is missing"));
            return None;
        }
        Some(scenario)
    }

    /// Begins a scenario that only root can build.
    pub(crate) fn as_root(name: &'static str, programs: &[&str]) -> Option<Self> {
        let scenario = Self::with(name, programs)?;
        if !rustix::process::geteuid().is_root() {
            scenario.skip("only root can build it");
            return None;
        }
        let mut mounting = std::process::Command::new("unshare");
        if !mounting.args(["--mount", "true"]).status().is_ok_and(|status| status.success()) {
            scenario.skip("mounting is not allowed here");
            return None;
        }
        Some(scenario)
    }

    fn begin(name: &'static str) -> Self {
        // Cargo's folder for tests is `target/tmp`.
        let rows = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("scenarios");
        fs::create_dir_all(&rows).unwrap();
        let file: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let scenario = Self { row: rows.join(format!("{file}.tsv")), name, times: None };
        scenario.write("-", "-", "FAILED");
        scenario
    }

    fn write(&self, detected: &str, repaired: &str, verified: &str) {
        let row = format!("{}\t{detected}\t{repaired}\t{verified}\n", self.name);
        fs::write(&self.row, row).unwrap();
    }

    /// Says why it is not tried here.
    pub(crate) fn skip(self, why: &str) {
        println!("skipped: {why}");
        self.write("-", "-", &format!("skipped: {why}"));
    }

    /// The scenario, and a part that is needed for it; none: the part does not run here.
    pub(crate) fn and<P>(self, part: Result<P, String>) -> Option<(Self, P)> {
        match part {
            Ok(part) => Some((self, part)),
            Err(why) => {
                self.skip(&why);
                None
            }
        }
    }

    /// Breaks something, and waits until there was one more attempt than before and its incident is
    /// proven healed.
    pub(crate) fn healed(
        &mut self,
        crew: &Crew<'_>,
        (service, symptom): (&str, &str),
        break_it: impl FnOnce(),
    ) -> Value {
        let tried = || {
            let mut incidents = crew.incidents();
            incidents.retain(|one| one["service"] == service && one["symptom"] == symptom);
            let attempts = incidents.iter().map(|one| one["attempts"].as_u64().unwrap());
            (attempts.sum::<u64>(), incidents.into_iter().next())
        };
        let (before, _) = tried();
        let broken_at = Timestamp::now();
        break_it();
        let incident = until_within(PATIENCE, &format!("{service} {symptom} healed"), || {
            let (tried, incident) = tried();
            let is_proven = |one: &Value| one["state"] == "resolved" && one["verified"] == true;
            incident.filter(is_proven).filter(|_| tried > before)
        });
        let told = crew.json(&format!("/api/v1/incidents/{}", incident["id"].as_str().unwrap()));
        let moments = |facts: &[&str]| -> Vec<Timestamp> {
            let entries = told["timeline"].as_array().unwrap().iter();
            let entries = entries.filter(|entry| facts.contains(&entry["fact"].as_str().unwrap()));
            let moments = entries.map(|entry| entry["at"].as_str().unwrap().parse().unwrap());
            moments.filter(|at| *at >= broken_at).collect()
        };
        let seen = moments(&["incident_opened", "incident_reopened"]);
        let healed = moments(&["incident_resolved"]);
        let since = |at: &Timestamp| Duration::try_from(at.duration_since(broken_at)).unwrap();
        self.times = Some((since(seen.first().unwrap()), since(healed.last().unwrap())));
        incident
    }

    /// Says what the test itself saw.
    pub(crate) fn proven(self, saw: &str) {
        let words = |time: Duration| match time.as_millis() {
            short @ ..1_000 => format!("{short} ms"),
            _ => format!("{:.1} s", time.as_secs_f64()),
        };
        let [detected, repaired] = match self.times {
            Some((detected, repaired)) => [words(detected), words(repaired)],
            None => ["-".to_owned(), "-".to_owned()],
        };
        self.write(&detected, &repaired, saw);
    }
}
