//! Folders below which files may be removed.

use std::path::{Component, Path, PathBuf};

use crate::problem::Report;
use crate::tree::At;

/// Folders that are too much for a place to clean.
const SYSTEM: [&str; 18] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root",
    "/run", "/sbin", "/srv", "/sys", "/usr", "/var", "/mnt",
];

/// Judges one root; none after an error.
pub(crate) fn clean_root(at: &At<'_>, text: &str, report: &mut Report) -> Option<PathBuf> {
    let path = Path::new(text);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if !path.is_absolute() || climbs || text.contains('\0') {
        report.error(at, "expected an absolute path without `..`").hint("such as \"/var/log\"");
        return None;
    }
    // Without repeated or trailing slashes.
    let path: PathBuf = path.components().collect();
    let target = std::fs::canonicalize(&path);
    let is_system = |path: &Path| SYSTEM.iter().any(|system| path == Path::new(system));
    if is_system(&path) || target.as_deref().is_ok_and(is_system) {
        report
            .error(at, "everything below a folder of the system could be removed")
            .hint("name the folder that may be cleaned, such as \"/var/log\" or \"/tmp\"");
        return None;
    }
    match target {
        Ok(target) if target.is_dir() => {}
        Ok(_) => {
            report.error(at, "expected a folder, and this is none");
            return None;
        }
        Err(_) => {
            report
                .warning(at, "there is no such folder here")
                .hint("check the path; nothing below it will be cleaned");
        }
    }
    Some(path)
}

/// Whether a path is one of the roots or lies below one.
pub(crate) fn is_below(path: &Path, roots: &[PathBuf]) -> bool {
    roots.iter().any(|root| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn roots_are_judged() {
        let cases = [
            ("/", "error: everything below a folder of the system"),
            ("//", "error: everything below a folder of the system"),
            ("/etc/", "error: everything below a folder of the system"),
            ("tmp", "error: expected an absolute path"),
            ("/tmp/../etc", "error: expected an absolute path"),
            ("/없는/폴더", "warning: there is no such folder"),
            ("/tmp", ""),
        ];
        for (root, expected) in cases {
            let text = format!("'{root}'");
            let (_, problems) = decode_one(&text, |at, cx| clean_root(at, root, &mut cx.report));
            let said = problems.join("\n");
            assert!(said.contains(expected), "{root}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{root}: {said}");
        }
    }

    #[test]
    fn a_link_to_the_root_folder_is_the_root_folder() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/", &link).unwrap();
        let root = link.to_str().unwrap();
        let text = format!("'{root}'");
        let (found, problems) = decode_one(&text, |at, cx| clean_root(at, root, &mut cx.report));
        assert_eq!(found, None);
        assert!(problems[0].contains("everything below"));
    }
}
