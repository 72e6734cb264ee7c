//! Which shapes have one template.
//!
//! Rows with the same vocabulary in the same places are taken together; there it is judged, place
//! by place, whether the words that are not vocabulary vary freely (names) or tell messages apart
//! (jargon): by how many there are, how often each occurs, what stands before, and how much else
//! the rows have in common.  Then groups that differ in one word of the vocabulary, or in the
//! length of a name, are looked at again.

use std::collections::{HashMap, HashSet};

use crate::log::intern::{HashKeyed, WordId, Words, hash_of};
use crate::log::miner::Shape;
use crate::log::row::{Item, Row};
use crate::log::template::Templates;
use crate::log::{render, vocabulary};

/// From how many different words on a place is open without any other sign.
const NAMES_MIN: usize = 3;

/// The same when all the words are of the vocabulary.
const VOCABULARY_MIN: usize = 12;

/// From how many different words on a tag before a colon is open.
const TAGS_MIN: usize = 8;

/// In how many families words must take the place of each other to be names in all of them.
const COMPANIONS_MIN: u32 = 3;

/// How many words of a place are looked at for that.
const COMPARED_WORDS_MAX: usize = 4;

/// How often each of two words must occur to be jargon that tells messages apart.
const JARGON_LINES_MIN: u64 = 20;

/// How much two rows must have in common to be one template, in halves of a word.
const COMMON_MIN: usize = 4;

/// The same where names of different length are compared.
const COMMON_LONG_MIN: usize = 6;

/// What stands around an open place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    /// A word such as `user` stands before.
    NameGiving,
    /// A word such as `from` stands before.
    Preposition,
    /// `=` follows.
    Key,
    /// It begins the message and a colon or a bracket follows, or it is the name of a function.
    Tag,
    /// Anything else.
    Plain,
}

/// The templates of some shapes.
pub(crate) fn templates(shapes: &[Shape], words: &Words) -> Templates {
    let mut rows: Vec<Row> = shapes
        .iter()
        .enumerate()
        .map(|(n, shape)| Row::new(n, shape.n_lines, &shape.symbols, words))
        .collect();
    let mut sets = Sets::default();
    let families = by_key(rows.iter().map(|row| row.key(false)));
    let companions = companions(&families, &rows);
    for alike in families {
        let Some(first) = alike.first().and_then(|&n| rows.get(n)) else { continue };
        let layout = Layout::new(first, words, &companions);
        split(alike, &rows, &layout, words, &mut sets);
    }
    sets.join_families(&rows, words);
    sets.join_lengths(&rows, words);
    let groups = sets.groups();
    // A group of one row is written from its shape: its places are memory for the text.
    for alone in groups.iter().filter(|group| group.len() == 1) {
        if let Some(row) = alone.first().and_then(|&n| rows.get_mut(n)) {
            row.places = Vec::new();
        }
    }
    render::templates(groups, &rows, shapes, words)
}

/// Places of equal keys, in the order of their first.
fn by_key(keys: impl Iterator<Item = u64>) -> Vec<Vec<usize>> {
    let mut places = HashKeyed::<usize>::default();
    let mut found: Vec<Vec<usize>> = Vec::new();
    for (n, key) in keys.enumerate() {
        let place = *places.entry(key).or_insert(found.len());
        match found.get_mut(place) {
            Some(list) => list.push(n),
            None => found.push(vec![n]),
        }
    }
    found
}

/// How many families have two words in one place.
type Companions = HashMap<(WordId, WordId), u32>;

fn companions(families: &[Vec<usize>], rows: &[Row]) -> Companions {
    let mut companions = Companions::default();
    for alike in families.iter().filter(|alike| alike.len() > 1) {
        let n_open = alike.first().and_then(|&n| rows.get(n)).map_or(0, |row| row.open().count());
        for seen in seen(alike, rows, n_open) {
            for pair in seen.pairs() {
                *companions.entry(pair).or_default() += 1;
            }
        }
    }
    companions
}

/// What rows with the same key have in common.
#[derive(Debug)]
struct Layout<'a> {
    companions: &'a Companions,
    /// Of every open place.
    contexts: Vec<Context>,
    /// How much is constant, in halves of a word.
    common: usize,
}

impl<'a> Layout<'a> {
    fn new(row: &Row, words: &Words, companions: &'a Companions) -> Self {
        let items: Vec<Item> = row.items().collect();
        let contexts = items
            .iter()
            .enumerate()
            .filter(|(_, item)| matches!(item, Item::Open(_)))
            .map(|(n, _)| context(&items, n, words))
            .collect();
        Self { companions, contexts, common: common(row, words) }
    }
}

