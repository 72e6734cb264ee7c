//! Typed reading of one object, key by key.
//!
//! Asking for a key declares it: what nobody asked for is unknown, and the nearest declared key is
//! suggested.  So there is no second list of keys that could disagree with the reading.

use std::ops::RangeInclusive;

use nightcrew_model::unit::Millis;

use crate::nearest::nearest;
use crate::problem::{Place, Report, Severity};
use crate::tree::{At, Value};

/// The units that a key of a duration ends with, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("_ms", 1),
    ("_seconds", 1_000),
    ("_minutes", 60_000),
    ("_hours", 3_600_000),
    ("_days", 86_400_000),
];

/// The largest number of entries of one list, or of one object whose keys are names.
pub(crate) const ITEMS_MAX: usize = 1_000;

/// An object that is being read.
pub(crate) struct Fields<'a> {
    at: At<'a>,
    declared: Vec<String>,
    /// Declared keys that hints do not list.
    unlisted: Vec<&'static str>,
    /// The names of durations, without unit.
    durations: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens an object; anything else is an error, which is noted.
    pub(crate) fn open(at: &At<'a>, what: &str, report: &mut Report) -> Option<Self> {
        if at.node.object().is_none() {
            report.expected(at, what);
            return None;
        }
        Some(Self {
            at: at.clone(),
            declared: Vec::new(),
            unlisted: Vec::new(),
            durations: Vec::new(),
        })
    }

    /// The object itself.
    pub(crate) fn at(&self) -> &At<'a> {
        &self.at
    }

    /// The value of a key, if it is there.
    pub(crate) fn take(&mut self, key: &str) -> Option<At<'a>> {
        if !self.declared.iter().any(|declared| declared == key) {
            self.declared.push(key.to_owned());
        }
        self.at.get(key)
    }

    /// The value of a key that hints do not list.
    pub(crate) fn take_unlisted(&mut self, key: &'static str) -> Option<At<'a>> {
        self.unlisted.push(key);
        self.take(key)
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &str, report: &mut Report) -> Option<&'a str> {
        let at = self.take(key)?;
        text(&at, report)
    }

    /// A truth value.
    pub(crate) fn boolean(&mut self, key: &str, report: &mut Report) -> Option<bool> {
        let at = self.take(key)?;
        match &at.node.value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) if text.from_env && text.text == "true" => Some(true),
            Value::Text(text) if text.from_env && text.text == "false" => Some(false),
            _ => {
                report.expected(&at, "true or false");
                None
            }
        }
    }

    /// A number.
    pub(crate) fn number(&mut self, key: &str, report: &mut Report) -> Option<f64> {
        let at = self.take(key)?;
        let number = as_number(&at);
        if number.is_none() {
            report.expected(&at, "a number");
        }
        number
    }

    /// A whole number in a range.
    pub(crate) fn integer(
        &mut self,
        key: &str,
        range: RangeInclusive<u32>,
        report: &mut Report,
    ) -> Option<u32> {
        let at = self.take(key)?;
        integer(&at, range, report)
    }

    /// A duration: the key is `name` and its unit, such as `timeout_ms` or `timeout_seconds`.
    pub(crate) fn duration(
        &mut self,
        name: &'static str,
        range: RangeInclusive<Millis>,
        report: &mut Report,
    ) -> Option<Millis> {
        self.durations.push(name);
        let mut found: Option<(At<'a>, u64)> = None;
        for (suffix, factor) in DURATION_UNITS {
            let Some(at) = self.take(&format!("{name}{suffix}")) else {
                continue;
            };
            if let Some((first, _)) = &found {
                report
                    .error(
                        Place::new(at.key_span, at.path.clone()),
                        format!("the same duration is given twice; also as {}", first.path),
                    )
                    .hint("keep one of the two");
                return None;
            }
            found = Some((at, factor));
        }
        let (at, factor) = found?;
        duration(&at, factor, range, report)
    }

    /// Whether a duration is given.
    pub(crate) fn has_duration(&self, name: &str) -> bool {
        DURATION_UNITS.iter().any(|(suffix, _)| self.at.get(&format!("{name}{suffix}")).is_some())
    }

    /// Where a duration is given.
    pub(crate) fn place_of_duration(&self, name: &str) -> Option<Place> {
        let forms = DURATION_UNITS.iter();
        let at = forms.into_iter().find_map(|(suffix, _)| self.at.get(&format!("{name}{suffix}")));
        at.as_ref().map(Place::from)
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.at.get(key).is_some()
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn finish(self, report: &mut Report) {
        self.finish_with(report, |_| Severity::Error);
    }

    /// Notes every key that nobody asked for, as severe as the caller judges it.
    pub(crate) fn finish_with(self, report: &mut Report, judge: impl Fn(&At<'a>) -> Severity) {
        #[cfg(test)]
        crate::schema::tests::note_asked(&self.at.path, &self.declared);
        let entries = self.at.node.object().map(|object| &object.entries);
        for entry in entries.into_iter().flatten() {
            if self.declared.contains(&entry.key) {
                continue;
            }
            let at = self.at.entry(entry);
            let place = Place::new(at.key_span, at.path.clone());
            let report_is_full = report.is_full();
            let found = match judge(&at) {
                Severity::Error => report.error(place, "unknown key"),
                Severity::Warning => report.warning(place, "unknown key; it is ignored"),
            };
            if report_is_full {
                continue;
            }
            if self.durations.contains(&entry.key.as_str()) {
                let key = entry.shown();
                found.hint(format!(
                    "a duration carries its unit: `{key}_ms`, `{key}_seconds`, `{key}_minutes`"
                ));
                continue;
            }
            let declared = self.declared.iter().map(String::as_str);
            match nearest(&entry.key, declared) {
                Some(near) => found.hint(format!("did you mean `{near}`?")),
                None => found.hint(self.listed()),
            }
        }
    }

    /// The declared keys, for a hint.
    fn listed(&self) -> String {
        /// More keys are not listed.
        const LISTED_MAX: usize = 24;
        let keys = self.declared.iter().map(String::as_str);
        let mut known: Vec<&str> = keys.filter(|key| self.is_listed(key)).collect();
        known.sort_unstable();
        let more = known.len().saturating_sub(LISTED_MAX);
        known.truncate(LISTED_MAX);
        match more {
            0 => format!("known are {}", known.join(", ")),
            more => format!("known are {} and {more} more", known.join(", ")),
        }
    }

    /// Of the forms of a duration only the first one is listed, or the one in use.
    fn is_listed(&self, key: &str) -> bool {
        if self.unlisted.contains(&key) {
            return false;
        }
        let is_form = |name: &&&str| {
            DURATION_UNITS.iter().any(|(suffix, _)| key.strip_suffix(suffix) == Some(**name))
        };
        match self.durations.iter().find(is_form) {
            Some(name) => key == format!("{name}_ms"),
            None => true,
        }
    }
}

/// A text.
pub(crate) fn text<'a>(at: &At<'a>, report: &mut Report) -> Option<&'a str> {
    let text = at.node.text();
    match (&at.node.value, text) {
        (_, Some(text)) if !text.trim().is_empty() => Some(text),
        (_, Some(_)) => {
            report.error(at, "expected a text, found an empty one");
            None
        }
        (Value::Number(_) | Value::Bool(_), None) => {
            report.expected(at, "a text").hint("put it into quotes");
            None
        }
        (_, None) => {
            report.expected(at, "a text");
            None
        }
    }
}

