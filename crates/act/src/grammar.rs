//! The vocabulary in which a program's grammar is written; the grammars are data: the files in
//! `policy/`, see [`crate::library`].
//!
//! A grammar says what may stand, never what may not: exact sub-commands, exact flags, and the kind
//! of every operand.  So there is nothing to list that abbreviates, combines or smuggles.

use std::path::PathBuf;

use nightcrew_config::settings::ContainerVerb;
use nightcrew_model::verdict::RiskClass;

/// What is known of one program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name, without a folder.
    pub name: String,
    /// What may be asked of it.
    pub forms: Vec<Form>,
}

/// One thing that may be asked of a program.
#[derive(Clone, Debug)]
pub struct Form {
    /// The rule's id: `program.purpose`.
    pub rule: String,
    /// What it can cost.
    pub class: RiskClass,
    /// The words that must follow the program's name, exactly these.
    pub words: Vec<String>,
    /// The flags that may follow, each at most once.
    pub flags: Vec<Flag>,
    /// Where the flags may stand.
    pub flags_stand: FlagsStand,
    /// At least one of these flags must be there; empty: none must.
    pub needs: Vec<String>,
    /// What may stand beside the flags.
    pub operands: Operands,
    /// Why a person has to allow it each time, whatever its class; none: nobody has to.
    pub approval: Option<String>,
    /// What the started program may do.
    pub sandbox: SandboxProfile,
}

/// Where the flags of a form may stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlagsStand {
    /// After its words.
    #[default]
    After,
    /// Before the last of its words, as with programs that send everything after it elsewhere.
    Before,
    /// Before, between and after its words, and they mean the same everywhere.
    Anywhere,
}

/// What a program may do beside reading files and using the processor.
///
/// The default grants nothing.  The folder whose files a form changes (an operand of kind
/// [`Operand::CleanFile`]) is granted beside it when the program starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SandboxProfile {
    /// The files and folders that it may write, with everything below them; what does not exist is
    /// no grant.
    pub writes: Vec<PathBuf>,
    /// Whether it may reach other machines, and this one over TCP.
    pub network: Network,
    /// Whether it may talk to servers of this machine over Unix sockets, as `systemctl` and
    /// `docker` do.
    pub unix_sockets: Sockets,
    /// Whether it may signal processes that it did not start, as `nginx -s reload` does.
    pub signals: Signals,
    /// Whether it is held at all.
    pub hold: Hold,
}

/// Whether a program may use the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// Not at all.
    #[default]
    None,
    /// As it likes.
    Open,
}

/// Whether a program may use Unix sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sockets {
    /// Not at all.
    #[default]
    None,
    /// As it likes.
    Open,
}

/// Whether a program is held by a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hold {
    /// It is, by what is granted.
    #[default]
    Held,
    /// It is not: it starts what is to outlive it, and a sandbox would hold that as well.
    Free,
}

/// Whom a program may signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Signals {
    /// What it started itself.
    #[default]
    Own,
    /// Whatever its user may.
    Any,
}

/// One flag, by one exact spelling.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The spelling, dashes included.
    pub name: String,
    /// Whether a value belongs to it.
    pub value: FlagValue,
}

/// Whether and how a flag has a value.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct Operands {
    /// The kind.
    pub kind: Operand,
    /// At least so many.
    pub min: usize,
    /// At most so many, after expansion.
    pub max: usize,
}

impl Operands {
    /// No operands.
    #[must_use]
    pub fn none() -> Self {
        Self { kind: Operand::OneOf(Vec::new()), min: 0, max: 0 }
    }
}

/// What may stand in one place.
#[derive(Clone, Debug)]
pub enum Operand {
    /// Exactly one of these words.
    OneOf(Vec<String>),
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
    /// A duration in seconds or minutes, such as `30s` or `5m`.
    Seconds {
        /// The smallest, in seconds.
        min: u64,
        /// The largest, in seconds.
        max: u64,
    },
    /// A moment in words or digits, such as `1 hour ago` or `2026-01-31 03:00`.
    Moment,
    /// Names of properties, separated by commas.
    Properties,
    /// A plain name that belongs to nobody, such as that of a certificate.
    Name,
    /// This machine: `127.0.0.1`, `::1` or `localhost`.
    Loopback,
    /// A unit to act on: of a declared service, and not protected.
    Unit,
    /// A unit to look at.
    AnyUnit,
    /// A container to ask for something that its service's grants permit.  One that is not declared
    /// may be looked at, and anything else needs a person.
    Container(ContainerVerb),
    /// A service of Compose to ask for something, in the same way.
    ComposeService(ContainerVerb),
    /// The compose file of a declared service.
    ComposeFile,
    /// A formula of Homebrew that a declared service names.
    Formula,
    /// A job of launchd that a declared service names.
    LaunchdTarget,
    /// A deployment to act on, `deployment/NAME` by the name of a declared service.
    Deployment,
    /// A deployment to act on, by the bare name of a declared service.
    DeploymentName,
    /// A deployment to look at.
    AnyDeployment,
    /// An existing regular file below a clean root; a glob stands for several.
    CleanFile,
    /// A configuration of logrotate that only root can have written.
    LogrotateConfig,
    /// An absolute path to look at.
    Path,
}
