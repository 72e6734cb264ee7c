//! Landlock: reading and executing everywhere, writing below grants, TCP and signals by the order.
//!
//! What a device file is made from is never granted: a program of root could otherwise make the
//! disk's in a folder that it may write.
//!
//! Source: `Documentation/userspace-api/landlock.rst` of the kernel.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};
use rustix::fs::OFlags;

use crate::sandbox::layer::{Layer, Missing};
use crate::sandbox::order::{Denied, Order};

/// The newest version that is asked for; older kernels do what they can.
const NEWEST: ABI = ABI::V6;

/// Before this version a file could be emptied without a grant.
const FILES_SINCE: ABI = ABI::V3;

/// Before this version signals went everywhere.
const SIGNALS_SINCE: ABI = ABI::V6;

/// Devices that hold nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Restricts this process; what could not be is told.
pub(super) fn apply(order: &Order) -> Vec<Missing> {
    let (files, signals) = match restrict(order) {
        Ok(LandlockStatus::Available { effective_abi, .. }) => (
            (effective_abi < FILES_SINCE).then(|| old("6.2", "emptying files is not kept")),
            (effective_abi < SIGNALS_SINCE).then(|| old("6.12", "signals are not kept")),
        ),
        Ok(LandlockStatus::NotEnabled) => {
            let why = "Landlock is off; add `landlock` to the kernel's lsm= list";
            (Some(why.to_owned()), Some(why.to_owned()))
        }
        Ok(LandlockStatus::NotImplemented) => {
            let why = "the kernel has no Landlock, or a container's filter hides it; Linux 6.12 or \
                       newer has all of it";
            (Some(why.to_owned()), Some(why.to_owned()))
        }
        Err(why) => (Some(why.clone()), Some(why)),
    };
    let is_asked = order.denied.contains(&Denied::Signals);
    let of = |layer, why: Option<String>| why.map(|why| Missing { layer, why });
    let missing = [of(Layer::Files, files), of(Layer::Signals, signals.filter(|_| is_asked))];
    missing.into_iter().flatten().collect()
}

fn old(since: &str, lost: &str) -> String {
    format!("this kernel's Landlock is older than Linux {since}: {lost}")
}

fn restrict(order: &Order) -> Result<LandlockStatus, String> {
    let writable = AccessFs::from_all(NEWEST) & !(AccessFs::MakeBlock | AccessFs::MakeChar);
    let of_file = AccessFs::from_file(NEWEST);
    let failed = |error: landlock::RulesetError| format!("Landlock refused: {error}");
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .map_err(failed)?;
    if order.denied.contains(&Denied::Network) {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST)).map_err(failed)?;
    }
    let mut scope = BitFlags::from(Scope::AbstractUnixSocket);
    if order.denied.contains(&Denied::Signals) {
        scope |= Scope::Signal;
    }
    let mut rules = ruleset.scope(scope).map_err(failed)?.create().map_err(failed)?;
    let reading = [(Path::new("/"), AccessFs::from_read(NEWEST))];
    let devices = DEVICES.map(|device| (Path::new(device), of_file));
    let grants = order.writes.iter().map(|path| (path.as_path(), writable));
    for (path, access) in reading.into_iter().chain(devices).chain(grants) {
        if let Some(place) = open(path)? {
            rules = rules.add_rule(PathBeneath::new(place, access)).map_err(failed)?;
        }
    }
    Ok(rules.restrict_self().map_err(failed)?.landlock)
}

/// What does not exist is no grant.
fn open(path: &Path) -> Result<Option<std::fs::File>, String> {
    let flags = i32::try_from(OFlags::PATH.bits()).map_err(|error| error.to_string())?;
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be opened: {error}", path.display())),
    }
}