/// A list of texts.
pub(crate) fn texts<'a>(at: &At<'a>, report: &mut Report) -> Vec<(At<'a>, &'a str)> {
    items(at, report)
        .into_iter()
        .filter_map(|item| {
            let text = text(&item, report)?;
            Some((item, text))
        })
        .collect()
}

/// The elements of an array.
pub(crate) fn items<'a>(at: &At<'a>, report: &mut Report) -> Vec<At<'a>> {
    match &at.node.value {
        Value::Array(items) if fits(items.len(), at, report) => {
            let items = items.iter().enumerate();
            items.map(|(n, item)| at.item(n, item)).collect()
        }
        Value::Array(_) => Vec::new(),
        _ => {
            report.expected(at, "an array").hint("put it into [ ]");
            Vec::new()
        }
    }
}

/// The keys and values of an object whose keys are names.
pub(crate) fn named<'a>(at: &At<'a>, what: &str, report: &mut Report) -> Vec<(&'a str, At<'a>)> {
    match at.node.object() {
        Some(object) if fits(object.entries.len(), at, report) => {
            let entries = object.entries.iter();
            entries.map(|entry| (entry.key.as_str(), at.entry(entry))).collect()
        }
        Some(_) => Vec::new(),
        None => {
            report.expected(at, what);
            Vec::new()
        }
    }
}

fn fits(length: usize, at: &At<'_>, report: &mut Report) -> bool {
    if length > ITEMS_MAX {
        report.error(at, format!("expected at most {ITEMS_MAX} entries, found {length}"));
    }
    length <= ITEMS_MAX
}

