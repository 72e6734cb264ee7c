//! Which layers hold on this machine: a launcher applies them all and says so.

use std::time::Duration;

use crate::environment::Environment;
use crate::sandbox::layer::{Layer, Missing, Standing, State};
use crate::sandbox::{Confinement, Launcher, cgroup};
use crate::spawn;

/// How long a launcher may need to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Looks which layers a program would have that is started by this launcher; none: without one.
pub async fn probe(launcher: Option<&Launcher>) -> Vec<Standing> {
    let told = match launcher {
        Some(launcher) => ask(launcher).await,
        None => Err("this program has no launcher".to_owned()),
    };
    let missing = told.unwrap_or_else(|why| {
        let of_it = |layer| Missing { layer, why: why.clone() };
        Layer::ALL.into_iter().filter(|layer| layer.can_be_required()).map(of_it).collect()
    });
    let cgroup = cgroup::usable().err().map(|why| Missing { layer: Layer::Cgroup, why });
    let missing: Vec<Missing> = missing.into_iter().chain(cgroup).collect();
    let standing = |layer: Layer| {
        let why = missing.iter().find(|missing| missing.layer == layer);
        let state = why.map_or(State::InForce, |missing| State::Missing {
            why: missing.why.clone(),
            lost: layer.lost(),
        });
        Standing { layer, state }
    };
    Layer::ALL.into_iter().map(standing).collect()
}

async fn ask(launcher: &Launcher) -> Result<Vec<Missing>, String> {
    let mut command = spawn::launcher(launcher, &Environment::default());
    command.kill_on_drop(true);
    let held = Confinement::of_nothing(launcher.clone()).hold(&mut command, ANSWER_WITHIN);
    let mut held = held.map_err(|error| error.to_string())?;
    let started = command.spawn();
    drop(command);
    let mut child = started.map_err(|error| format!("the launcher cannot be started: {error}"))?;
    let told = tokio::time::timeout(ANSWER_WITHIN, held.release()).await;
    let told = told.map_err(|_| "the launcher does not answer".to_owned())?;
    // It has said all it had to say, so it ends.
    let _ = tokio::time::timeout(ANSWER_WITHIN, child.wait()).await;
    told.map_err(|error| error.to_string())
}
