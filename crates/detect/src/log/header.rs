//! The header of a line: time, host, level, process, logger, which are no part of the message.
//!
//! No list of formats: the first lines of a file are cut into fields ([`field`]), and what stands
//! at the same place in nearly all of them (times, levels, numbers, brackets, tags) is the header.
//! A line that does not fit, such as a line of a stack trace, is its own message.

use std::ops::Range;

use field::{Field, FieldKind, KINDS, field};

pub(crate) mod field;
mod record;

/// How many lines are looked at to recognise the header of a file.
pub const SAMPLE_LINES_MAX: usize = 1_000;

/// How many fields of a line are looked at.
const FIELDS_MAX: usize = 16;

/// How many fields that are neither a time nor a level may stand before one.
const GAP_MAX: usize = 5;

/// The longest tag (`sshd(pam_unix)[19939]:`), in bytes.
const TAG_BYTES_MAX: usize = 160;

/// The share of lines, in percent, that must agree.
const AGREED_PERCENT: usize = 90;

/// The same for a tag behind a level, and for one behind the name of a host.
const TAG_PERCENT: usize = 75;
const HOST_TAG_PERCENT: usize = 50;

/// A file has a header when at least this share of its lines, in percent, begins with one.
const HEADED_PERCENT: usize = 20;

/// What a line is made of.  Ranges are bytes of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The message.
    pub message: Range<usize>,
    /// The text of the time, from its first to its last field.
    pub time: Option<Range<usize>>,
    /// The level.
    pub level: Option<Range<usize>>,
    /// The program or the logger, with its number.
    pub process: Option<Range<usize>>,
}

/// The header that the lines of a file have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    shape: Shape,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Shape {
    /// There is none.
    #[default]
    Bare,
    /// Lines of JSON, with the message in one of the usual keys.
    Json,
    /// `key=value` lines, with the message in `msg`.
    Logfmt,
    /// Fields, then perhaps a tag.
    Fields { kinds: Vec<Option<FieldKind>>, tail: Tail },
}

/// What stands between the fields and the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// Nothing.
    Nothing,
    /// A tag of one word and a colon, in most lines.
    Tag,
    /// A tag of one or several words, in most lines.
    Program,
    /// Everything up to a lone hyphen.
    Dash,
    /// This many fields, each with a `|` behind it.
    Pipes(usize),
}

impl Header {
    /// The header of a file, by its first [`SAMPLE_LINES_MAX`] lines.
    #[must_use]
    pub fn recognise<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let lines: Vec<&[u8]> =
            lines.map(trimmed).filter(|line| !line.is_empty()).take(SAMPLE_LINES_MAX).collect();
        let agrees = |is: &dyn Fn(&[u8]) -> bool| {
            !lines.is_empty()
                && percent(lines.iter().filter(|line| is(line)).count(), lines.len())
                    >= AGREED_PERCENT
        };
        let shape = if agrees(&|line| record::json_message(line).is_some()) {
            Shape::Json
        } else if agrees(&|line| record::logfmt_message(line).is_some()) {
            Shape::Logfmt
        } else {
            Sample::new(&lines).map_or(Shape::Bare, |sample| sample.shape())
        };
        Self { shape }
    }

    /// The parts of a line.
    #[must_use]
    pub fn split(&self, line: &[u8]) -> Line {
        let bare = || Line { message: 0..line.len(), ..Line::default() };
        let message = |message| Line { message, ..Line::default() };
        match &self.shape {
            Shape::Bare => bare(),
            Shape::Json => record::json_message(line).map_or_else(bare, message),
            Shape::Logfmt => record::logfmt_message(line).map_or_else(bare, message),
            Shape::Fields { kinds, tail } => split(line, kinds, *tail).unwrap_or_else(bare),
        }
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    line.trim_ascii_end()
}

fn percent(part: usize, whole: usize) -> usize {
    part * 100 / whole.max(1)
}

fn split(line: &[u8], kinds: &[Option<FieldKind>], tail: Tail) -> Option<Line> {
    let start = if line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut at = start + line.get(start..)?.iter().take_while(|b| **b == b' ').count();
    let mut found = Line::default();
    for wanted in kinds {
        let field = field(line, at)?;
        if wanted.is_some_and(|kind| kind != field.kind) {
            return None;
        }
        match field.kind {
            FieldKind::Time if wanted.is_some() => {
                let start = found.time.as_ref().map_or(field.range.start, |time| time.start);
                found.time = Some(start..field.range.end);
            }
            FieldKind::Level if wanted.is_some() => found.level = Some(field.range.clone()),
            FieldKind::Dotted => found.process = Some(field.range.clone()),
            FieldKind::Time
            | FieldKind::Level
            | FieldKind::Number
            | FieldKind::Bracket
            | FieldKind::Dash
            | FieldKind::Tag
            | FieldKind::Word => {}
        }
        at = field.next;
    }
    let (process, at) = tail.skip(line, at);
    found.process = process.or(found.process);
    found.message = at..line.len();
    Some(found)
}

