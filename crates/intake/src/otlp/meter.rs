//! From data points to samples: levels as they are, counters as rates, histograms as a rate and
//! three quantiles.
//!
//! | point | samples |
//! |---|---|
//! | gauge, sum that may fall | `NAME` |
//! | sum that only grows | `NAME_rate` |
//! | histogram | `NAME_count` (per minute), `NAME_p50`, `NAME_p95`, `NAME_p99` |
//! | summary | `NAME_count` (per minute), and the quantiles that it has |
//!
//! Several processes of one service are one series (`crowd`).
//!
//! A counter that counts from the start of its process needs two points for a rate; where it fell,
//! or says that it began anew, what it shows is what came since.  A point that is not later than
//! the last one of its series says nothing new: an exporter repeats a request whose answer it
//! missed.

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::id::MetricName;
use nightcrew_model::sample::{Observation, Reading, Sample, Unknown};
use nightcrew_model::unit::{Millis, Quantity, Unit};

use super::crowd::{Crowd, Together, Word};
use super::distribution::{Distribution, float};
use super::limit::{AGE_MAX, AHEAD_MAX, SERIES_IDLE_MAX, SERIES_MAX, SWEEP_INTERVAL};
use super::metric::{Measured, Point, Since};
use super::quantity::Scale;
use super::{Rejected, Taken};

/// The quantiles of a histogram, and what they are called behind the name of the metric.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];

/// Remembers the last point of each series.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    series: HashMap<u64, Last>,
    crowd: Crowd,
    /// When room was last looked for.
    swept: Option<Timestamp>,
}

/// The last point of a series.
#[derive(Clone, Debug)]
struct Last {
    at: Timestamp,
    /// When it came in.
    heard: Timestamp,
    start: Option<Timestamp>,
    total: Option<Total>,
}

/// What a series had counted so far.
#[derive(Clone, Debug)]
enum Total {
    Sum(f64),
    Histogram(u64, Distribution),
}

impl Last {
    fn sum(&self) -> Option<f64> {
        match self.total {
            Some(Total::Sum(sum)) => Some(sum),
            Some(Total::Histogram(..)) | None => None,
        }
    }

    fn histogram(&self) -> Option<(u64, &Distribution)> {
        match &self.total {
            Some(Total::Histogram(count, seen)) => Some((*count, seen)),
            Some(Total::Sum(_)) | None => None,
        }
    }
}

/// What came in a span of time.
struct Growth<T> {
    what: T,
    seconds: f64,
}

impl Meter {
    /// How many series are followed.
    #[must_use]
    pub fn n_series(&self) -> usize {
        self.series.len()
    }

    /// What these points tell.  A sample has the time of its point, or `now` where it has none or
    /// a later one.
    pub fn take(&mut self, points: Vec<Point>, now: Timestamp) -> Taken<Sample> {
        let mut taken = Taken { items: Vec::new(), rejected: Rejected::default() };
        for point in points {
            if let Err(why) = self.point(&point, now, &mut taken.items) {
                taken.rejected.add(1, &format!("{}: {why}", point.metric));
            }
        }
        taken
    }

    fn point(
        &mut self,
        point: &Point,
        now: Timestamp,
        samples: &mut Vec<Sample>,
    ) -> Result<(), String> {
        let at = point.at.unwrap_or(now);
        if at > AHEAD_MAX.after(now) {
            return Err(format!("its time is more than {AHEAD_MAX} ahead; set the clocks"));
        }
        if AGE_MAX.after(at) < now {
            return Err(format!("it is older than {AGE_MAX}"));
        }
        let at = at.min(now);
        let last = self.series.get(&point.identity);
        if last.is_none() && self.series.len() >= SERIES_MAX && !self.made_room(now) {
            return Err(format!(
                "there are {SERIES_MAX} series already; send fewer attributes or metrics"
            ));
        }
        let last = self.series.get(&point.identity);
        if last.is_some_and(|last| last.at >= at) {
            return Ok(());
        }
        let interval = last.map(|last| Millis::between(last.at, at));
        let word = Word { process: point.process, value: None, at, now, interval };
        let scale = Scale::of(&point.unit, &point.metric);
        let told = Told { point, at, scale, word, crowd: &mut self.crowd, samples };
        let total = told.tell(last)?;
        let last = Last { at, heard: now, start: point.start, total };
        self.series.insert(point.identity, last);
        Ok(())
    }

    /// Forgets series that fell silent; whether there is room for another one.
    fn made_room(&mut self, now: Timestamp) -> bool {
        if self.swept.is_some_and(|swept| SWEEP_INTERVAL.after(swept) > now) {
            return false;
        }
        self.swept = Some(now);
        self.series.retain(|_, last| SERIES_IDLE_MAX.after(last.heard) > now);
        self.crowd.sweep(now);
        self.series.len() < SERIES_MAX
    }
}

/// What one point tells.
struct Told<'a> {
    point: &'a Point,
    at: Timestamp,
    scale: Scale,
    word: Word,
    crowd: &'a mut Crowd,
    samples: &'a mut Vec<Sample>,
}

