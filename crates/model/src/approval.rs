//! Approvals: a person lets exactly one plan run, or every plan of a narrow kind for a while.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{PersonName, PlaybookName, ServiceName, StandingName};
use crate::plan::{ParameterKind, Plan};
use crate::verdict::RiskClass;

/// What the crew may do to a service by itself, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autonomy {
    /// Nothing but look: a person gets the incident at once.
    Observe,
    /// Say what it would do: a person gets the incident with the plan.
    Suggest,
    /// Do what a person approves; what only looks needs no approval.
    Approve,
    /// Do what its playbooks allow, and ask where the risk class or the step says so.
    Auto,
}

impl Autonomy {
    /// Every level, rising.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Suggest, Self::Approve, Self::Auto];

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Autonomy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The SHA-256 of a plan as it is stored: an approval is of this plan and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlanHash([u8; 32]);

impl PlanHash {
    /// The hash of a plan.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a plan has no map with keys that are not texts")]
    pub fn of(plan: &Plan) -> Self {
        let stored = serde_json::to_vec(plan).expect("a plan can be stored");
        let digest = ring::digest::digest(&ring::digest::SHA256, &stored);
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is not the hash of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPlanHash;

impl fmt::Display for BadPlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the hash of a plan: 64 hexadecimal digits")
    }
}

impl std::error::Error for BadPlanHash {}

impl FromStr for PlanHash {
    type Err = BadPlanHash;

    fn from_str(text: &str) -> Result<Self, BadPlanHash> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return Err(BadPlanHash);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
            *byte = match pair {
                [high, low] => match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(BadPlanHash),
                },
                _ => return Err(BadPlanHash),
            };
        }
        Ok(Self(hash))
    }
}

impl Serialize for PlanHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlanHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A person lets every action of one shape run for a while, so that nobody clicks a hundred times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingApproval {
    /// What it is called.
    pub name: StandingName,
    /// Of which playbook.
    pub playbook: PlaybookName,
    /// For which service; none: every one.
    pub service: Option<ServiceName>,
    /// The shapes of the actions that need an approval, by their words as the gate shows them.
    pub shapes: Vec<Shape>,
    /// The highest risk that it covers.
    pub class_max: RiskClass,
    /// Who gave it.
    pub by: PersonName,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// The shape of a command line: each word, or what kind of word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(pub Vec<ShapeWord>);

/// One word of a shape.  An option is always written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ShapeWord {
    /// This word.
    Literal {
        /// Which.
        word: String,
    },
    /// The service of the incident, or its unit.
    Service,
    /// A whole number.
    Number,
    /// An absolute path below a folder.
    Path {
        /// The folder.
        below: PathBuf,
    },
}

impl Shape {
    /// Whether a command line, word by word, has this shape.  `unit` is what supervises the service
    /// of the incident, where that has a name of its own.  What stands for something never
    /// matches an option.
    #[must_use]
    pub fn matches(&self, argv: &[String], service: &ServiceName, unit: Option<&str>) -> bool {
        !argv.is_empty()
            && self.0.len() == argv.len()
            && self.0.iter().zip(argv).all(|(shape, word)| shape.matches(word, service, unit))
    }

    /// Whether it names a program: anything else would stand for any program.
    #[must_use]
    pub fn names_a_program(&self) -> bool {
        matches!(self.0.first(), Some(ShapeWord::Literal { word }) if !word.is_empty())
    }
}

impl ShapeWord {
    fn matches(&self, word: &str, service: &ServiceName, unit: Option<&str>) -> bool {
        match self {
            Self::Literal { word: wanted } => wanted == word,
            Self::Service => {
                let own = word.strip_suffix(".service").unwrap_or(word) == service.as_str();
                (own || unit == Some(word)) && ParameterKind::Name.admits(word)
            }
            Self::Number => ParameterKind::Number { min: 0, max: u64::MAX }.admits(word),
            Self::Path { below } => ParameterKind::Path { below: below.clone() }.admits(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hash_reads_back_what_it_prints_and_nothing_else() {
        let hash = PlanHash([0xa5; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "a5", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(bad.parse::<PlanHash>(), Err(BadPlanHash), "{bad}");
        }
    }

    #[test]
    fn a_shape_has_as_many_words_as_the_command_line() {
        let literal = |word: &str| ShapeWord::Literal { word: word.to_owned() };
        let shape = Shape(vec![literal("systemctl"), literal("restart"), ShapeWord::Service]);
        let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let matches = |line: &str| shape.matches(&argv(line), &"web".into(), Some("nginx.service"));
        assert!(matches("systemctl restart web"));
        assert!(matches("systemctl restart web.service"));
        assert!(matches("systemctl restart nginx.service"));
        for other in ["systemctl restart", "systemctl restart db", "systemctl restart web db"] {
            assert!(!matches(other), "{other}");
        }
        assert!(!Shape(Vec::new()).matches(&[], &"web".into(), None));
        assert!(shape.names_a_program() && !Shape(vec![ShapeWord::Service]).names_a_program());
    }

    proptest! {
        #[test]
        fn what_stands_for_something_never_matches_an_option(
            word in "-\\PC{0,20}|--[a-z-]{1,12}|-[0-9]{1,4}",
            unit in prop::option::of("-\\PC{0,20}"),
        ) {
            let service = ServiceName::from(word.as_str());
            let unit = unit.as_deref().or(Some(word.as_str()));
            let below = PathBuf::from("/");
            for kind in [ShapeWord::Service, ShapeWord::Number, ShapeWord::Path { below }] {
                let shape = Shape(vec![kind.clone()]);
                let matches = shape.matches(std::slice::from_ref(&word), &service, unit);
                prop_assert!(!matches, "{:?} matches {}", kind, word);
            }
        }
    }
}
