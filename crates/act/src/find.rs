//! The grammar of `find`, which has an expression language instead of flags.
//!
//! Only this is known: folders first, then tests that all must hold, then at most one action, last.
//! No operators, no options that follow links, no action that starts a program or writes a file.
//! Removal needs an age, so that nothing in use goes, and only ever removes regular files.

use nightcrew_model::argv::Word;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;

use crate::files::Files;
use crate::pattern::Pattern;
use crate::roots::{CleanPath, CleanRoots, GLOB_MATCHES_MAX};
use crate::sweep::Filter;
use crate::values::digits;

/// The largest number of starting folders, after expansion.
pub(crate) const STARTS_MAX: usize = GLOB_MATCHES_MAX;

/// The smallest age in days that removal may ask for.
const DELETE_DAYS_MIN: u64 = 1;

/// The smallest age in minutes that removal may ask for.
const DELETE_MINUTES_MIN: u64 = 60;

/// The largest depth that may be named.
const DEPTH_NAMED_MAX: u64 = 64;

const DAY: u64 = 86_400;

/// What a `find` command line asks for.
#[derive(Debug)]
pub(crate) struct Find {
    pub(crate) argv: Vec<String>,
    pub(crate) starts: Vec<CleanPath>,
    /// What is removed; none: names are only printed.
    pub(crate) delete: Option<Filter>,
}

/// Why a `find` command line is not known.
#[derive(Debug)]
pub(crate) struct NotFind {
    pub(crate) rule: &'static str,
    pub(crate) class: RiskClass,
    pub(crate) reason: String,
}

/// The action that ends an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Print,
    Delete,
}

struct Reader<'a> {
    words: std::iter::Peekable<std::slice::Iter<'a, Word>>,
    argv: Vec<String>,
    seen: Vec<&'a str>,
    filter: Filter,
    is_file: bool,
    /// Whether an age was asked for that is enough for removal.
    is_old: bool,
    act: Option<Act>,
}

/// Reads the words of a command line, the program first.
pub(crate) fn read(words: &[Word], roots: &CleanRoots, files: &Files) -> Result<Find, NotFind> {
    let deletes = words.iter().any(|word| word.as_str() == "-delete");
    let mut reader = Reader {
        words: words.iter().peekable(),
        argv: Vec::new(),
        seen: Vec::new(),
        filter: Filter::default(),
        is_file: false,
        is_old: false,
        act: None,
    };
    let result = reader.starts(roots, files).and_then(|starts| {
        reader.expression()?;
        Ok(starts)
    });
    match result {
        Ok(starts) => Ok(Find {
            argv: reader.argv,
            starts,
            delete: (reader.act == Some(Act::Delete)).then_some(reader.filter),
        }),
        Err(reason) => Err(NotFind {
            rule: if deletes { "find.delete" } else { "find.print" },
            // What is not understood is not called harmless.
            class: RiskClass::Destructive,
            reason,
        }),
    }
}

impl<'a> Reader<'a> {
    fn starts(&mut self, roots: &CleanRoots, files: &Files) -> Result<Vec<CleanPath>, String> {
        if let Some(program) = self.words.next() {
            self.argv.push(program.as_str().to_owned());
        }
        let mut starts = Vec::new();
        while let Some(word) = self.words.next_if(|word| !word.as_str().starts_with('-')) {
            match word {
                Word::Literal(text) => {
                    starts.push(roots.check(text, files).map_err(|why| why.to_string())?);
                    self.argv.push(text.clone());
                }
                Word::Glob(glob) => {
                    for path in roots.expand(glob, files).map_err(|why| why.to_string())? {
                        self.argv.push(path.written.display().to_string());
                        starts.push(path);
                    }
                }
            }
            if starts.len() > STARTS_MAX {
                return Err(format!("find takes at most {STARTS_MAX} folders"));
            }
        }
        if starts.is_empty() {
            return Err("find needs its folders first, before any test".to_owned());
        }
        Ok(starts)
    }

    fn expression(&mut self) -> Result<(), String> {
        while let Some(word) = self.words.next() {
            let Word::Literal(test) = word else {
                return Err(format!("`{}` must be quoted", word.as_str()));
            };
            if let Some(act) = self.act {
                let act = if act == Act::Delete { "-delete" } else { "-print" };
                return Err(format!("`{test}` stands after {act}, which must be last"));
            }
            if self.seen.contains(&test.as_str()) {
                return Err(format!("`{test}` is given twice"));
            }
            self.seen.push(test);
            self.argv.push(test.clone());
            self.test(test)?;
        }
        if self.act == Some(Act::Delete) {
            if !self.is_file {
                // Nothing but regular files is ever removed, so what would run says so.
                let delete = self.argv.len().saturating_sub(1);
                self.argv.splice(delete..delete, ["-type".to_owned(), "f".to_owned()]);
            }
            if !self.is_old {
                return Err(format!(
                    "find -delete needs an age: -mtime +N with N of at least {DELETE_DAYS_MIN}, or \
                     -mmin +N with N of at least {DELETE_MINUTES_MIN}"
                ));
            }
        }
        Ok(())
    }