impl Told<'_> {
    fn tell(mut self, last: Option<&Last>) -> Result<Option<Total>, String> {
        let point = self.point;
        match &point.measured {
            Measured::Nothing => {
                self.add("", None, self.scale.unit, Together::Largest)?;
                Ok(None)
            }
            Measured::Level(value, together) => {
                let Scale { factor, unit } = self.scale;
                self.add("", Some(value * factor), unit, *together)?;
                Ok(None)
            }
            Measured::Counter { value, since } => {
                if !value.is_finite() || *value < 0.0 {
                    return Err(format!("a sum that only grows is {value}"));
                }
                let before = last.and_then(Last::sum);
                let grown = before.map(|before| value - before).filter(|grown| *grown >= 0.0);
                let fell = before.is_some() && grown.is_none();
                if let Some(growth) = self.growth((last, *since), fell, grown, *value) {
                    let scale = self.scale.rate();
                    let rate = growth.what / growth.seconds * scale.factor;
                    self.add("_rate", Some(rate), scale.unit, Together::Sum)?;
                }
                Ok(Some(Total::Sum(*value)))
            }
            Measured::Histogram { count, seen, min, max, since } => {
                let before = last.and_then(Last::histogram);
                let grown = before.and_then(|(n_before, seen_before)| {
                    Some((count.checked_sub(n_before)?, seen.since(seen_before)?))
                });
                let fell = before.is_some_and(|(n_before, _)| n_before > *count);
                let whole = (*count, seen.clone());
                if let Some(growth) = self.growth((last, *since), fell, grown, whole) {
                    // The extremes are those since the start, unless the sum counts from the last.
                    let (min, max) = match since {
                        Since::Last => (*min, *max),
                        Since::Start => (None, *max),
                    };
                    self.distribution(&growth, min, max)?;
                }
                Ok(Some(Total::Histogram(*count, seen.clone())))
            }
            Measured::Summary { count, quantiles } => {
                for (share, value) in quantiles {
                    // No value: nothing was measured lately.
                    if (0.0..=1.0).contains(share) && value.is_finite() {
                        let Scale { factor, unit } = self.scale;
                        let ending = format!("_p{}", share * 100.0);
                        self.add(&ending, Some(value * factor), unit, Together::Largest)?;
                    }
                }
                let whole = float(*count);
                let before = last.and_then(Last::sum);
                let grown = before.map(|before| whole - before).filter(|grown| *grown >= 0.0);
                let fell = before.is_some() && grown.is_none();
                if let Some(growth) = self.growth((last, Since::Start), fell, grown, whole) {
                    self.per_minute(growth.what / growth.seconds)?;
                }
                Ok(Some(Total::Sum(whole)))
            }
        }
    }

    /// What came since the last point: what it `grown` by, or the `whole` where it counts from the
    /// last point or `fell` since; none where that is not known.
    fn growth<T>(
        &self,
        (last, since): (Option<&Last>, Since),
        fell: bool,
        grown: Option<T>,
        whole: T,
    ) -> Option<Growth<T>> {
        let start = self.point.start;
        let (from, what) = match since {
            Since::Last => (start.or(last.map(|last| last.at))?, whole),
            Since::Start => {
                let last = last?;
                let began = start.zip(last.start).is_some_and(|(now, then)| now > then);
                (last.at, if fell || began { whole } else { grown? })
            }
        };
        let seconds = self.at.duration_since(from).as_secs_f64();
        (seconds > 0.0).then_some(Growth { what, seconds })
    }

    fn distribution(
        &mut self,
        growth: &Growth<(u64, Distribution)>,
        min: Option<f64>,
        max: Option<f64>,
    ) -> Result<(), String> {
        let (count, seen) = &growth.what;
        self.per_minute(float(*count) / growth.seconds)?;
        for (share, name) in QUANTILES {
            let ending = format!("_{name}");
            let Scale { factor, unit } = self.scale;
            let value = seen.quantile(share, min, max).map(|value| value * factor);
            self.add(&ending, value, unit, Together::Largest)?;
        }
        Ok(())
    }

    fn per_minute(&mut self, per_second: f64) -> Result<(), String> {
        self.add("_count", Some(per_second * 60.0), Unit::PerMinute, Together::Sum)
    }

    fn add(
        &mut self,
        ending: &str,
        value: Option<f64>,
        unit: Unit,
        together: Together,
    ) -> Result<(), String> {
        let metric = format!("{}{ending}", self.point.metric);
        if let Some(known) = catalogue::metric(&metric)
            && known.kind != Kind::Number(unit)
        {
            return Err("the crew has a metric of that name in another unit; name it differently"
                .to_owned());
        }
        let series = (self.point.target.clone(), MetricName::from(metric));
        let word = Word { value, ..self.word };
        let Some(value) = self.crowd.hear(&series, together, word) else { return Ok(()) };
        let observation = match value.map(|value| number(value, unit)) {
            Some(Ok(reading)) => Observation::Read(reading),
            Some(Err(why)) => Observation::Unknown(why),
            // Nothing happened, or its sender has no value: there is nothing to look at.
            None => Observation::Unknown(Unknown::Absent),
        };
        let (target, metric) = series;
        self.samples.push(Sample { target, metric, at: self.at, observation, detail: None });
        Ok(())
    }
}

/// A number as a reading; none that is infinite, not a number, or a negative percentage.
fn number(value: f64, unit: Unit) -> Result<Reading, Unknown> {
    let plausible = !matches!(unit, Unit::Percent) || value >= 0.0;
    match Quantity::new(value, unit) {
        Some(quantity) if plausible => Ok(Reading::Quantity(quantity)),
        Some(_) | None => Err(Unknown::NotPlausible(format!("{value}{}", unit.sign()))),
    }
}
