//! Alerts that come in: checked, read, and durable before they are acknowledged.
//!
//! What cannot be read is kept as a dead letter before it is refused, so that a person sees it and
//! can replay it.  The answers, and what senders make of them:
//!
//! | answer | when | what senders do |
//! |---|---|---|
//! | 200, 202 (Opsgenie) | everything is durable | they are done |
//! | 400 | some of it, or all, is a dead letter; the rest is durable | they give up, and their log shows it |
//! | 401, 403 | it is not known who speaks | they give up |
//! | 503 with `Retry-After` | nothing was kept, or not all of it | they send it again, which is safe |

pub(crate) mod alerts;
mod certificate;
mod dead_letter;
mod door;
pub(crate) mod hooks;
mod memory;
pub(crate) mod replay;
mod store;
mod take;

pub(crate) use memory::Memory;
