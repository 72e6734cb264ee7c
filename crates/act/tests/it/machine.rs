//! A small machine: services, files, a gate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nightcrew_act::environment::Environment;
use nightcrew_act::files::{Entry, Files, Kind};
use nightcrew_act::gate::{Facts, Gate};
use nightcrew_config::settings::{
    ContainerGrants, ContainerVerb, GatePolicy, SandboxPolicy, Service, Start, Supervisor,
};
use nightcrew_model::id::ServiceName;
use nightcrew_model::unit::Millis;

use crate::sandbox::launcher;

/// A service with nothing but a name that playbooks may restart.
pub(crate) fn service(name: &str) -> Service {
    Service {
        stop_timeout: Millis::from_secs(2),
        restart_allowed: true,
        ..Service::new(name.into())
    }
}

fn supervised(name: &str, supervisor: Supervisor) -> Service {
    Service { supervisor: Some(supervisor), ..service(name) }
}

/// Everything that can be granted.
fn all_verbs() -> ContainerGrants {
    use ContainerVerb::{Logs, Restart, Start, Stop, Update};
    ContainerGrants { allowed: vec![Logs, Restart, Start, Stop, Update], blocked: Vec::new() }
}

/// A start command of these words.
pub(crate) fn start<const N: usize>(argv: [&str; N]) -> Start {
    Start { argv: argv.map(str::to_owned).to_vec(), dir: None, env: BTreeMap::new(), log: None }
}

/// nginx and postgres under systemd, web started by the crew, two that must not be restarted.
pub(crate) fn inventory() -> BTreeMap<ServiceName, Service> {
    let services = [
        Service { unit: Some("nginx.service".into()), ..service("nginx") },
        Service { unit: Some("postgresql@16-main".into()), ..service("postgres") },
        Service { start: Some(start(["/srv/web/run", "--port", "8080"])), ..service("web") },
        Service {
            unit: Some("static.service".into()),
            restart_allowed: false,
            ..service("static-site")
        },
        Service { unit: Some("ssh.service".into()), ..service("shell") },
        Service { start: Some(start(["/srv/orders/run"])), ..service("주문") },
        Service { containers: all_verbs(), ..service("box") },
        supervised(
            "api",
            Supervisor::Compose {
                service: "api".into(),
                file: Some("/srv/shop/compose.yaml".into()),
            },
        ),
        supervised("agent", Supervisor::Launchd { target: "gui/501/com.example.web".into() }),
    ];
    services.into_iter().map(|service| (service.name.clone(), service)).collect()
}

/// A table of files with traps in it.
pub(crate) fn files() -> Files {
    let folder = || Entry::of_root(Kind::Folder);
    let file = || Entry::of_root(Kind::File);
    let link = |to: &str| Entry::of_root(Kind::Link(PathBuf::from(to)));
    let table = [
        ("/etc", folder()),
        ("/etc/passwd", file()),
        ("/etc/ssh", folder()),
        ("/etc/logrotate.conf", file()),
        ("/etc/logrotate.d", folder()),
        ("/etc/logrotate.d/nginx", file()),
        ("/etc/logrotate.d/evil", Entry { mode: 0o666, ..file() }),
        ("/etc/logrotate.d/theirs", Entry { owner: 1_000, ..file() }),
        ("/etc/logrotate.d/link", link("/tmp/evil.conf")),
        ("/tmp", Entry { mode: 0o1777, ..folder() }),
        ("/tmp/link", link("/etc")),
        ("/tmp/evil.conf", file()),
        ("/tmp/app", folder()),
        ("/tmp/app/a.tmp", file()),
        ("/tmp/보고서", folder()),
        ("/var", folder()),
        ("/var/log", folder()),
        ("/var/log/system.log", file()),
        ("/var/log/app", folder()),
        ("/var/log/app/one.log", file()),
        ("/var/log/app/two.log", file()),
        ("/var/log/app/old.log.d", folder()),
        ("/var/log/app/alias.log", link("/etc/passwd")),
    ];
    Files::Fixed(table.into_iter().map(|(path, entry)| (PathBuf::from(path), entry)).collect())
}

/// A gate with the default policy over the small machine.
pub(crate) fn gate() -> Gate {
    let facts = Facts { files: files(), ..Facts::new(PathBuf::from("/var/lib/nightcrew")) };
    Gate::new(&GatePolicy::default(), &inventory(), facts)
}

/// A gate over this machine's files that requires the sandbox; its one clean root is `root`, and
/// its data lies in `data`.
pub(crate) fn real_gate(root: &Path, data: &Path, services: Vec<Service>) -> Gate {
    let policy = GatePolicy {
        clean_roots: vec![root.to_owned()],
        sandbox: SandboxPolicy::Required,
        ..GatePolicy::default()
    };
    let services = services.into_iter().map(|service| (service.name.clone(), service)).collect();
    let environment = Environment {
        home: data.to_owned(),
        tz: Some("Asia/Seoul".into()),
        ..Environment::default()
    };
    let launcher = Some(launcher());
    let facts = Facts { environment, launcher, ..Facts::new(data.to_owned()) };
    Gate::new(&policy, &services, facts)
}
