//! Where programs are found, and which names never get a grammar.

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
pub const WRAPPERS: [&str; 74] = [
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
    "tclsh",
    "expect",
    "lua",
    "luajit",
    "php",
    "deno",
    "bun",
    "npx",
    "pnpx",
    "java",
    "pwsh",
    "osascript",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "sed",
    "ed",
    "ex",
    "vi",
    "vim",
    "nvim",
    "emacs",
    "less",
    "more",
    "man",
    "ssh",
    "flock",
    "taskset",
    "chrt",
    "prlimit",
    "setpriv",
    "bwrap",
];

/// Whether a program starts another one or runs code that its arguments name, also under a name
/// with a version, such as `python3.11`.
#[must_use]
pub fn is_wrapper(name: &str) -> bool {
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    WRAPPERS.contains(&name) || WRAPPERS.contains(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_in_its_name_hides_no_interpreter() {
        for name in ["sh", "python", "python3", "python3.11", "perl5.36.0", "lua5.4", "php8.2"] {
            assert!(is_wrapper(name), "{name}");
        }
        for name in ["docker", "redis-cli", "gzip", "df", "ps", "logrotate"] {
            assert!(!is_wrapper(name), "{name}");
        }
    }
}
