//! seccomp: the system calls that administer the machine or look into other processes, and the
//! sockets that are not granted, answer EPERM.
//!
//! A filter cannot see behind a pointer.  So `clone3` answers ENOSYS, upon which every C library
//! takes `clone`; and `io_uring`, which opens sockets beside every filter, is refused whole.
//! Numbers of the x32 table are refused whole too, for they name the same calls differently.  A
//! program of another architecture's table (32 bits) is killed at its first call.
//!
//! Sources: seccomp(2), the default profile of container engines.

use std::collections::BTreeMap;

use libc::{AF_INET, AF_UNIX, S_IFBLK, S_IFCHR, S_IFMT};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule, TargetArch, sock_filter,
};

use crate::sandbox::order::Denied;

/// Refused whatever the arguments.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_open_by_handle_at,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_clock_settime,
    libc::SYS_settimeofday,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Refused on the architectures that have them.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] =
    &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Every flag of `clone` that makes a namespace.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// The `ioctl`s that type into a terminal.
const TYPING: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// Numbers from here on are of the x32 table.
const X32_FROM: u32 = 0x4000_0000;

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("the filter cannot be made: {0}")]
    Made(#[from] BackendError),
    #[error("the kernel does not take a filter (CONFIG_SECCOMP_FILTER): {0}")]
    Taken(#[from] seccompiler::Error),
}

/// Filters the system calls of this process and of everything that it becomes.
pub(super) fn apply(denied: &[Denied]) -> Result<(), FilterError> {
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    // A filter that refuses seccomp(2) itself is none of these, so the order is free.
    for filter in [compiled(clone3, absent)?, compiled(rules(denied)?, refused)?] {
        seccompiler::apply_filter(&filter)?;
    }
    Ok(())
}

fn compiled(
    rules: BTreeMap<i64, Vec<Rule>>,
    action: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture)?;
    let mut program = without_x32();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Instructions before a filter that refuse the x32 table.
fn without_x32() -> BpfProgram {
    if !cfg!(target_arch = "x86_64") {
        return Vec::new();
    }
    let instruction = |code: u32, jt, jf, k| sock_filter {
        // All codes of classic BPF fit 16 bits.
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    let enosys = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    vec![
        // The number of the call is the first word of what a filter sees.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32_FROM),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, enosys),
    ]
}

fn rules(denied: &[Denied]) -> Result<BTreeMap<i64, Vec<Rule>>, BackendError> {
    let whole = REFUSED.iter().chain(REFUSED_HERE).map(|number| (*number, Vec::new()));
    let mut rules: BTreeMap<i64, Vec<Rule>> = whole.collect();
    let flags = (0..u64::BITS).map(|bit| 1 << bit).filter(|flag| NAMESPACES & flag != 0);
    rules.insert(
        libc::SYS_clone,
        flags.map(|flag| masked(0, flag, flag)).collect::<Result<_, _>>()?,
    );
    let typing = TYPING.iter().map(|request| equal(1, *request)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, typing);
    let devices = |argument| -> Result<Vec<Rule>, BackendError> {
        let kinds = [S_IFCHR, S_IFBLK].map(u64::from);
        kinds.into_iter().map(|kind| masked(argument, u64::from(S_IFMT), kind)).collect()
    };
    rules.insert(libc::SYS_mknodat, devices(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mknod, devices(1)?);
    let sockets = sockets(denied)?;
    if !sockets.is_empty() {
        rules.insert(libc::SYS_socket, sockets);
    }
    Ok(rules)
}

/// Which families of sockets are refused.
fn sockets(denied: &[Denied]) -> Result<Vec<Rule>, BackendError> {
    let unix = AF_UNIX.unsigned_abs().into();
    let mut rules = Vec::new();
    if denied.contains(&Denied::UnixSockets) {
        rules.push(equal(0, unix)?);
    }
    if denied.contains(&Denied::Network) {
        rules.push(rule(0, Compare::Ne, unix)?);
    } else {
        // Packets of all programs, and the families that only administrators use.
        let v6 = libc::AF_INET6.unsigned_abs().into();
        let (v4, netlink) = (AF_INET.unsigned_abs().into(), libc::AF_NETLINK.unsigned_abs().into());
        let conditions = [unix, v4, v6, netlink]
            .map(|family| Condition::new(0, Width::Dword, Compare::Ne, family));
        rules.push(Rule::new(conditions.into_iter().collect::<Result<_, _>>()?)?);
    }
    Ok(rules)
}

fn equal(argument: u8, value: u64) -> Result<Rule, BackendError> {
    rule(argument, Compare::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<Rule, BackendError> {
    rule(argument, Compare::MaskedEq(mask), value)
}

/// The kernel looks at the lower 32 bits of these arguments, so the filter does too.
fn rule(argument: u8, compare: Compare, value: u64) -> Result<Rule, BackendError> {
    Rule::new(vec![Condition::new(argument, Width::Dword, compare, value)?])
}
