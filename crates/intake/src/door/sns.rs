//! The envelope of Amazon SNS, and the URLs in it that may be followed.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>.

use std::fmt;

use serde_json::Value;

use crate::field::Field;
use crate::json;
use crate::limit::URL_BYTES_MAX;
use crate::parsed::Unparsable;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

/// A message of SNS, as it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) kind: Kind,
    pub(crate) topic: String,
    pub(crate) message: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) signature_version: String,
    pub(crate) certificate_url: String,
    pub(crate) subscribe_url: String,
    message_id: String,
    subject: Option<String>,
    token: String,
}

impl Envelope {
    /// Reads a body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Unparsable> {
        Self::from_value(&json::value(body)?)
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Unparsable> {
        let body = Field::body(value);
        // The signature is over the exact texts: nothing is trimmed or turned into a text.
        let optional = |name: &str| {
            let field = body.at(name);
            match field.value().as_str() {
                None if !field.is_null() => Err(field.wrong("expected a text")),
                found => Ok(found.map(str::to_owned)),
            }
        };
        let text = |name: &str| {
            optional(name)?.ok_or_else(|| body.at(name).wrong("missing; expected a text"))
        };
        let kind = match text("Type")?.as_str() {
            "Notification" => Kind::Notification,
            "SubscriptionConfirmation" => Kind::SubscriptionConfirmation,
            "UnsubscribeConfirmation" => Kind::UnsubscribeConfirmation,
            other => return Err(body.at("Type").wrong(format!("{other:?} is no message of SNS"))),
        };
        let of_confirmation = |name: &str| match kind {
            Kind::Notification => Ok(String::new()),
            Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => text(name),
        };
        Ok(Self {
            kind,
            topic: text("TopicArn")?,
            message: text("Message")?,
            message_id: text("MessageId")?,
            timestamp: text("Timestamp")?,
            subject: optional("Subject")?,
            signature: optional("Signature")?.unwrap_or_default(),
            signature_version: optional("SignatureVersion")?.unwrap_or_default(),
            certificate_url: optional("SigningCertURL")?.unwrap_or_default(),
            subscribe_url: of_confirmation("SubscribeURL")?,
            token: of_confirmation("Token")?,
        })
    }

    /// The text over which the signature is made: names and values in the order of names, each
    /// followed by a line feed.
    pub(crate) fn signed_text(&self) -> String {
        let mut pairs = vec![("Message", &self.message), ("MessageId", &self.message_id)];
        match self.kind {
            Kind::Notification => {
                pairs.extend(self.subject.iter().map(|subject| ("Subject", subject)));
                pairs.push(("Timestamp", &self.timestamp));
            }
            Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
                pairs.push(("SubscribeURL", &self.subscribe_url));
                pairs.push(("Timestamp", &self.timestamp));
                pairs.push(("Token", &self.token));
            }
        }
        pairs.push(("TopicArn", &self.topic));
        let kind = match self.kind {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        };
        let lines = pairs.iter().map(|(name, value)| format!("{name}\n{value}\n"));
        lines.chain([format!("Type\n{kind}\n")]).collect()
    }
}

/// A URL that may be followed: `https`, and its host is SNS of a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmazonUrl(String);

impl AmazonUrl {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of a certificate: its path ends in `.pem`, and nothing stands behind it.
    pub(crate) fn certificate(text: &str) -> Option<Self> {
        let path = path_at_amazon(text)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        let ends = std::path::Path::new(path).extension().is_some_and(|ending| ending == "pem");
        (path.bytes().all(plain) && ends && !path.contains("..")).then(|| Self(text.to_owned()))
    }

