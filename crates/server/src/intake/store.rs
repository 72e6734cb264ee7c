//! Handing alerts to the crew, which returns when they are durable.

use nightcrew_crew::handle::Handle;
use nightcrew_model::alert::{IncomingAlert, Source};
use tokio::time::timeout;

use crate::limit::STORE_MAX;
use crate::problem::{Kind, Problem};

/// Makes alerts durable.
pub(crate) async fn store(
    handle: &Handle,
    source: Source,
    alerts: Vec<IncomingAlert>,
) -> Result<(), Problem> {
    match timeout(STORE_MAX.duration(), handle.take_alerts(source, alerts)).await {
        Ok(stored) => Ok(stored?),
        Err(_) => Err(Problem::new(
            Kind::Overloaded,
            format!("the alerts were not durable within {STORE_MAX}"),
            "send the same request again; repeating it is safe",
        )),
    }
}
