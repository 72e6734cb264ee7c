//! Judging a restart: through whatever supervises the service.

use nightcrew_config::settings::{ContainerVerb, Service, Start, Supervisor};
use nightcrew_model::argv::Argv;
use nightcrew_model::id::ServiceName;
use nightcrew_model::verdict::RiskClass;

use crate::compose::ComposeService;
use crate::container::{Container, Task};
use crate::gate::Gate;
use crate::inventory::{is_ourselves, well_formed};
use crate::matching::{may_be_asked, may_not_restart};
use crate::restart::Restart;
use crate::ruling::{Fit, Unfit};
use crate::work::Work;

impl Gate {
    pub(crate) fn restart_process(&self, name: &ServiceName) -> Result<Fit, Unfit> {
        let service = self.restartable("restart_process", name)?;
        match &service.start {
            Some(start) => self.restart(service, start),
            None => Err(Unfit::refused(
                "restart_process",
                format!("services.{name}.start is not given, so nothing could start it"),
            )
            .of_class(RiskClass::Disruptive)),
        }
    }

    pub(crate) fn restart_service(&self, name: &ServiceName) -> Result<Fit, Unfit> {
        let service = self.restartable("restart_service", name)?;
        if let Some(unit) = &service.unit {
            return self.run(&Argv::literal(["systemctl", "restart", unit.as_str()]));
        }
        match (&service.supervisor, &service.start) {
            (Some(Supervisor::Docker { container }), _) => {
                self.restart_container(service, container)
            }
            (Some(Supervisor::Compose { service: inside, file: Some(file) }), _) => {
                let file = file.display().to_string();
                self.run(&Argv::literal(["docker", "compose", "-f", &file, "restart", inside]))
            }
            (Some(Supervisor::Compose { service: inside, file: None }), _) => {
                self.restart_composed(service, inside)
            }
            (Some(Supervisor::Brew { formula }), _) => {
                self.run(&Argv::literal(["brew", "services", "restart", formula.as_str()]))
            }
            (Some(Supervisor::Launchd { target }), _) => {
                self.run(&Argv::literal(["launchctl", "kickstart", "-k", target.as_str()]))
            }
            (Some(Supervisor::OpenclawGateway), _) => {
                self.run(&Argv::literal(["openclaw", "gateway", "restart"]))
            }
            (None, Some(start)) => self.restart(service, start),
            (None, None) => Err(Unfit::refused(
                "restart_service",
                format!(
                    "services.{name} has neither unit nor supervisor nor start; declare \
                     services.{name}.unit, services.{name}.supervisor or services.{name}.start"
                ),
            )
            .of_class(RiskClass::Disruptive)),
        }
    }

    fn restart_container(&self, service: &Service, container: &str) -> Result<Fit, Unfit> {
        let container =
            self.container("restart_service", service, container, ContainerVerb::Restart)?;
        Ok(Fit {
            class: RiskClass::Disruptive,
            rule: "restart_service.docker".into(),
            reason: format!("restarts the container of {} as declared", service.name),
            argv: vec!["docker".to_owned(), "restart".to_owned(), container.name.clone()],
            approval: None,
            work: Work::Container(
                container,
                Task::Restart { patience: service.stop_timeout.duration() },
            ),
        })
    }

    fn restart_composed(&self, service: &Service, inside: &str) -> Result<Fit, Unfit> {
        let verb = ContainerVerb::Restart;
        let known = self.container("restart_service", service, inside, verb)?;
        Ok(Fit {
            class: RiskClass::Disruptive,
            rule: "restart_service.compose".into(),
            reason: format!("restarts the containers of {} one by one", service.name),
            argv: ["docker", "compose", "restart", inside].map(str::to_owned).to_vec(),
            approval: None,
            work: Work::Compose(
                ComposeService { socket: known.socket, name: known.name },
                service.stop_timeout.duration(),
            ),
        })
    }

    /// The container of a service that may be asked for something.
    pub(crate) fn container(
        &self,
        rule: &'static str,
        service: &Service,
        name: &str,
        verb: ContainerVerb,
    ) -> Result<Container, Unfit> {
        let refused = |reason: String| Unfit::refused(rule, reason).of_class(RiskClass::Disruptive);
        well_formed(name).map_err(|why| refused(why.to_string()))?;
        if is_ourselves(name) {
            let reason = format!("`{name}` is the crew itself, so only a person acts on it");
            return Err(refused(reason));
        }
        may_be_asked(service, verb).map_err(refused)?;
        Ok(Container { socket: self.docker_socket.clone(), name: name.to_owned() })
    }

    /// A declared service that may be restarted.
    fn restartable(&self, rule: &'static str, name: &ServiceName) -> Result<&Service, Unfit> {
        let service = self.known(rule, RiskClass::Disruptive, name)?;
        if service.restart_allowed {
            return Ok(service);
        }
        Err(Unfit::refused(rule, may_not_restart(service)).of_class(RiskClass::Disruptive))
    }

    fn restart(&self, service: &Service, start: &Start) -> Result<Fit, Unfit> {
        let refused = |reason: String| {
            Unfit::refused("restart_process", reason).of_class(RiskClass::Disruptive)
        };
        let name = &service.name;
        let program = start.argv.first().map_or("", String::as_str);
        if program.is_empty() || (program.contains('/') && !program.starts_with('/')) {
            return Err(refused(format!(
                "services.{name}.start must begin with a program: a bare name or an absolute path"
            )));
        }
        let texts = start.argv.iter().chain(start.env.keys()).chain(start.env.values());
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Err(refused(format!("services.{name}.start holds a NUL character")));
        }
        let log = self.facts.data_dir.join("logs").join(format!("{name}.log"));
        let matcher = self.matcher(service).map_err(refused)?;
        Ok(Fit {
            class: RiskClass::Disruptive,
            rule: "restart_process".into(),
            approval: None,
            reason: format!(
                "stops {name} (found by {matcher}) if it runs, and starts it as declared"
            ),
            argv: start.argv.clone(),
            work: Work::Restart(
                Box::new(Restart {
                    service: name.clone(),
                    matcher,
                    start: start.clone(),
                    stop_timeout: service.stop_timeout.duration(),
                    child_file: self.child_file(service),
                    log: start.log.clone().unwrap_or(log),
                }),
                self.facts.environment.clone(),
            ),
        })
    }
}