impl Tail {
    /// What it says, and where the message begins.
    fn skip(self, line: &[u8], at: usize) -> (Option<Range<usize>>, usize) {
        let end = match self {
            Self::Nothing => None,
            Self::Tag => tag_end(line, at, false),
            Self::Program => tag_end(line, at, true),
            Self::Dash => dash_start(line, at),
            Self::Pipes(count) => pipe_end(line, at, count),
        };
        let Some(end) = end else { return (None, at) };
        let is_between = |b: &&u8| match self {
            Self::Dash => matches!(b, b' ' | b'\t' | b'-'),
            Self::Pipes(_) => false,
            Self::Nothing | Self::Tag | Self::Program => matches!(b, b' ' | b'\t' | b':'),
        };
        let skipped = line.get(end..).unwrap_or_default().iter().take_while(is_between).count();
        (Some(at..end), end + skipped)
    }
}

/// Where the colon of a tag stands.
fn tag_end(line: &[u8], at: usize, may_have_spaces: bool) -> Option<usize> {
    let rest = line.get(at..line.len().min(at + TAG_BYTES_MAX))?;
    let is_end = |n: usize| matches!(rest.get(n + 1), None | Some(b' ' | b'\t'));
    let colon = (0..rest.len()).find(|&n| {
        let byte = rest.get(n);
        (byte == Some(&b':') && is_end(n)) || (byte == Some(&b' ') && !may_have_spaces)
    })?;
    let text = rest.get(..colon)?;
    let spaces = text.iter().filter(|b| **b == b' ').count();
    let is_closed = text.ends_with(b"]") || text.ends_with(b")");
    let is_tag = rest.get(colon) == Some(&b':')
        && !text.is_empty()
        && (spaces == 0 || (spaces <= 3 && is_closed && text.contains(&b'[')));
    is_tag.then_some(at + colon)
}

fn dash_start(line: &[u8], at: usize) -> Option<usize> {
    let rest = line.get(at..line.len().min(at + TAG_BYTES_MAX))?;
    let dash = rest.windows(3).position(|three| three == b" - ")?;
    (rest.get(..dash)?.iter().filter(|b| **b == b' ').count() <= 3).then_some(at + dash)
}

fn pipe_end(line: &[u8], at: usize, count: usize) -> Option<usize> {
    let mut end = at + usize::from(line.get(at) == Some(&b'|'));
    for _ in 0..count {
        end += line.get(end..)?.iter().position(|b| *b == b'|')? + 1;
    }
    Some(end)
}

/// The fields of the lines that have a time at the same place.
struct Sample<'a> {
    lines: Vec<(&'a [u8], Vec<Field>)>,
}

