//! The text of templates: what the rows of a group have in common.

use std::ops::Range;

use crate::log::intern::{HashKeyed, Words};
use crate::log::miner::Shape;
use crate::log::row::{Item, Row, Said, Symbol};
use crate::log::template::{Part, Template, Templates};
use crate::log::vocabulary;

/// Writes down the template of every group; groups that read the same are one template.
pub(crate) fn templates(
    groups: Vec<Vec<usize>>,
    rows: &[Row],
    shapes: &[Shape],
    words: &Words,
) -> Templates {
    let mut found = Templates::default();
    let mut known = HashKeyed::<usize>::default();
    for group in groups {
        let members: Vec<Member<'_>> =
            group.iter().filter_map(|&n| Member::new(rows.get(n)?, shapes)).collect();
        let n_lines = members.iter().map(|member| member.shape.n_lines).sum();
        let template = Template::new(&Writer::new(words).write(&members), n_lines);
        let place = *known.entry(template.id.0).or_insert(found.templates.len());
        match found.templates.get_mut(place) {
            Some(same) => same.n_lines += n_lines,
            None => found.templates.push(template),
        }
        for member in &members {
            found.of.insert(member.shape.id.0, place);
        }
    }
    found
}

/// A row of the group with its symbols.
struct Member<'a> {
    shape: &'a Shape,
    row: &'a Row,
}

impl<'a> Member<'a> {
    fn new(row: &'a Row, shapes: &'a [Shape]) -> Option<Self> {
        Some(Self { shape: shapes.get(row.shape)?, row })
    }

    fn said(&self, range: Range<usize>) -> &'a [Symbol] {
        self.shape.symbols.get(range).unwrap_or_default()
    }

    /// Whether the value at a symbol was seen to vary.
    fn is_varied(&self, at: usize) -> bool {
        let is_value = |symbol: &&Symbol| matches!(symbol.said(), Said::Value(_));
        let nth = self.said(0..at).iter().filter(is_value).count();
        nth >= 64 || self.shape.varied >> nth & 1 == 1
    }
}

