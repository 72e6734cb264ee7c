//! Alerts that come in: parsed one by one, so that a bad one does not lose its neighbours, and
//! durable before they are acknowledged.

mod alert_body;
mod elements;
mod hook_body;
pub(crate) mod route;
mod store;
