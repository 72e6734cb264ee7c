//! What is put into the texts of a playbook: the service of the incident, and typed parameters.
//!
//! **Invariant:** what is put in replaces text inside words.  It can never add a word, never change
//! the program, and never make an option of a word.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::id::{ParameterName, ServiceName};

/// Something that a playbook takes from the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// What it may be.
    pub kind: ParameterKind,
    /// The label of the incident's alert that says it; none: only the default does.
    pub label: Option<String>,
    /// What holds where no label says it; none: then the playbook does not apply.
    pub default: Option<String>,
}

/// What a parameter may be.  Nothing of this can begin with a dash, hold white space or a control
/// character, so it can never become an option or another word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ParameterKind {
    /// A whole number.
    Number {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A name: ASCII letters, digits, `_`, `.` and `-`, the first one a letter or digit, 64 at most.
    Name,
    /// One of these.
    OneOf {
        /// Which.
        values: Vec<String>,
    },
    /// An absolute path below a folder, without `.` and `..`.
    Path {
        /// The folder.
        below: PathBuf,
    },
}

/// The longest name that a parameter may be.
const NAME_BYTES_MAX: usize = 64;

/// The longest path that a parameter may be.
const PATH_BYTES_MAX: usize = 1_024;

impl ParameterKind {
    /// Whether a text is of this kind.
    #[must_use]
    pub fn admits(&self, text: &str) -> bool {
        match self {
            Self::Number { min, max } => {
                let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
                digits && text.parse().is_ok_and(|number: u64| (*min..=*max).contains(&number))
            }
            Self::Name => {
                text.len() <= NAME_BYTES_MAX
                    && text.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric())
                    && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.-".contains(&c))
            }
            Self::OneOf { values } => !is_risky(text) && values.iter().any(|value| value == text),
            Self::Path { below } => {
                let path = std::path::Path::new(text);
                let plain = text.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
                !is_risky(text) && text.len() <= PATH_BYTES_MAX && plain && path.starts_with(below)
            }
        }
    }
}

/// Whether a text could be read as an option or as several words.
fn is_risky(text: &str) -> bool {
    text.is_empty()
        || text.starts_with('-')
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// What placeholders stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Bindings {
    /// The service of the incident.
    pub service: ServiceName,
    /// The parameters, each of its kind.
    pub parameters: BTreeMap<ParameterName, String>,
}

/// Why an action cannot be made of a playbook's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRendered {
    /// A name that is put in would make a word an option.
    Option(String),
}

impl fmt::Display for NotRendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(word) => {
                write!(f, "`{word}` would be read as an option, and a name must not become one")
            }
        }
    }
}

impl std::error::Error for NotRendered {}

/// The placeholders that stand for the service of the incident, as the source documents write
/// them.
pub const SERVICE_PLACEHOLDERS: [&str; 6] = [
    "{service_name}",
    "{process_name}",
    "{service}",
    "${SERVICE_NAME}",
    "${PROCESS_NAME}",
    "${SERVICE}",
];

impl Bindings {
    /// A service, and nothing else.
    #[must_use]
    pub fn of(service: ServiceName) -> Self {
        Self { service, parameters: BTreeMap::new() }
    }

    /// A text with everything put in.  What was put in is not looked at again, so a name that
    /// looks like a placeholder stays what it is.
    pub(crate) fn fill<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, NotRendered> {
        if !text.contains('{') {
            return Ok(Cow::Borrowed(text));
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '$']) {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let placeholder = SERVICE_PLACEHOLDERS.into_iter().find(|p| from.starts_with(p));
            let parameter = self.parameters.iter().find_map(|(name, value)| {
                let after = from.strip_prefix('{')?.strip_prefix(name.as_str())?;
                Some((after.strip_prefix('}')?, value))
            });
            rest = match (placeholder, parameter) {
                (Some(placeholder), _) => {
                    filled.push_str(self.service.as_str());
                    from.strip_prefix(placeholder).unwrap_or_default()
                }
                (None, Some((after, value))) => {
                    filled.push_str(value);
                    after
                }
                // `{}` is how find names the file.
                (None, None) => {
                    let mut chars = from.chars();
                    filled.extend(chars.next());
                    chars.as_str()
                }
            };
        }
        filled.push_str(rest);
        Ok(Cow::Owned(filled))
    }

    pub(crate) fn path(&self, path: &std::path::Path) -> Result<PathBuf, NotRendered> {
        match path.to_str() {
            Some(text) => self.fill(text).map(|text| PathBuf::from(text.as_ref())),
            None => Ok(path.to_owned()),
        }
    }

    /// A word of a command line.
    pub(crate) fn word(&self, text: &str) -> Result<String, NotRendered> {
        let filled = self.fill(text)?;
        if filled.starts_with('-') && !text.starts_with('-') {
            return Err(NotRendered::Option(filled.into_owned()));
        }
        Ok(filled.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::action::Action;
    use crate::argv::{Argv, Word};

    fn render(line: &str, service: &str, unit: &str) -> Result<Argv, NotRendered> {
        let action = Action::Run { argv: Argv::parse(line).unwrap() };
        let parameters = BTreeMap::from([("unit".into(), unit.to_owned())]);
        let bindings = Bindings { service: service.into(), parameters };
        action.render(&bindings).map(|action| {
            let Action::Run { argv } = action else { unreachable!("{action}") };
            argv
        })
    }

    proptest! {
        #[test]
        fn nothing_that_is_put_in_changes_the_program_the_options_or_the_count_of_words(
            service in "\\PC{0,40}",
            unit in "\\PC{0,40}",
        ) {
            let line = "systemctl --no-pager restart '{service_name}' 'x{unit}'";
            let Ok(argv) = render(line, &service, &unit) else {
                prop_assert!(service.starts_with('-'));
                return Ok(());
            };
            prop_assert_eq!(argv.0.len(), 5);
            prop_assert_eq!(argv.program(), "systemctl");
            let options = argv.0.iter().filter(|word| word.as_str().starts_with('-'));
            prop_assert_eq!(options.map(Word::as_str).collect::<Vec<_>>(), ["--no-pager"]);
        }

        #[test]
        fn no_kind_of_parameter_admits_an_option_or_two_words(text in "\\PC{0,40}|[-/. a-z]{0,12}") {
            let kinds = [
                ParameterKind::Number { min: 0, max: u64::MAX },
                ParameterKind::Name,
                ParameterKind::OneOf { values: vec![text.clone()] },
                ParameterKind::Path { below: "/".into() },
            ];
            if kinds[3].admits(&text) {
                prop_assert!(text.split('/').all(|part| !matches!(part, "." | "..")));
            }
            if kinds.iter().any(|kind| kind.admits(&text)) {
                prop_assert!(!text.starts_with('-') && !text.contains(char::is_whitespace));
            }
        }
    }

    #[test]
    fn what_was_put_in_is_not_read_again() {
        let argv = render("echo '{service}' '{unit}'", "{unit}", "{service}").unwrap();
        assert_eq!(argv.0[1].as_str(), "{unit}");
        assert_eq!(argv.0[2].as_str(), "{service}");
        let refused = render("echo '{service}'", "--now", "x").unwrap_err();
        assert_eq!(refused, NotRendered::Option("--now".to_owned()));
    }

    #[test]
    fn paths_stay_below_their_folder() {
        let kind = ParameterKind::Path { below: "/var/log".into() };
        assert!(kind.admits("/var/log/app.log"));
        for bad in ["/var/log/../shadow", "/var/logs/x", "var/log/x", "/var/log//x", "/var/log/a b"]
        {
            assert!(!kind.admits(bad), "{bad}");
        }
    }
}
