//! Privileges: none can be gained, and root keeps only those that programs of the grammar need.

use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

/// What root keeps: to read, write, own and signal what belongs to others (logs, workers), to
/// become a service's user, to serve low ports (certbot).
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Gives up what is not kept, for this process and for everything that it becomes.
pub(super) fn apply() -> Result<(), String> {
    set_no_new_privs(true).map_err(|error| format!("they cannot be forbidden: {error}"))?;
    let present = capabilities(None).map_err(|error| format!("cannot be read: {error}"))?;
    if present.permitted.contains(CapabilitySet::SETPCAP) {
        for capability in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
            if KEPT.contains(capability) {
                continue;
            }
            match remove_capability_from_bounding_set(capability) {
                // Past the last one that this kernel knows.
                Err(Errno::INVAL) => break,
                dropped => dropped.map_err(|error| format!("cannot be dropped: {error}"))?,
            }
        }
    } else if geteuid().is_root() && !KEPT.contains(present.permitted) {
        return Err("root without CAP_SETPCAP cannot drop the others".to_owned());
    }
    let kept = present.permitted.intersection(KEPT);
    let sets =
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(|error| format!("cannot be dropped: {error}"))
}
