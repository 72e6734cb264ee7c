//! Restarts through whatever supervises a service, by the gate's word.

use std::path::PathBuf;

use nightcrew_config::settings::{ContainerGrants, ContainerVerb, Service, Supervisor};
use nightcrew_model::plan::Action;
use nightcrew_model::verdict::{RiskClass, Ruling};

use crate::machine::service;
use crate::stage::{gate, refusal};

fn restart(name: &str) -> Action {
    Action::RestartService { service: name.into() }
}

fn supervised(name: &str, supervisor: Supervisor) -> Service {
    Service { supervisor: Some(supervisor), ..service(name) }
}

fn docker(container: &str) -> Supervisor {
    Supervisor::Docker { container: container.into() }
}

#[test]
fn every_supervisor_is_asked_in_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let compose = |file: Option<&str>| Supervisor::Compose {
        service: "api".into(),
        file: file.map(PathBuf::from),
    };
    let gate = gate(
        folder.path(),
        vec![
            supervised("box", docker("shop_web-1")),
            supervised("composed", compose(Some("/srv/shop/compose.yaml"))),
            supervised("loose", compose(None)),
            supervised("brewed", Supervisor::Brew { formula: "postgresql@16".into() }),
            supervised(
                "launched",
                Supervisor::Launchd { target: "gui/501/com.example.web".into() },
            ),
            supervised("gateway", Supervisor::OpenclawGateway),
        ],
    );
    for (name, rule, argv) in [
        ("box", "restart_service.docker", "docker restart shop_web-1"),
        (
            "composed",
            "docker.compose-restart",
            "docker compose -f /srv/shop/compose.yaml restart api",
        ),
        ("loose", "restart_service.compose", "docker compose restart api"),
        ("brewed", "brew.services-restart", "brew services restart postgresql@16"),
        ("launched", "launchctl.kickstart", "launchctl kickstart -k gui/501/com.example.web"),
        ("gateway", "openclaw.gateway-restart", "openclaw gateway restart"),
    ] {
        let verdict = gate.judge(&restart(name));
        assert_eq!(verdict.verdict, Ruling::Admitted, "{name}: {}", verdict.reason);
        assert_eq!((verdict.rule.as_str(), verdict.class), (rule, RiskClass::Disruptive));
        assert_eq!(verdict.argv.join(" "), argv);
    }
}

#[test]
fn what_is_not_granted_protected_or_badly_named_is_not_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let grants = |allowed: Vec<_>, blocked: Vec<_>| ContainerGrants { allowed, blocked };
    let verb = ContainerVerb::Restart;
    let gate = gate(
        folder.path(),
        vec![
            Service {
                containers: grants(vec![ContainerVerb::Logs], Vec::new()),
                ..supervised("silent", docker("silent-1"))
            },
            Service {
                containers: grants(vec![verb], vec![verb]),
                ..supervised("blocked", docker("blocked-1"))
            },
            Service { restart_allowed: false, ..supervised("kept", docker("kept-1")) },
            supervised("ours", docker("nightcrew-db")),
            supervised("odd", docker("a/../../b")),
            supervised("dashed", docker("-v")),
            supervised("apple", Supervisor::Launchd { target: "system/com.apple.xpc".into() }),
            supervised("relative", Supervisor::Launchd { target: "com.example.web".into() }),
            service("nothing"),
        ],
    );
    for (name, why) in [
        ("silent", "does not permit `restart`"),
        ("blocked", "does not permit `restart`"),
        ("kept", "restart_allowed is false"),
        ("ours", "the crew itself"),
        ("odd", "is not a name"),
        ("dashed", "is not a name"),
        ("apple", "is not a job"),
        ("relative", "is not a job"),
        ("nothing", "neither unit nor supervisor nor start"),
    ] {
        let reason = refusal(&gate, &restart(name));
        assert!(reason.contains(why), "{name}: {reason}");
    }
    for (line, why) in [
        ("docker restart blocked-1", "does not permit `restart`"),
        ("docker logs --tail 5 blocked-1", "does not permit `logs`"),
        ("docker start silent-1", "does not permit `start`"),
        ("docker compose -f /tmp/evil.yaml restart nothing", "not the compose file"),
    ] {
        let verdict = gate.judge_line(line);
        assert_eq!(verdict.verdict, Ruling::Refused, "{line}");
        assert!(verdict.reason.contains(why), "{line}: {}", verdict.reason);
    }
}
