//! What the kernel tells of a process and of this machine (`proc(5)`).

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident, shared pages included.
    pub(crate) rss: u64,
    /// Resident, each shared page divided by its users.
    pub(crate) pss: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Its name.
    pub(crate) comm: String,
    pub(crate) is_zombie: bool,
    /// The CPU time that it used, in clock ticks (10 ms on every Linux of today).
    pub(crate) cpu_ticks: u64,
    /// When it began, in clock ticks since the start of the machine.
    pub(crate) start_ticks: u64,
}

pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let read = |file: &str, key: &str| {
        let path = format!("/proc/{pid}/{file}");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        kilobytes(&text, key).with_context(|| format!("{path} has no {key}"))
    };
    let (rss, peak) = (read("status", "VmRSS")?, read("status", "VmHWM")?);
    Ok(Memory { rss, pss: read("smaps_rollup", "Pss")?, peak })
}

/// A line such as `VmRSS:  12 kB`, in bytes.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

/// None: there is no such process.
pub(crate) fn stat(pid: i32) -> anyhow::Result<Option<Stat>> {
    let path = format!("/proc/{pid}/stat");
    // A process may end between opening and reading, so every failure to read means that it is gone.
    let Ok(bytes) = fs::read(&path) else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    parse_stat(&text).map(Some).with_context(|| format!("{path} is not as expected"))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name may hold parentheses and spaces; only the last `)` is surely the kernel's.
    let (head, tail) = text.rsplit_once(')')?;
    let (_, comm) = head.split_once('(')?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    // Field 3, the state, is the first of these.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        comm: comm.to_owned(),
        is_zombie: matches!(fields.first(), Some(&("Z" | "X"))),
        cpu_ticks: number(14)? + number(15)?,
        start_ticks: number(22)?,
    })
}

/// This machine, without its name.
pub(crate) fn machine(folder: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu_info = read("/proc/cpuinfo");
    let cpu =
        cpu_info.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1));
    let ram = kilobytes(&read("/proc/meminfo"), "MemTotal").unwrap_or(0) / 1_000_000_000;
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("unknown");
    format!(
        "{cores} cores ({}), {ram} GB RAM, Linux {}, {} file system; load average at the start {load}",
        cpu.unwrap_or("unknown").trim(),
        read("/proc/sys/kernel/osrelease").trim(),
        file_system(&read("/proc/self/mounts"), folder).unwrap_or("unknown"),
    )
}

/// The type of the file system on which a folder lies.
fn file_system<'m>(mounts: &'m str, folder: &Path) -> Option<&'m str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let at = Path::new(words.nth(1)?);
        folder.starts_with(at).then_some((at.as_os_str().len(), words.next()?))
    });
    // Of two mounts at one place the later one is seen.
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_do_not_confuse() {
        let tail = "S 1 1 1 0 -1 0 0 0 0 0 7 5 0 0 20 0 1 0 4242 0 0";
        let stat = parse_stat(&format!("12 (결제 (a) b) {tail}")).unwrap();
        assert_eq!(
            (stat.comm.as_str(), stat.cpu_ticks, stat.start_ticks),
            ("결제 (a) b", 12, 4242)
        );
        assert!(!stat.is_zombie && parse_stat("12 (x) Z 1").is_none());
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.rss > 100_000 && memory.pss <= memory.rss);
        assert!(stat(i32::try_from(pid).unwrap()).unwrap().is_some());
        assert_eq!(stat(i32::MAX).unwrap(), None);
    }

    #[test]
    fn the_deepest_and_last_mount_is_the_file_system() {
        let mounts =
            "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmp xfs rw 0 0\nd /tmpx nfs rw 0 0\n";
        let of = |folder: &str| file_system(mounts, Path::new(folder));
        assert_eq!(of("/tmp/x"), Some("xfs"));
        assert_eq!(of("/home"), Some("ext4"));
        assert_eq!(file_system("", Path::new("/")), None);
    }
}