    /// The URL that confirms the subscription to this topic.
    pub(crate) fn confirmation(text: &str, topic: &str) -> Option<Self> {
        let (path, query) = path_at_amazon(text)?.split_once('?')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:&=%".contains(&byte);
        if path != "/" || !query.bytes().all(plain) {
            return None;
        }
        let value = |name: &str| {
            let mut found = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = found.find(|(key, _)| *key == name)?.1;
            crate::request::percent_decoded(value)
        };
        let confirms = value("Action").as_deref() == Some("ConfirmSubscription")
            && value("TopicArn").as_deref() == Some(topic);
        confirms.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for AmazonUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands behind `https://sns.<region>.amazonaws.com` (or `.com.cn`), from the `/` on.  The
/// host is compared as a whole, so that there is no user, no port and no other spelling of it.
fn path_at_amazon(text: &str) -> Option<&str> {
    if text.len() > URL_BYTES_MAX {
        return None;
    }
    let rest = text.strip_prefix("https://")?;
    let at = rest.find('/')?;
    let (host, path) = rest.split_at_checked(at)?;
    let inner = host.strip_prefix("sns.")?;
    let region =
        inner.strip_suffix(".amazonaws.com").or_else(|| inner.strip_suffix(".amazonaws.com.cn"))?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_region = region.bytes().all(plain)
        && region.split('-').count() >= 3
        && region.split('-').all(|part| !part.is_empty());
    is_region.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_sns_is_followed() {
        for good in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
            "https://sns.ap-northeast-2.amazonaws.com/a.pem",
            "https://sns.us-gov-west-1.amazonaws.com/a.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/a.pem",
        ] {
            assert!(AmazonUrl::certificate(good).is_some(), "{good}");
        }
        for bad in [
            "http://sns.us-east-1.amazonaws.com/a.pem",
            "HTTPS://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com:443/a.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
            "https://evil.example#sns.us-east-1.amazonaws.com/a.pem",
            "https://evil.example\\sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
            "https://sns.us-east-1.amazonaws.com.cn.evil.example/a.pem",
            "https://evil.sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.evil.example/.amazonaws.com/a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://sns.us-east-1.s3.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://sns.---.amazonaws.com/a.pem",
            "https://sns.us.amazonaws.com/a.pem",
            "https://SNS.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem?x=1",
            "https://sns.us-east-1.amazonaws.com/a.pem#b",
            "https://sns.us-east-1.amazonaws.com/../a.pem",
            "https://sns.us-east-1.amazonaws.com/a%2epem",
            "https://sns.us-east-1.amazonaws.com/a.txt",
            "https://sns.us-east-1.amazonaws.com",
            "https://sns.us-east-1.amazonaws.com\n/a.pem",
            "//sns.us-east-1.amazonaws.com/a.pem",
            "file:///etc/a.pem",
            "",
        ] {
            assert_eq!(AmazonUrl::certificate(bad), None, "{bad}");
        }
        let host = "https://sns.us-east-1.amazonaws.com/";
        let fits = |length: usize| format!("{host}{}.pem", "a".repeat(length - host.len() - 4));
        assert!(AmazonUrl::certificate(&fits(URL_BYTES_MAX)).is_some());
        assert!(AmazonUrl::certificate(&fits(URL_BYTES_MAX + 1)).is_none());
    }

    #[test]
    fn a_confirmation_is_of_its_own_topic() {
        let topic = "arn:aws:sns:us-east-1:123456789012:alarms";
        let url = |rest: &str| format!("https://sns.us-east-1.amazonaws.com{rest}");
        let confirmed = |rest: &str| AmazonUrl::confirmation(&url(rest), topic).is_some();
        assert!(confirmed(&format!("/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336")));
        let encoded = topic.replace(':', "%3A");
        assert!(confirmed(&format!("/?Action=ConfirmSubscription&TopicArn={encoded}&Token=2336")));
        for bad in [
            format!("/?Action=ConfirmSubscription&TopicArn={topic}2&Token=2336"),
            format!("/?Action=Unsubscribe&TopicArn={topic}&Token=2336"),
            format!("/x?Action=ConfirmSubscription&TopicArn={topic}&Token=2336"),
            format!("/?Action=ConfirmSubscription&TopicArn={topic}&Token=@evil"),
            "/?Action=ConfirmSubscription".to_owned(),
            "/".to_owned(),
        ] {
            assert!(!confirmed(&bad), "{bad}");
        }
    }
}
