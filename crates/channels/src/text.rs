//! Text within limits: counted in characters, never cut inside one, and with nothing in it that
//! moves a terminal's cursor or turns the direction of reading.

use std::fmt::Write as _;

/// What stands where text was cut.
const ELLIPSIS: char = '…';

/// The room, in characters, that [`lines_within`] keeps for saying how much it left out.
const GAP_CHARS: usize = 48;

/// A part of a text that is kept whole or left out whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    /// A character as it is.
    Plain(char),
    /// A character behind a backslash.
    Escaped(char),
    /// A character that must not act, as its code: `\u001b`.
    Hidden(char),
    /// What stands for a character, such as `&lt;`.
    Entity(&'static str),
}

/// In what a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Unicode scalar values.
    Chars,
    /// UTF-16 code units: an emoji is two.
    Utf16,
}

impl Count {
    fn of(self, c: char) -> usize {
        match self {
            Self::Chars => 1,
            Self::Utf16 => c.len_utf16(),
        }
    }

    fn all(self, text: &str) -> usize {
        text.chars().map(|c| self.of(c)).sum()
    }
}

impl Piece {
    /// The character as it is, unless it would act on a terminal or on the direction of reading.
    pub(crate) fn of(c: char) -> Self {
        if c.is_control() || turns_direction(c) { Self::Hidden(c) } else { Self::Plain(c) }
    }

    fn cost(self, count: Count) -> usize {
        match self {
            Self::Plain(c) => count.of(c),
            Self::Escaped(c) => 1 + count.of(c),
            // `\u` and four digits; what acts lies below U+10000.
            Self::Hidden(_) => 6,
            Self::Entity(text) => count.all(text),
        }
    }

    fn push_to(self, out: &mut String) {
        match self {
            Self::Plain(c) => out.push(c),
            Self::Escaped(c) => out.extend(['\\', c]),
            Self::Entity(text) => out.push_str(text),
            Self::Hidden(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
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

/// As many pieces as fit into `chars_max` characters; where some do not, the last character is an
/// ellipsis.  Reads no further than it has to.
pub(crate) fn within(pieces: impl Iterator<Item = Piece>, chars_max: usize) -> String {
    within_count(pieces, chars_max, Count::Chars)
}

fn within_count(pieces: impl Iterator<Item = Piece>, max: usize, count: Count) -> String {
    let mut out = String::new();
    let mut cost = 0;
    // The length in bytes up to which an ellipsis still fits behind.
    let mut keep = 0;
    for piece in pieces {
        cost += piece.cost(count);
        if cost > max {
            out.truncate(keep);
            if max > 0 {
                out.push(ELLIPSIS);
            }
            return out;
        }
        piece.push_to(&mut out);
        if cost < max {
            keep = out.len();
        }
    }
    out
}

/// The text as one line: line breaks and tabs are spaces, other control characters are their codes.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let pieces = text.trim().chars().map(|c| match c {
        '\n' | '\r' | '\t' => Piece::Plain(' '),
        c => Piece::of(c),
    });
    within(pieces, chars_max)
}

/// The lines, joined by line breaks, within a limit.  Where they do not all fit, those in the
/// middle go: the first lines say what happened, and the last ones why a person is needed.
pub(crate) fn lines_within(lines: &[String], chars_max: usize) -> String {
    lines_within_count(lines, chars_max, Count::Chars)
}

/// [`lines_within`] by another count.
pub(crate) fn lines_within_count(lines: &[String], max: usize, count: Count) -> String {
    let cost = |line: &String| count.all(line) + 1;
    let whole: usize = lines.iter().map(cost).sum();
    if whole <= max.saturating_add(1) {
        return lines.join("\n");
    }
    let mut room = max.saturating_sub(GAP_CHARS);
    let (mut head, mut tail) = (0, lines.len());
    while head < tail {
        let from_head = head <= lines.len() - tail;
        let next = if from_head { head } else { tail - 1 };
        let Some(left) = lines.get(next).and_then(|line| room.checked_sub(cost(line))) else {
            break;
        };
        room = left;
        if from_head {
            head += 1;
        } else {
            tail -= 1;
        }
    }
    let gap = format!("… {} lines left out; see the record …", tail - head);
    let kept = lines.iter().take(head).map(String::as_str);
    let kept = kept.chain([gap.as_str()]);
    let kept = kept.chain(lines.iter().skip(tail).map(String::as_str));
    let text = kept.collect::<Vec<_>>().join("\n");
    within_count(text.chars().map(Piece::Plain), max, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn korean_and_emoji_are_cut_between_characters() {
        assert_eq!(one_line("디스크가 가득 찼습니다", 6), "디스크가 …");
        assert_eq!(one_line("🔥🔥🔥🔥", 3), "🔥🔥…");
        assert_eq!(one_line("🔥🔥🔥", 3), "🔥🔥🔥");
        assert_eq!(one_line("가", 0), "");
    }

    #[test]
    fn control_characters_and_turns_of_direction_become_visible() {
        assert_eq!(one_line("a\u{1b}[2Jb\r\n\u{202e}c", 99), "a\\u001b[2Jb  \\u202ec");
    }

    #[test]
    fn lines_in_the_middle_make_room() {
        let lines: Vec<String> = (0..40).map(|n| format!("{n:>3} 줄")).collect();
        let text = lines_within(&lines, 90);
        insta::assert_snapshot!(text, @"
          0 줄
          1 줄
          2 줄
          3 줄
        … 33 lines left out; see the record …
         37 줄
         38 줄
         39 줄
        ");
    }

    proptest! {
        #[test]
        fn nothing_exceeds_its_limit(text in "(\\PC|[\u{0}-\u{1f}]|가|🔥){0,60}", chars_max in 0usize..40) {
            let line = one_line(&text, chars_max);
            prop_assert!(line.chars().count() <= chars_max);
            prop_assert!(!line.chars().any(|c| c.is_control() || turns_direction(c)));
            if line.chars().count() < chars_max.saturating_sub(7) {
                prop_assert!(!line.ends_with('…') || text.trim().ends_with('…'), "cut too early");
            }
        }

        #[test]
        fn lines_never_exceed_their_limit(lines in prop::collection::vec("(\\PC|가|🔥){0,30}", 0..40), chars_max in 0usize..400) {
            let text = lines_within(&lines, chars_max);
            prop_assert!(text.chars().count() <= chars_max);
            let units = lines_within_count(&lines, chars_max, Count::Utf16);
            prop_assert!(units.encode_utf16().count() <= chars_max);
            if chars_max > 62 + GAP_CHARS && !lines.is_empty() {
                prop_assert!(text.starts_with(&lines[0]));
                prop_assert!(text.ends_with(lines.last().unwrap()));
            }
        }
    }
}