fn context(items: &[Item], n: usize, words: &Words) -> Context {
    let before = n.checked_sub(1).and_then(|n| items.get(n));
    if items.get(n + 1) == Some(&Item::Assigned) {
        return Context::Key;
    }
    if let Some(Item::Constant(id)) = before {
        let word = words.text_of(*id);
        if vocabulary::is_name_giving(word) {
            return Context::NameGiving;
        }
        if vocabulary::is_preposition(word) {
            return Context::Preposition;
        }
    }
    let is_function = matches!(items.first(), Some(Item::Open(Some(id)))
        if is_identifier(words.text_of(*id)));
    let is_marked = matches!(items.get(1), Some(Item::Mark(b':' | b'(' | b'[')));
    let is_tag = n == 0 && (is_marked || is_function);
    if is_tag { Context::Tag } else { Context::Plain }
}

/// Whether a word is written as names of things are: with a hyphen or a dot inside, or capitals
/// in the middle.
fn is_name(word: &[u8]) -> bool {
    let inner = word.get(1..word.len().saturating_sub(1)).unwrap_or_default();
    let has_joint = inner.iter().any(|b| matches!(b, b'-' | b'.' | b'@'));
    let begins_large = word.first().is_some_and(u8::is_ascii_uppercase);
    let is_mixed =
        inner.iter().any(u8::is_ascii_uppercase) && inner.iter().any(u8::is_ascii_lowercase);
    has_joint || (begins_large && is_mixed)
}

/// Whether a word is written as programs write the names of functions.
fn is_identifier(word: &[u8]) -> bool {
    let begins_small = word.first().is_some_and(u8::is_ascii_lowercase);
    begins_small && (word.contains(&b'_') || word.iter().any(u8::is_ascii_uppercase))
}

/// How much of a row is constant, in halves of a word: prepositions count half.
fn common(row: &Row, words: &Words) -> usize {
    row.items()
        .map(|item| match item {
            Item::Constant(id) if vocabulary::is_preposition(words.text_of(id)) => 1,
            Item::Constant(_) | Item::Assigned => 2,
            Item::Mark(_) | Item::Open(_) | Item::Minor => 0,
        })
        .sum()
}

/// What was seen at one open place.
#[derive(Debug, Default)]
struct Seen {
    words: HashMap<WordId, u64>,
    has_value: bool,
}

impl Seen {
    fn kinds(&self) -> usize {
        self.words.len() + usize::from(self.has_value)
    }

    /// The first words with the next ones, each two in order.
    fn pairs(&self) -> impl Iterator<Item = (WordId, WordId)> {
        let mut first: Vec<WordId> = self.words.keys().copied().collect();
        first.sort_unstable();
        first.truncate(COMPARED_WORDS_MAX);
        (1..first.len()).filter_map(move |n| Some((*first.get(n - 1)?, *first.get(n)?)))
    }

    /// Whether what stands here varies freely.
    fn is_variable(&self, context: Context, layout: &Layout<'_>, words: &Words) -> bool {
        let common = layout.common;
        if common == 0 {
            return false;
        }
        if self.has_value && common >= 2 {
            return true;
        }
        let all_capitals = self.words.keys().all(|&id| is_capitals(words.text_of(id)));
        let is_shared = |pair| layout.companions.get(&pair).is_some_and(|&n| n >= COMPANIONS_MIN);
        let may_be_names = self.words.len() > 1 && !all_capitals && context != Context::Key;
        if may_be_names && self.pairs().all(is_shared) {
            return true;
        }
        let are_names = self.words.keys().all(|&id| is_name(words.text_of(id)));
        match context {
            Context::NameGiving => true,
            Context::Key => self.words.len() >= TAGS_MIN,
            Context::Tag => {
                let needed = if are_names { NAMES_MIN } else { TAGS_MIN };
                self.words.len() >= needed && common >= COMMON_MIN
            }
            Context::Preposition if !all_capitals => common >= COMMON_MIN - 1,
            Context::Preposition | Context::Plain => {
                if self.words.len() >= NAMES_MIN {
                    return !all_capitals || self.words.len() >= VOCABULARY_MIN;
                }
                let rarest = self.words.values().min().copied().unwrap_or(0);
                let are_rare = rarest < JARGON_LINES_MIN;
                (are_rare || are_names) && !all_capitals && common >= COMMON_MIN
            }
        }
    }
}

fn is_capitals(word: &[u8]) -> bool {
    word.len() > 1 && word.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'-'))
}

