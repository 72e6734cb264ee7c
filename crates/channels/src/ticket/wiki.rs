//! Jira's wiki markup, which Data Center wants.
//!
//! Every sign by which markup begins is written as its character reference, which the renderer
//! shows and does not read as markup ("Text Formatting Notation": `{macro}`, `[~user]`, `[link|…]`,
//! `*`, `_`, `:)`, `\\`).  A backslash would not do: two of them are a line break.  Output stands
//! in `{noformat}`, out of which only that word leads.

use super::document::{Block, Document, Inline, Item, LINE_CHARS_MAX};

/// The longest escaped text, in characters: what is full of markup is cut earlier.
const ESCAPED_CHARS_MAX: usize = LINE_CHARS_MAX * 3;

/// What keeps a word from acting, and nobody sees.
const WORD_JOINER: char = '\u{2060}';

/// The longest reference of a character that acts, in characters.
const REFERENCE_CHARS_MAX: usize = 6;

/// The word that ends a block of output.
const END_OF_OUTPUT: &str = "noformat";

/// The document as wiki markup.
pub(super) fn render(document: &Document) -> String {
    let blocks: Vec<String> = document.blocks().iter().map(block).collect();
    blocks.join("\n\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Paragraph(inlines) => {
            let line: String = inlines.iter().map(inline).collect();
            // `h1.` and `bq.` act at the start of a line.
            match line.chars().next() {
                Some(c @ ('h' | 'b')) => {
                    format!("{}{}", reference(c), line.get(1..).unwrap_or_default())
                }
                _ => line,
            }
        }
        Block::Items(items) => items.iter().map(item).collect::<Vec<_>>().join("\n"),
        Block::Output(text) => format!("{{noformat}}\n{}\n{{noformat}}", output(text)),
    }
}

fn item(item: &Item) -> String {
    match item.name {
        Some(name) => format!("* *{name}*: {}", inline(&item.value)),
        None => format!("* {}", inline(&item.value)),
    }
}

fn inline(inline: &Inline) -> String {
    match inline {
        Inline::Text(text) => escaped(text),
        Inline::Link { text, url } => format!("[{}|{url}]", escaped(text)),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut room = ESCAPED_CHARS_MAX;
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let acts = acts(before, c, chars.peek().copied().unwrap_or(' '));
        before = c;
        let Some(left) = room.checked_sub(if acts { REFERENCE_CHARS_MAX } else { 1 }) else {
            escaped.push('…');
            break;
        };
        room = left;
        if acts {
            escaped.push_str(&reference(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Whether a sign can begin or end markup where it stands.  `,`, `.`, `%` and `=` begin nothing, a
/// `/` alone neither; inside a word (`http-service_1`) a dash is a dash, inside a time a colon.
fn acts(before: char, c: char, after: char) -> bool {
    match c {
        ',' | '.' | '%' | '=' | '/' => false,
        '-' | '_' => !(before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric()),
        ':' => !(before.is_ascii_digit() && after.is_ascii_digit()),
        c => c.is_ascii_punctuation(),
    }
}

/// The reference of a character: `&#123;` is the longest of those that act.
fn reference(c: char) -> String {
    format!("&#{};", u32::from(c))
}

/// The lines as they are, but for the word that would end them.
fn output(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push('{');
        let word: String = after.chars().take(END_OF_OUTPUT.len()).collect();
        if word.eq_ignore_ascii_case(END_OF_OUTPUT) {
            out.push(WORD_JOINER);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_is_text() {
        let document = Document::new()
            .fact("Service", "[~admin] {code} C:\\\\x !img!")
            .link("Trace", "a]|b", "https://signoz.example/t/1")
            .paragraph("h1. 제목 https://evil.example :)")
            .output(&["{NoFormat} {panel} end{".into()]);
        insta::assert_snapshot!(render(&document).replace(WORD_JOINER, "⁀"), @r"
        * *Service*: &#91;&#126;admin&#93; &#123;code&#125; C&#58;&#92;&#92;x &#33;img&#33;
        * *Trace*: [a&#93;&#124;b|https://signoz.example/t/1]

        &#104;1. 제목 https&#58;//evil.example &#58;&#41;

        {noformat}
        {⁀NoFormat} {panel} end{
        {noformat}
        ");
    }
}
