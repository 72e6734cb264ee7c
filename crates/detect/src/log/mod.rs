//! Logs: from lines to templates, with one configuration for every system.
//!
//! A line loses its header ([`header`]); the message is scanned once ([`scan`]) into a shape
//! ([`shape`]), which is the same for messages that differ only in what is a value by its form;
//! shapes are counted in bounded memory ([`miner`]), and from all of them it is judged which words
//! vary freely, which gives the templates ([`template`]) and their typed parameters ([`value`]).
//! Threads share the work by blocks of lines ([`block`]).
//!
//! **Invariant:** templates are a function of the shapes and their counts; scanning, which is
//! nearly all of the work, may be shared among threads in any way without changing the result.

pub mod block;
pub mod header;
pub mod miner;
pub mod scan;
pub mod shape;
pub mod template;
pub mod value;

mod group;
mod intern;
mod render;
mod row;
mod vocabulary;
