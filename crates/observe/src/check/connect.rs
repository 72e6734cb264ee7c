//! A TCP connection to any address of a name.

use nightcrew_model::unit::Millis;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::check::trouble::{Trouble, judge};

/// How many addresses of one name are tried.
const ADDRESSES_MAX: usize = 8;

/// Connects to `host:port`.  Each address of the name is tried in turn and gets an equal part of
/// the time that is left, so that one that swallows packets leaves time for the next.
pub(crate) async fn connect(address: &str, within: Millis) -> Result<TcpStream, Trouble> {
    let deadline = Instant::now() + within.duration();
    let resolved = timeout_at(deadline, tokio::net::lookup_host(address)).await;
    let resolved = resolved
        .map_err(|_| Trouble::Unknown(format!("no name server answered within {within}")))?
        .map_err(|error| judge(&error.to_string()))?;
    let addresses: Vec<_> = resolved.take(ADDRESSES_MAX).collect();
    let mut trouble = Trouble::Failing("the name has no address".into());
    for (tried, candidate) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let parts = u32::try_from(addresses.len() - tried).unwrap_or(1).max(1);
        let outcome = match timeout(left / parts, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => judge(&error.to_string()),
            Err(_) => Trouble::Failing(format!("no answer within {within}")),
        };
        // What the service did says more than that we have, say, no route for IPv6.
        let first = tried == 0;
        if first || matches!(outcome, Trouble::Failing(_)) {
            trouble = outcome;
        }
    }
    Err(trouble)
}
