//! Tickets: each tracker has a keeper, which keeps the tickets of incidents where the incidents
//! stand, and, where the operator wants it, a resolver, which takes on what people wrote.
//!
//! What is done next is decided by pure rules ([`nightcrew_channels::ticket::keeper`]) over what
//! the core knows; what came of it goes to the core, so that a restart forgets none of it.
//!
//! **Invariant:** the intent to make a ticket is durable before the tracker is asked for it.

mod keeper;
mod resolver;
mod view;

pub(crate) use keeper::Keeper;
pub(crate) use resolver::ResolverTask;
