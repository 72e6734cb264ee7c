//! What a login or privilege program wrote: sshd, sudo, su, PAM, useradd, usermod, gpasswd.
//!
//! User names come from whoever knocks: an address is looked for from the end of a line, so that a
//! user called `x from 10.0.0.1 port 22` blames nobody.

use crate::signs::line::Message;
use crate::signs::scan::{after, cut, cut_at, has, number, word};

/// One thing that happened to a login or a privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthEvent<'a> {
    /// Wrong passwords.
    Failed { user: &'a [u8], address: &'a [u8], n_times: u64 },
    /// A user that does not exist; sshd says it once for each connection.
    Unknown { user: &'a [u8], address: &'a [u8] },
    /// A connection that ended before it logged in.
    Left { user: &'a [u8], address: &'a [u8] },
    /// PAM's own count of wrong passwords, beside sshd's.
    Pam { user: &'a [u8], address: &'a [u8], n_times: u64 },
    /// A login.
    Accepted { user: &'a [u8], address: &'a [u8] },
    /// Sudo refused: wrong passwords.
    SudoRefused { user: &'a [u8], n_times: u64 },
    /// Sudo refused: the user may not.
    NoSudoer { user: &'a [u8] },
    /// Su refused.
    SuRefused { user: &'a [u8] },
    /// A user became root by su.
    BecameRoot { user: &'a [u8] },
    /// A user was added to a group.
    Joined { user: &'a [u8], group: &'a [u8] },
    /// An account has, or was given, the user id 0.
    RootAccount { user: &'a [u8] },
}

/// The largest number that "message repeated N times" and the like are believed with.
pub(crate) const TIMES_MAX: u64 = 1_000;

/// Reads a message; none: nothing about logins or privileges.
pub(crate) fn read<'a>(message: &Message<'a>) -> Option<AuthEvent<'a>> {
    let program = message.program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let text = message.text;
    match program {
        b"sshd" | b"sshd-session" | b"dropbear" => read_ssh(text),
        b"sudo" => read_sudo(text),
        b"su" => read_su(text),
        b"useradd" | b"adduser" => {
            let (_, left) = cut_at(text, b"new user: name=")?;
            let (user, left) = cut(left, b',')?;
            left.trim_ascii_start()
                .starts_with(b"UID=0,")
                .then_some(AuthEvent::RootAccount { user })
        }
        b"usermod" => read_usermod(text),
        b"gpasswd" => {
            let (user, left) = cut_at(after(text, b"user ")?, b" added by ")?;
            let group = word(after(left, b"to group ")?);
            Some(AuthEvent::Joined { user, group })
        }
        _ if has(text, b"authentication failure;") => read_pam(text, 1),
        _ => None,
    }
}

fn read_ssh(text: &[u8]) -> Option<AuthEvent<'_>> {
    if let Some(left) = text.strip_prefix(b"message repeated ") {
        let (times, left) = cut(left, b' ')?;
        let event = read_ssh(after(left, b"[ ")?.trim_ascii_start())?;
        let AuthEvent::Failed { user, address, .. } = event else { return None };
        return Some(AuthEvent::Failed { user, address, n_times: number(times)?.min(TIMES_MAX) });
    }
    if let Some(left) = text.strip_prefix(b"Failed ") {
        let (method, left) = cut_at(left, b" for ")?;
        // A client offers its keys one after the other: that is no guess.
        if matches!(method, b"publickey" | b"none" | b"hostbased") {
            return None;
        }
        let (user, address) = user_from(left)?;
        return Some(AuthEvent::Failed { user, address, n_times: 1 });
    }
    if let Some(left) = text.strip_prefix(b"Accepted ") {
        let (user, address) = user_from(after(left, b" for ")?)?;
        return Some(AuthEvent::Accepted { user, address });
    }
    if let Some(left) = text.strip_prefix(b"Invalid user ") {
        let (user, address) = user_from(left)?;
        return Some(AuthEvent::Unknown { user, address });
    }
    if let Some(left) = text.strip_prefix(b"PAM ") {
        let (times, _) = cut(left, b' ')?;
        return read_pam(text, number(times)?.min(TIMES_MAX));
    }
    if text.starts_with(b"pam_") && has(text, b"authentication failure;") {
        return read_pam(text, 1);
    }
    let left = text
        .strip_prefix(b"Connection closed by ")
        .or_else(|| text.strip_prefix(b"Connection reset by "))
        .or_else(|| text.strip_prefix(b"Disconnected from "))?;
    let left = left
        .strip_prefix(b"authenticating user ")
        .or_else(|| left.strip_prefix(b"invalid user "))?;
    let (head, _) = split_last(left, b" port ")?;
    let (user, address) = split_last(head, b" ")?;
    Some(AuthEvent::Left { user, address })
}

/// `[invalid user ]NAME from ADDRESS port N`, from the end.
fn user_from(left: &[u8]) -> Option<(&[u8], &[u8])> {
    let left = left.strip_prefix(b"invalid user ").unwrap_or(left);
    let (user, behind) = match left.strip_prefix(b"from ") {
        Some(behind) => (&b""[..], behind),
        None => split_last(left, b" from ")?,
    };
    let address = word(behind);
    is_address(address).then_some((user.trim_ascii(), address))
}

fn read_pam(text: &[u8], n_times: u64) -> Option<AuthEvent<'_>> {
    let left = after(text, b"rhost=")?;
    let address = word(left);
    let user = after(left, b"user=").map_or(&b""[..], word);
    is_address(address).then_some(AuthEvent::Pam { user, address, n_times })
}

