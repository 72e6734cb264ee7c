//! Templates: the constant text of messages, with `<*>` where a parameter is.

use std::fmt;
use std::ops::Range;

use crate::log::intern::{HashKeyed, hash_of};
use crate::log::shape::ShapeId;
use crate::log::value::ValueKind;

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<T> {
    /// Text that every message of the template has; space of any length counts as one.
    Text(T),
    /// A parameter.
    Open,
}

/// What stands for a parameter in the text of a template.
pub const PARAMETER: &str = "<*>";

/// The number of a template: a hash of its text, so the same in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u64);

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A template and how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Which one.
    pub id: TemplateId,
    /// The text, with [`PARAMETER`] where a parameter is.
    text: Box<str>,
    /// Where in the text the parameters are, in bytes.
    open: Box<[u32]>,
    /// How many messages had it.
    pub n_lines: u64,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A parameter of a message: where it stands, and what kind of thing it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its bytes in the message.
    pub range: Range<usize>,
    /// What it is.
    pub kind: ValueKind,
}

impl Template {
    pub(crate) fn new(parts: &[Part<String>], n_lines: u64) -> Self {
        let mut text = String::new();
        let mut open = Vec::new();
        for part in parts {
            match part {
                Part::Text(constant) => text.push_str(constant),
                Part::Open => {
                    open.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
                    text.push_str(PARAMETER);
                }
            }
        }
        let id = TemplateId(hash_of(text.as_bytes()));
        Self { id, text: text.into(), open: open.into(), n_lines }
    }

    /// The constant text and the parameters, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<&str>> {
        let mut at = 0;
        let ends = self.open.iter().map(|&n| n as usize).chain([self.text.len()]);
        ends.flat_map(move |end| {
            let constant = self.text.get(at..end).filter(|text| !text.is_empty());
            at = end + PARAMETER.len();
            let open = (end < self.text.len()).then_some(Part::Open);
            constant.map(Part::Text).into_iter().chain(open)
        })
    }

    /// The parameters of a message of this template, in order; none when the message has another
    /// template.
    #[must_use]
    pub fn parameters(&self, message: &[u8]) -> Option<Vec<Parameter>> {
        let mut found = Vec::new();
        let mut at = 0;
        let mut open = None;
        for part in self.parts() {
            match part {
                Part::Open => open = Some(at),
                Part::Text(text) => {
                    let text = text.as_bytes();
                    let range = match open {
                        None => at..matched(message, at, text)?,
                        Some(_) => (at..=message.len()).find_map(|start| {
                            matched(message, start, text).map(|end| start..end)
                        })?,
                    };
                    if let Some(start) = open.take() {
                        found.push(parameter(message, start..range.start));
                    }
                    at = range.end;
                }
            }
        }
        match open {
            Some(start) => found.push(parameter(message, start..message.len())),
            None if !message.get(at..)?.trim_ascii().is_empty() => return None,
            None => {}
        }
        Some(found)
    }
}

fn parameter(message: &[u8], range: Range<usize>) -> Parameter {
    let kind = ValueKind::of(message.get(range.clone()).unwrap_or_default());
    Parameter { range, kind }
}

/// Where `text` ends in the message when it begins at `at`; space of any length is one space.
fn matched(message: &[u8], at: usize, text: &[u8]) -> Option<usize> {
    let mut at = at;
    for &byte in text {
        let here = message.get(at..).unwrap_or_default();
        if byte == b' ' {
            let spaces = here.iter().take_while(|b| **b <= b' ').count();
            if spaces == 0 {
                return None;
            }
            at += spaces;
        } else if here.first() == Some(&byte) {
            at += 1;
        } else {
            return None;
        }
    }
    Some(at)
}

/// The templates of everything that a miner has learned.
#[derive(Debug, Default)]
pub struct Templates {
    pub(crate) templates: Vec<Template>,
    pub(crate) of: HashKeyed<usize>,
}

impl Templates {
    /// The template of a shape; none when the shape was forgotten or came later.
    #[must_use]
    pub fn resolve(&self, shape: ShapeId) -> Option<&Template> {
        self.templates.get(self.index_of(shape)?)
    }

    /// The place of the template of a shape in [`Self::iter`].
    #[must_use]
    pub fn index_of(&self, shape: ShapeId) -> Option<usize> {
        self.of.get(&shape.0).copied()
    }

    /// The templates, in the order of their first message.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Template> {
        self.templates.iter()
    }

    /// How many templates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether nothing was learned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }
}
