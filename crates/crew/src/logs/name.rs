//! What a log is called whose service nobody has told.

use std::path::Path;

use nightcrew_detect::signs::finding::{Finding, Subject};
use nightcrew_detect::signs::kind::Kind;
use nightcrew_model::id::ServiceName;

/// The longest name, in characters.
pub(crate) const NAME_CHARS_MAX: usize = 64;

/// Folders that say nothing about what is in them.
const FOLDERS: [&str; 4] = ["log", "logs", "tmp", "var"];

/// How much of a container's id its name is.
const CONTAINER_CHARS: usize = 12;

/// What the path of a log says of it: the folder of a program, or the name of the file without
/// its endings; the container whose lines are in it.
pub(crate) fn name_of(path: &Path) -> String {
    let file = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name);
    let folder = folder.map(|name| name.to_string_lossy()).unwrap_or_default();
    if let Some(id) = file.strip_suffix("-json.log") {
        return bounded(&id.chars().take(CONTAINER_CHARS).collect::<String>());
    }
    // <pod>_<namespace>_<container>-<id>.log
    if folder == "containers"
        && let Some(container) = file.rsplit('_').next().filter(|part| part.len() < file.len())
        && let Some((name, _)) = container.rsplit_once('-')
    {
        return bounded(name);
    }
    let is_below_pods = path.components().any(|part| part.as_os_str() == "pods");
    if is_below_pods || !FOLDERS.contains(&&*folder) && !folder.is_empty() {
        return bounded(&folder);
    }
    let stem = file.split('.').next().unwrap_or_default();
    bounded(if stem.is_empty() { &file } else { stem })
}

/// The service that a finding is about, in a log whose service nobody has told: the host for
/// what the kernel says, else the program.
pub(crate) fn service_of(finding: &Finding, log: &str, is_told: bool) -> ServiceName {
    let program = match finding.kind {
        Kind::OutOfMemory
        | Kind::DiskError
        | Kind::ReadOnlyFileSystem
        | Kind::NoSpace
        | Kind::HungTask => {
            // A runtime that is out of memory is not the host's trouble.
            let is_kernel = matches!(&finding.subject, Subject::Program(name) if name == "kernel");
            return if is_kernel || !is_told && finding.subject == Subject::Everything {
                ServiceName::host()
            } else {
                own(finding, log, is_told)
            };
        }
        Kind::SshBruteForce | Kind::SshBruteForceSpread => "sshd",
        Kind::SudoRefused => "sudo",
        Kind::SuRefused => "su",
        _ => return own(finding, log, is_told),
    };
    ServiceName::from(if is_told { log } else { program })
}

fn own(finding: &Finding, log: &str, is_told: bool) -> ServiceName {
    match &finding.subject {
        Subject::Program(program) if !is_told && !program.is_empty() => {
            ServiceName::from(bounded(program))
        }
        _ => ServiceName::from(log),
    }
}

/// A name of letters that a name may have.
pub(crate) fn bounded(name: &str) -> String {
    let letter = |c: char| if c.is_control() || c.is_whitespace() { '_' } else { c };
    name.chars().take(NAME_CHARS_MAX).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_its_log_is_called() {
        for (path, name) in [
            ("/var/log/auth.log", "auth"),
            ("/var/log/syslog.1", "syslog"),
            ("/var/log/nginx/access.log", "nginx"),
            ("/tmp/openclaw/x.log", "openclaw"),
            ("/data/logs/web.log", "web"),
            (
                "/var/lib/docker/containers/0123456789abcdef/0123456789abcdef-json.log",
                "0123456789ab",
            ),
            ("/var/log/containers/web-1_shop_nginx-0a1b.log", "nginx"),
            ("/var/log/pods/shop_web-1_uid/nginx/0.log", "nginx"),
            ("/x.log", "x"),
            ("/var/log/.log", ".log"),
        ] {
            assert_eq!(name_of(Path::new(path)), name, "{path}");
        }
        assert_eq!(bounded(&"가 ".repeat(99)).chars().count(), NAME_CHARS_MAX);
    }
}