impl<'a> Sample<'a> {
    fn new(lines: &[&'a [u8]]) -> Option<Self> {
        let mut places = [0_usize; GAP_MAX + 1];
        let mut found = Vec::new();
        for line in lines {
            let fields = fields(line);
            let is_time = |field: &Field| field.kind == FieldKind::Time;
            let is_level = |field: &Field| field.kind == FieldKind::Level;
            let place = fields
                .iter()
                .position(is_time)
                .or_else(|| fields.first().filter(|field| is_level(field)).map(|_| 0));
            let Some(place) = place else { continue };
            let Some(count) = places.get_mut(place) else { continue };
            *count += 1;
            found.push((place, *line, fields));
        }
        let (usual, &count) =
            places.iter().enumerate().max_by_key(|(n, count)| (**count, 99 - n))?;
        if count == 0 || percent(count, lines.len()) < HEADED_PERCENT {
            return None;
        }
        found.retain(|(place, ..)| *place == usual);
        Some(Self { lines: found.into_iter().map(|(_, line, fields)| (line, fields)).collect() })
    }

    /// The share of lines, in percent, whose field at a place is of a kind.
    fn share(&self, place: usize, kind: FieldKind) -> usize {
        self.share_of(|_, fields| fields.get(place).is_some_and(|field| field.kind == kind))
    }

    fn share_of(&self, is: impl Fn(&[u8], &[Field]) -> bool) -> usize {
        percent(self.lines.iter().filter(|(line, list)| is(line, list)).count(), self.lines.len())
    }

    fn shape(&self) -> Shape {
        let mut kinds: Vec<Option<FieldKind>> = Vec::new();
        let mut has_level = false;
        for place in 0..FIELDS_MAX {
            if place > kinds.len() + GAP_MAX || has_level {
                break;
            }
            let anchor = [FieldKind::Time, FieldKind::Level]
                .into_iter()
                .find(|kind| self.share(place, *kind) >= AGREED_PERCENT);
            if let Some(anchor) = anchor {
                kinds.resize(place, None);
                kinds.push(Some(anchor));
                has_level = anchor == FieldKind::Level;
            }
        }
        if kinds.is_empty() {
            return Shape::Bare;
        }
        if let Some(tail) = self.pipes(kinds.len()) {
            return Shape::Fields { kinds, tail };
        }
        self.add_constant_fields(&mut kinds, has_level);
        let tail = self.tail(&mut kinds, has_level);
        Shape::Fields { kinds, tail }
    }

    /// Adds the numbers, brackets, hyphens and loggers behind the last time or level.
    fn add_constant_fields(&self, kinds: &mut Vec<Option<FieldKind>>, has_level: bool) {
        for _ in 0..KINDS {
            let place = kinds.len();
            let is = |kind| self.share(place, kind) >= AGREED_PERCENT;
            let adds = is(FieldKind::Number)
                || is(FieldKind::Dash)
                || is(FieldKind::Bracket)
                || (has_level && is(FieldKind::Dotted));
            if !adds {
                return;
            }
            kinds.push(None);
        }
    }

    fn tail(&self, kinds: &mut Vec<Option<FieldKind>>, has_level: bool) -> Tail {
        let place = kinds.len();
        let starts = |line: &[u8], fields: &[Field]| -> Option<usize> {
            let before = place.checked_sub(1)?;
            fields.get(before).map(|field| field.next.min(line.len()))
        };
        let has = |of: fn(&[u8], usize) -> bool| {
            self.share_of(|line, fields| starts(line, fields).is_some_and(|at| of(line, at)))
        };
        let tag = self.share(place, FieldKind::Tag);
        if has_level && tag >= TAG_PERCENT {
            return Tail::Tag;
        }
        if has(|line, at| dash_start(line, at).is_some()) >= AGREED_PERCENT {
            return Tail::Dash;
        }
        if !has_level {
            let after_host = self.share(place + 1, FieldKind::Tag);
            if after_host >= HOST_TAG_PERCENT && after_host > tag {
                kinds.push(None);
                return Tail::Program;
            }
            if tag >= HOST_TAG_PERCENT {
                return Tail::Program;
            }
        }
        let is_column = |_: &[u8], fields: &[Field]| {
            fields.get(place).is_some_and(|field| {
                field.is_aligned() && matches!(field.kind, FieldKind::Word | FieldKind::Dotted)
            })
        };
        if has_level && self.share_of(is_column) >= AGREED_PERCENT {
            kinds.push(None);
        }
        Tail::Nothing
    }

    /// How many fields with a `|` behind them follow, when that is how fields are kept apart.
    fn pipes(&self, n_fields: usize) -> Option<Tail> {
        let at = |fields: &[Field]| Some(fields.get(n_fields.checked_sub(1)?)?.next);
        let begins =
            self.share_of(|line, fields| at(fields).is_some_and(|at| line.get(at) == Some(&b'|')));
        if begins < AGREED_PERCENT {
            return None;
        }
        let is_single = |nth: usize| {
            self.share_of(|line, fields| {
                let rest = at(fields).and_then(|at| line.get(at + 1..)).unwrap_or_default();
                let mut parts = rest.split(|b| *b == b'|');
                let part = parts.nth(nth).unwrap_or(b" ").trim_ascii();
                !part.contains(&b' ') && parts.next().is_some()
            }) >= AGREED_PERCENT
        };
        Some(Tail::Pipes((0..3).take_while(|nth| is_single(*nth)).count()))
    }
}

fn fields(line: &[u8]) -> Vec<Field> {
    let mut at = line.iter().take_while(|b| **b == b' ').count();
    let mut fields = Vec::new();
    while fields.len() < FIELDS_MAX
        && let Some(field) = field(line, at)
    {
        at = field.next;
        fields.push(field);
    }
    fields
}

#[cfg(test)]
mod tests;
