use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use jiff::SignedDuration;
use nightcrew_model::catalogue::{HEALTH_STATUS, SSL_EXPIRES_IN_DAYS};
use nightcrew_model::sample::{Observation, Sample, Unknown};
use nightcrew_runtime::clock::Clock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fixture::{checks, http, network, of, said, value};

/// Makes a key and a certificate of 30 days that signs itself; none where there is no openssl.
#[expect(clippy::disallowed_methods, reason = "openssl makes the certificates of this test")]
fn certificate(folder: &Path) -> Option<()> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=결제"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-days", "30", "-keyout", "key.pem", "-out", "cert.pem"])
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
        let chain = vec![CertificateDer::from_pem_file(folder.path().join("cert.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
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
        Some(Self { address, stop, thread: Some(thread) })
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