/// Splits rows with one key by the places whose words tell messages apart.
fn split(alike: Vec<usize>, rows: &[Row], layout: &Layout<'_>, words: &Words, sets: &mut Sets) {
    let mut waiting = vec![alike];
    while let Some(alike) = waiting.pop() {
        if alike.len() == 1 {
            sets.add(alike, &[]);
            continue;
        }
        let seen = seen(&alike, rows, layout.contexts.len());
        let differing = seen.iter().filter(|seen| seen.kinds() > 1).count();
        let variable: Vec<bool> = seen
            .iter()
            .zip(&layout.contexts)
            .map(|(seen, context)| {
                let enough = seen.has_value || layout.common >= differing;
                seen.kinds() > 1 && enough && seen.is_variable(*context, layout, words)
            })
            .collect();
        let telling = seen.iter().zip(&variable).enumerate();
        let telling = telling.filter(|(_, (seen, variable))| seen.kinds() > 1 && !**variable);
        let Some((place, _)) = telling.min_by_key(|(_, (seen, _))| seen.kinds()) else {
            sets.add(alike, &variable);
            continue;
        };
        let key = |&n: &usize| {
            let word = rows.get(n).and_then(|row| row.open().nth(place)).flatten();
            word.map_or(u64::MAX, |id| u64::from(id.get()))
        };
        let parts = by_key(alike.iter().map(key));
        let part_of = |part: Vec<usize>| -> Vec<usize> {
            part.into_iter().filter_map(|n| alike.get(n).copied()).collect()
        };
        waiting.extend(parts.into_iter().rev().map(part_of));
    }
}

fn seen(alike: &[usize], rows: &[Row], n_open: usize) -> Vec<Seen> {
    let mut seen: Vec<Seen> = (0..n_open).map(|_| Seen::default()).collect();
    for row in alike.iter().filter_map(|&n| rows.get(n)) {
        for (seen, word) in seen.iter_mut().zip(row.open()) {
            match word {
                Some(word) => *seen.words.entry(word).or_default() += row.n_lines,
                None => seen.has_value = true,
            }
        }
    }
    seen
}

/// Rows that have one template, and which of these belong together after all.
#[derive(Debug, Default)]
struct Sets {
    sets: Vec<Set>,
    parent: Vec<usize>,
}

#[derive(Debug)]
struct Set {
    rows: Vec<usize>,
    /// Of every open place, whether it was judged to vary; nothing when none does.
    variable: Vec<bool>,
}

/// What a set has at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Vocabulary(WordId),
    Name(WordId),
    Variable,
    Other,
}

impl Sets {
    fn add(&mut self, rows: Vec<usize>, variable: &[bool]) {
        self.parent.push(self.sets.len());
        let variable = if variable.contains(&true) { variable.to_vec() } else { Vec::new() };
        self.sets.push(Set { rows, variable });
    }

    fn root(&self, mut n: usize) -> usize {
        while let Some(&parent) = self.parent.get(n)
            && parent != n
        {
            n = parent;
        }
        n
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(parent) = self.parent.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    }

    /// The rows that belong together.
    fn groups(mut self) -> Vec<Vec<usize>> {
        let roots = (0..self.sets.len()).map(|n| self.root(n) as u64);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for members in by_key(roots) {
            let mut group = Vec::new();
            for set in members {
                if let Some(set) = self.sets.get_mut(set) {
                    group.append(&mut set.rows);
                }
            }
            group.sort_unstable();
            groups.push(group);
        }
        groups.sort_by_key(|group| group.first().copied());
        groups
    }

    /// What a set has at each of its places.
    fn holds(&self, set: &Set, rows: &[Row]) -> Vec<(Item, Holds)> {
        let Some(first) = set.rows.first().and_then(|&n| rows.get(n)) else { return Vec::new() };
        let mut variable = set.variable.iter();
        let hold = |item| match item {
            Item::Constant(id) => Holds::Vocabulary(id),
            Item::Open(word) => match (word, variable.next()) {
                (Some(word), Some(false) | None) => Holds::Name(word),
                (Some(_), Some(true)) | (None, _) => Holds::Variable,
            },
            Item::Mark(_) | Item::Assigned | Item::Minor => Holds::Other,
        };
        let mut hold = hold;
        first.items().map(|item| (item, hold(item))).collect()
    }

    /// Joins sets that differ in one place only where a name may be a word of the vocabulary too.
    fn join_families(&mut self, rows: &[Row], words: &Words) {
        let length = |set: &Set| set.rows.first().and_then(|&n| rows.get(n)).map_or(0, Row::len);
        let by_length = by_key(self.sets.iter().map(|set| length(set) as u64));
        for sets in by_length {
            let longest = sets.first().and_then(|&n| self.sets.get(n)).map_or(0, length);
            for place in 0..longest {
                self.join_families_at(place, &sets, rows, words);
            }
        }
    }

