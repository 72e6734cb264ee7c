//! The part of `logs-analyzer` that blocks: reads, digests, writes what is remembered and the
//! report.  It is told what time it is, and says what is to be told on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use nightcrew_config::settings::{LogJoining, Settings};
use nightcrew_model::catalogue::{ERROR_RATE_PER_MIN, LOG_FILE_SIZE_MB};
use nightcrew_model::event::Event;
use nightcrew_model::id::{MetricName, ServiceName, Target};
use nightcrew_model::sample::{Observation, Reading, Sample, Unknown};
use nightcrew_model::telemetry::LogLine;
use nightcrew_model::unit::{Millis, Quantity, Unit};
use nightcrew_observe::follow::join::Joining;
use nightcrew_observe::follow::journal;
use nightcrew_observe::follow::paths::{Pattern, PatternError};
use nightcrew_observe::follow::wake::Moved;
use nightcrew_observe::follow::{Entry, FileNumber, Follower, Rest, What};
use nightcrew_report::log_insights::{LogInsights, LogReport, write_log_report};

use crate::logs::journal::line_of;
use crate::logs::memory::Memory;
use crate::logs::name::{bounded, name_of};
use crate::logs::stream::Stream;
use crate::logs::tell::{Alerts, Log};
use crate::logs::told::{self, Senders};

/// How many logs are digested apart; what is beyond is one log together.
pub(crate) const STREAMS_MAX: usize = 64;

/// What the logs beyond [`STREAMS_MAX`] are called together.
const OTHERS: &str = "other-logs";

/// How often error rates are sampled.
pub(crate) const SAMPLES: Millis = Millis::from_secs(15);

/// How often the sizes of files are sampled.
pub(crate) const SIZES: Millis = Millis::from_secs(15);

/// How soon after lines came it is asked what was found.
pub(crate) const FINDINGS: Millis = Millis(200);

/// How often it is asked what is over.
pub(crate) const FINDINGS_QUIET: Millis = Millis::from_secs(5);

/// How often what has to be remembered is written, while lines come.
pub(crate) const MEMORY: Millis = Millis::from_secs(5);

/// Writing it may take one part in so many of the time.
const MEMORY_SHARE: u64 = 20;

/// How soon after a start the first report is written.
pub(crate) const FIRST_REPORT: Millis = Millis::from_secs(5);

const DAY_SECONDS: i64 = 86_400;

/// What a piece of work left to be told.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) rest: Option<Rest>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) levels: Vec<Event>,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) errors: Vec<String>,
}

/// When things are due.
struct Due {
    /// When it is asked what was found, if lines came, and if none did.
    findings: Timestamp,
    findings_quiet: Timestamp,
    samples: Timestamp,
    sizes: Timestamp,
    memory: Timestamp,
    report: Timestamp,
}

pub(crate) struct Worker {
    data_dir: PathBuf,
    workspace_dir: PathBuf,
    report_interval: Millis,
    /// Whose the units of systemd are.
    units: BTreeMap<String, ServiceName>,
    /// The last entry of the journal that was read, and the logs that are made of it.
    cursor: Option<String>,
    of_journal: BTreeSet<String>,
    senders: Senders,
    /// Whose the files of each pattern are.
    services: Vec<Option<ServiceName>>,
    follower: Follower,
    streams: BTreeMap<String, Stream>,
    /// What was counted of the day by logs that have not come up since the restart.
    kept: BTreeMap<String, LogInsights>,
    alerts: Alerts,
    day: Timestamp,
    due: Due,
    /// Whether something is to be remembered that is not written yet.
    is_dirty: bool,
}

/// What came since the last piece of work.
pub(crate) struct News {
    pub(crate) moved: Moved,
    /// Entries of systemd's journal, one in a line.
    pub(crate) journal: Vec<u8>,
    /// Why it is not followed.
    pub(crate) journal_trouble: Option<String>,
    /// Lines that services sent themselves.
    pub(crate) told: Vec<LogLine>,
}

/// The services that systemd supervises, by their units.
fn units(settings: &Settings) -> BTreeMap<String, ServiceName> {
    let services = settings.services.values();
    let of_unit = |service: &nightcrew_config::settings::Service| {
        let unit = service.unit.clone()?;
        let unit = if unit.contains('.') { unit } else { format!("{unit}.service") };
        Some((unit, service.name.clone()))
    };
    services.filter_map(of_unit).collect()
}

