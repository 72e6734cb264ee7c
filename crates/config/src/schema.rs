//! The JSON Schema of the configuration, by which editors complete keys and say what they mean.
//!
//! It says less than loading does: which keys there are and what stands in them, for the parts of
//! our own; the sections of the source documents and of routing are only named.  A test proves that
//! it agrees with what is read.

/// The schema, in JSON Schema 2020-12 (<https://json-schema.org/draft/2020-12>).
pub const TEXT: &str = include_str!("../../../schema/nightcrew.schema.json");

#[cfg(test)]
pub(crate) mod tests;
