//! Configuration: JSON5 files in, one typed [`settings::Settings`] or a list of problems out.
//!
//! The way of a file: [`mod@load`] finds the files, reads each into a tree that knows its places,
//! fills in `${VAR}`, resolves `$include` and lays the layers over each other; then the tree is
//! decoded into settings, completed with defaults, and linted for what parses but cannot work.
//! [`import`] reads an Alertmanager's YAML into the same settings, and [`rule_test`] the operator's
//! tests of them.
//!
//! **Invariant:** nothing here acts.  A file is read, judged and turned into values; every problem
//! of a load is told at once, each with its place, and none shows a secret.

mod decode;
pub mod document;
pub mod env;
mod fields;
pub mod import;
mod include;
mod json5;
mod layers;
mod lint;
pub mod load;
mod nearest;
pub mod problem;
mod read;
pub mod rule_test;
pub mod schema;
mod secret;
pub mod settings;
mod substitute;
mod text;
mod tree;
mod web;
mod yaml;