/// The beginning of a day in UTC.
fn day_of(now: Timestamp) -> Timestamp {
    let second = now.as_second().div_euclid(DAY_SECONDS) * DAY_SECONDS;
    Timestamp::from_second(second).unwrap_or(now)
}

/// The logs that are followed: those of the configuration and, where there are any, the output of
/// the services that the crew starts.
fn what(settings: &Settings) -> Result<(What, Vec<Option<ServiceName>>), PatternError> {
    let mut files: Vec<(String, Option<ServiceName>)> = Vec::new();
    let (own, others): (Vec<_>, Vec<_>) =
        settings.logs.files.iter().partition(|files| files.service.is_some());
    files.extend(own.iter().map(|files| (files.pattern.clone(), files.service.clone())));
    for service in settings.services.values() {
        let Some(start) = &service.start else { continue };
        let by_default = || settings.data_dir.join("logs").join(format!("{}.log", service.name));
        let path = start.log.clone().unwrap_or_else(by_default);
        let path = std::path::absolute(&path).unwrap_or(path);
        files.push((path.display().to_string(), Some(service.name.clone())));
    }
    files.extend(others.iter().map(|files| (files.pattern.clone(), None)));
    let patterns: Result<_, _> = files.iter().map(|(pattern, _)| Pattern::new(pattern)).collect();
    let exclude: Result<_, _> =
        settings.logs.exclude.iter().map(|pattern| Pattern::new(pattern)).collect();
    let joining = match settings.logs.joining {
        LogJoining::Traces => Joining::Traces,
        LogJoining::Never => Joining::Never,
    };
    let services = files.into_iter().map(|(_, service)| service).collect();
    Ok((What { patterns: patterns?, exclude: exclude?, joining }, services))
}

impl Worker {
    /// Goes on where an earlier run has come to.  Blocks.
    pub(crate) fn new(settings: &Settings, now: Timestamp) -> Result<Self, PatternError> {
        let (what, services) = what(settings)?;
        let today = day_of(now);
        let memory = Memory::read(&settings.data_dir)
            .unwrap_or_else(|| Memory::new(Vec::new(), today, BTreeMap::new(), Vec::new()));
        let mut worker = Self {
            data_dir: settings.data_dir.clone(),
            workspace_dir: settings.workspace_dir.clone(),
            report_interval: settings.logs.report_interval,
            units: units(settings),
            cursor: memory.cursor,
            of_journal: BTreeSet::new(),
            senders: Senders::default(),
            services,
            follower: Follower::new(what, memory.places),
            streams: BTreeMap::new(),
            kept: memory.logs,
            alerts: Alerts::new(memory.told),
            day: memory.day,
            due: Due {
                findings: now,
                findings_quiet: now,
                samples: SAMPLES.after(now),
                sizes: now,
                memory: MEMORY.after(now),
                report: FIRST_REPORT.min(settings.logs.report_interval).after(now),
            },
            is_dirty: false,
        };
        if worker.day != today
            && let Err(error) = worker.begin_day(now)
        {
            tracing::warn!("the report of the day before could not be written: {error}");
        }
        Ok(worker)
    }

    /// The core could not be told of levels.
    pub(crate) fn not_heard(&mut self) {
        self.alerts.not_heard();
    }

