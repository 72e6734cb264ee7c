//! The work of `logs-analyzer` in a time of the test's own.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use nightcrew_config::settings::LogFiles;
use nightcrew_model::sample::Level;
use tempfile::TempDir;

use super::*;

/// News of names that moved, and of the journal.
fn news(journal: &str) -> News {
    News { moved: Moved::Names, journal: journal.into(), journal_trouble: None, told: Vec::new() }
}

struct Scene {
    folder: TempDir,
    settings: Settings,
    worker: Worker,
    now: Timestamp,
    samples: Vec<Sample>,
    levels: Vec<String>,
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::zero(folder.join("data"));
    let files = |pattern: &str, service: Option<&str>| LogFiles {
        pattern: folder.join(pattern).display().to_string(),
        service: service.map(ServiceName::from),
    };
    settings.logs.files = vec![
        files("shop/*.log", Some("shop")),
        files("gone/*.log", Some("gone")),
        files("logs/*.log", None),
    ];
    settings
}

impl Scene {
    fn new(now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("shop")).unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let settings = settings(folder.path());
        let now = now.parse().unwrap();
        let worker = Worker::new(&settings, now).unwrap();
        let mut scene =
            Self { folder, settings, worker, now, samples: Vec::new(), levels: Vec::new() };
        scene.pass(0);
        scene
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        // What a file says of its lines' times has to be of the test's time.
        file.set_modified(self.now.into()).unwrap();
    }

    /// Lets so many seconds pass.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..=seconds {
            self.now = Millis::from_secs(1).after(self.now);
            let done = self.worker.work(self.now, &news(""));
            assert_eq!(done.errors, [""; 0]);
            self.samples.extend(done.samples);
            for level in done.levels {
                let Event::Found { finding } = level else { panic!("{level:?}") };
                let severity = match finding.level {
                    Level::Firing(severity) => severity.to_string(),
                    Level::Clear | Level::Pending => "clear".to_owned(),
                };
                self.levels.push(format!("{} {} {severity}", finding.target, finding.symptom));
            }
        }
    }

    fn restart(&mut self) {
        self.worker = Worker::new(&self.settings, self.now).unwrap();
        self.pass(0);
    }

    /// What the report of a day says of a log: its lines and findings.
    fn report(&self, day: &str) -> String {
        let path = self.folder.path().join(format!("data/analysis/log-insights-{day}.md"));
        fs::read_to_string(path).unwrap_or_default()
    }

    fn write_report(&mut self) {
        self.worker.report(self.now).unwrap();
    }
}

#[test]
fn a_day_ends_with_its_whole_report_and_the_next_is_counted_anew() {
    let mut scene = Scene::new("2026-03-01T23:59:00Z");
    scene.append("shop/a.log", "one\n");
    scene.pass(2);
    scene.append("shop/a.log", "two\n");
    scene.pass(120);
    assert!(
        scene.report("2026-03-01").contains("# shop\n\n2 lines"),
        "{}",
        scene.report("2026-03-01")
    );
    scene.append("shop/a.log", "2026-03-01T23:59:59Z late\nthree\n");
    scene.pass(2);
    scene.write_report();
    assert!(
        scene.report("2026-03-02").contains("# shop\n\n1 lines"),
        "{}",
        scene.report("2026-03-02")
    );
}

#[test]
fn what_was_read_but_not_remembered_is_counted_once_after_a_crash() {
    let mut scene = Scene::new("2026-03-01T10:00:00Z");
    let oom = "web kernel: Out of memory: Killed process 7 (java)\n";
    scene.append("logs/kern.log", &format!("{} {oom}", scene.now));
    scene.pass(10);
    scene.append("logs/kern.log", &format!("{} {oom}", scene.now));
    scene.pass(1);
    assert_eq!(scene.levels, ["host out_of_memory critical"]);
    scene.levels.clear();
    for _ in 0..3 {
        scene.restart();
        scene.pass(1);
    }
    scene.append("logs/kern.log", &format!("{} {oom}", scene.now));
    scene.pass(20);
    scene.write_report();
    let report = scene.report("2026-03-01");
    assert!(report.contains("# kern\n\n3 lines") && report.contains("3 lines, 2026"), "{report}");
    assert!(scene.levels.iter().all(|level| level == "host out_of_memory critical"));
    scene.levels.clear();
    scene.restart();
    scene.pass(3_700);
    assert_eq!(scene.levels.last().unwrap(), "host out_of_memory clear");
}

