//! What the API shows.  Each shape is declared here, so that a change inside of the crew cannot
//! change what programs read.

pub(crate) mod agent;
pub(crate) mod alert;
pub(crate) mod entry;
pub(crate) mod incident;
pub(crate) mod playbook;
pub(crate) mod service;
pub(crate) mod source;
pub(crate) mod why;
