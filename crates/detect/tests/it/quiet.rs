//! Series in which nothing is wrong: noise of several shapes, days and weeks, jobs by the hour.

use jiff::Timestamp;
use nightcrew_model::id::Target;
use nightcrew_model::sample::{Observation, Reading, Sample};
use nightcrew_model::unit::{Quantity, Unit};

/// When every made series begins: a Monday.
pub(crate) const BEGIN: i64 = 1_763_942_400;

/// Numbers that look random and are always the same.
#[derive(Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Evenly from 0 to 1, without 0.
    pub(crate) fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Normally distributed, of deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.even().ln()).sqrt() * (std::f64::consts::TAU * self.even()).cos()
    }
}

/// What a quiet series looks like.
const SHAPES: u64 = 10;

/// A quiet series: its values, second by second of the week.
pub(crate) struct Quiet {
    shape: u64,
    noise: Noise,
    walk: f64,
    scale: f64,
}

impl Quiet {
    pub(crate) fn new(n: u64) -> Self {
        let mut noise = Noise::new(n + 1);
        let scale = 10_f64.powf(noise.even() * 4.0 - 1.0);
        Self { shape: n % SHAPES, noise, walk: 0.0, scale }
    }

    /// The metric, its unit and the next value.
    pub(crate) fn next(&mut self, second: i64) -> (&'static str, Unit, f64) {
        let day = (second as f64 / 86_400.0 * std::f64::consts::TAU).sin();
        let minute = second / 60 % 60;
        let hour = second / 3_600 % 24;
        let weekend = second / 86_400 % 7 >= 5;
        let noise = &mut self.noise;
        let normal = noise.normal();
        let k = self.scale;
        match self.shape {
            // CPU by day, less at the week's end.
            0 => {
                let level = 35.0 + if weekend { 8.0 } else { 20.0 } * day;
                ("cpu_usage", Unit::Percent, (level + 4.0 * normal).clamp(0.0, 100.0))
            }
            // Latencies: a long tail.
            1 => ("api_latency_ms", Unit::Milliseconds, k * 20.0 * (0.5 * normal).exp()),
            // Memory: it wanders, and comes back.
            2 => {
                self.walk = 0.999 * self.walk + 0.1 * normal;
                ("memory_usage", Unit::Percent, (55.0 + self.walk).clamp(0.0, 100.0))
            }
            // A job at the beginning of every hour.
            3 => {
                let job = if minute < 4 { 40.0 } else { 0.0 };
                ("cpu_usage", Unit::Percent, (10.0 + job + 2.0 * normal.abs()).min(100.0))
            }
            // Requests by day, in counts.
            4 => {
                let rate = k * 100.0 * (1.5 + day);
                (
                    "requests_per_min",
                    Unit::PerMinute,
                    (rate + rate.sqrt() * normal).max(0.0).round(),
                )
            }
            // Heavy tails: bytes of a network.
            5 => {
                let tail = noise.even().powf(-0.5);
                ("network_receive", Unit::BytesPerSecond, k * 1_000.0 * tail)
            }
            // A disk that fills slowly and is cleaned every night.
            6 => {
                let today = (second % 86_400) as f64 / 86_400.0;
                ("disk_usage", Unit::Percent, 50.0 + 15.0 * today + 0.05 * normal)
            }
            // Mostly nothing, sometimes some errors.
            7 => {
                let some = if noise.even() < 0.02 { (3.0 * noise.even()).ceil() } else { 0.0 };
                ("error_rate_per_min", Unit::PerMinute, some)
            }
            // A nightly job of two hours, of a different size every night.
            8 => {
                let night = second / 86_400;
                let size = 60.0 + 10.0 * ((night * 7 % 5) as f64 / 5.0);
                let job = if hour == 2 || hour == 3 { size } else { 0.0 };
                ("load_1m", Unit::Count, 1.0 + job + 0.3 * normal.abs())
            }
            // Memory of a process that collects its garbage.
            _ => {
                self.walk += 0.2 + 0.1 * normal;
                if self.walk > 80.0 + 20.0 * noise.even() {
                    self.walk = 0.0;
                }
                ("process_memory_mb", Unit::Megabytes, 300.0 + self.walk)
            }
        }
    }
}

/// A sample of a made series.
pub(crate) fn sample(service: &str, metric: &str, second: i64, value: f64, unit: Unit) -> Sample {
    Sample {
        target: Target::service(service.into()),
        metric: metric.into(),
        at: Timestamp::from_second(BEGIN + second).unwrap(),
        observation: Observation::Read(Reading::Quantity(Quantity::new(value, unit).unwrap())),
        detail: None,
    }
}
