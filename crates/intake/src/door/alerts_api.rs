//! The body of `POST /api/v2/alerts`: an array of alerts, as Alertmanager 0.25 and later take it
//! (`api/v2/openapi.yaml`, `postableAlerts`).  Prometheus, vmalert and amtool send it.

use std::fmt;

use nightcrew_model::alert::IncomingAlert;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::told::Told;
use crate::json::{self, Elements};
use crate::limit::ALERTS_MAX;
use crate::parsed::{Parsed, Unparsable};

/// Reads the alerts of a body.
///
/// # Errors
/// When the body is no array of at most [`ALERTS_MAX`] elements.
pub fn parse(body: &[u8]) -> Result<Parsed, Unparsable> {
    let text = json::text(body)?;
    // In one go while all are good, which is nearly always; element by element where one is not.
    if let Ok(Good(alerts)) = serde_json::from_str(text) {
        return Ok(Parsed { alerts, ..Parsed::default() });
    }
    let elements: Elements<'_> = json::read(text)?;
    let mut parsed = Parsed::default();
    for (index, raw) in elements.within_limit()?.into_iter().enumerate() {
        let told = serde_json::from_str::<Told>(raw.get()).map_err(|error| error.to_string());
        match told.and_then(Told::posted) {
            Ok(alert) => parsed.alerts.push(alert),
            Err(why) => parsed.reject(index, &why),
        }
    }
    Ok(parsed)
}

/// An array of which every alert is good.
struct Good(Vec<IncomingAlert>);

impl<'de> Deserialize<'de> for Good {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Good;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of alerts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Good, A::Error> {
                let mut alerts = Vec::new();
                while let Some(told) = array.next_element::<Told>()? {
                    if alerts.len() == ALERTS_MAX {
                        return Err(A::Error::custom("too many"));
                    }
                    alerts.push(told.posted().map_err(A::Error::custom)?);
                }
                Ok(Good(alerts))
            }
        }
        deserializer.deserialize_seq(Array)
    }
}
