//! The grammar of every program that may run.  What is not here is refused.
//!
//! To add a program: one entry, its lines in `tests/it/corpus/safe.txt`, and what must stay refused
//! in `dangerous.txt`.  Leave out every flag that starts another program, reads a configuration or
//! code from a path, writes to a path, waits for ever, asks a question, or opens a pager.
//!
//! `find` has an expression language instead of flags; it is read by a module of its own.

use nightcrew_model::verdict::RiskClass::{Destructive, Disruptive, Observe, Reversible};

use crate::grammar::{Flag, Form, Operand, Operands, Program};
use crate::roots::GLOB_MATCHES_MAX;

/// The folders in which programs are found, in this order, and the `PATH` of everything started.
pub const PROGRAM_FOLDERS: [&str; 7] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/opt/homebrew/bin",
];

/// Programs that start another program named in their arguments.  They are refused like everything
/// without a grammar; they are listed for a better answer.
pub const WRAPPERS: [&str; 41] = [
    "env",
    "nice",
    "ionice",
    "nohup",
    "timeout",
    "xargs",
    "sudo",
    "doas",
    "su",
    "runuser",
    "busybox",
    "toybox",
    "sh",
    "bash",
    "dash",
    "zsh",
    "ksh",
    "fish",
    "csh",
    "tcsh",
    "setsid",
    "stdbuf",
    "chroot",
    "unshare",
    "nsenter",
    "systemd-run",
    "strace",
    "ltrace",
    "gdb",
    "watch",
    "time",
    "parallel",
    "script",
    "exec",
    "eval",
    "command",
    "python3",
    "python",
    "perl",
    "ruby",
    "node",
];

/// How many days of the journal `journalctl --vacuum-time` must leave at least.
const VACUUM_DAYS_MIN: u64 = 1;

/// The smallest journal that `journalctl --vacuum-size` may leave, in mebibytes.
const VACUUM_MEBIBYTES_MIN: u64 = 16;

/// The largest number of lines that are asked of a log.
const LINES_MAX: u64 = 10_000;

/// The longest time that a container gets to end by itself, in seconds.
const STOP_SECONDS_MAX: u64 = 600;

const FORCE: &[Flag] = &[Flag::bare("-f"), Flag::bare("--force")];
const FORCE_NEEDED: &[&str] = &["-f", "--force"];
const NO_PAGER: &[Flag] = &[Flag::bare("--no-pager")];
const NO_PAGER_NEEDED: &[&str] = &["--no-pager"];

/// Every program but `find`, by name.
pub const PROGRAMS: &[Program] = &[
    BREW, CERTBOT, DF, DOCKER, FREE, GZIP, JOURNALCTL, KUBECTL, LOGROTATE, NGINX, NPM, OPENCLAW,
    PS, REDIS_CLI, SYSTEMCTL, UPTIME, YARN,
];

const BREW: Program = Program {
    name: "brew",
    flags_anywhere: false,
    forms: &[
        form("brew.cleanup", Destructive, &["cleanup"]),
        Form {
            operands: Operands::one(Operand::Service),
            ..form("brew.services-restart", Disruptive, &["services", "restart"])
        },
    ],
};

const CERTBOT: Program = Program {
    name: "certbot",
    flags_anywhere: false,
    forms: &[Form {
        flags: &[
            Flag::bare("-q"),
            Flag::bare("--quiet"),
            Flag::bare("-n"),
            Flag::bare("--non-interactive"),
            Flag::bare("--no-random-sleep-on-renew"),
        ],
        ..form("certbot.renew", Reversible, &["renew"])
    }],
};

const DF: Program = Program {
    name: "df",
    flags_anywhere: false,
    forms: &[Form {
        flags: &[
            Flag::bare("-h"),
            Flag::bare("-k"),
            Flag::bare("-i"),
            Flag::bare("-P"),
            Flag::bare("-T"),
            Flag::bare("-hT"),
        ],
        operands: Operands::up_to(8, Operand::Path),
        ..form("df.show", Observe, &[])
    }],
};

