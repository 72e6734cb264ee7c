//! Handing alerts to the crew, which returns when they are durable.
//!
//! What is handed over together is bounded in length as well as in number, because it has to fit
//! into one batch of the journal.

use nightcrew_crew::handle::Handle;
use nightcrew_model::alert::{IncomingAlert, Source};
use tokio::time::timeout;

use crate::limit::{PORTION_BYTES_MAX, STORE_MAX};
use crate::problem::{Kind, Problem};

/// Makes alerts durable.
pub(crate) async fn store(
    handle: &Handle,
    source: Source,
    alerts: Vec<IncomingAlert>,
) -> Result<(), Problem> {
    let storing = async {
        for alerts in portions(alerts) {
            handle.take_alerts(source, alerts).await?;
        }
        Ok(())
    };
    match timeout(STORE_MAX.duration(), storing).await {
        Ok(stored) => stored,
        Err(_) => Err(Problem::new(
            Kind::Overloaded,
            format!("the alerts were not durable within {STORE_MAX}"),
            "send the same request again; repeating it is safe",
        )),
    }
}

/// The alerts in their order, in portions of [`PORTION_BYTES_MAX`] or of one alert.
fn portions(alerts: Vec<IncomingAlert>) -> Vec<Vec<IncomingAlert>> {
    let mut portions: Vec<Vec<IncomingAlert>> = Vec::new();
    let mut bytes = 0;
    for alert in alerts {
        let more = length(&alert);
        match portions.last_mut() {
            Some(last) if bytes + more <= PORTION_BYTES_MAX => {
                last.push(alert);
                bytes += more;
            }
            _ => {
                portions.push(vec![alert]);
                bytes = more;
            }
        }
    }
    portions
}

fn length(alert: &IncomingAlert) -> usize {
    let pairs = alert.labels.iter().chain(alert.annotations.iter());
    pairs.map(|(name, value)| name.len() + value.len()).sum::<usize>() + alert.generator_url.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alerts(n: usize, bytes: usize) -> Vec<IncomingAlert> {
        let alert = |n: usize| IncomingAlert {
            labels: [("n", n.to_string())].into_iter().collect(),
            annotations: [("요약", "x".repeat(bytes))].into_iter().collect(),
            starts_at: None,
            ends_at: None,
            generator_url: String::new(),
        };
        (0..n).map(alert).collect()
    }

    #[test]
    fn portions_are_bounded_in_length_and_keep_the_order() {
        let counts = |n, bytes| portions(alerts(n, bytes)).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(counts(0, 0), Vec::<usize>::new());
        assert_eq!(counts(1_000, 1), [1_000]);
        assert_eq!(counts(5, 60 << 10), [2, 2, 1]);
        assert_eq!(counts(2, PORTION_BYTES_MAX), [1, 1]);
        let flat: Vec<_> = portions(alerts(9, 20 << 10)).into_iter().flatten().collect();
        assert_eq!(flat, alerts(9, 20 << 10));
    }
}