#[test]
fn errors_are_a_rate_and_a_service_without_files_is_unknown() {
    let mut scene = Scene::new("2026-03-01T10:00:00Z");
    let lines: String = (0..30).map(|n| format!("{} ERROR order {n}\n", scene.now)).collect();
    scene.append("shop/a.log", &lines);
    scene.pass(20);
    let of = |service: &str, metric: &str| {
        let is_it = |sample: &&Sample| {
            sample.target.service.as_str() == service && sample.metric.as_str() == metric
        };
        scene.samples.iter().rfind(is_it).map(|sample| sample.observation.clone())
    };
    assert_eq!(of("shop", ERROR_RATE_PER_MIN).unwrap(), read(30.0, Unit::PerMinute));
    assert_eq!(of("gone", ERROR_RATE_PER_MIN), Some(Observation::Unknown(Unknown::Absent)));
    let mut scene = scene;
    scene.samples.clear();
    scene.pass(80);
    let rates = scene.samples.iter().filter(|sample| sample.target.service.as_str() == "shop");
    assert!(rates.clone().any(|sample| sample.metric.as_str() == LOG_FILE_SIZE_MB));
    assert!(rates.clone().any(|sample| sample.observation == read(0.0, Unit::PerMinute)));
}

#[test]
fn logs_beyond_the_limit_are_one_log_together() {
    let mut scene = Scene::new("2026-03-01T10:00:00Z");
    for n in 0..STREAMS_MAX + 10 {
        scene.append(&format!("logs/app{n}.log"), "INFO started\n");
    }
    scene.pass(5);
    assert_eq!(scene.worker.streams.len(), STREAMS_MAX + 1);
    scene.write_report();
    assert!(scene.report("2026-03-01").contains(&format!("# {OTHERS}\n\n10 lines")));
}

#[test]
fn what_happened_before_the_first_start_is_no_alert_unless_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
    let oom = |hour: u32| {
        format!("2026-03-01T{hour:02}:59:00Z web kernel: Out of memory: Killed process 7 (java)\n")
    };
    fs::create_dir(folder.path().join("logs")).unwrap();
    fs::write(folder.path().join("logs/old.log"), oom(4)).unwrap();
    let settings = settings(folder.path());
    let mut worker = Worker::new(&settings, now).unwrap();
    assert!(worker.work(now, &news("")).levels.is_empty());
    fs::remove_dir_all(folder.path().join("data")).unwrap_or_default();
    fs::write(folder.path().join("logs/new.log"), oom(9)).unwrap();
    let mut worker = Worker::new(&settings, now).unwrap();
    assert_eq!(worker.work(now, &news("")).levels.len(), 1);
    assert!(worker.insights().is_empty(), "history is not counted");
}

#[test]
fn entries_of_the_journal_are_lines_of_their_units_and_programs() {
    let mut scene = Scene::new("2026-03-01T10:00:00Z");
    let entry = |n: i64, unit: &str, message: &str| {
        let at = scene.now.as_microsecond() + n;
        format!(
            "{{\"__CURSOR\":\"c{n}\",\"__REALTIME_TIMESTAMP\":\"{at}\",\"MESSAGE\":\"{message}\",\
             \"PRIORITY\":\"6\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"_SYSTEMD_UNIT\":\"{unit}\"}}\n"
        )
    };
    let guess = |n: i64| {
        let port = 1_024 + n;
        entry(n, "ssh.service", &format!("Failed password for root from 10.0.0.9 port {port} ssh2"))
    };
    let printed: String = (0..40).map(guess).chain([entry(40, "web.service", "ERROR x")]).collect();
    scene.worker.units.insert("web.service".to_owned(), ServiceName::from("web"));
    let done = scene.worker.work(Millis::from_secs(9).after(scene.now), &news(&printed));
    assert_eq!(done.levels.len(), 1);
    assert_eq!(scene.worker.cursor(), Some("c40"));
    scene.pass(20);
    scene.write_report();
    let report = scene.report("2026-03-01");
    assert!(
        report.contains("# sshd\n\n40 lines") && report.contains("# web\n\n1 lines"),
        "{report}"
    );
    scene.restart();
    assert_eq!(scene.worker.cursor(), Some("c40"), "it goes on there");
}
