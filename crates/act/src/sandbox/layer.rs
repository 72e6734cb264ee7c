//! The layers, and whether they hold.

use serde::{Deserialize, Serialize};

/// One thing that keeps a program in.  The order is that of application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A group of processes of its own, and a session where the crew has a terminal.
    Session,
    /// Limits of the process: files, open files, processes, processor time, no core dumps.
    Limits,
    /// Privileges that no program gains, and those that root gives up.
    Privileges,
    /// Landlock: writing only below grants.
    Files,
    /// Landlock: signals and abstract sockets end at the sandbox.
    Signals,
    /// seccomp: system calls that administer the machine, and sockets that are not granted.
    SystemCalls,
    /// Limits of memory and processes for the program and all its children together.
    Cgroup,
}

impl Layer {
    /// Every layer.
    pub const ALL: [Self; 7] = [
        Self::Session,
        Self::Limits,
        Self::Privileges,
        Self::Files,
        Self::Signals,
        Self::SystemCalls,
        Self::Cgroup,
    ];

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "no terminal",
            Self::Limits => "process limits",
            Self::Privileges => "no new privileges",
            Self::Files => "Landlock files",
            Self::Signals => "Landlock signals",
            Self::SystemCalls => "seccomp",
            Self::Cgroup => "cgroup limits",
        }
    }

    /// What a program could do without it.
    #[must_use]
    pub fn lost(self) -> &'static str {
        match self {
            Self::Session => "a program can write to the terminal of the crew",
            Self::Limits => "a program can dump core, fill the disk and take every file descriptor",
            Self::Privileges => "a program can gain rights through setuid files",
            Self::Files => "a program can write wherever its user can",
            Self::Signals => "a program can signal every process of its user",
            Self::SystemCalls => {
                "a program can use the network without a grant; as root it can mount, trace other \
                 processes and load kernel modules"
            }
            Self::Cgroup => "a program can take all memory of the machine",
        }
    }

    /// Whether the policy `required` insists on it.  Control groups need rights that a crew often
    /// does not have, and bound a program rather than keep it in.
    #[must_use]
    pub fn can_be_required(self) -> bool {
        self != Self::Cgroup
    }
}

/// A layer that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {why}", layer.name())]
pub struct Missing {
    /// Which.
    pub layer: Layer,
    /// Why, and what would mend it.
    pub why: String,
}

/// Whether a layer holds on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It does.
    InForce,
    /// It does not.
    Missing {
        /// Why.
        why: String,
        /// What a program could do therefore.
        lost: &'static str,
    },
}

/// A layer and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The layer.
    pub layer: Layer,
    /// Whether it holds.
    #[serde(flatten)]
    pub state: State,
}
