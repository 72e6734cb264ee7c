//! The picture of a chart: blocks for a terminal, SVG for Markdown and pages.
//!
//! **Invariant:** pure and bounded; every number of the chart may be anything, and nothing of it
//! breaks out of the picture.

mod blocks;
mod frame;
mod svg;

pub use blocks::blocks;
pub use svg::svg;

#[cfg(test)]
mod tests;
