//! The judge: samples in, findings of every method out.
//!
//! Thresholds speak for themselves.  The other methods share what is remembered of a series: its
//! last values ([`recent`]), means of a week ([`cells`]), and the state of the anomaly score.
//! Each has a symptom of its own, so that its findings are alerts of their own, and says in words
//! and numbers why.
//!
//! **Invariant:** memory is bounded by [`SERIES_MAX`] and allocated as it fills; what could not be
//! read is neither learned nor good news.

mod anomaly;
pub mod cells;
pub mod context;
mod flat;
pub mod heard;
mod outlook;
mod picture;
pub mod recent;
pub mod relative;
pub mod rules;
mod series;
pub mod slo;
mod told;

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_model::chart::Method;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::id::{MetricName, Target};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample, Unknown};
use nightcrew_model::unit::{Millis, Quantity, Unit};

use self::heard::Silence;
use self::relative::Relatives;
use self::rules::Rules;
use self::series::{Numbers, Series, Severities, Worth};
use self::told::Verdict;
use crate::forecast::Limit;
use crate::point::Point;
use crate::rank::Edge;
use crate::requests::Requests;
use crate::threshold::{Detector, Threshold};

/// The largest number of series that are remembered; samples of others are compared with their
/// thresholds only, and counted in [`Judge::n_left_out`].
pub const SERIES_MAX: usize = 10_000;

/// How often silence is looked for.
pub const LOOK: Millis = Millis::from_secs(10);

/// When nobody told the time for so long, nobody looked at anything either: every series gets its
/// time again.
pub const ABSENCE: Millis = Millis::from_secs(60);

/// For how many findings in a minute it is said what else moved: in a flood each costs more than it
/// tells.
pub const CONTEXTS_PER_MINUTE_MAX: u32 = 20;

/// A sample that is so far ahead of the time is not learned.
pub const AHEAD_MAX: Millis = Millis::from_secs(5 * 60);

/// When a sample is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tense {
    /// From now.
    Present,
    /// From just before the first look.
    Past,
    /// From before a pause.
    Stored,
}

/// What judges every sample.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    thresholds: Detector,
    requests: Requests,
    relatives: Relatives,
    slos: Vec<slo::Watch>,
    next_refresh: Timestamp,
    /// What each service calls, as traces taught.
    calls: context::Needs,
    /// The minute of the last finding that says what else moved, and how many did in it.
    contexts: (i64, u32),
    series: HashMap<MetricName, HashMap<Target, Series>>,
    n_series: usize,
    n_left_out: u64,
    /// When the time was last told, and since when it is told without a break.
    last_tick: Option<Timestamp>,
    awake_since: Timestamp,
    last_look: Timestamp,
}

