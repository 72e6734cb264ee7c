//! The certificates in a file: when the first of them ends.
//!
//! A chain is as good as its certificate that ends first, so that one counts; what else is in the
//! file, such as a private key, is not read.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::sample::{Status, Unknown};
use nightcrew_model::unit::Millis;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::check::fingerprint::Fingerprint;
use crate::collector::Collector;

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;

/// What is PEM begins a block with this.
const PEM_BEGIN: &[u8] = b"-----BEGIN ";

/// Looks at one file.
#[derive(Debug)]
pub(crate) struct CertificateFile {
    path: PathBuf,
    collector: Collector<Found>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The first one, which a server shows as its own.
    pub(crate) leaf: Fingerprint,
    pub(crate) days_left: f64,
    pub(crate) status: Status,
    pub(crate) detail: String,
}

/// One certificate.
struct Certificate {
    name: String,
    begins: i64,
    ends: i64,
    fingerprint: Fingerprint,
}

impl CertificateFile {
    pub(crate) fn new(path: &Path, timeout: Millis, breaker: settings::Breaker) -> Self {
        Self { path: path.to_owned(), collector: Collector::new(timeout, breaker) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn look(&mut self, now: Timestamp) -> Result<Found, Unknown> {
        let path = self.path.clone();
        self.collector.look(now, move |_| read(&path, now)).await
    }
}

fn read(path: &Path, now: Timestamp) -> Result<Found, Unknown> {
    let failed = |error: std::io::Error| {
        Unknown::Failed(format!("{} cannot be read: {error}", path.display()))
    };
    let mut bytes = Vec::new();
    // Opening a pipe would wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Unknown::Failed(format!("{} is not a regular file", path.display())));
    }
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let why = format!("{} is larger than {FILE_BYTES_MAX} bytes", path.display());
        return Err(Unknown::NotPlausible(why));
    }
    judge(&certificates(&bytes)?, now)
}

/// Every certificate of a file, in order.
fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, Unknown> {
    let is_pem = bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN);
    if !is_pem {
        return Ok(vec![certificate(bytes)?]);
    }
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(bytes) {
        let block =
            block.map_err(|error| Unknown::NotPlausible(format!("not a PEM file: {error}")))?;
        if matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") {
            found.push(certificate(&block.contents)?);
        }
    }
    Ok(found)
}

fn certificate(der: &[u8]) -> Result<Certificate, Unknown> {
    let (_, parsed) = X509Certificate::from_der(der)
        .map_err(|_| Unknown::NotPlausible("a certificate in it cannot be read".to_owned()))?;
    let validity = parsed.validity();
    Ok(Certificate {
        name: parsed.subject().to_string(),
        begins: validity.not_before.timestamp(),
        ends: validity.not_after.timestamp(),
        fingerprint: Fingerprint::of(der),
    })
}

fn judge(certificates: &[Certificate], now: Timestamp) -> Result<Found, Unknown> {
    let none = || Unknown::NotPlausible("there is no certificate in it".to_owned());
    let leaf = certificates.first().ok_or_else(none)?;
    let first = certificates.iter().min_by_key(|one| one.ends).ok_or_else(none)?;
    let now = now.as_second();
    let days_left = (first.ends - now) as f64 / DAY_SECONDS;
    let of = match certificates.len() {
        1 => String::new(),
        n => format!(", the first of {n} to end"),
    };
    let (status, detail) = if let Some(early) = certificates.iter().find(|one| one.begins > now) {
        let days = (early.begins - now) as f64 / DAY_SECONDS;
        (Status::Failing, format!("{} is not valid before {days:.1} days from now", early.name))
    } else if first.ends <= now {
        (Status::Failing, format!("{}{of} expired {:.1} days ago", first.name, -days_left))
    } else {
        (Status::Passing, format!("{}{of} ends in {days_left:.1} days", first.name))
    };
    Ok(Found { leaf: leaf.fingerprint, days_left, status, detail })
}
