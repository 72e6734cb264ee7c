//! The Atlassian Document Format, which Jira Cloud wants for every text with form.
//!
//! A document is a tree of typed nodes; text is a string in a node, so nothing in it acts.  An
//! empty text node and a code block with anything but plain text are refused ("Document structure",
//! Atlassian Document Format).  What is no node of ours is never written.
//!
//! Limit: 32,767 characters for a field of text; the whole document stays below that as JSON.

use serde_json::{Value, json};

use super::document::{Block, Document, Inline, Item};

/// How deep a foreign document is read.
const DEPTH_MAX: usize = 20;

/// How much of a foreign document is read, in characters.
const PLAIN_CHARS_MAX: usize = 10_000;

/// The document as Jira Cloud takes it.
pub(super) fn render(document: &Document) -> Value {
    let content: Vec<Value> = document.blocks().iter().map(block).collect();
    json!({"type": "doc", "version": 1, "content": content})
}

fn block(block: &Block) -> Value {
    match block {
        Block::Paragraph(inlines) => paragraph(&inlines.iter().map(inline).collect::<Vec<_>>()),
        Block::Items(items) => {
            let items = items
                .iter()
                .map(|item| json!({"type": "listItem", "content": [paragraph(&named(item))]}));
            json!({"type": "bulletList", "content": items.collect::<Vec<_>>()})
        }
        Block::Output(text) => {
            json!({"type": "codeBlock", "content": [{"type": "text", "text": text}]})
        }
    }
}

fn paragraph(content: &[Value]) -> Value {
    json!({"type": "paragraph", "content": content})
}

fn named(item: &Item) -> Vec<Value> {
    let name = item.name.map(
        |name| json!({"type": "text", "text": format!("{name}: "), "marks": [{"type": "strong"}]}),
    );
    name.into_iter().chain([inline(&item.value)]).collect()
}

fn inline(inline: &Inline) -> Value {
    match inline {
        Inline::Text(text) => json!({"type": "text", "text": text}),
        Inline::Link { text, url } => json!({
            "type": "text",
            "text": text,
            "marks": [{"type": "link", "attrs": {"href": url}}],
        }),
    }
}

/// The text of a document that somebody else wrote: a line for each block.
pub(super) fn plain(document: &Value) -> String {
    let mut text = String::new();
    add_plain(document, 0, &mut text);
    text.trim().chars().take(PLAIN_CHARS_MAX).collect()
}

fn add_plain(node: &Value, depth: usize, text: &mut String) {
    if depth > DEPTH_MAX || text.len() > 4 * PLAIN_CHARS_MAX {
        return;
    }
    match node["type"].as_str() {
        Some("text") => text.push_str(node["text"].as_str().unwrap_or_default()),
        Some("hardBreak") => text.push('\n'),
        _ => {
            for child in node["content"].as_array().into_iter().flatten() {
                add_plain(child, depth + 1, text);
            }
            let block = ["paragraph", "heading", "codeBlock", "listItem", "tableRow"];
            let ends_line = node["type"].as_str().is_some_and(|kind| block.contains(&kind));
            if ends_line && !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_its_documented_form() {
        let document = Document::new()
            .fact("Service", "cartservice")
            .link("Trace", "4bf92f", "https://signoz.example/trace/4bf92f")
            .paragraph("[~admin] {code}")
            .output(&["a\nb".into()]);
        insta::assert_snapshot!(render(&document), @r#"{"content":[{"content":[{"content":[{"content":[{"marks":[{"type":"strong"}],"text":"Service: ","type":"text"},{"text":"cartservice","type":"text"}],"type":"paragraph"}],"type":"listItem"},{"content":[{"content":[{"marks":[{"type":"strong"}],"text":"Trace: ","type":"text"},{"marks":[{"attrs":{"href":"https://signoz.example/trace/4bf92f"},"type":"link"}],"text":"4bf92f","type":"text"}],"type":"paragraph"}],"type":"listItem"}],"type":"bulletList"},{"content":[{"text":"[~admin] {code}","type":"text"}],"type":"paragraph"},{"content":[{"text":"a\nb","type":"text"}],"type":"codeBlock"}],"type":"doc","version":1}"#);
    }

    #[test]
    fn a_foreign_document_is_read_line_by_line_and_not_for_ever() {
        let foreign = json!({"type": "doc", "content": [
            {"type": "paragraph", "content": [
                {"type": "text", "text": "Service: "},
                {"type": "text", "text": "cart"},
                {"type": "hardBreak"},
                {"type": "mention", "attrs": {"id": "1"}},
                {"type": "text", "text": "느림"},
            ]},
            {"type": "codeBlock", "content": [{"type": "text", "text": "x"}]},
        ]});
        assert_eq!(plain(&foreign), "Service: cart\n느림\nx");
        let mut deep = json!({"type": "text", "text": "too deep"});
        for _ in 0..200 {
            deep = json!({"type": "paragraph", "content": [deep]});
        }
        assert_eq!(plain(&deep), "");
        assert_eq!(plain(&json!(null)), "");
        assert_eq!(
            plain(&json!({"type": "text", "text": "가".repeat(50_000)})).chars().count(),
            10_000
        );
    }
}