impl Judge {
    /// A judge that has seen nothing yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            thresholds: Detector::new(rules.thresholds.clone()),
            requests: requests(&rules),
            relatives: Relatives::new(rules.detection.relatives.clone()),
            slos: rules.slos.iter().cloned().map(slo::Watch::new).collect(),
            next_refresh: Timestamp::MIN,
            calls: context::Needs::new(),
            contexts: (0, 0),
            rules,
            series: HashMap::new(),
            n_series: 0,
            n_left_out: 0,
            last_tick: None,
            awake_since: Timestamp::UNIX_EPOCH,
            last_look: Timestamp::UNIX_EPOCH,
        }
    }

    /// Goes by other rules from now on.  What is remembered of series stays, and what is known of
    /// rules that stay as they were.
    pub fn go_by(&mut self, rules: Rules) {
        if rules == self.rules {
            return;
        }
        self.thresholds.replace(rules.thresholds.clone());
        self.requests = requests(&rules);
        self.relatives.replace(rules.detection.relatives.clone());
        let mut known = std::mem::take(&mut self.slos);
        self.slos = rules
            .slos
            .iter()
            .map(|slo| match known.iter().position(|watch| &watch.slo == slo) {
                Some(place) => known.swap_remove(place),
                None => slo::Watch::new(slo.clone()),
            })
            .collect();
        if rules.detection.resolution != self.rules.detection.resolution {
            self.series.clear();
            self.n_series = 0;
        }
        self.rules = rules;
        for (metric, targets) in &mut self.series {
            for (target, series) in targets {
                (series.severities, series.limit) = bearings(&self.rules, metric, target);
            }
        }
    }

    /// Knows from now on who calls whom, beside what the rules say of it.
    pub fn know_calls(&mut self, calls: impl IntoIterator<Item = Edge>) {
        self.calls.clear();
        for Edge { caller, callee } in calls {
            self.calls.entry(caller).or_default().push(callee);
        }
    }

    /// How many samples belonged to series beyond [`SERIES_MAX`].
    #[must_use]
    pub fn n_left_out(&self) -> u64 {
        self.n_left_out
    }

    /// How many series are remembered.
    #[must_use]
    pub fn n_series(&self) -> usize {
        self.n_series
    }

    /// What the objectives say now, in the order of the rules.
    #[must_use]
    pub fn slos(&self, now: Timestamp) -> Vec<slo::Standing> {
        self.slos.iter().map(|watch| watch.standing(now)).collect()
    }

    /// What a sample means, by every method.  A finding that begins says what else moved.
    pub fn observe(&mut self, sample: &Sample) -> Vec<Finding> {
        let mut found = self.judge(sample, Tense::Present);
        for finding in &mut found {
            let is_new =
                finding.sample.at == sample.at && matches!(finding.level, Level::Firing(_));
            let is_about_numbers = finding.chart.is_some();
            if is_new
                && is_about_numbers
                && let Some(words) = self.context(finding)
            {
                finding.rule.push_str(&words);
            }
        }
        found
    }

    /// Learns a sample from before the first look, older ones first.  It is no alarm; what is
    /// concluded from it counts with the next sample.
    pub fn learn(&mut self, sample: &Sample) {
        let _ = self.judge(sample, Tense::Past);
    }

    /// Learns a sample that was stored before a pause.  Limits are not asked: it does not count
    /// among those that cross one now.
    pub fn remember(&mut self, sample: &Sample) {
        let _ = self.judge(sample, Tense::Stored);
    }

    /// What a sample means by limits alone, while the past is not learned yet.
    pub fn compare(&mut self, sample: &Sample) -> Vec<Finding> {
        self.requests.note(sample);
        self.thresholds.observe_with(sample, &self.requests)
    }

    fn judge(&mut self, sample: &Sample, tense: Tense) -> Vec<Finding> {
        let Observation::Read(reading) = &sample.observation else {
            return Vec::new();
        };
        self.requests.note(sample);
        let mut found = Vec::new();
        let is_ahead =
            self.last_tick.is_some_and(|now| Millis::between(now, sample.at) > AHEAD_MAX);
        let Some(series) = self.series_of(sample).filter(|_| !is_ahead) else {
            return self.limits(sample, tense);
        };
        let mut worth = Worth::Learn;
        let is_late = sample.at <= series.heard.last();
        if series.heard.observe(sample.at)
            || series.told.is_firing(Method::Missing)
            || series.told.wants_clear(Method::Missing)
        {
            let rule = format!("{} is heard of", sample.metric);
            series.told.say(Method::Missing, sample, Verdict::Clear(rule), &mut found);
        }
        match reading {
            Reading::Quantity(quantity) if !is_late => {
                worth = self.number(sample, *quantity, &mut found);
            }
            Reading::Quantity(_) | Reading::Status(_) => {}
        }
        if worth != Worth::Refuse {
            found.extend(self.limits(sample, tense));
            let series = &self.series;
            let recent = || recent_points(series, &sample.metric, &sample.target);
            self.relatives.observe(sample, &self.requests, &recent, &mut found);
            for slo in &mut self.slos {
                slo.observe(sample, &mut found);
            }
        }
        found
    }

    fn limits(&mut self, sample: &Sample, tense: Tense) -> Vec<Finding> {
        match tense {
            Tense::Present | Tense::Past => self.thresholds.observe_with(sample, &self.requests),
            Tense::Stored => Vec::new(),
        }
    }

    /// What else moved before a finding, in words.
    fn context(&mut self, finding: &Finding) -> Option<String> {
        let minute = finding.sample.at.as_second().div_euclid(60);
        if self.contexts.0 != minute {
            self.contexts = (minute, 0);
        }
        self.contexts.1 += 1;
        if self.contexts.1 > CONTEXTS_PER_MINUTE_MAX {
            return None;
        }
        let (services, edges) =
            context::neighbours(&finding.target.service, [&self.rules.needs, &self.calls]);
        let mut moved = Vec::new();
        for (metric, targets) in &self.series {
            for (target, series) in targets {
                let Some(numbers) = &series.numbers else { continue };
                if services.contains(&target.service) && moved.len() < context::SERIES_MAX {
                    moved.push(context::Moved {
                        service: target.service.clone(),
                        metric: metric.clone(),
                        points: numbers.recent.points().collect(),
                    });
                }
            }
        }
        // The order of a hash map is no order.
        moved.sort_by(|a, b| (&a.service, &a.metric).cmp(&(&b.service, &b.metric)));
        let since = finding.chart.as_ref().and_then(|chart| chart.since);
        let own = (&finding.target.service, &finding.sample.metric);
        context::words(moved, &edges, since.unwrap_or(finding.sample.at), |service, evidence| {
            own == (service, &evidence.metric)
        })
    }

    /// What a number means beside its thresholds.
    fn number(&mut self, sample: &Sample, quantity: Quantity, found: &mut Vec<Finding>) -> Worth {
        let phase_ms = phase_ms(sample);
        let rules = &self.rules.detection;
        let targets = self.series.get_mut(&sample.metric);
        let Some(series) = targets.and_then(|targets| targets.get_mut(&sample.target)) else {
            return Worth::Learn;
        };
        let counts = is_counter(&sample.metric, quantity.unit());
        let unit = if counts { Unit::PerMinute } else { quantity.unit() };
        let fresh = || Box::new(Numbers::new(unit, rules.resolution));
        let numbers = series.numbers.get_or_insert_with(fresh);
        // In another unit it is another series.
        if numbers.unit != unit || numbers.is_accepted(sample.at) {
            *numbers = fresh();
        }
        let value = if counts {
            let Some(growth) = numbers.growth(sample.at, quantity.value()) else {
                return Worth::Learn;
            };
            growth
        } else {
            quantity.value()
        };
        let worth = series.sanity(sample, value, found);
        if worth == Worth::Learn {
            series.learn(sample, value, phase_ms, (rules, found));
        }
        worth
    }

    /// The series of a sample; none when there are too many.
    fn series_of(&mut self, sample: &Sample) -> Option<&mut Series> {
        let known = self.series.get(&sample.metric);
        if !known.is_some_and(|targets| targets.contains_key(&sample.target)) {
            if self.n_series >= SERIES_MAX {
                self.n_left_out += 1;
                return None;
            }
            let (severities, limit) = bearings(&self.rules, &sample.metric, &sample.target);
            let fresh = Series { severities, limit, ..Series::default() };
            let targets = self.series.entry(sample.metric.clone()).or_default();
            targets.insert(sample.target.clone(), fresh);
            self.n_series += 1;
        }
        self.series.get_mut(&sample.metric)?.get_mut(&sample.target)
    }

    /// What it means that so much time has passed: what is not heard of any more.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Finding> {
        let was_away =
            self.last_tick.is_none_or(|last| Millis::between(last, now) > ABSENCE || now < last);
        self.last_tick = Some(now);
        if was_away {
            self.awake_since = now;
        }
        if Millis::between(self.last_look, now) < LOOK && now >= self.last_look {
            return Vec::new();
        }
        self.last_look = now;
        if now >= self.next_refresh {
            self.next_refresh = relative::REFRESH.after(now);
            self.relatives.refresh();
            self.slos.iter_mut().for_each(slo::Watch::refresh);
        }
        let least = self.rules.detection.resolution;
        // Nobody is missed before it had its time to be heard of.
        if Millis::between(self.awake_since, now) < least {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (metric, targets) in &mut self.series {
            targets.retain(|target, series| {
                let silence = series.heard.judge(now, least);
                let seen = || Sample {
                    target: target.clone(),
                    metric: metric.clone(),
                    at: now,
                    observation: Observation::Unknown(Unknown::TimedOut(Millis::between(
                        series.heard.last(),
                        now,
                    ))),
                    detail: None,
                };
                match silence {
                    Silence::Usual | Silence::Lasts => true,
                    Silence::Began(silence) => {
                        let (seen, severity) = (seen(), series.severities.missing);
                        if let Some(severity) = severity {
                            let verdict = missing(&seen, series, silence, severity);
                            series.told.say(Method::Missing, &seen, verdict, &mut found);
                        }
                        true
                    }
                    Silence::Forgotten => {
                        let seen = seen();
                        for method in series.told.methods() {
                            let rule = format!("{metric} was not heard of for a day, and is gone");
                            series.told.say(method, &seen, Verdict::Clear(rule), &mut found);
                        }
                        self.n_series -= 1;
                        false
                    }
                }
            });
        }
        self.series.retain(|_, targets| !targets.is_empty());
        found
    }
}