struct Writer<'a> {
    words: &'a Words,
    parts: Vec<Part<String>>,
    text: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(words: &'a Words) -> Self {
        Self { words, parts: Vec::new(), text: Vec::new() }
    }

    fn write(mut self, members: &[Member<'_>]) -> Vec<Part<String>> {
        let whole: Vec<Range<usize>> =
            members.iter().map(|member| 0..member.shape.symbols.len()).collect();
        if !self.write_alike(members, &whole) {
            self.write_units(members);
        }
        self.finish()
    }

    /// Writes what stands at a range of each member if it has the same pieces everywhere.
    fn write_alike(&mut self, members: &[Member<'_>], ranges: &[Range<usize>]) -> bool {
        let said =
            |n: usize| -> Option<&[Symbol]> { Some(members.get(n)?.said(ranges.get(n)?.clone())) };
        let Some(first) = said(0) else { return true };
        let alike = (1..members.len())
            .filter_map(said)
            .all(|other| other.len() == first.len() && is_alike(first, other));
        if !alike {
            return false;
        }
        for at in 0..first.len() {
            let column = members.iter().zip(ranges).filter_map(|(member, range)| {
                Some((member, range.start + at, *member.said(range.clone()).get(at)?))
            });
            self.write_column(column);
        }
        true
    }

    fn write_column<'m>(
        &mut self,
        mut column: impl Iterator<Item = (&'m Member<'m>, usize, Symbol)>,
    ) {
        let Some((member, at, symbol)) = column.next() else { return };
        match symbol.said() {
            Said::Space => self.text.push(b' '),
            Said::Mark(byte) => self.text.push(byte),
            Said::Word(id) => {
                let text = self.words.text_of(id);
                let is_value = vocabulary::is_value_word(text);
                if !is_value && column.all(|(_, _, other)| other == symbol) {
                    self.text.extend_from_slice(text);
                } else {
                    self.open();
                }
            }
            Said::Value(None) => self.open(),
            Said::Value(Some(id)) => {
                let mut n_lines = member.shape.n_lines;
                let is_constant = !member.is_varied(at)
                    && column.all(|(member, at, other)| {
                        n_lines += member.shape.n_lines;
                        other == symbol && !member.is_varied(at)
                    });
                if is_constant && n_lines > 1 {
                    self.text.extend_from_slice(self.words.text_of(id));
                } else {
                    self.open();
                }
            }
        }
    }

    /// Writes place by place where the pieces differ.
    fn write_units(&mut self, members: &[Member<'_>]) {
        let mut units: Vec<Vec<(Item, Range<usize>)>> =
            members.iter().map(|member| member.row.units(false)).collect();
        if units.iter().any(|list| Some(list.len()) != units.first().map(Vec::len)) {
            units = members.iter().map(|member| member.row.units(true)).collect();
        }
        let n_units = units.iter().map(Vec::len).min().unwrap_or(0);
        let mut starts = vec![0; members.len()];
        for n in 0..n_units {
            let here: Vec<(Item, Range<usize>)> =
                units.iter().filter_map(|list| list.get(n).cloned()).collect();
            let gaps: Vec<Range<usize>> =
                starts.iter().zip(&here).map(|(&start, (_, range))| start..range.start).collect();
            self.write_gap(members, &gaps);
            let ranges: Vec<Range<usize>> = here.iter().map(|(_, range)| range.clone()).collect();
            if !self.write_alike(members, &ranges) {
                if here.first().is_some_and(|(item, _)| *item == Item::Assigned) {
                    self.text.push(b'=');
                }
                self.open();
            }
            starts = ranges.iter().map(|range| range.end).collect();
        }
        let ends = members.iter().map(|member| member.shape.symbols.len());
        let gaps: Vec<Range<usize>> =
            starts.into_iter().zip(ends).map(|(start, end)| start..end).collect();
        self.write_gap(members, &gaps);
    }

    fn write_gap(&mut self, members: &[Member<'_>], gaps: &[Range<usize>]) {
        if self.write_alike(members, gaps) {
            return;
        }
        let mut all = members.iter().zip(gaps).map(|(member, gap)| member.said(gap.clone()));
        if all.any(|said| said.iter().any(|symbol| symbol.said() == Said::Space)) {
            self.text.push(b' ');
        }
    }

    fn open(&mut self) {
        if self.text.is_empty() && self.parts.last() == Some(&Part::Open) {
            return;
        }
        self.flush();
        self.parts.push(Part::Open);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = String::from_utf8_lossy(&self.text).into_owned();
            self.parts.push(Part::Text(text));
            self.text.clear();
        }
    }

    /// The parts; parameters with nothing but joints between are one (`10.0.0.1:80`, `a#b`).
    fn finish(mut self) -> Vec<Part<String>> {
        self.flush();
        let mut parts: Vec<Part<String>> = Vec::with_capacity(self.parts.len());
        for part in self.parts {
            let is_joint = |part: &Part<String>| match part {
                Part::Text(text) => {
                    text.bytes().all(|b| matches!(b, b':' | b'/' | b'.' | b'#' | b'@'))
                }
                Part::Open => false,
            };
            let before = parts.len().checked_sub(2).and_then(|n| parts.get(n));
            if part == Part::Open
                && before == Some(&Part::Open)
                && parts.last().is_some_and(is_joint)
            {
                parts.pop();
            } else {
                parts.push(part);
            }
        }
        parts
    }
}

fn is_alike(a: &[Symbol], b: &[Symbol]) -> bool {
    a.iter().zip(b).all(|(a, b)| match (a.said(), b.said()) {
        (Said::Word(_) | Said::Value(_), Said::Word(_) | Said::Value(_)) => true,
        (a, b) => a == b,
    })
}
