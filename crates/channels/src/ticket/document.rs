//! A text with a little form, before it takes that of a tracker.
//!
//! **Invariant:** whoever builds one puts text from outside in as it is.  Every text is one line
//! (an output is several), within its limit, and without characters that act on a terminal;
//! the three forms (Atlassian's document, wiki markup, Markdown) make it harmless.

use crate::text::{lines_within, one_line};

/// The longest text inside a line, in characters.
pub const LINE_CHARS_MAX: usize = 400;

/// The longest output, in characters; the lines in the middle make room.
pub const OUTPUT_CHARS_MAX: usize = 5_000;

/// The largest number of facts or points under each other.
pub const ITEMS_MAX: usize = 20;

/// The largest number of blocks; those beyond it are left out.
pub const BLOCKS_MAX: usize = 12;

/// The longest address of a link, in bytes; a longer one is shown without.
pub const URL_BYTES_MAX: usize = 500;

/// A text with a little form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    blocks: Vec<Block>,
}

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Some words.
    Paragraph(Vec<Inline>),
    /// Names and values, or points without a name.
    Items(Vec<Item>),
    /// What a program printed, or samples: several lines, as they are.
    Output(String),
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: Option<&'static str>,
    pub(super) value: Inline,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inline {
    /// Text from anywhere; never empty.
    Text(String),
    /// A link; the address begins with `http://` or `https://`.
    Link { text: String, url: String },
}

impl Inline {
    fn text(text: &str) -> Option<Self> {
        let text = one_line(text, LINE_CHARS_MAX);
        (!text.is_empty()).then_some(Self::Text(text))
    }

    fn link(text: &str, url: &str) -> Option<Self> {
        let Some(Self::Text(text)) = Self::text(text).or_else(|| Self::text(url)) else {
            return None;
        };
        if is_link(url) {
            Some(Self::Link { text, url: url.to_owned() })
        } else {
            Some(Self::Text(text))
        }
    }
}

/// Whether an address is one that a link may lead to: HTTP, in the characters of RFC 3986 without
/// those by which any of the three forms could be left.
fn is_link(url: &str) -> bool {
    let http = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#@!$&'*+,;=%".contains(&b);
    url.len() <= URL_BYTES_MAX
        && http.is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()))
        && url.bytes().all(allowed)
}

impl Document {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    fn push(mut self, block: Block) -> Self {
        if self.blocks.len() < BLOCKS_MAX {
            self.blocks.push(block);
        }
        self
    }

    /// With a line of text.
    #[must_use]
    pub fn paragraph(self, text: &str) -> Self {
        match Inline::text(text) {
            Some(text) => self.push(Block::Paragraph(vec![text])),
            None => self,
        }
    }

    /// With a name and a value; an empty value is left out.
    #[must_use]
    pub fn fact(self, name: &'static str, value: &str) -> Self {
        match Inline::text(value) {
            Some(value) => self.item(Item { name: Some(name), value }),
            None => self,
        }
    }

    /// With a name and a link; where the address is none that a link may lead to, with its text.
    #[must_use]
    pub fn link(self, name: &'static str, text: &str, url: &str) -> Self {
        match Inline::link(text, url) {
            Some(value) => self.item(Item { name: Some(name), value }),
            None => self,
        }
    }

    /// With a point of a list.
    #[must_use]
    pub fn point(self, text: &str) -> Self {
        match Inline::text(text) {
            Some(value) => self.item(Item { name: None, value }),
            None => self,
        }
    }

    /// With what was printed or measured, several lines.
    #[must_use]
    pub fn output(self, lines: &[String]) -> Self {
        let lines = lines.iter().flat_map(|text| text.lines());
        let lines: Vec<String> = lines.map(|line| one_line(line, LINE_CHARS_MAX)).collect();
        let output = lines_within(&lines, OUTPUT_CHARS_MAX);
        if output.trim().is_empty() { self } else { self.push(Block::Output(output)) }
    }

    fn item(mut self, item: Item) -> Self {
        match self.blocks.last_mut() {
            Some(Block::Items(items)) => {
                if items.len() < ITEMS_MAX {
                    items.push(item);
                }
                self
            }
            _ => self.push(Block::Items(vec![item])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_web_or_nowhere() {
        assert!(is_link("https://grafana.example/d/1?var=web&from=now-1h"));
        for bad in [
            "javascript:alert(1)",
            "https://x/)](y",
            "https://x y",
            "https://x|y]",
            "http://",
            "https://[::1]/",
            "https://x/{code}",
            "https://x/\"><b>",
        ] {
            assert!(!is_link(bad), "{bad}");
        }
        assert!(!is_link(&format!("https://x/{}", "a".repeat(URL_BYTES_MAX))));
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let mut document = Document::new();
        for n in 0..=ITEMS_MAX {
            document = document.fact("n", &n.to_string());
        }
        for n in 0..=BLOCKS_MAX {
            document = document.paragraph(&n.to_string());
        }
        document = document.fact("nothing", "  ").output(&["\n \n".into()]);
        assert_eq!(document.blocks.len(), BLOCKS_MAX);
        assert!(matches!(&document.blocks[0], Block::Items(items) if items.len() == ITEMS_MAX));
    }
}