/// The last values of a series.
fn recent_points(
    series: &HashMap<MetricName, HashMap<Target, Series>>,
    metric: &MetricName,
    target: &Target,
) -> Vec<Point> {
    let series = series.get(metric).and_then(|targets| targets.get(target));
    let numbers = series.and_then(|series| series.numbers.as_ref());
    numbers.map(|numbers| numbers.recent.points().collect()).unwrap_or_default()
}

fn missing(
    seen: &Sample,
    series: &Series,
    silence: Millis,
    severity: nightcrew_model::severity::Severity,
) -> Verdict {
    let rule = format!(
        "{} was not read for {silence}; usually every {}",
        seen.metric,
        series.heard.usual()
    );
    let numbers = series.numbers.as_ref();
    let unit = numbers.map_or(Unit::Count, |numbers| numbers.unit);
    let points = numbers.map(|numbers| numbers.recent.points()).into_iter().flatten();
    let mut chart = picture::chart(Method::Missing, unit, points);
    chart.since = Some(series.heard.last());
    Verdict::Firing { severity, rule, chart }
}

/// How bad findings are here, and the limit that counts.
fn bearings(rules: &Rules, metric: &MetricName, target: &Target) -> (Severities, Option<Limit>) {
    let about = |rule: &&Threshold| &rule.metric == metric;
    let own = rules
        .thresholds
        .iter()
        .filter(about)
        .find(|rule| rule.service.as_ref() == Some(&target.service));
    let rule =
        own.or_else(|| rules.thresholds.iter().filter(about).find(|rule| rule.service.is_none()));
    let limit = rule.and_then(|rule| rule.critical.as_ref().or(rule.warning.as_ref()));
    (Severities::of(&rules.detection, &target.service, metric), limit.and_then(limit_of))
}