    /// The last entry of the journal that was read.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Does what is due.  Blocks.
    pub(crate) fn work(&mut self, now: Timestamp, news: &News) -> Done {
        let mut done = Done::default();
        self.read_journal(&news.journal, now);
        self.read_told(&news.told, now);
        if news.moved == Moved::Names {
            self.follower.moved();
        }
        if day_of(now) > self.day
            && let Err(error) = self.begin_day(now)
        {
            done.errors.push(format!("writing the report: {error}"));
        }
        done.rest = Some(self.read(now));
        for word in self.follower.news() {
            tracing::warn!("{word}");
        }
        let is_touched = self.streams.values().any(|stream| stream.is_touched);
        if now >= self.due.findings_quiet || is_touched && now >= self.due.findings {
            done.levels = self.levels(now);
            self.due.findings = FINDINGS.after(now);
            self.due.findings_quiet = FINDINGS_QUIET.after(now);
        }
        self.sample(now, news.journal_trouble.as_deref(), &mut done.samples);
        if now >= self.due.report {
            self.due.report = self.report_interval.after(now);
            if let Err(error) = self.report(now) {
                done.errors.push(format!("writing the report: {error}"));
            }
        }
        if self.is_dirty && now >= self.due.memory {
            let began = tokio::time::Instant::now();
            match self.memory().write(&self.data_dir) {
                Ok(()) => self.is_dirty = false,
                Err(error) => done.errors.push(format!("remembering the logs: {error}")),
            }
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.due.memory = MEMORY.max(Millis(took.saturating_mul(MEMORY_SHARE))).after(now);
        }
        done.folders = self.follower.folders().to_vec();
        done
    }

