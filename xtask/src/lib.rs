//! Nothing to run: the house rules are the tests of this package (`tests/tidy.rs`).
