//! The limits that the kernel keeps for one process and hands down to its children.
//!
//! The address space is not limited: programs reserve far more than they use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many files may be open in a program.
pub(super) const OPEN_FILES_MAX: u64 = 4_096;

/// How many processes and threads the user may have when a program starts another.  The kernel
/// counts all of the user's, so this only stops a program that multiplies without end.
pub(super) const PROCESSES_MAX: u64 = 16_384;

/// How long a file can become that a program writes, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 30;

/// How much longer than the soft limit of processor time, which can be caught, the hard one is.
const CPU_GRACE_SECONDS: u64 = 2;

/// Sets every limit; none is raised.
pub(super) fn apply(cpu_seconds: u64) -> Result<(), String> {
    let limits = [
        (Resource::Core, 0, 0),
        (Resource::Nofile, OPEN_FILES_MAX, OPEN_FILES_MAX),
        (Resource::Nproc, PROCESSES_MAX, PROCESSES_MAX),
        (Resource::Fsize, FILE_BYTES_MAX, FILE_BYTES_MAX),
        (Resource::Cpu, cpu_seconds, cpu_seconds.saturating_add(CPU_GRACE_SECONDS)),
    ];
    for (resource, soft, hard) in limits {
        let present = getrlimit(resource);
        let hard = present.maximum.map_or(hard, |maximum| maximum.min(hard));
        let soft = present.current.map_or(soft, |current| current.min(soft)).min(hard);
        setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })
            .map_err(|error| format!("the limit {resource:?} cannot be set: {error}"))?;
    }
    Ok(())
}