const DOCKER: Program = Program {
    name: "docker",
    flags_anywhere: false,
    forms: &[
        Form {
            flags: FORCE,
            needs: FORCE_NEEDED,
            ..form("docker.system-prune", Destructive, &["system", "prune"])
        },
        Form {
            flags: FORCE,
            needs: FORCE_NEEDED,
            ..form("docker.container-prune", Destructive, &["container", "prune"])
        },
        Form {
            flags: FORCE,
            needs: FORCE_NEEDED,
            ..form("docker.image-prune", Destructive, &["image", "prune"])
        },
        Form {
            flags: &[Flag::next("-t", Operand::Number { min: 0, max: STOP_SECONDS_MAX })],
            operands: Operands::one(Operand::Service),
            ..form("docker.restart", Disruptive, &["restart"])
        },
        Form {
            operands: Operands::one(Operand::Service),
            ..form("docker.compose-restart", Disruptive, &["compose", "restart"])
        },
        Form {
            flags: &[Flag::bare("-a"), Flag::bare("--all"), Flag::bare("--no-trunc")],
            ..form("docker.ps", Observe, &["ps"])
        },
        Form {
            flags: &[
                Flag::with("--tail", Operand::Number { min: 1, max: LINES_MAX }),
                Flag::next("-n", Operand::Number { min: 1, max: LINES_MAX }),
                Flag::bare("-t"),
                Flag::bare("--timestamps"),
            ],
            needs: &["--tail", "-n"],
            operands: Operands::one(Operand::AnyContainer),
            ..form("docker.logs", Observe, &["logs"])
        },
    ],
};

const FREE: Program = Program {
    name: "free",
    flags_anywhere: false,
    forms: &[Form {
        flags: &[
            Flag::bare("-b"),
            Flag::bare("-k"),
            Flag::bare("-m"),
            Flag::bare("-g"),
            Flag::bare("-h"),
            Flag::bare("-w"),
        ],
        ..form("free.show", Observe, &[])
    }],
};

const GZIP: Program = Program {
    name: "gzip",
    flags_anywhere: false,
    forms: &[Form {
        flags: &[Flag::bare("-k"), Flag::bare("-9")],
        operands: Operands { kind: Operand::CleanFile, min: 1, max: GLOB_MATCHES_MAX },
        ..form("gzip.compress", Reversible, &[])
    }],
};

const JOURNALCTL: Program = Program {
    name: "journalctl",
    flags_anywhere: false,
    forms: &[
        Form {
            flags: &[
                Flag::bare("--no-pager"),
                Flag::next("-u", Operand::AnyUnit),
                Flag::with("--unit", Operand::AnyUnit),
                Flag::next("-n", Operand::Number { min: 1, max: LINES_MAX }),
                Flag::with("--lines", Operand::Number { min: 1, max: LINES_MAX }),
                Flag::with("--since", Operand::Moment),
                Flag::with("--until", Operand::Moment),
                Flag::next("-p", Operand::OneOf(PRIORITIES)),
            ],
            needs: NO_PAGER_NEEDED,
            ..form("journalctl.read", Observe, &[])
        },
        Form {
            flags: &[
                Flag::joined("--vacuum-time", Operand::Days { min: VACUUM_DAYS_MIN }),
                Flag::joined("--vacuum-size", Operand::Mebibytes { min: VACUUM_MEBIBYTES_MIN }),
            ],
            needs: &["--vacuum-time", "--vacuum-size"],
            ..form("journalctl.vacuum", Destructive, &[])
        },
    ],
};

const PRIORITIES: &[&str] =
    &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const KUBECTL: Program = Program {
    name: "kubectl",
    flags_anywhere: false,
    forms: &[
        Form {
            operands: Operands::one(Operand::Deployment),
            ..form("kubectl.rollout-restart", Disruptive, &["rollout", "restart"])
        },
        Form {
            operands: Operands::one(Operand::Service),
            ..form("kubectl.rollout-restart", Disruptive, &["rollout", "restart", "deployment"])
        },
        Form {
            flags: &[Flag::bare("--watch=false")],
            operands: Operands::one(Operand::AnyDeployment),
            ..form("kubectl.rollout-status", Observe, &["rollout", "status"])
        },
    ],
};

const LOGROTATE: Program = Program {
    name: "logrotate",
    flags_anywhere: false,
    forms: &[Form {
        flags: FORCE,
        operands: Operands::one(Operand::LogrotateConfig),
        ..form("logrotate.rotate", Destructive, &[])
    }],
};

const NGINX: Program = Program {
    name: "nginx",
    flags_anywhere: false,
    forms: &[
        form("nginx.test", Observe, &["-t"]),
        form("nginx.reload", Reversible, &["-s", "reload"]),
    ],
};

const NPM: Program = Program {
    name: "npm",
    flags_anywhere: false,
    forms: &[
        Form {
            flags: &[Flag::bare("--force")],
            needs: &["--force"],
            ..form("npm.cache-clean", Reversible, &["cache", "clean"])
        },
        form("npm.cache-verify", Reversible, &["cache", "verify"]),
    ],
};