fn limit_of(condition: &Condition) -> Option<Limit> {
    let Operand::Number(at) = condition.operand else { return None };
    match condition.operator {
        Operator::Greater | Operator::GreaterOrEqual => Some(Limit::Above(at)),
        Operator::Less | Operator::LessOrEqual => Some(Limit::Below(at)),
        Operator::Equal | Operator::NotEqual => None,
    }
}

/// Whether a metric counts up from the beginning of its process: as Prometheus names it.
fn is_counter(metric: &MetricName, unit: Unit) -> bool {
    unit == Unit::Count && metric.as_str().ends_with("_total")
}

fn requests(rules: &Rules) -> Requests {
    let thresholds = rules.thresholds.iter().filter_map(|rule| rule.min_requests.as_ref());
    let relatives = &rules.detection.relatives;
    Requests::about(thresholds.chain(relatives.iter().filter_map(|it| it.min_requests.as_ref())))
}

/// When in its turn a series is looked at, so that not all are at once.
fn phase_ms(sample: &Sample) -> i64 {
    let bytes = sample.target.service.as_str().bytes().chain(sample.metric.as_str().bytes());
    let resource = sample.target.resource.as_ref().map_or("", |resource| resource.as_str());
    let hash = bytes
        .chain(resource.bytes())
        .fold(17_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    i64::from(hash)
}
