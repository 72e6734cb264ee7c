//! `policy.allowed_commands`: the regular expressions by which the first source document allows
//! command lines.
//!
//! Such a pattern cannot be made safe as it is: `^docker system prune` also matches
//! `docker system prune; rm -rf /`.  So none of them ever allows anything.  Each is read as the
//! words with which a command line begins; where the gate's own grammar knows that beginning, the
//! pattern is covered by its stricter forms, and where it does not, the pattern is refused and the
//! reason is told.

use std::path::{Path, PathBuf};

use crate::decode::Context;
use crate::fields;
use crate::lint::folder;
use crate::tree::At;

/// The largest number of beginnings that one pattern may stand for.
const BEGINNINGS_MAX: usize = 32;

/// The beginnings of command lines that the gate's grammar knows.
const KNOWN: [&[&str]; 43] = [
    &["brew", "cleanup"],
    &["brew", "services", "list"],
    &["brew", "services", "restart"],
    &["certbot", "certificates"],
    &["certbot", "renew"],
    &["df"],
    &["docker", "builder", "prune"],
    &["docker", "compose", "restart"],
    &["docker", "container", "prune"],
    &["docker", "container", "restart"],
    &["docker", "container", "start"],
    &["docker", "image", "prune"],
    &["docker", "logs"],
    &["docker", "ps"],
    &["docker", "restart"],
    &["docker", "start"],
    &["docker", "system", "prune"],
    &["free"],
    &["gzip"],
    &["journalctl"],
    &["kubectl", "rollout", "restart"],
    &["kubectl", "rollout", "status"],
    &["launchctl", "kickstart"],
    &["logrotate"],
    &["nginx", "-s", "reload"],
    &["nginx", "-t"],
    &["npm", "cache", "clean"],
    &["npm", "cache", "verify"],
    &["openclaw", "gateway", "restart"],
    &["openclaw", "gateway", "start"],
    &["openclaw", "gateway", "status"],
    &["ps"],
    &["redis-cli"],
    &["systemctl", "is-active"],
    &["systemctl", "reload"],
    &["systemctl", "reset-failed"],
    &["systemctl", "restart"],
    &["systemctl", "show"],
    &["systemctl", "start"],
    &["systemctl", "status"],
    &["systemctl", "try-restart"],
    &["uptime"],
    &["yarn", "cache", "clean"],
];

/// Programs that run other programs: whoever may begin them may begin anything.
const WRAPPERS: [&str; 16] = [
    "bash", "sh", "zsh", "dash", "env", "sudo", "doas", "xargs", "nohup", "python", "python3",
    "perl", "node", "ruby", "eval", "exec",
];

/// Why a pattern is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    NotAnchored,
    NotWords,
    TooMany,
    Wrapper,
    OutsideRoots,
    Unknown,
}

impl Refused {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotAnchored => (
                "refused: without `^` it matches anywhere in a line, behind any other command too",
                "begin it with ^ and the name of the program",
            ),
            Self::NotWords => (
                "refused: it is not a list of words, so what it matches cannot be bounded",
                "name the words, such as ^docker system prune",
            ),
            Self::TooMany => {
                ("refused: it stands for too many commands", "write several patterns instead")
            }
            Self::Wrapper => (
                "refused: this program runs other programs, so everything would be allowed",
                "name the program that is meant",
            ),
            Self::OutsideRoots => (
                "refused: the folder lies in none of `policy.clean_roots`",
                "add the folder to `policy.clean_roots` if it may be cleaned",
            ),
            Self::Unknown => (
                "refused: the gate's grammar does not know this command",
                "describe it in a file of `policy.files`",
            ),
        }
    }
}

/// How much of a pattern the grammar knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covered {
    Wholly,
    /// Of something else that it stands for, this is why not.
    Partly(Refused),
}

/// Judges each pattern, and tells what became of it.
pub(crate) fn patterns(at: &At<'_>, clean_roots: &[PathBuf], cx: &mut Context<'_>) {
    for (at, text) in fields::texts(at, &mut cx.report) {
        match judge(text, clean_roots) {
            Ok(Covered::Partly(refused)) => {
                let (why, hint) = refused.words();
                cx.report
                    .warning(&at, format!("covered in part, and for the rest {why}"))
                    .hint(hint);
            }
            Ok(Covered::Wholly) => {
                cx.report
                    .warning(
                        &at,
                        "covered: the gate's own grammar knows this command and is stricter, so \
                         the pattern allows nothing more",
                    )
                    .hint("it can be left out");
            }
            Err(refused) => {
                let (why, hint) = refused.words();
                cx.report.warning(&at, why).hint(hint);
            }
        }
    }
}

