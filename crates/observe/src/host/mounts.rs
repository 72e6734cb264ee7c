//! Which file systems of this machine are worth watching, by `/proc/self/mountinfo`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use nightcrew_model::sample::Unknown;

/// The largest number of mounted file systems that are watched.
pub(crate) const MOUNTS_MAX: usize = 128;

/// File systems that keep their files on storage.  Images that are never written (squashfs,
/// iso9660, erofs) are always full and so left out; tmpfs is memory.
const STORAGE: [&str; 28] = [
    "apfs", "bcachefs", "btrfs", "ceph", "cifs", "exfat", "ext2", "ext3", "ext4", "f2fs",
    "fuseblk", "gfs2", "hfsplus", "jfs", "lustre", "msdos", "nfs", "nfs4", "nilfs2", "ntfs",
    "ntfs3", "ocfs2", "reiserfs", "smb3", "vfat", "virtiofs", "xfs", "zfs",
];

/// FUSE file systems that show something else than storage.
const FUSE_WITHOUT_STORAGE: [&str; 4] =
    ["fuse.portal", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.snapfuse"];

/// Files that a container runtime binds over those of the image: never a disk of their own.
const CONTAINER_FILES: [&str; 5] = [
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/dev/termination-log",
    "/run/.containerenv",
];

/// One line of `mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// `major:minor` of the file system.
    pub(crate) device: String,
    /// Which folder of the file system is shown; `/` for all of it.
    pub(crate) root: PathBuf,
    /// Where it is shown.
    pub(crate) point: PathBuf,
    /// Its kind, such as `ext4`.
    pub(crate) kind: String,
}

/// Reads `mountinfo`, see `proc_pid_mountinfo(5)`.  Lines of an unknown form are an error: a disk
/// must not be lost in silence.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Mount>, Unknown> {
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            parse_line(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                Unknown::NotPlausible(format!("a line of mountinfo has an unknown form: {line}"))
            })
        })
        .collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device = fields.nth(2)?;
    let root = fields.next()?;
    let point = fields.next()?;
    // Options, then any number of optional fields up to a lone `-`.
    fields.find(|&field| field == b"-")?;
    let kind = fields.next()?;
    Some(Mount {
        device: std::str::from_utf8(device).ok()?.to_owned(),
        root: unescape(root),
        point: unescape(point),
        kind: std::str::from_utf8(kind).ok()?.to_owned(),
    })
}

/// Undoes the kernel's `\040`: a backslash and three octal digits stand for one byte.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            let text = std::str::from_utf8(digits).ok()?;
            text.bytes().all(|byte| matches!(byte, b'0'..=b'7')).then_some(())?;
            u8::from_str_radix(text, 8).ok()
        });
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// The mount points to watch, sorted: one for each file system on storage, and `/` in any case,
/// even where it is the overlay of a container.
pub(crate) fn storage(mounts: Vec<Mount>) -> Vec<PathBuf> {
    // What is mounted later hides what was there before.
    let by_point: BTreeMap<PathBuf, Mount> =
        mounts.into_iter().map(|mount| (mount.point.clone(), mount)).collect();
    let in_container = by_point.get(Path::new("/")).is_some_and(|mount| mount.kind == "overlay");
    let mut by_device: BTreeMap<String, Mount> = BTreeMap::new();
    for mount in by_point.into_values() {
        let bound_file =
            in_container && CONTAINER_FILES.iter().any(|file| mount.point == Path::new(file));
        if bound_file || !is_storage(&mount) {
            continue;
        }
        let better = by_device.get(&mount.device).is_none_or(|known| rank(&mount) < rank(known));
        if better {
            by_device.insert(mount.device.clone(), mount);
        }
    }
    let mut points: Vec<PathBuf> = by_device.into_values().map(|mount| mount.point).collect();
    points.sort();
    points
}

/// The best name of a file system: the whole of it before a part, a short path before a long one.
fn rank(mount: &Mount) -> (bool, usize) {
    (mount.root != Path::new("/") && mount.point != Path::new("/"), mount.point.as_os_str().len())
}