/// `bob : 3 incorrect password attempts ; TTY=… ; USER=root ; COMMAND=…`.
fn read_sudo(text: &[u8]) -> Option<AuthEvent<'_>> {
    if let Some((user, left)) = cut_at(text, b" : ") {
        let user = user.trim_ascii();
        if left.starts_with(b"user NOT in sudoers") || left.starts_with(b"command not allowed") {
            return Some(AuthEvent::NoSudoer { user });
        }
        if has(left, b"incorrect password attempt") {
            let n_times = number(word(left)).unwrap_or(1).min(TIMES_MAX);
            return Some(AuthEvent::SudoRefused { user, n_times });
        }
        return None;
    }
    None
}

fn read_su(text: &[u8]) -> Option<AuthEvent<'_>> {
    if let Some(left) =
        text.strip_prefix(b"FAILED SU (to ").or_else(|| text.strip_prefix(b"FAILED su for "))
    {
        let user = match cut_at(left, b") ") {
            Some((_, behind)) => word(behind),
            None => word(after(left, b" by ")?),
        };
        return Some(AuthEvent::SuRefused { user });
    }
    if let Some(user) = text.strip_prefix(b"Successful su for root by ") {
        return Some(AuthEvent::BecameRoot { user: word(user) });
    }
    if let Some(left) = text.strip_prefix(b"(to root) ") {
        return Some(AuthEvent::BecameRoot { user: word(left) });
    }
    None
}

fn read_usermod(text: &[u8]) -> Option<AuthEvent<'_>> {
    if let Some(left) = text.strip_prefix(b"add '") {
        let (user, left) = cut(left, b'\'')?;
        let (group, _) = cut(after(left, b"group '")?, b'\'')?;
        return Some(AuthEvent::Joined { user, group });
    }
    let (user, left) = cut(text.strip_prefix(b"change user '")?, b'\'')?;
    has(left, b"UID from ").then_some(())?;
    left.trim_ascii_end().ends_with(b"to '0'").then_some(AuthEvent::RootAccount { user })
}

fn split_last<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::rfind(bytes, needle)?;
    Some((bytes.get(..at)?, bytes.get(at + needle.len()..)?))
}