    fn test(&mut self, test: &str) -> Result<(), String> {
        // `find` counts whole days and drops the rest: `+7` is 8 days or more.
        let days = |number: u64| Millis::from_secs(number.saturating_add(1).saturating_mul(DAY));
        match test {
            "-print" => self.act = Some(Act::Print),
            "-delete" => self.act = Some(Act::Delete),
            "-type" => {
                let kind = self.value(test)?;
                if kind != "f" {
                    return Err(format!("`-type {kind}` is not known; only -type f is"));
                }
                self.is_file = true;
            }
            "-name" | "-iname" => {
                if self.filter.name.is_some() {
                    return Err("only one of -name and -iname may stand".to_owned());
                }
                let pattern = Pattern::parse(self.value(test)?, test == "-iname");
                self.filter.name = Some(pattern.map_err(|why| why.to_string())?);
            }
            "-mtime" => {
                let number = self.more_than(test)?;
                self.is_old |= number >= DELETE_DAYS_MIN;
                self.unmodified_for(days(number));
            }
            "-mmin" => {
                let number = self.more_than(test)?;
                self.is_old |= number >= DELETE_MINUTES_MIN;
                self.unmodified_for(Millis::from_secs(number.saturating_mul(60)));
            }
            "-atime" => self.filter.unread_for = Some(days(self.more_than(test)?)),
            "-ctime" => self.filter.unchanged_for = Some(days(self.more_than(test)?)),
            "-size" => self.filter.larger_than = Some(size(self.value(test)?)?),
            "-maxdepth" => self.filter.depth_max = Some(self.depth(test)?),
            "-mindepth" => self.filter.depth_min = self.depth(test)?,
            "-empty" => self.filter.is_empty = true,
            // The walk never leaves its file system.
            "-xdev" => {}
            other => {
                return Err(format!(
                    "`{other}` is not known; known: -type f, -name, -iname, -mtime, -mmin, -atime, \
                     -ctime, -size, -maxdepth, -mindepth, -xdev, -empty, -delete, -print"
                ));
            }
        }
        Ok(())
    }

    fn unmodified_for(&mut self, span: Millis) {
        self.filter.unmodified_for = self.filter.unmodified_for.max(Some(span));
    }

    fn value(&mut self, test: &str) -> Result<&'a str, String> {
        match self.words.next() {
            Some(Word::Literal(value)) => {
                self.argv.push(value.clone());
                Ok(value)
            }
            Some(Word::Glob(glob)) => Err(format!("quote the pattern of `{test}`: '{glob}'")),
            None => Err(format!("`{test}` needs a value")),
        }
    }

    /// The number of `+N`.
    fn more_than(&mut self, test: &str) -> Result<u64, String> {
        let text = self.value(test)?;
        text.strip_prefix('+').and_then(digits).ok_or_else(|| {
            format!("`{test} {text}` is not known; only `{test} +N` (more than N) is")
        })
    }

    fn depth(&mut self, test: &str) -> Result<usize, String> {
        let text = self.value(test)?;
        digits(text)
            .filter(|depth| *depth <= DEPTH_NAMED_MAX)
            .and_then(|depth| usize::try_from(depth).ok())
            .ok_or_else(|| format!("`{test} {text}` is not a depth from 0 to {DEPTH_NAMED_MAX}"))
    }
}

/// The bytes of `+N`, `+Nk`, `+NM` or `+NG`; a number without a sign counts blocks of 512 bytes.
fn size(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix('+').and_then(|rest| {
        let units = [('k', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];
        let unit =
            units.into_iter().find_map(|(sign, bytes)| Some((rest.strip_suffix(sign)?, bytes)));
        let (number, bytes): (&str, u64) = unit.unwrap_or((rest, 512));
        digits(number)?.checked_mul(bytes)
    });
    number.ok_or_else(|| format!("`-size {text}` is not known; only +N, +Nk, +NM and +NG are"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use nightcrew_model::argv::Argv;

    use super::*;
    use crate::files::{Entry, Kind};

    fn reading(line: &str) -> Result<Find, NotFind> {
        let files = Files::Fixed([(PathBuf::from("/tmp"), Entry::of_root(Kind::Folder))].into());
        let roots = CleanRoots::new(&[PathBuf::from("/tmp")], &files);
        read(&Argv::parse(line).unwrap().0, &roots, &files)
    }

    #[test]
    fn ages_and_sizes_mean_what_find_means() {
        let find =
            reading("find /tmp -type f -mtime +7 -size +10M -mindepth 1 -maxdepth 3 -delete");
        let filter = find.unwrap().delete.unwrap();
        assert_eq!(filter.unmodified_for, Some(Millis::from_secs(8 * DAY)));
        assert_eq!(filter.larger_than, Some(10 << 20));
        assert_eq!((filter.depth_min, filter.depth_max), (1, Some(3)));
        let find = reading("find /tmp -type f -mmin +90 -mtime +0 -delete").unwrap();
        assert_eq!(find.delete.unwrap().unmodified_for, Some(Millis::from_secs(DAY)));
        assert!(reading("find /tmp -name '*보고서*'").unwrap().delete.is_none());
    }

    #[test]
    fn removal_needs_regular_files_an_age_and_the_last_place() {
        for (line, why) in [
            ("find /tmp -type f -delete", "needs an age"),
            ("find /tmp -type f -mtime +0 -delete", "needs an age"),
            ("find /tmp -type f -mmin +59 -delete", "needs an age"),
            ("find /tmp -type f -atime +30 -delete", "needs an age"),
            ("find /tmp -type f -delete -mtime +7", "must be last"),
            ("find /tmp -type f -mtime 7 -delete", "only `-mtime +N`"),
            ("find /tmp -type f -mtime -7 -delete", "only `-mtime +N`"),
            ("find -type f -mtime +7 -delete", "folders first"),
            ("find /tmp -type f -mtime +7 /tmp/x -delete", "`/tmp/x` is not known"),
            ("find /tmp -type f -mtime +7 -name *.log -delete", "quote the pattern"),
            ("find /tmp -type f -mtime +1 -mtime +7 -delete", "given twice"),
            ("find /tmp -type f -mtime", "needs a value"),
        ] {
            let refused = reading(line).unwrap_err();
            assert!(refused.reason.contains(why), "{line}: {}", refused.reason);
        }
    }
}