fn is_storage(mount: &Mount) -> bool {
    let kind = mount.kind.as_str();
    let fuse = kind.starts_with("fuse.") && !FUSE_WITHOUT_STORAGE.contains(&kind);
    let root = mount.point == Path::new("/") && matches!(kind, "overlay" | "tmpfs");
    STORAGE.contains(&kind) || fuse || root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(text: &str) -> Vec<String> {
        let shown = |path: PathBuf| path.display().to_string();
        storage(parse(text.as_bytes()).unwrap()).into_iter().map(shown).collect()
    }

    #[test]
    fn paths_are_unescaped() {
        for (written, meant) in [
            (r"/mnt/my\040disk", "/mnt/my disk"),
            (r"/mnt/tab\011nl\012back\134slash", "/mnt/tab\tnl\nback\\slash"),
            ("/mnt/데이터", "/mnt/데이터"),
            (r"/mnt/백업\040디스크", "/mnt/백업 디스크"),
            (r"/mnt/\353\215\260", "/mnt/데"),
            (r"/mnt/a\04", r"/mnt/a\04"),
            (r"/mnt/a\999", r"/mnt/a\999"),
            (r"/mnt/a\777", r"/mnt/a\777"),
            ("\\", "\\"),
        ] {
            assert_eq!(unescape(written.as_bytes()), Path::new(meant), "{written}");
        }
    }

    #[test]
    fn optional_fields_come_in_any_number() {
        for optional in ["", "shared:1 ", "shared:1 master:2 propagate_from:3 "] {
            let line = format!("36 35 98:0 /sub /mnt2 rw,noatime {optional}- ext3 /dev/root rw");
            let mounts = parse(line.as_bytes()).unwrap();
            let expected = Mount {
                device: "98:0".into(),
                root: "/sub".into(),
                point: "/mnt2".into(),
                kind: "ext3".into(),
            };
            assert_eq!(mounts, [expected]);
        }
    }

    #[test]
    fn only_storage_is_watched_and_each_device_once() {
        let text = r"22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw - ext4 /dev/vda rw
28 27 254:0 /srv/a /very/long/bind rw - ext4 /dev/vda rw
29 27 0:30 / /dev/shm rw - tmpfs tmpfs rw
30 27 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
31 27 0:50 /@home /home rw - btrfs /dev/vdb rw
32 27 0:50 /@data /data rw - btrfs /dev/vdb rw
33 27 0:60 / /mnt/백업\040디스크 rw - nfs4 nas:/x rw
34 27 0:61 / /run/user/1/doc rw - fuse.portal portal rw
35 27 0:62 / /mnt/s3 rw - fuse.s3fs s3fs rw
36 27 0:63 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
37 27 11:0 / /media/cd ro - iso9660 /dev/sr0 ro
38 27 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw
";
        assert_eq!(points(text), ["/", "/boot/efi", "/data", "/mnt/s3", "/mnt/백업 디스크"]);
    }

    #[test]
    fn the_root_of_a_container_counts_but_not_its_bound_files() {
        let text = "1 0 0:70 / / rw - overlay overlay rw
2 1 254:0 /containers/1/hosts /etc/hosts rw - ext4 /dev/vda rw
3 1 254:1 / /data rw - xfs /dev/vdb rw
";
        assert_eq!(points(text), ["/", "/data"]);
    }

    #[test]
    fn a_later_mount_hides_an_earlier_one() {
        let text = "1 0 254:0 / / rw - ext4 /dev/vda rw
2 1 254:1 / /data rw - xfs /dev/vdb rw
3 1 0:9 / /data rw - tmpfs tmpfs rw
";
        assert_eq!(points(text), ["/"]);
    }

    #[test]
    fn a_line_of_unknown_form_is_an_error() {
        for text in ["1 2 3", "36 35 98:0 / /mnt rw ext3 /dev/root rw", " "] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    /// As the kernel's `mangle` does.
    fn escape(path: &str) -> String {
        path.bytes().fold(String::new(), |mut text, byte| {
            match byte {
                b' ' => text.push_str(r"\040"),
                b'\t' => text.push_str(r"\011"),
                b'\n' => text.push_str(r"\012"),
                b'\\' => text.push_str(r"\134"),
                byte => text.push(char::from(byte)),
            }
            text
        })
    }

    proptest! {
        #[test]
        fn what_the_kernel_escapes_reads_back(name in "[ -~\t\n]{0,30}") {
            prop_assert_eq!(unescape(escape(&name).as_bytes()), Path::new(&name));
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mounts) = parse(&bytes) {
                storage(mounts);
            }
        }
    }
}