const OPENCLAW: Program = Program {
    name: "openclaw",
    flags_anywhere: false,
    forms: &[
        form("openclaw.gateway-restart", Disruptive, &["gateway", "restart"]),
        form("openclaw.gateway-start", Reversible, &["gateway", "start"]),
        form("openclaw.gateway-status", Observe, &["gateway", "status"]),
    ],
};

const PS: Program = Program {
    name: "ps",
    flags_anywhere: false,
    forms: &[
        form("ps.list", Observe, &["aux", "--sort=-%mem"]),
        form("ps.list", Observe, &["aux", "--sort=-%cpu"]),
        form("ps.list", Observe, &["aux"]),
        form("ps.list", Observe, &["-ef"]),
    ],
};

const REDIS_CLI: Program = Program {
    name: "redis-cli",
    flags_anywhere: false,
    forms: &[
        form("redis-cli.ping", Observe, &["PING"]),
        form("redis-cli.ping", Observe, &["ping"]),
        Form {
            operands: Operands::up_to(1, Operand::OneOf(REDIS_SECTIONS)),
            ..form("redis-cli.info", Observe, &["INFO"])
        },
        Form {
            operands: Operands::up_to(1, Operand::OneOf(REDIS_SECTIONS)),
            ..form("redis-cli.info", Observe, &["info"])
        },
    ],
};

const REDIS_SECTIONS: &[&str] =
    &["server", "clients", "memory", "persistence", "stats", "replication", "cpu", "keyspace"];

const SYSTEMCTL: Program = Program {
    name: "systemctl",
    flags_anywhere: true,
    forms: &[
        unit_form("systemctl.restart", Disruptive, &["restart"]),
        unit_form("systemctl.try-restart", Disruptive, &["try-restart"]),
        unit_form("systemctl.reload", Reversible, &["reload"]),
        unit_form("systemctl.start", Reversible, &["start"]),
        Form {
            flags: NO_PAGER,
            needs: NO_PAGER_NEEDED,
            operands: Operands::one(Operand::AnyUnit),
            ..form("systemctl.status", Observe, &["status"])
        },
        Form {
            flags: NO_PAGER,
            operands: Operands::one(Operand::AnyUnit),
            ..form("systemctl.is-active", Observe, &["is-active"])
        },
        Form {
            flags: &[
                Flag::bare("--no-pager"),
                Flag::next("-p", Operand::Properties),
                Flag::with("--property", Operand::Properties),
            ],
            needs: NO_PAGER_NEEDED,
            operands: Operands::one(Operand::AnyUnit),
            ..form("systemctl.show", Observe, &["show"])
        },
    ],
};

const UPTIME: Program = Program {
    name: "uptime",
    flags_anywhere: false,
    forms: &[Form {
        flags: &[Flag::bare("-p"), Flag::bare("-s")],
        ..form("uptime.show", Observe, &[])
    }],
};

const YARN: Program = Program {
    name: "yarn",
    flags_anywhere: false,
    forms: &[form("yarn.cache-clean", Reversible, &["cache", "clean"])],
};

/// A form of fixed words alone.
const fn form(
    rule: &'static str,
    class: nightcrew_model::verdict::RiskClass,
    words: &'static [&'static str],
) -> Form {
    Form { rule, class, words, flags: &[], needs: &[], operands: Operands::NONE }
}

/// A form that acts on one unit.
const fn unit_form(
    rule: &'static str,
    class: nightcrew_model::verdict::RiskClass,
    words: &'static [&'static str],
) -> Form {
    Form { flags: NO_PAGER, operands: Operands::one(Operand::Unit), ..form(rule, class, words) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::FlagValue;

    #[test]
    fn every_rule_begins_with_its_program_and_the_table_is_sorted() {
        for pair in PROGRAMS.windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", pair[1].name);
        }
        for program in PROGRAMS {
            for form in program.forms {
                assert!(form.rule.starts_with(&format!("{}.", program.name)), "{}", form.rule);
            }
            assert!(!WRAPPERS.contains(&program.name));
        }
    }

    #[test]
    fn every_needed_flag_is_a_known_flag() {
        for form in PROGRAMS.iter().flat_map(|program| program.forms) {
            for needed in form.needs {
                assert!(form.flags.iter().any(|flag| flag.name == *needed), "{needed}");
            }
        }
    }

    #[test]
    fn no_flag_without_a_value_is_the_beginning_of_one_with_a_value() {
        for form in PROGRAMS.iter().flat_map(|program| program.forms) {
            for flag in form.flags {
                assert!(flag.name.starts_with('-'), "{}", flag.name);
                assert!(
                    !matches!(flag.value, FlagValue::NextOrJoined(_))
                        || flag.name.starts_with("--"),
                    "{}: a short flag has no joined value",
                    flag.name
                );
            }
        }
    }
}
