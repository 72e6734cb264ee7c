//! Outside text inside Markdown (`CommonMark` 0.31): as a code block, as a code span, or as plain
//! words, and in none of them able to become markup.
//!
//! Control characters and characters that turn the direction of reading are shown as `\u001b`, a
//! form that is also right inside JSON strings.

use std::fmt::Write as _;

/// The shortest fence of a code block, in backticks.
const FENCE_MIN: usize = 3;

/// The text with line breaks as `\n`, and nothing in it that acts on a terminal or on the
/// direction of reading.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => out.push(c),
            c if c.is_control() || turns_direction(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Marks, embeddings, overrides and isolates of direction (UAX #9), the separators of lines and
/// paragraphs, and the byte order mark.
fn turns_direction(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// The text, or its beginning and an ellipsis, in at most `chars_max` characters (at least 1).
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let kept = text.chars().take(chars_max.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// The text, or its beginning and its end, because programs tell what happened at the end.
pub(crate) fn cut_middle(text: &str, chars_max: usize) -> String {
    let chars = text.chars().count();
    if chars <= chars_max {
        return text.to_owned();
    }
    let head = chars_max / 2;
    let tail = chars_max - head;
    let mut out: String = text.chars().take(head).collect();
    // Writing to a string cannot fail.
    let _ = write!(out, "\n… {} characters left out …\n", chars - head - tail);
    out.extend(text.chars().skip(chars - tail));
    out
}

/// The text as one line of at most `chars_max` characters.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    // Cut before and after: the first cut bounds the work, the second one counts what is shown.
    let spaced = cut(text.trim(), chars_max).replace(['\n', '\r', '\t'], " ");
    cut(&visible(&spaced), chars_max)
}

/// A fenced code block.  Its fence is longer than any run of backticks inside.
pub(crate) fn block(language: &str, text: &str) -> String {
    let text = visible(text);
    let text = text.trim_end_matches('\n');
    let fence = "`".repeat(FENCE_MIN.max(longest_run(text) + 1));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// A code span of at most `chars_max` characters; `–` where there is no text.
pub(crate) fn code(text: &str, chars_max: usize) -> String {
    let text = one_line(text, chars_max);
    if text.is_empty() {
        return "–".into();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // One space on each side is taken away by readers; it keeps backticks apart from the fence.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Plain words of at most `chars_max` characters, with whatever could be markup behind a
/// backslash.
pub(crate) fn plain(text: &str, chars_max: usize) -> String {
    let text = one_line(text, chars_max);
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '&' | '~' | '|' | '#' => true,
            // Between letters an underscore is only an underscore.
            '_' => {
                let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                !(word(before) && word(chars.peek().copied()))
            }
            '>' | '-' | '+' | '=' => before.is_none(),
            _ => false,
        };
        if escaped {
            out.push('\\');
        }
        out.push(c);
        before = Some(c);
    }
    out
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The content of the first fenced code block and the text behind it, by the rules of
    /// `CommonMark` 4.5: a closing fence is indented by at most three spaces, at least as long as the
    /// opening one, and followed by nothing but spaces and tabs.
    fn read_block(markdown: &str) -> (String, String) {
        let lines: Vec<&str> = markdown.split(['\n', '\r']).collect();
        let fence = lines[0].chars().take_while(|c| *c == '`').count();
        assert!(fence >= 3);
        let closes = |line: &&str| {
            let indent = line.chars().take_while(|c| *c == ' ').count();
            let rest = line.trim_start_matches(' ');
            let run = rest.chars().take_while(|c| *c == '`').count();
            indent <= 3
                && run >= fence
                && rest.trim_start_matches('`').trim_matches([' ', '\t']).is_empty()
        };
        let end = 1 + lines[1..].iter().position(closes).unwrap();
        (lines[1..end].join("\n"), lines[end + 1..].join("\n"))
    }

    /// The content of the code span that begins the text, and the text behind it (`CommonMark` 6.1).
    fn read_span(markdown: &str) -> (String, String) {
        let chars: Vec<char> = markdown.chars().collect();
        let fence = chars.iter().take_while(|c| **c == '`').count();
        let (mut at, mut run) = (fence, 0);
        loop {
            match chars.get(at) {
                Some('`') => run += 1,
                _ if run == fence => break,
                None => panic!("{markdown} is not closed"),
                Some(_) => run = 0,
            }
            at += 1;
        }
        let inside: String = chars[fence..at - fence].iter().collect();
        (inside, chars[at..].iter().collect())
    }

    #[test]
    fn a_fence_is_longer_than_any_run_inside() {
        insta::assert_snapshot!(block("", "a\r\n```\n````\n# 제목\n\u{1b}[31m\n\n"), @r"
        `````
        a
        ```
        ````
        # 제목
        \u001b[31m
        `````
        ");
    }

    #[test]
    fn code_spans_hold_backticks_and_stay_on_their_line() {
        assert_eq!(code("ls -l", 99), "`ls -l`");
        assert_eq!(code("`id`\n# x", 99), "`` `id` # x ``");
        assert_eq!(code("", 99), "–");
    }

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(
            plain("disk_usage >= 90 % <b>굵게</b> _x_ [a](b) ![i](j) &lt;", 99),
            r"disk_usage >= 90 % \<b>굵게\</b> \_x\_ \[a\](b) !\[i\](j) \&lt;"
        );
        assert_eq!(plain("# a\n- b", 99), r"\# a - b");
        assert_eq!(plain("> a", 99), r"\> a");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("디스크가 가득", 5), "디스크가…");
        assert_eq!(cut("가득", 2), "가득");
        assert_eq!(cut_middle("가나다라마바사", 4), "가나\n… 3 characters left out …\n바사");
    }

    proptest! {
        #[test]
        fn nothing_breaks_out_of_a_block(text in "([`~ \t\r\n>-]|\\PC|[\u{0}-\u{9f}]|가){0,80}") {
            let (inside, behind) = read_block(&block("json", &text));
            prop_assert_eq!(behind, "");
            let shown = visible(&text);
            prop_assert_eq!(inside, shown.trim_end_matches('\n'));
        }

        #[test]
        fn nothing_breaks_out_of_a_span(text in "([` \\\\\n]|\\PC|가){1,60}") {
            let span = code(&text, 50);
            prop_assert!(!span.contains('\n'));
            if span != "–" {
                let (inside, behind) = read_span(&span);
                prop_assert_eq!(behind, "");
                let shown = one_line(&text, 50);
                prop_assert_eq!(inside.trim(), shown.trim());
            }
        }

        #[test]
        fn plain_words_hold_no_markup(text in "([`*_<&!#\\[\\]\\\\>+-]|\\PC|\n){0,60}") {
            let words = plain(&text, 1_000);
            prop_assert!(!words.contains('\n'));
            let mut chars = words.chars();
            let mut unescaped = String::new();
            while let Some(c) = chars.next() {
                if c == '\\' { chars.next(); } else { unescaped.push(c); }
            }
            prop_assert!(!unescaped.contains(['`', '*', '<', '&', '[', ']', '#', '~', '|']));
            prop_assert!(!unescaped.starts_with(['>', '-', '+', '=']) || !words.starts_with(['>', '-', '+', '=']));
        }

        #[test]
        fn limits_hold(text in "(\\PC|[\u{0}-\u{1f}]|가|🔥){0,60}", chars_max in 1usize..40) {
            prop_assert!(one_line(&text, chars_max).chars().count() <= chars_max);
            prop_assert!(cut(&text, chars_max).chars().count() <= chars_max);
            prop_assert!(cut_middle(&text, chars_max).chars().count() <= chars_max + 40);
        }
    }
}
