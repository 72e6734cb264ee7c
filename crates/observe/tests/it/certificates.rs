use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use jiff::SignedDuration;
use nightcrew_config::settings::{Check, Probe};
use nightcrew_model::catalogue::{HEALTH_STATUS, SSL_EXPIRES_IN_DAYS};
use nightcrew_model::sample::{Observation, Sample, Unknown};
use nightcrew_runtime::clock::Clock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fixture::{check, checks, http, network, of, said, value};

fn certificate(folder: &Path) -> Option<()> {
    certificate_of(folder, "결제", 30)
}

/// Makes a key and a certificate that signs itself; none where there is no openssl.
#[expect(clippy::disallowed_methods, reason = "openssl makes the certificates of this test")]
fn certificate_of(folder: &Path, name: &str, days: u32) -> Option<()> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-utf8", "-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-days", &days.to_string(), "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if made.is_ok_and(|status| status.success()) {
        Some(())
    } else {
        eprintln!("skipped: openssl cannot make a certificate here");
        None
    }
}

/// A server that says `ok` over TLS until it is dropped.
struct TlsServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TlsServer {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        certificate(folder.path())?;
        Some(Self::showing(folder.path()))
    }

    /// A server with the certificate of a folder.
    fn showing(folder: &Path) -> Self {
        let chain = vec![CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let config = Arc::new(config);
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let mut request = [0; 1_024];
                if stream.read(&mut request).is_ok_and(|count| count > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    stream.write_all(answer).ok();
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn look(server: &TlsServer, name: &str, clock: &Clock) -> Vec<Sample> {
    let url = format!("https://{name}:{}/", server.address.port());
    checks(vec![http(url, 5_000)]).look(&network(), clock).await
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_fails_but_its_days_are_read() {
    let Some(server) = TlsServer::start() else {
        return;
    };
    for name in ["127.0.0.1", "localhost"] {
        let samples = look(&server, name, &Clock::System).await;
        let days = value(&samples, SSL_EXPIRES_IN_DAYS);
        assert!((29.9..=30.0).contains(&days), "{days}");
        let (status, words) = said(&samples, HEALTH_STATUS);
        assert_eq!(status, "failing");
        assert!(words.contains("certificate"), "{words}");
    }
}

#[tokio::test]
async fn an_expired_certificate_has_negative_days_and_says_so() {
    let Some(server) = TlsServer::start() else {
        return;
    };
    let in_33_days = Clock::System.now() + SignedDuration::from_hours(33 * 24);
    let clock = Clock::starting_at(in_33_days);
    let samples = look(&server, "localhost", &clock).await;
    let days = value(&samples, SSL_EXPIRES_IN_DAYS);
    assert!((-3.1..=-2.9).contains(&days), "{days}");
    let (status, words) = said(&samples, HEALTH_STATUS);
    assert_eq!(status, "failing");
    assert!(words.starts_with("the certificate expired 3.0 days ago; "), "{words}");
}

#[tokio::test]
async fn what_is_not_tls_has_no_days() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        // The check itself and the measurement.
        for stream in listener.incoming().take(2) {
            stream.unwrap().write_all(b"220 mail ESMTP\r\n").ok();
        }
    });
    let url = format!("https://{address}/");
    let samples = checks(vec![http(url, 5_000)]).look(&network(), &Clock::System).await;
    thread.join().unwrap();
    assert_eq!(said(&samples, HEALTH_STATUS).0, "failing");
    let days = &of(&samples, SSL_EXPIRES_IN_DAYS).unwrap().observation;
    assert!(matches!(days, Observation::Unknown(Unknown::Failed(_))), "{days}");
}

fn file(path: PathBuf) -> Check {
    check(Probe::CertificateFile { path }, 5_000)
}

/// What a look at one file says: its days or why there are none, its status, and the words to it.
async fn look_at(path: PathBuf, clock: &Clock) -> (String, String, String) {
    let samples = checks(vec![file(path)]).look(&network(), clock).await;
    let (status, words) = said(&samples, HEALTH_STATUS);
    (said(&samples, SSL_EXPIRES_IN_DAYS).0, status, words)
}

#[tokio::test]
async fn of_the_certificates_in_a_file_the_one_that_ends_first_counts() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(()) = certificate_of(folder.path(), "결제", 30) else { return };
    certificate_of(other.path(), "중간", 10).unwrap();
    let chain = folder.path().join("chain.pem");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let [leaf, key] = ["cert.pem", "key.pem"].map(|name| read(&folder.path().join(name)));
    fs::write(&chain, format!("{key}{leaf}{}", read(&other.path().join("cert.pem")))).unwrap();
    let (days, status, words) = look_at(chain.clone(), &Clock::System).await;
    assert_eq!((days.as_str(), status.as_str()), ("10 d", "passing"));
    assert_eq!(words, "CN=중간, the first of 2 to end ends in 10.0 days");
    let later = Clock::starting_at(Clock::System.now() + SignedDuration::from_hours(13 * 24));
    let (days, status, words) = look_at(chain.clone(), &later).await;
    assert_eq!((days.as_str(), status.as_str()), ("-3 d", "failing"));
    assert!(words.contains("expired 3.0 days ago"), "{words}");
    let early = Clock::starting_at(Clock::System.now() - SignedDuration::from_hours(24));
    let (_, status, words) = look_at(chain, &early).await;
    assert!(status == "failing" && words.contains("not valid before 1.0 days"), "{words}");
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pem");
    for (content, why) in [
        (&b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"[..], "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\n", "not a PEM file"),
        (b"\xff\x00", "cannot be read"),
        (b"", "cannot be read"),
        (&[0; (1 << 20) + 1], "larger than"),
    ] {
        fs::write(&path, content).unwrap();
        let (days, status, _) = look_at(path.clone(), &Clock::System).await;
        assert!(days.starts_with("unknown") && days.contains(why), "{days}");
        assert!(status.starts_with("unknown"), "{status}");
    }
    for (path, why) in [
        (folder.path().to_owned(), "not a regular file"),
        (folder.path().join("none"), "No such file"),
    ] {
        let (days, _, _) = look_at(path, &Clock::System).await;
        assert!(days.contains(why), "{days}");
    }
}

#[tokio::test]
async fn a_server_that_shows_another_certificate_than_the_file_is_told() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(()) = certificate(old.path()) else { return };
    certificate(new.path()).unwrap();
    let server = TlsServer::showing(old.path());
    let url = format!("https://localhost:{}/", server.address.port());
    let words = async |folder: &Path| {
        let both = vec![http(url.clone(), 5_000), file(folder.join("cert.pem"))];
        let samples = checks(both).look(&network(), &Clock::System).await;
        assert!(value(&samples, SSL_EXPIRES_IN_DAYS) > 29.0);
        said(&samples, SSL_EXPIRES_IN_DAYS).1
    };
    assert_eq!(words(old.path()).await, "");
    let told = words(new.path()).await;
    assert!(told.contains("shows another one than certificate"), "{told}");
    assert!(told.ends_with("reload the server"), "{told}");
}
