//! How long the certificate that a server shows is still valid.
//!
//! The handshake accepts any certificate, because its only use is to read the date; nothing is
//! sent over the connection.  Whether the certificate is *good* is for the HTTP check itself.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use nightcrew_model::sample::Unknown;
use nightcrew_model::unit::Millis;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::check::connect;
use crate::check::fingerprint::Fingerprint;
use crate::check::trouble::Trouble;

/// How much a server may send in a handshake, in bytes.
const HANDSHAKE_BYTES_MAX: usize = 256 << 10;

/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;

/// The certificate that a server shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shown {
    /// Days until it ends; negative after its end.
    pub(crate) days_left: f64,
    pub(crate) fingerprint: Fingerprint,
}

/// Looks at the certificate of a server.
pub(crate) async fn shown(
    host: &str,
    address: &str,
    timeout: Millis,
    now: Timestamp,
) -> Result<Shown, Unknown> {
    let handshake = async {
        let stream = connect::connect(address, timeout).await;
        let mut stream = stream.map_err(|trouble| match trouble {
            Trouble::Failing(why) | Trouble::Unknown(why) => Unknown::Failed(why),
        })?;
        let shown = shown_certificate(host, &mut stream).await;
        shown.map_err(|error| Unknown::Failed(format!("TLS handshake: {error}")))
    };
    let shown = tokio::time::timeout(timeout.duration(), handshake).await;
    let certificate = shown.unwrap_or(Err(Unknown::TimedOut(timeout)))?;
    let ends = end_of(&certificate)
        .ok_or_else(|| Unknown::NotPlausible("the certificate cannot be read".into()))?;
    Ok(Shown {
        days_left: (ends.as_second() - now.as_second()) as f64 / DAY_SECONDS,
        fingerprint: Fingerprint::of(&certificate),
    })
}

fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
}

/// The leaf that the server shows.
async fn shown_certificate(
    host: &str,
    stream: &mut TcpStream,
) -> io::Result<CertificateDer<'static>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config = config().map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut received = 0;
    let mut buffer = [0; 4_096];
    while connection.is_handshaking() {
        let mut out = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut out)?;
        }
        stream.write_all(&out).await?;
        if !connection.is_handshaking() {
            break;
        }
        let count = stream.read(&mut buffer).await?;
        received += count;
        if received > HANDSHAKE_BYTES_MAX {
            return Err(io::Error::other("the server sends too much"));
        }
        let mut chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            return leaf(&connection).ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        while !chunk.is_empty() {
            connection.read_tls(&mut chunk)?;
            if let Err(error) = connection.process_new_packets() {
                // A server that wants a certificate of ours has shown its own before.
                return leaf(&connection).ok_or_else(|| io::Error::other(error));
            }
        }
    }
    leaf(&connection).ok_or_else(|| io::Error::other("the server showed no certificate"))
}

fn leaf(connection: &ClientConnection) -> Option<CertificateDer<'static>> {
    Some(connection.peer_certificates()?.first()?.clone().into_owned())
}

fn config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let measure = Measure(Arc::clone(&provider));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(measure))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Accepts every certificate.
#[derive(Debug)]
struct Measure(Arc<CryptoProvider>);

impl ServerCertVerifier for Measure {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