/// A whole number in a range.
pub(crate) fn integer(at: &At<'_>, range: RangeInclusive<u32>, report: &mut Report) -> Option<u32> {
    let number = as_number(at).filter(|number| number.fract() == 0.0);
    let fits = number
        .filter(|number| (f64::from(*range.start())..=f64::from(*range.end())).contains(number));
    match fits {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and lies between two u32"
        )]
        Some(number) => Some(number as u32),
        None => {
            let (low, high) = (range.start(), range.end());
            report.expected(at, &format!("a whole number from {low} to {high}"));
            None
        }
    }
}

/// A duration whose unit is known.
pub(crate) fn duration(
    at: &At<'_>,
    factor: u64,
    range: RangeInclusive<Millis>,
    report: &mut Report,
) -> Option<Millis> {
    let Some(number) = as_number(at) else {
        let found = report.expected(at, "a number; the unit stands in the key");
        if at.node.text().is_some() {
            found.hint("write the number without quotes and without a unit");
        }
        return None;
    };
    let (low, high) = (*range.start(), *range.end());
    #[expect(clippy::cast_precision_loss, reason = "the factors are below 2^53 and exact")]
    let millis = (number * factor as f64).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and the range is checked next"
    )]
    let value = Millis(millis as u64);
    if millis < 0.0 || !range.contains(&value) {
        report.error(at, format!("expected from {low} to {high}, found {number} ({value})"));
        return None;
    }
    Some(value)
}

/// The number that stands here; a text counts if a variable of the environment gave it.
pub(crate) fn as_number(at: &At<'_>) -> Option<f64> {
    match &at.node.value {
        Value::Number(number) => Some(*number),
        Value::Text(text) if text.from_env => {
            text.text.trim().parse().ok().filter(|n: &f64| n.is_finite())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json5;
    use crate::text::Files;

    const DAY: RangeInclusive<Millis> = Millis(1)..=Millis(86_400_000);

    fn problems(text: &str) -> (Vec<Option<Millis>>, Vec<String>) {
        let mut files = Files::default();
        let file = files.add("f".into(), text.to_owned());
        let mut report = Report::default();
        let node = json5::parse(text, file, &files, &mut report).unwrap();
        let root = At::root(&node);
        let mut fields = Fields::open(&root, "an object", &mut report).unwrap();
        let found = vec![
            fields.duration("timeout", DAY, &mut report),
            fields.duration("interval", DAY, &mut report),
        ];
        fields.text("이름", &mut report);
        fields.finish(&mut report);
        let problems = report.into_problems(&files);
        (found, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_have_a_limit() {
        let list = |length: usize| {
            let text = format!("[{}]", "1, ".repeat(length));
            crate::decode::tests::decode_one(&text, |at, cx| items(at, &mut cx.report).len())
        };
        assert_eq!(list(ITEMS_MAX), (ITEMS_MAX, Vec::new()));
        let (length, problems) = list(ITEMS_MAX + 1);
        assert_eq!(length, 0);
        assert_eq!(problems, ["f:1:1: error: expected at most 1000 entries, found 1001"]);
    }

    #[test]
    fn a_duration_is_a_name_and_a_unit() {
        let (found, said) = problems("{ timeout_ms: 1500, interval_minutes: 0.5 }");
        assert_eq!(found, [Some(Millis(1_500)), Some(Millis(30_000))]);
        assert_eq!(said, [""; 0]);
    }

    #[test]
    fn bad_durations_and_unknown_keys_are_told_with_what_was_meant() {
        let (_, said) = problems(
            "{ timeout: 5, interval_ms: 1, interval_seconds: 1, timeout_ms: '5s', 이룸: 'x', zzz: 1 }",
        );
        assert_eq!(
            said,
            [
                "f:1:3: error: timeout: unknown key (a duration carries its unit: `timeout_ms`, \
                 `timeout_seconds`, `timeout_minutes`)",
                "f:1:31: error: interval_seconds: the same duration is given twice; also as \
                 interval_ms (keep one of the two)",
                "f:1:64: error: timeout_ms: expected a number; the unit stands in the key, found \
                 \"5s\" (write the number without quotes and without a unit)",
                "f:1:70: error: 이룸: unknown key (known are interval_ms, timeout_ms, 이름)",
                "f:1:79: error: zzz: unknown key (known are interval_ms, timeout_ms, 이름)",
            ]
        );
        let (_, said) = problems("{ timeout_ms: 0, interval_days: 2, 이름: 5 }");
        assert_eq!(
            said,
            [
                "f:1:15: error: timeout_ms: expected from 1 ms to 24 h, found 0 (0 ms)",
                "f:1:33: error: interval_days: expected from 1 ms to 24 h, found 2 (48 h)",
                "f:1:40: error: 이름: expected a text, found 5 (put it into quotes)",
            ]
        );
    }
}
