//! Letting a service read its configuration anew, as its `reload` says.

use nightcrew_config::settings::{self, Reload};
use nightcrew_model::argv::Argv;
use nightcrew_model::id::ServiceName;
use nightcrew_model::verdict::RiskClass;
use nightcrew_runtime::process::Matcher;

use crate::done::Done;
use crate::gate::Gate;
use crate::ruling::{Fit, Unfit};
use crate::signal::{name, tell};
use crate::work::Work;

const RULE: &str = "reload_service";

/// A signal to the process of a service.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    pub(crate) matcher: Matcher,
    pub(crate) signal: settings::Signal,
}

impl Gate {
    pub(crate) fn reload_service(&self, service: &ServiceName) -> Result<Fit, Unfit> {
        let refused = |reason: String| Unfit::refused(RULE, reason).of_class(RiskClass::Reversible);
        let service = self.known(RULE, RiskClass::Reversible, service)?;
        match (&service.reload, &service.unit) {
            (Some(Reload::Signal(signal)), _) => {
                let matcher = self.matcher(service).map_err(refused)?;
                Ok(Fit {
                    class: RiskClass::Reversible,
                    rule: RULE.into(),
                    reason: format!(
                        "tells {} (found by {matcher}) to read its configuration anew",
                        service.name
                    ),
                    argv: vec![RULE.to_owned(), service.name.to_string(), name(*signal).to_owned()],
                    approval: None,
                    work: Work::Tell(Telling { matcher, signal: *signal }),
                })
            }
            (Some(Reload::Unit), Some(unit)) => {
                self.run(&Argv::literal(["systemctl", "reload", unit.as_str()]))
            }
            (Some(Reload::Unit), None) => {
                Err(refused(format!("services.{}.unit is not given", service.name)))
            }
            (Some(Reload::Command(argv)), _) => self.run(argv),
            (None, _) => Err(refused(format!(
                "services.{0}.reload is not given, so nobody knows how {0} reads its configuration \
                 anew",
                service.name
            ))),
        }
    }
}

impl Telling {
    /// Blocks.
    pub(crate) fn carry_out(&self) -> Done {
        match tell(&self.matcher, self.signal) {
            Ok(pid) => Done::succeeded(format!("sent {} to pid {pid}", name(self.signal))),
            Err(why) => Done::failed(why.to_string()),
        }
    }
}