    fn join_families_at(&mut self, place: usize, sets: &[usize], rows: &[Row], words: &Words) {
        let keys = sets.iter().enumerate().map(|(n, &set)| {
            let holds = self.sets.get(set).map(|set| self.holds(set, rows)).unwrap_or_default();
            // A set without a word there is a family of its own.
            family_key(&holds, place).unwrap_or(n as u64)
        });
        for family in by_key(keys) {
            let family: Vec<usize> = family.iter().filter_map(|&n| sets.get(n).copied()).collect();
            let Some((&first, others)) = family.split_first() else { continue };
            if !others.is_empty() && self.is_one(&family, place, rows, words) {
                for &other in others {
                    self.join(first, other);
                }
            }
        }
    }

    fn is_one(&self, family: &[usize], place: usize, rows: &[Row], words: &Words) -> bool {
        let (mut vocabulary, mut names, mut is_variable) = (0, HashSet::new(), false);
        let mut first_items = None;
        for set in family.iter().filter_map(|&n| self.sets.get(n)) {
            let holds = self.holds(set, rows);
            match holds.get(place) {
                Some((_, Holds::Vocabulary(id))) => {
                    let text = words.text_of(*id);
                    if vocabulary::is_preposition(text) || vocabulary::is_participle(text) {
                        return false;
                    }
                    vocabulary += 1;
                }
                Some((_, Holds::Name(id))) => _ = names.insert(*id),
                Some((_, Holds::Variable)) => {
                    is_variable = true;
                    names.extend(set.rows.iter().filter_map(|&n| rows.get(n)?.word_at(place)));
                }
                Some((_, Holds::Other)) | None => {}
            }
            first_items.get_or_insert((set, holds));
        }
        let Some((set, holds)) = first_items else { return false };
        let items: Vec<Item> = holds.iter().map(|(item, _)| *item).collect();
        let common = set.rows.first().and_then(|&n| rows.get(n)).map_or(0, |r| common(r, words));
        let common = common.saturating_sub(2);
        match context(&items, place, words) {
            Context::NameGiving => vocabulary > 0 && names.len() >= vocabulary,
            Context::Preposition => vocabulary > 0 && is_variable && common >= COMMON_MIN,
            Context::Key | Context::Tag => false,
            Context::Plain => {
                let are_names = is_variable && names.len() >= NAMES_MIN.max(vocabulary);
                (vocabulary > 0 && are_names && common >= COMMON_MIN)
                    || (vocabulary >= VOCABULARY_MIN && common >= COMMON_LONG_MIN)
            }
        }
    }

    /// Joins sets that differ in the length of a name or a list only.
    fn join_lengths(&mut self, rows: &[Row], words: &Words) {
        let first = |set: &Set| set.rows.first().and_then(|&n| rows.get(n));
        let keys = self.sets.iter().map(|set| first(set).map_or(0, |row| row.key(true)));
        for alike in by_key(keys) {
            let found: Vec<(&Set, &Row)> = alike
                .iter()
                .filter_map(|&n| self.sets.get(n))
                .filter_map(|set| Some((set, first(set)?)))
                .collect();
            let varies = |(set, row): &(&Set, &Row)| {
                set.variable.contains(&true) || row.open().any(|word| word.is_none())
            };
            let needed = if found.iter().all(varies) { COMMON_MIN } else { COMMON_LONG_MIN };
            let is_one = found.iter().any(varies)
                && found.iter().all(|(_, row)| common(row, words) >= needed);
            let lengths = found.iter().map(|(_, row)| row.items().count());
            if !is_one || lengths.clone().min() == lengths.max() {
                continue;
            }
            let target = alike.first().copied().unwrap_or(0);
            for other in alike {
                self.join(target, other);
            }
        }
    }
}

/// Equal for sets that have the same everywhere but at `place`; none when no word stands there.
fn family_key(holds: &[(Item, Holds)], place: usize) -> Option<u64> {
    if holds.get(place)?.1 == Holds::Other {
        return None;
    }
    let mut key = Vec::with_capacity(holds.len() * 5);
    for (n, (item, holds)) in holds.iter().enumerate() {
        match holds {
            _ if n == place => key.push(0),
            Holds::Vocabulary(id) | Holds::Name(id) => {
                key.push(1);
                key.extend_from_slice(&id.get().to_le_bytes());
            }
            Holds::Variable => key.push(2),
            Holds::Other => match item {
                Item::Mark(byte) => key.extend_from_slice(&[3, *byte]),
                Item::Assigned | Item::Constant(_) | Item::Open(_) | Item::Minor => key.push(4),
            },
        }
    }
    Some(hash_of(&key))
}
