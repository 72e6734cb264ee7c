//! What the operator has declared, and which names may be acted on at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nightcrew_config::settings::{Service, Supervisor};
use nightcrew_model::id::ServiceName;

/// The longest name of a service, unit, container or deployment, in bytes (`UNIT_NAME_MAX` of
/// systemd).
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// The kinds of units that may be acted on.  The others (targets, mounts, slices, devices) start
/// and stop more than themselves.
const UNIT_KINDS: [&str; 3] = [".service", ".socket", ".timer"];

/// The kinds of units that systemd has beside [`UNIT_KINDS`]; any other ending belongs to the name.
const OTHER_UNIT_KINDS: [&str; 9] = [
    ".target",
    ".mount",
    ".automount",
    ".swap",
    ".slice",
    ".scope",
    ".device",
    ".path",
    ".snapshot",
];

/// Units that keep the machine reachable and alive, without their kind and instance, in lower case;
/// a `*` at the end stands for any rest.
const PROTECTED: [&str; 34] = [
    "ssh",
    "sshd*",
    "systemd*",
    "dbus*",
    "network*",
    "init",
    "nightcrew*",
    "getty*",
    "console-getty",
    "serial-getty*",
    "container-getty*",
    "user",
    "user-runtime-dir",
    "polkit*",
    "emergency",
    "rescue",
    "reboot*",
    "poweroff*",
    "halt*",
    "kexec*",
    "suspend*",
    "hibernate*",
    "hybrid-sleep*",
    "iwd",
    "wpa_supplicant*",
    "dhcpcd*",
    "firewalld",
    "ufw",
    "nftables",
    "iptables*",
    "ip6tables*",
    "auditd",
    "initrd*",
    "udev*",
];

/// Why a name is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name: 1 to {NAME_BYTES_MAX} ASCII letters, digits and . _ @ : -, not beginning \
     with a sign"
)]
pub(crate) struct BadName(pub(crate) String);

/// Checks the form of a name of a service, unit, container or deployment.
pub(crate) fn well_formed(name: &str) -> Result<(), BadName> {
    let sign = |byte: u8| matches!(byte, b'.' | b'_' | b'@' | b':' | b'-');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || sign(byte);
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if begins && name.len() <= NAME_BYTES_MAX && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(BadName(name.chars().take(NAME_BYTES_MAX).collect()))
    }
}

/// The whole name of a unit: what has no kind is a service, as systemd reads it.
pub(crate) fn whole_unit(name: &str) -> String {
    let mut kinds = UNIT_KINDS.iter().chain(&OTHER_UNIT_KINDS);
    if kinds.any(|kind| name.ends_with(kind)) { name.to_owned() } else { format!("{name}.service") }
}

/// Whether a whole unit name is of a kind that may be acted on.
pub(crate) fn is_actionable(unit: &str) -> bool {
    UNIT_KINDS.iter().any(|kind| unit.ends_with(kind))
}

/// Whether a unit keeps the machine reachable and alive.
pub(crate) fn is_protected(unit: &str) -> bool {
    let whole = whole_unit(unit);
    let base = whole.rsplit_once('.').map_or(whole.as_str(), |(base, _)| base);
    let base = base.split_once('@').map_or(base, |(base, _)| base).to_ascii_lowercase();
    PROTECTED.iter().any(|name| match name.strip_suffix('*') {
        Some(beginning) => base.starts_with(beginning),
        None => base == *name,
    })
}

/// Whether a container, formula or deployment is the crew itself.
pub(crate) fn is_ourselves(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("nightcrew")
}

/// By what a program knows a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Handle {
    /// A container of Docker.
    Container,
    /// A service of Compose.
    Compose,
    /// A formula of Homebrew.
    Formula,
    /// A job of launchd.
    Launchd,
    /// Its own name.
    Name,
}

/// The services that the operator has declared.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    services: BTreeMap<ServiceName, Service>,
    /// The services by the whole name of their unit.
    units: BTreeMap<String, ServiceName>,
    /// The services by what supervises them.
    handles: BTreeMap<(Handle, String), ServiceName>,
    compose_files: BTreeSet<PathBuf>,
}