    fn read(&mut self, now: Timestamp) -> Rest {
        let Self { follower, streams, services, kept, day, is_dirty, .. } = self;
        let mut last: Option<(FileNumber, String)> = None;
        let mut each = |entry: &Entry<'_>| {
            *is_dirty = true;
            if last.as_ref().is_none_or(|(file, _)| *file != entry.file) {
                let service = services.get(entry.pattern).and_then(Option::as_ref);
                let name =
                    service.map_or_else(|| name_of(entry.path), |name| name.as_str().to_owned());
                let name = stream_for((name, service.is_some()), streams, kept, *day);
                last = Some((entry.file, name));
            }
            let Some((_, name)) = &last else { return };
            if let Some(stream) = streams.get_mut(name) {
                stream.entry(entry, *day, now);
            }
        };
        follower.turn(now, &mut each)
    }

    /// Takes entries of the journal, as its program prints them.
    fn read_journal(&mut self, printed: &[u8], now: Timestamp) {
        for printed in printed.split(|byte| *byte == b'\n') {
            let Some(entry) = journal::parse(printed) else { continue };
            let service = entry.unit.as_ref().and_then(|unit| self.units.get(unit));
            let program = if entry.program.is_empty() { "journal" } else { &entry.program };
            let name = service.map_or_else(|| bounded(program), |name| name.as_str().to_owned());
            let is_told = service.is_some();
            let name = stream_for((name, is_told), &mut self.streams, &mut self.kept, self.day);
            if let Some(stream) = self.streams.get_mut(&name) {
                stream.line(&line_of(&entry), self.day, now);
            }
            self.of_journal.insert(name);
            self.cursor = Some(entry.cursor);
            self.is_dirty = true;
        }
    }

    /// Takes lines that services sent themselves.
    fn read_told(&mut self, told: &[LogLine], now: Timestamp) {
        for told in told {
            let name = (told.service.as_str().to_owned(), true);
            let name = stream_for(name, &mut self.streams, &mut self.kept, self.day);
            if let Some(stream) = self.streams.get_mut(&name) {
                stream.line(&told::line_of(told), self.day, now);
            }
            self.senders.heard(name, now);
            self.is_dirty = true;
        }
    }

    /// The levels that the core has to hear.
    fn levels(&mut self, now: Timestamp) -> Vec<Event> {
        let mut logs = Vec::new();
        for stream in self.streams.values_mut() {
            let findings = stream.findings(now);
            if !findings.is_empty() {
                let chart = stream.pace().chart(now);
                logs.push(Log { name: &stream.name, is_told: stream.is_told, findings, chart });
            }
        }
        let levels = self.alerts.levels(logs, now);
        self.is_dirty |= !levels.is_empty();
        levels
    }

    /// Error rates of the logs, and sizes of their files.
    fn sample(&mut self, now: Timestamp, journal_trouble: Option<&str>, samples: &mut Vec<Sample>) {
        if now >= self.due.samples {
            self.due.samples = SAMPLES.after(now);
            let mut with_files: BTreeMap<String, Result<(), Unknown>> = BTreeMap::new();
            for service in self.services.iter().flatten() {
                with_files.insert(service.as_str().to_owned(), Err(Unknown::Absent));
            }
            for name in &self.of_journal {
                let failed = |trouble: &str| Err(Unknown::Failed(trouble.to_owned()));
                with_files.insert(name.clone(), journal_trouble.map_or(Ok(()), failed));
            }
            with_files.extend(self.senders.names(now).map(|name| (name.clone(), Ok(()))));
            for (path, pattern, _) in self.follower.files() {
                let service = self.services.get(pattern).and_then(Option::as_ref);
                let mut name =
                    service.map_or_else(|| name_of(path), |name| name.as_str().to_owned());
                if self.streams.len() >= STREAMS_MAX && !self.streams.contains_key(&name) {
                    OTHERS.clone_into(&mut name);
                }
                with_files.insert(name, Ok(()));
            }
            for (name, is_read) in with_files {
                let observation = match is_read {
                    Ok(()) => {
                        let pace = self.streams.get_mut(&name).map(Stream::pace);
                        let errors = pace.map_or(0, |pace| pace.per_minute(now));
                        read(f64::from(errors), Unit::PerMinute)
                    }
                    Err(why) => Observation::Unknown(why),
                };
                let target = Target::service(ServiceName::from(name));
                let metric = MetricName::from(ERROR_RATE_PER_MIN);
                samples.push(Sample { target, metric, at: now, observation, detail: None });
            }
        }
        if now >= self.due.sizes {
            self.due.sizes = SIZES.after(now);
            for (path, pattern, bytes) in self.follower.files() {
                let service = self.services.get(pattern).cloned().flatten();
                let service = service.unwrap_or_else(|| ServiceName::from(name_of(path)));
                #[expect(clippy::cast_precision_loss, reason = "a size in MB needs no such digits")]
                let megabytes = bytes as f64 / 1e6;
                samples.push(Sample {
                    target: Target::part(service, &path.display().to_string()),
                    metric: MetricName::from(LOG_FILE_SIZE_MB),
                    at: now,
                    observation: read(megabytes, Unit::Megabytes),
                    detail: None,
                });
            }
        }
    }

    /// What the logs of the day say so far, by log.
    fn insights(&self) -> BTreeMap<String, LogInsights> {
        let mut insights = self.kept.clone();
        let now = self.streams.iter().map(|(name, stream)| (name.clone(), stream.insights()));
        insights.extend(now);
        insights.retain(|_, insights| insights.lines > 0 || !insights.findings.is_empty());
        insights
    }

    fn report(&self, now: Timestamp) -> std::io::Result<()> {
        let troubles = self.follower.troubles();
        let report = LogReport {
            logs: self.insights().into_values().collect(),
            troubles: troubles.iter().map(|(path, why)| (path.clone(), why.clone())).collect(),
        };
        write_log_report(&self.workspace_dir, self.day, now, &report).map(drop)
    }

    fn memory(&mut self) -> Memory {
        let places = self.follower.places();
        let mut memory = Memory::new(places, self.day, self.insights(), self.alerts.told());
        memory.cursor.clone_from(&self.cursor);
        memory
    }

    /// Writes the last report of the day that is over, and counts anew.
    fn begin_day(&mut self, now: Timestamp) -> std::io::Result<()> {
        for stream in self.streams.values_mut() {
            stream.findings(now);
        }
        let written = self.report(now);
        self.day = day_of(now);
        self.kept.clear();
        for stream in self.streams.values_mut() {
            stream.begin_day(self.day, now);
        }
        self.is_dirty = true;
        written
    }
}

/// The log of a name, which the operator told or not; it is made where there is none yet.
fn stream_for(
    (mut name, mut is_told): (String, bool),
    streams: &mut BTreeMap<String, Stream>,
    kept: &mut BTreeMap<String, LogInsights>,
    day: Timestamp,
) -> String {
    if streams.len() >= STREAMS_MAX && !streams.contains_key(&name) {
        (name, is_told) = (OTHERS.to_owned(), false);
    }
    if !streams.contains_key(&name) {
        let base = kept.remove(&name).unwrap_or_default();
        streams.insert(name.clone(), Stream::new(name.clone(), is_told, day, base));
    }
    name
}

fn read(value: f64, unit: Unit) -> Observation {
    match Quantity::new(value, unit) {
        Some(quantity) => Observation::Read(Reading::Quantity(quantity)),
        None => Observation::Unknown(Unknown::NotPlausible(value.to_string())),
    }
}

#[cfg(test)]
mod tests;
