//! What the crew and its launcher say to each other: one order, then at most two reports, each a
//! line of JSON.

use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sandbox::layer::Missing;

/// The longest order, in bytes.
pub(super) const ORDER_BYTES_MAX: u64 = 256 * 1_024;

/// The longest answer of a launcher, in bytes.
pub(super) const REPORTS_BYTES_MAX: u64 = 64 * 1_024;

/// What a launcher is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) strictness: Strictness,
    pub(super) denied: Vec<Denied>,
    /// Files and folders that may be written; `.` is the folder that it starts in.
    pub(super) writes: Vec<PathBuf>,
    /// How much processor time it may use, in seconds.
    pub(super) cpu_seconds: u64,
    /// What it becomes; none: nothing, it only says which layers hold.
    pub(super) program: Option<Target>,
}

/// Whether a missing layer keeps a program from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Strictness {
    BestEffort,
    Required,
}

/// What a program may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Denied {
    /// Use any network.
    Network,
    /// Use sockets of this machine.
    UnixSockets,
    /// Signal what it did not start.
    Signals,
}

/// A file that was looked at, and is the same as long as its numbers are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// How it is called.
    pub(crate) called: String,
}

/// What a launcher tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// Layers are applied; these are missing.
    Confined(Vec<Missing>),
    /// A layer is missing that the policy requires.
    Refused(Missing),
    /// The program could not be started.
    NotStarted(String),
}

impl Order {
    /// Reads an order to the end of the stream.
    pub(super) fn read(from: impl Read) -> io::Result<Self> {
        let mut text = String::new();
        from.take(ORDER_BYTES_MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > ORDER_BYTES_MAX {
            return Err(io::Error::other(format!("an order has at most {ORDER_BYTES_MAX} bytes")));
        }
        serde_json::from_str(&text).map_err(io::Error::other)
    }
}

impl Report {
    /// The line that says it.
    pub(super) fn line(&self) -> String {
        // Strings and enums always become JSON.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// The reports in what a launcher said; a line that cannot be read is the launcher's fault.
    pub(super) fn read_all(told: &[u8]) -> Result<Vec<Self>, serde_json::Error> {
        serde_json::Deserializer::from_slice(told).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_back_and_one_that_is_too_long_or_strange_is_refused() {
        let order = Order {
            strictness: Strictness::Required,
            denied: vec![Denied::Network],
            writes: vec![PathBuf::from("/tmp/보고서")],
            cpu_seconds: 7,
            program: None,
        };
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(Order::read(text.as_bytes()).unwrap(), order);
        for bad in ["", "{}", "\u{0}", &text.replace("cpu_seconds", "more")] {
            assert!(Order::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Order::read(&[0xff, 0xfe][..]).is_err());
        let long = " ".repeat(usize::try_from(ORDER_BYTES_MAX).unwrap()) + &text;
        assert!(Order::read(long.as_bytes()).unwrap_err().to_string().contains("at most"));
    }
}
