//! `CloudWatch` alarms, through Amazon SNS (also with raw delivery) or as `EventBridge` events in
//! it.
//!
//! `INSUFFICIENT_DATA` is not `OK`: what fires goes on firing.  Source:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>.

use serde_json::Value;

pub use super::sns::AmazonUrl;
use super::sns::{Envelope, Kind};
use crate::alert_builder::Builder;
use crate::auth::Verified;
use crate::change::News;
use crate::field::Field;
use crate::json;
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};

/// The dimensions of a metric that name a service, the most telling first.
const SERVICE_DIMENSIONS: [&str; 10] = [
    "ServiceName",
    "FunctionName",
    "ApiName",
    "DBClusterIdentifier",
    "DBInstanceIdentifier",
    "QueueName",
    "TableName",
    "ClusterName",
    "LoadBalancer",
    "InstanceId",
];

/// SNS asks whether it may send the messages of a topic here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    topic: String,
    url: AmazonUrl,
}

impl Subscription {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The URL whose GET confirms it: only for a message of this topic whose signature was
    /// verified.
    #[must_use]
    pub fn url(&self, verified: &Verified) -> Option<&AmazonUrl> {
        (verified.topic() == Some(self.topic.as_str())).then_some(&self.url)
    }
}

/// Reads a message.
///
/// # Errors
/// When it is none of SNS, or none about an alarm.
pub fn parse(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let body = json::value(body)?;
    if body.get("TopicArn").is_none() {
        return alarm(&Field::body(&body), context);
    }
    let envelope = Envelope::from_value(&body)?;
    let mut parsed = Parsed::default();
    match envelope.kind {
        Kind::Notification => {
            let message: Value = serde_json::from_str(&envelope.message).map_err(|error| {
                Unparsable::field("Message", format!("{error}; expected the JSON of an alarm"))
            })?;
            return alarm(&Field::body(&message), context);
        }
        Kind::SubscriptionConfirmation => {
            let url = AmazonUrl::confirmation(&envelope.subscribe_url, &envelope.topic);
            let url = url.ok_or_else(|| {
                Unparsable::field("SubscribeURL", "it does not confirm this topic at Amazon")
            })?;
            parsed.handshake = Some(Subscription { topic: envelope.topic, url });
        }
        Kind::UnsubscribeConfirmation => {
            parsed.note(&format!("{} no longer sends its messages here", envelope.topic));
        }
    }
    Ok(parsed)
}

fn alarm(message: &Field<'_>, context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let event = message.at("detail");
    let (arn, name, state, reason, at) = if event.at("alarmName").is_null() {
        (
            message.at("AlarmArn"),
            message.at("AlarmName"),
            message.at("NewStateValue"),
            message.at("NewStateReason"),
            message.at("StateChangeTime"),
        )
    } else {
        let state = event.at("state");
        (
            message.pointed("/resources/0"),
            event.at("alarmName"),
            state.at("value"),
            state.at("reason"),
            state.at("timestamp"),
        )
    };
    let mut alert =
        Builder::new(context.door, "cloudwatch-alarm", &arn.needed("the ARN of an alarm")?);
    // An alarm cannot be renamed: its name is a part of its ARN.
    alert.label("alertname", name.label()?.as_deref());
    alert.label("service", service(&message.at("Trigger"))?.as_deref());
    let description = message.at("AlarmDescription").text();
    alert.annotate("summary", description.or_else(|| name.text()).as_deref());
    alert.annotate("description", reason.text().as_deref());
    alert.annotate("aws_account", message.at("AWSAccountId").text().as_deref());
    alert.annotate("aws_region", message.at("Region").text().as_deref());
    alert.annotate("metric", message.at("Trigger").at("MetricName").text().as_deref());
    let at = at.moment(context.now);
    alert.starts_at(at);
    alert.raw(message.value());
    let change = match state.needed("ALARM, OK or INSUFFICIENT_DATA")?.as_str() {
        "ALARM" => alert.fires(),
        "OK" => alert.changed(News::Ends { at }),
        "INSUFFICIENT_DATA" => alert.no_data(),
        other => {
            let expected = "expected ALARM, OK or INSUFFICIENT_DATA";
            return Err(state.wrong(format!("{other:?} is not known; {expected}")));
        }
    };
    Ok(Parsed { changes: vec![change], ..Parsed::default() })
}

/// The service that the dimensions of the alarm's metric name.
fn service(trigger: &Field<'_>) -> Result<Option<String>, Unparsable> {
    let dimensions = trigger.at("Dimensions");
    let dimensions: Vec<_> = dimensions.elements().into_iter().flatten().collect();
    let either =
        |of: &Field<'_>, names: [&str; 2]| names.iter().find_map(|name| of.at(name).text());
    for wanted in SERVICE_DIMENSIONS {
        let found = dimensions
            .iter()
            .find(|dimension| either(dimension, ["name", "Name"]).as_deref() == Some(wanted));
        if let Some(dimension) = found {
            let value = dimension.at("value").label()?;
            return Ok(value.or(dimension.at("Value").label()?));
        }
    }
    Ok(None)
}
