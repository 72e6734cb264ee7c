//! Markdown, as GitHub and GitLab take it.
//!
//! Beside what [`crate::github_text`] does, an address from outside does not become a link, and no
//! line begins with a `/`, which GitLab would take for a quick action (`/close`, `/assign`).

use super::document::{Block, Document, Inline, Item, LINE_CHARS_MAX};
use crate::github_text::{WORD_JOINER, code, escaped};

/// The longest escaped text, in characters: what is full of markup is cut earlier.
const ESCAPED_CHARS_MAX: usize = LINE_CHARS_MAX * 3;

/// The document as Markdown.
pub(super) fn render(document: &Document) -> String {
    let blocks: Vec<String> = document.blocks().iter().map(block).collect();
    blocks.join("\n\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Paragraph(inlines) => {
            let line: String = inlines.iter().map(inline).collect();
            if line.starts_with('/') { format!("\\{line}") } else { line }
        }
        Block::Items(items) => items.iter().map(item).collect::<Vec<_>>().join("\n"),
        Block::Output(text) => code(&output(text)),
    }
}

fn item(item: &Item) -> String {
    match item.name {
        Some(name) => format!("- **{name}**: {}", inline(&item.value)),
        None => format!("- {}", inline(&item.value)),
    }
}

fn inline(inline: &Inline) -> String {
    match inline {
        Inline::Text(text) => unlinked(&escaped(text, ESCAPED_CHARS_MAX)),
        Inline::Link { text, url } => {
            format!("[{}](<{url}>)", unlinked(&escaped(text, ESCAPED_CHARS_MAX)))
        }
    }
}

/// The lines as they are, but for the signs that could end them: GitLab looks for quick actions
/// outside of blocks between two lines of exactly three backticks, whatever Markdown says.
fn output(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        if run > 2 {
            out.push(WORD_JOINER);
            run = 1;
        }
        out.push(c);
    }
    out
}

/// Text in which no address is a link: `https://…` and `www.…` are both read as such.
fn unlinked(text: &str) -> String {
    let mut unlinked = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        unlinked.push(c);
        if c == ':' && chars.peek() == Some(&'/') || c == '.' && ends_with_www(&unlinked) {
            unlinked.push(WORD_JOINER);
        }
    }
    unlinked
}

fn ends_with_www(text: &str) -> bool {
    let mut last = text.chars().rev().skip(1);
    (0..3).all(|_| last.next().is_some_and(|c| c.eq_ignore_ascii_case(&'w')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_is_text() {
        let document = Document::new()
            .fact("Service", "@all <b> [x](y) #12")
            .link("Trace", "a](b", "https://signoz.example/t/1")
            .paragraph("/close https://evil.example www.evil.example")
            .output(&["```\n/close @all".into()]);
        insta::assert_snapshot!(render(&document).replace(WORD_JOINER, "⁀"), @r"
        - **Service**: \@⁀all &lt;b&gt; \[x\]\(y\) \#⁀12
        - **Trace**: [a\]\(b](<https://signoz.example/t/1>)

        \/close https:⁀//evil.example www.⁀evil.example

        ```text
        ``⁀`
        /close @all
        ```
        ");
    }
}