fn judge(pattern: &str, clean_roots: &[PathBuf]) -> Result<Covered, Refused> {
    // As JavaScript writes it: /^find \/tmp/
    let inner = pattern.trim().strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    let pattern = inner.map_or(pattern.trim(), |(pattern, _flags)| pattern);
    let rest = pattern.strip_prefix('^').ok_or(Refused::NotAnchored)?;
    let rest = rest.strip_suffix('$').unwrap_or(rest);
    let judged: Vec<_> =
        beginnings(rest)?.iter().map(|line| beginning(line, clean_roots)).collect();
    let first = judged.iter().find_map(|judged| judged.err());
    match first {
        None => Ok(Covered::Wholly),
        Some(refused) if judged.iter().any(Result::is_ok) => Ok(Covered::Partly(refused)),
        Some(refused) => Err(refused),
    }
}

/// Whether the grammar knows command lines that begin so.
fn beginning(line: &str, clean_roots: &[PathBuf]) -> Result<(), Refused> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let program = *words.first().ok_or(Refused::NotWords)?;
    let name = program.rsplit('/').next().unwrap_or(program);
    if WRAPPERS.contains(&name) {
        return Err(Refused::Wrapper);
    }
    match words.as_slice() {
        ["find", root, ..] if !folder::is_below(Path::new(root), clean_roots) => {
            Err(Refused::OutsideRoots)
        }
        ["find", _, ..] => Ok(()),
        words if KNOWN.iter().any(|known| words.starts_with(known)) => Ok(()),
        _ => Err(Refused::Unknown),
    }
}

/// The texts for which a pattern of literals and groups of alternatives stands.
fn beginnings(pattern: &str) -> Result<Vec<String>, Refused> {
    let mut found = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let parts = match c {
            '\\' => match chars.next() {
                Some('s') => vec![" ".to_owned()],
                Some('b') => vec![String::new()],
                Some(escaped) if !escaped.is_alphanumeric() => vec![escaped.to_string()],
                _ => return Err(Refused::NotWords),
            },
            '(' => {
                let inner: String = chars.by_ref().take_while(|c| *c != ')').collect();
                let inner = inner.strip_prefix("?:").unwrap_or(&inner);
                if inner.contains(['(', '[', '*', '+', '?', '.', '\\', '{']) {
                    return Err(Refused::NotWords);
                }
                inner.split('|').map(str::to_owned).collect()
            }
            '.' | '*' | '+' | '?' | '[' | ']' | '{' | '}' | '|' | ')' | '^' | '$' => {
                return Err(Refused::NotWords);
            }
            literal => vec![literal.to_string()],
        };
        let longer =
            found.iter().flat_map(|start| parts.iter().map(move |it| format!("{start}{it}")));
        found = longer.collect();
        if found.len() > BEGINNINGS_MAX {
            return Err(Refused::TooMany);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::tests::decode_one;

    fn said(pattern: &str) -> Result<Covered, Refused> {
        judge(pattern, &["/tmp".into(), "/var/log".into()])
    }

    /// The list of the first source document, as it is.
    #[test]
    fn the_first_documents_list_is_covered() {
        for pattern in [
            r"/^find \/tmp/",
            r"/^find \/var\/log/",
            "/^docker system prune/",
            "/^brew (services restart|cleanup)/",
            "/^nginx -s reload/",
            "^certbot renew",
        ] {
            assert_eq!(said(pattern), Ok(Covered::Wholly), "{pattern}");
        }
        // Whoever stops the gateway does not repair it.
        let partly = Ok(Covered::Partly(Refused::Unknown));
        assert_eq!(said("/^openclaw gateway (start|stop|restart)/"), partly);
    }

    #[test]
    fn what_cannot_be_made_safe_is_refused() {
        let cases = [
            ("find /tmp", Refused::NotAnchored),
            ("^find /etc", Refused::OutsideRoots),
            ("^find", Refused::Unknown),
            ("^find /tmpfiles", Refused::OutsideRoots),
            ("^docker .*", Refused::NotWords),
            ("^docker", Refused::Unknown),
            ("^docker (rm|exec)", Refused::Unknown),
            ("^sudo systemctl restart", Refused::Wrapper),
            ("^/bin/sh -c", Refused::Wrapper),
            ("^rm -rf /tmp", Refused::Unknown),
            ("^", Refused::NotWords),
            ("^((a|b)|c)", Refused::NotWords),
        ];
        for (pattern, expected) in cases {
            assert_eq!(said(pattern), Err(expected), "{pattern}");
        }
        let many = format!("^df{}", "(a|b)".repeat(6));
        assert_eq!(said(&many), Err(Refused::TooMany));
    }

    #[test]
    fn each_pattern_is_told_of() {
        let text = r"['^certbot renew', '/^rm/']";
        let (_, problems) = decode_one(text, |at, cx| patterns(at, &[], cx));
        assert!(problems[0].starts_with("f:1:2: warning: [0]: covered:"), "{problems:?}");
        assert!(problems[1].starts_with("f:1:20: warning: [1]: refused:"), "{problems:?}");
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "\\PC{0,40}|[/^a-z()|\\\\. ]{0,40}") {
            let _ = said(&pattern);
        }
    }
}