impl Inventory {
    pub(crate) fn new(services: &BTreeMap<ServiceName, Service>) -> Self {
        let unit = |(name, service): (&ServiceName, &Service)| {
            Some((whole_unit(service.unit.as_deref()?), name.clone()))
        };
        let handle = |(name, service): (&ServiceName, &Service)| {
            let key = match service.supervisor.as_ref()? {
                Supervisor::Docker { container } => (Handle::Container, container.clone()),
                Supervisor::Compose { service, .. } => (Handle::Compose, service.clone()),
                Supervisor::Brew { formula } => (Handle::Formula, formula.clone()),
                Supervisor::Launchd { target } => (Handle::Launchd, target.clone()),
                Supervisor::OpenclawGateway => return None,
            };
            Some((key, name.clone()))
        };
        let file = |service: &Service| match service.supervisor.as_ref()? {
            Supervisor::Compose { file, .. } => file.clone(),
            Supervisor::Docker { .. }
            | Supervisor::Brew { .. }
            | Supervisor::Launchd { .. }
            | Supervisor::OpenclawGateway => None,
        };
        Self {
            services: services.clone(),
            units: services.iter().filter_map(unit).collect(),
            handles: services.iter().filter_map(handle).collect(),
            compose_files: services.values().filter_map(file).collect(),
        }
    }

    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(&ServiceName::from(name))
    }

    pub(crate) fn by_unit(&self, unit: &str) -> Option<&Service> {
        self.services.get(self.units.get(&whole_unit(unit))?)
    }

    /// The service that a supervisor knows by a name: as it is declared, or else by the service's
    /// own name.
    pub(crate) fn by_handle(&self, handle: Handle, name: &str) -> Option<&Service> {
        match self.handles.get(&(handle, name.to_owned())) {
            Some(service) => self.services.get(service),
            None => self.service(name),
        }
    }

    /// Whether a path is the compose file of a declared service.
    pub(crate) fn is_compose_file(&self, path: &Path) -> bool {
        self.compose_files.contains(path)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_ascii_and_begin_with_a_letter_or_digit() {
        for name in ["nginx", "postgresql@16-main", "a", "0db", "my_app.v2:1"] {
            assert_eq!(well_formed(name), Ok(()), "{name}");
        }
        for name in
            ["", "-f", "--", ".x", "@x", "a b", "a/b", "a;b", "주문", "nginx\n", "a*", "a\\x2d"]
        {
            assert!(well_formed(name).is_err(), "{name:?}");
        }
        assert_eq!(well_formed(&"a".repeat(NAME_BYTES_MAX)), Ok(()));
        assert!(well_formed(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_keeps_the_machine_reachable_is_protected_in_every_spelling() {
        for unit in [
            "ssh",
            "sshd",
            "ssh.service",
            "ssh.socket",
            "sshd@1.service",
            "SSHD",
            "systemd-journald",
            "systemd-logind.service",
            "dbus",
            "dbus-broker.service",
            "NetworkManager",
            "networking",
            "network-online",
            "init",
            "nightcrew",
            "nightcrew-guard.service",
            "getty@tty1",
            "user@0",
        ] {
            assert!(is_protected(unit), "{unit}");
        }
        for unit in ["nginx", "postgresql@16-main.service", "my-ssh-tunnel", "web.socket"] {
            assert!(!is_protected(unit), "{unit}");
        }
    }

    #[test]
    fn only_services_sockets_and_timers_may_be_acted_on() {
        assert_eq!(whole_unit("app.v2"), "app.v2.service");
        assert!(is_actionable(&whole_unit("app.v2")));
        assert!(is_actionable("backup.timer"));
        for unit in ["reboot.target", "var.mount", "user.slice", "sda.device", "x.path"] {
            assert!(!is_actionable(&whole_unit(unit)), "{unit}");
        }
    }
}
