//! The vocabulary in which a program's grammar is written; [`crate::programs`] holds the grammars.
//!
//! A grammar says what may stand, never what may not: exact sub-commands, exact flags, and the kind
//! of every operand.  So there is nothing to list that abbreviates, combines or smuggles.

use nightcrew_model::verdict::RiskClass;

/// What is known of one program.
#[derive(Debug)]
pub struct Program {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Whether its flags may stand before its sub-command and mean the same there.
    pub flags_anywhere: bool,
    /// What may be asked of it.
    pub forms: &'static [Form],
}

/// One thing that may be asked of a program.
#[derive(Debug)]
pub struct Form {
    /// The rule's id: `program.purpose`.
    pub rule: &'static str,
    /// What it can cost.
    pub class: RiskClass,
    /// The words that must follow the program's name, exactly these.
    pub words: &'static [&'static str],
    /// The flags that may follow, each at most once.
    pub flags: &'static [Flag],
    /// At least one of these flags must be there; empty: none must.
    pub needs: &'static [&'static str],
    /// What may stand beside the flags.
    pub operands: Operands,
}

/// One flag, by one exact spelling.
#[derive(Debug)]
pub struct Flag {
    /// The spelling, dashes included.
    pub name: &'static str,
    /// Whether a value belongs to it.
    pub value: FlagValue,
}

/// Whether and how a flag has a value.
#[derive(Debug)]
pub enum FlagValue {
    /// It has none.
    None,
    /// The value is the next word: `-n 5`.
    Next(Operand),
    /// The value follows an equals sign: `--lines=5`.
    Joined(Operand),
    /// Either of both.
    NextOrJoined(Operand),
}

/// How many operands of which kind.
#[derive(Debug)]
pub struct Operands {
    /// The kind.
    pub kind: Operand,
    /// At least so many.
    pub min: usize,
    /// At most so many, after expansion.
    pub max: usize,
}

/// What may stand in one place.
#[derive(Debug)]
pub enum Operand {
    /// Exactly one of these words.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Number {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A number of days, such as `7d`.
    Days {
        /// The smallest.
        min: u64,
    },
    /// A size in mebibytes or gibibytes, such as `500M` or `2G`.
    Mebibytes {
        /// The smallest, in mebibytes.
        min: u64,
    },
    /// A moment in words or digits, such as `1 hour ago` or `2026-01-31 03:00`.
    Moment,
    /// Names of properties, separated by commas.
    Properties,
    /// A unit to act on: of a declared service, and not protected.
    Unit,
    /// A unit to look at.
    AnyUnit,
    /// A container, formula or compose service to act on: by the name of a declared service.
    Service,
    /// A container to look at.
    AnyContainer,
    /// A deployment to act on, `deployment/NAME` by the name of a declared service.
    Deployment,
    /// A deployment to look at.
    AnyDeployment,
    /// An existing regular file below a clean root; a glob stands for several.
    CleanFile,
    /// A configuration of logrotate that only root can have written.
    LogrotateConfig,
    /// An absolute path to look at.
    Path,
}

impl Flag {
    /// A flag without a value.
    #[must_use]
    pub const fn bare(name: &'static str) -> Self {
        Self { name, value: FlagValue::None }
    }

    /// A flag whose value is the next word.
    #[must_use]
    pub const fn next(name: &'static str, value: Operand) -> Self {
        Self { name, value: FlagValue::Next(value) }
    }

    /// A flag whose value follows an equals sign.
    #[must_use]
    pub const fn joined(name: &'static str, value: Operand) -> Self {
        Self { name, value: FlagValue::Joined(value) }
    }

    /// A flag whose value is the next word or follows an equals sign.
    #[must_use]
    pub const fn with(name: &'static str, value: Operand) -> Self {
        Self { name, value: FlagValue::NextOrJoined(value) }
    }
}

impl Operands {
    /// No operands.
    pub const NONE: Self = Self { kind: Operand::OneOf(&[]), min: 0, max: 0 };

    /// Exactly one operand.
    #[must_use]
    pub const fn one(kind: Operand) -> Self {
        Self { kind, min: 1, max: 1 }
    }

    /// At most `max` operands.
    #[must_use]
    pub const fn up_to(max: usize, kind: Operand) -> Self {
        Self { kind, min: 0, max }
    }
}
