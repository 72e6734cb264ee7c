//! Load: distinct alerts, posted on kept connections.
//!
//! An alert looks like one that Prometheus sends: 20 names, 250 instances, and a label `id` that
//! makes it distinct.  A request counts as acknowledged when it was answered with 200; its latency
//! is the time from its first byte to the last byte of its answer.  Each connection has one request
//! under way at a time.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::http::Connection;
use crate::stopwatch::{Stopwatch, ms, pause};

/// Where alerts are posted.
pub(crate) const ALERTS: &str = "/api/v2/alerts";

/// How many ids each connection has to itself.
const IDS_PER_CONNECTION: u64 = 1 << 32;

/// How the load is shaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: u64,
    /// The alerts of one request.
    pub(crate) batch: u64,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Alerts of acknowledged requests.
    pub(crate) acknowledged: u64,
    /// Requests with another answer, or none.
    pub(crate) errors: u64,
    /// The latencies of acknowledged requests.
    pub(crate) latencies_ms: Vec<f64>,
    pub(crate) seconds: f64,
}

impl Outcome {
    /// Adds another run of the same shape.
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.errors += other.errors;
        self.latencies_ms.extend(other.latencies_ms);
        self.seconds += other.seconds;
    }

    pub(crate) fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.acknowledged as f64 / self.seconds } else { 0.0 }
    }
}

/// The body of a request with the alerts of these ids.
pub(crate) fn body(ids: Range<u64>) -> String {
    let mut body = String::from("[");
    for id in ids {
        let (name, a, b) = (id % 20, id % 250, id * 7 % 250);
        let comma = if body.len() > 1 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            "{comma}{{\"labels\":{{\"alertname\":\"Load{name}\",\"instance\":\"10.0.{a}.{b}:9100\",\
             \"job\":\"node\",\"severity\":\"warning\",\"id\":\"{id}\"}},\"annotations\":{{\
             \"summary\":\"load alert\",\"description\":\"synthetic load alert number {id}\"}},\
             \"generatorURL\":\"http://127.0.0.1/graph\"}}"
        );
    }
    body.push(']');
    body
}

/// Posts one alert after the other on each connection, so many a second together, whether the last
/// one was quick or not: a latency counts from when the alert was to be posted.
pub(crate) fn post_at(
    address: SocketAddr,
    connections: u64,
    per_second: f64,
    time: Duration,
) -> anyhow::Result<Outcome> {
    let every = Duration::from_secs_f64(connections as f64 / per_second.max(1.0));
    let watch = Stopwatch::start();
    let post = |n: u64| -> std::io::Result<Outcome> {
        let mut connection = Connection::open(address)?;
        let mut outcome = Outcome::default();
        let first = n * IDS_PER_CONNECTION;
        // Apart from each other, so that they do not come in step.
        let mut due = every.mul_f64(n as f64 / connections as f64);
        for id in first.. {
            if due >= time {
                break;
            }
            pause(due.saturating_sub(watch.elapsed()));
            let answer = connection.post_json(ALERTS, &body(id..id + 1))?;
            if answer.status == 200 {
                outcome.latencies_ms.push(ms(watch.elapsed().saturating_sub(due)));
                outcome.acknowledged += 1;
            } else {
                outcome.errors += 1;
            }
            due += every;
        }
        Ok(outcome)
    };
    let outcomes = std::thread::scope(|scope| {
        let post = &post;
        let threads: Vec<_> = (0..connections).map(|n| scope.spawn(move || post(n))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut total = Outcome::default();
    for outcome in outcomes {
        let outcome = outcome.map_err(|_| anyhow::anyhow!("a posting thread panicked"))?;
        total.add(outcome.context("posting")?);
    }
    total.seconds = watch.elapsed().as_secs_f64();
    Ok(total)
}

/// Posts until the time is over.
pub(crate) fn post(address: SocketAddr, shape: Shape) -> anyhow::Result<Outcome> {
    let watch = Stopwatch::start();
    let outcomes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..shape.connections)
            .map(|n| {
                scope.spawn(move || post_on_one(address, shape, n * IDS_PER_CONNECTION, watch))
            })
            .collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut total = Outcome::default();
    for outcome in outcomes {
        let outcome = outcome.map_err(|_| anyhow::anyhow!("a posting thread panicked"))?;
        total.add(outcome.context("connecting")?);
    }
    total.seconds = watch.elapsed().as_secs_f64();
    Ok(total)
}

fn post_on_one(
    address: SocketAddr,
    shape: Shape,
    first_id: u64,
    watch: Stopwatch,
) -> std::io::Result<Outcome> {
    let mut connection = Connection::open(address)?;
    let mut outcome = Outcome::default();
    let mut id = first_id;
    while watch.elapsed() < shape.time {
        let body = body(id..id + shape.batch);
        id += shape.batch;
        let began = Stopwatch::start();
        match connection.post_json(ALERTS, &body) {
            Ok(answer) if answer.status == 200 => {
                outcome.latencies_ms.push(began.ms());
                outcome.acknowledged += shape.batch;
            }
            Ok(_) => outcome.errors += 1,
            Err(_) => {
                outcome.errors += 1;
                connection = Connection::open(address)?;
            }
        }
    }
    Ok(outcome)
}

/// Posts so many alerts, a hundred at a time; every one has to be acknowledged.
pub(crate) fn fill(address: SocketAddr, alerts: u64) -> anyhow::Result<()> {
    fill_from(address, 0, alerts)
}

/// The same, from an id on.
pub(crate) fn fill_from(address: SocketAddr, first: u64, alerts: u64) -> anyhow::Result<()> {
    const BATCH: u64 = 100;
    let mut connection = Connection::open(address).context("connecting")?;
    let end = first + alerts;
    for first in (first..end).step_by(BATCH as usize) {
        let ids = first..end.min(first + BATCH);
        let answer = connection.post_json(ALERTS, &body(ids)).context("posting alerts")?;
        ensure!(answer.status == 200, "alerts were answered with {}", answer.status);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_body_is_json_with_distinct_alerts() {
        let alerts: serde_json::Value = serde_json::from_str(&body(7..9)).unwrap();
        assert_eq!(alerts[0]["labels"]["id"], "7");
        assert_eq!(alerts[1]["labels"]["alertname"], "Load8");
        assert_eq!(alerts.as_array().unwrap().len(), 2);
        assert_eq!(body(0..0), "[]");
    }

    #[test]
    fn other_answers_and_cut_connections_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Each connection gets one 200, one 503, and its end.
        let server = std::thread::spawn(move || {
            let mut acknowledged = 0;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut part = [0; 4096];
                for answer in ["200 OK", "503 Busy"] {
                    let n = stream.read(&mut part).unwrap();
                    if part.starts_with(b"GET") {
                        return acknowledged;
                    }
                    if n == 0 {
                        break;
                    }
                    acknowledged += u64::from(answer.starts_with("200"));
                    write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").unwrap();
                }
            }
            acknowledged
        });
        let shape = Shape { connections: 1, batch: 3, time: Duration::from_millis(50) };
        let outcome = post(address, shape).unwrap();
        let _ = Connection::open(address).unwrap().get("/end");
        let acknowledged = server.join().unwrap();
        assert_eq!(outcome.acknowledged, 3 * acknowledged);
        assert_eq!(outcome.latencies_ms.len() as u64, acknowledged);
        assert!(outcome.errors > 0);
    }
}
