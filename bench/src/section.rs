//! The sections: each measures one promise.

mod cold_start;
mod crash_rounds;
mod durable_posts;
mod gate;
mod idle;
mod logs;
mod many_alerts;
mod restart;
mod sandbox;
mod series;
mod size;
mod telling;

use crate::figure::Figure;
use crate::setting::Setting;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Section {
    /// From the start of the process until it says that it is ready.
    ColdStart,
    /// Memory and CPU time of a crew that has nothing to do.
    IdleMemory,
    /// The size of the program.
    BinarySize,
    /// From the kill of a supervised process to the decision and to the new process.
    KillToRestart,
    /// Alerts made durable in a second.
    DurablePosts,
    /// What a hundred thousand firing alerts take.
    ManyAlerts,
    /// From an accepted alert to its message, and a storm of alerts.
    Telling,
    /// What is left of acknowledged alerts after many kills.
    CrashRounds,
    /// Commands judged by the gate in a second.
    Gate,
    /// Logs: templates, analysis, following, and the time until a line is told.
    Logs,
    /// What was measured, stored: bytes for each sample, samples in and out in a second.
    Series,
    /// A program started in the sandbox against a plain start.
    Sandbox,
}

impl Section {
    /// Every section, in the order of the table.
    pub(crate) const ALL: [Self; 12] = [
        Self::ColdStart,
        Self::IdleMemory,
        Self::BinarySize,
        Self::KillToRestart,
        Self::DurablePosts,
        Self::ManyAlerts,
        Self::Telling,
        Self::CrashRounds,
        Self::Gate,
        Self::Logs,
        Self::Series,
        Self::Sandbox,
    ];

    /// Its name, as `--only` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ColdStart => cold_start::NAME,
            Self::IdleMemory => idle::NAME,
            Self::BinarySize => size::NAME,
            Self::KillToRestart => restart::NAME,
            Self::DurablePosts => durable_posts::NAME,
            Self::ManyAlerts => many_alerts::NAME,
            Self::Telling => telling::NAME,
            Self::CrashRounds => crash_rounds::NAME,
            Self::Gate => gate::NAME,
            Self::Logs => logs::NAME,
            Self::Series => series::NAME,
            Self::Sandbox => sandbox::NAME,
        }
    }

    pub(crate) fn measure(self, setting: &Setting) -> anyhow::Result<Vec<Figure>> {
        match self {
            Self::ColdStart => cold_start::measure(setting),
            Self::IdleMemory => idle::measure(setting),
            Self::BinarySize => size::measure(setting),
            Self::KillToRestart => restart::measure(setting),
            Self::DurablePosts => durable_posts::measure(setting),
            Self::ManyAlerts => many_alerts::measure(setting),
            Self::Telling => telling::measure(setting),
            Self::CrashRounds => crash_rounds::measure(setting),
            Self::Gate => gate::measure(setting),
            Self::Logs => logs::measure(setting),
            Self::Series => series::measure(setting),
            Self::Sandbox => sandbox::measure(setting),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn names_are_those_of_the_command_line_and_all_is_complete() {
        assert_eq!(Section::ALL, Section::value_variants());
        for section in Section::ALL {
            assert_eq!(section.to_possible_value().unwrap().get_name(), section.name());
        }
    }
}