/// Whether it could be an address or a host name.
fn is_address(bytes: &[u8]) -> bool {
    let is_part = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'_' | b'%')
    };
    (1..=255).contains(&bytes.len()) && bytes.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event<'a>(program: &'a str, text: &'a str) -> Option<AuthEvent<'a>> {
        let message = Message { program: program.as_bytes(), level: None, text: text.as_bytes() };
        read(&message)
    }

    #[test]
    fn ssh_lines_are_read() {
        let failed = |user, address, n_times| Some(AuthEvent::Failed { user, address, n_times });
        let rows = [
            ("Failed password for root from 1.2.3.4 port 22 ssh2", failed(b"root", b"1.2.3.4", 1)),
            (
                "Failed password for invalid user  from 1.2.3.4 port 22 ssh2",
                failed(b"", b"1.2.3.4", 1),
            ),
            (
                "message repeated 5 times: [ Failed password for root from ::1 port 22 ssh2]",
                failed(b"root", b"::1", 5),
            ),
            (
                "Failed password for invalid user a from 9.9.9.9 port 1 from 1.2.3.4 port 22 ssh2",
                failed(b"a from 9.9.9.9 port 1", b"1.2.3.4", 1),
            ),
            ("Failed publickey for bob from 1.2.3.4 port 22 ssh2", None),
            (
                "Connection closed by authenticating user root 1.2.3.4 port 5 [preauth]",
                Some(AuthEvent::Left { user: b"root", address: b"1.2.3.4" }),
            ),
            (
                "Accepted password for bob from 1.2.3.4 port 22 ssh2",
                Some(AuthEvent::Accepted { user: b"bob", address: b"1.2.3.4" }),
            ),
            ("Server listening on 0.0.0.0 port 22.", None),
        ];
        for (text, expected) in rows {
            assert_eq!(event("sshd", text), expected, "{text}");
        }
        let times =
            "message repeated 99999999 times: [ Failed password for root from ::1 port 2 ssh2]";
        assert_eq!(event("sshd", times), failed(b"root", b"::1", TIMES_MAX));
    }

    #[test]
    fn privilege_lines_are_read() {
        let rows = [
            (
                "sudo",
                "     bob : 3 incorrect password attempts ; TTY=pts/0 ; USER=root ; COMMAND=/bin/sh",
                Some(AuthEvent::SudoRefused { user: b"bob", n_times: 3 }),
            ),
            (
                "sudo",
                "bob : user NOT in sudoers ; TTY=x",
                Some(AuthEvent::NoSudoer { user: b"bob" }),
            ),
            ("sudo", "bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", None),
            ("su", "FAILED SU (to root) bob on pts/0", Some(AuthEvent::SuRefused { user: b"bob" })),
            ("su", "FAILED su for root by bob", Some(AuthEvent::SuRefused { user: b"bob" })),
            ("su", "Successful su for root by bob", Some(AuthEvent::BecameRoot { user: b"bob" })),
            (
                "useradd",
                "new user: name=eve, UID=0, GID=0, home=/, shell=/bin/sh",
                Some(AuthEvent::RootAccount { user: b"eve" }),
            ),
            ("useradd", "new user: name=a, UID=1001, GID=1001, home=/home/a", None),
            (
                "usermod",
                "add 'eve' to group 'sudo'",
                Some(AuthEvent::Joined { user: b"eve", group: b"sudo" }),
            ),
            (
                "usermod",
                "change user 'eve' UID from '1001' to '0'",
                Some(AuthEvent::RootAccount { user: b"eve" }),
            ),
            (
                "gpasswd",
                "user eve added by root to group wheel",
                Some(AuthEvent::Joined { user: b"eve", group: b"wheel" }),
            ),
        ];
        for (program, text, expected) in rows {
            assert_eq!(event(program, text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ -~]{0,80}") {
            for program in ["sshd", "sudo", "su", "usermod", "gpasswd", "x"] {
                let _ = event(program, &text);
            }
        }
    }
}
