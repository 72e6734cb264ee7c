//! The signature of Amazon SNS: RSA over a canonical text, with a certificate that is fetched from
//! Amazon's own host over HTTPS and kept.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use x509_parser::pem::parse_x509_pem;
use x509_parser::public_key::PublicKey;

use super::AuthError;
use crate::door::cloudwatch::AmazonUrl;
use crate::door::sns::Envelope;
use crate::limit::{CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX};
use crate::moment;

/// Certificates of Amazon SNS, by the URL from which they were fetched, [`CERTIFICATES_MAX`] at
/// most.
#[derive(Clone, Debug, Default)]
pub struct Certificates(BTreeMap<AmazonUrl, Certificate>);

#[derive(Clone, Debug)]
struct Certificate {
    /// The public key, PKCS #1.
    key: Vec<u8>,
    not_after: Timestamp,
}

/// Why what was fetched is no certificate to verify with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// It is longer than any certificate.
    #[error("{0} bytes, at most {CERTIFICATE_BYTES_MAX}")]
    TooLong(usize),
    /// It is not an X.509 certificate in PEM.
    #[error("it is not an X.509 certificate in PEM")]
    Unreadable,
    /// Its key is not for RSA.
    #[error("its key is not an RSA key")]
    NotRsa,
    /// It is not valid yet, or no longer.
    #[error("it is valid from {from} to {to} (seconds since 1970)")]
    NotValid {
        /// From when on.
        from: i64,
        /// Until when.
        to: i64,
    },
}

impl Certificates {
    /// Keeps what was fetched from this URL.  When there are too many, the one that ends first
    /// makes place.
    ///
    /// # Errors
    /// When it is no valid certificate with an RSA key.
    pub fn add(
        &mut self,
        url: AmazonUrl,
        pem: &[u8],
        now: Timestamp,
    ) -> Result<(), BadCertificate> {
        if pem.len() > CERTIFICATE_BYTES_MAX {
            return Err(BadCertificate::TooLong(pem.len()));
        }
        let (_, pem) = parse_x509_pem(pem).map_err(|_| BadCertificate::Unreadable)?;
        let certificate = pem.parse_x509().map_err(|_| BadCertificate::Unreadable)?;
        let validity = certificate.validity();
        let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let not_after = Timestamp::from_second(to).map_err(|_| BadCertificate::Unreadable)?;
        if now.as_second() < from || now > not_after {
            return Err(BadCertificate::NotValid { from, to });
        }
        let public_key = certificate.public_key();
        if !matches!(public_key.parsed(), Ok(PublicKey::RSA(_))) {
            return Err(BadCertificate::NotRsa);
        }
        let key = public_key.subject_public_key.data.to_vec();
        if self.0.len() >= CERTIFICATES_MAX && !self.0.contains_key(&url) {
            let first = self.0.iter().min_by_key(|(_, certificate)| certificate.not_after);
            if let Some(url) = first.map(|(url, _)| url.clone()) {
                self.0.remove(&url);
            }
        }
        self.0.insert(url, Certificate { key, not_after });
        Ok(())
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn valid(&self, url: &AmazonUrl, now: Timestamp) -> Option<&Certificate> {
        self.0.get(url).filter(|certificate| now <= certificate.not_after)
    }
}

/// How far the check came.
pub(super) enum Checked {
    NeedsCertificate(AmazonUrl),
    Signed { text: String, at: Timestamp, topic: String },
}

/// Checks the signature of a message of one of these topics (of any, where there are none).
pub(super) fn check(
    body: &[u8],
    topics: &[String],
    certificates: &Certificates,
    now: Timestamp,
) -> Result<Checked, AuthError> {
    let malformed = |what, why: &str| AuthError::Malformed { what, why: why.to_owned() };
    let envelope = Envelope::read(body)
        .map_err(|error| malformed("the message of SNS", &error.to_string()))?;
    // Before anything is fetched, so that a stranger's topic costs nothing.
    if !topics.is_empty() && !topics.contains(&envelope.topic) {
        return Err(AuthError::WrongTopic(envelope.topic.chars().take(256).collect()));
    }
    if envelope.signature.is_empty() {
        return Err(AuthError::Missing("Signature"));
    }
    let url =
        AmazonUrl::certificate(&envelope.certificate_url).ok_or(AuthError::ForeignCertificate)?;
    let algorithm = match envelope.signature_version.as_str() {
        "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "2" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(malformed("SignatureVersion", "expected 1 or 2")),
    };
    let signature = STANDARD
        .decode(&envelope.signature)
        .map_err(|_| malformed("Signature", "expected base64"))?;
    let Some(certificate) = certificates.valid(&url, now) else {
        return Ok(Checked::NeedsCertificate(url));
    };
    let text = envelope.signed_text();
    UnparsedPublicKey::new(algorithm, &certificate.key)
        .verify(text.as_bytes(), &signature)
        .map_err(|_| AuthError::Wrong("the signature"))?;
    let at = moment::rfc3339(&envelope.timestamp).ok().flatten();
    let at = at.ok_or_else(|| malformed("Timestamp", "expected an RFC 3339 time"))?;
    Ok(Checked::Signed { text, at, topic: envelope.topic })
}
