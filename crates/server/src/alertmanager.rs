//! What an Alertmanager answers (`api/v2/openapi.yaml` of version 0.25), so that `amtool`,
//! Prometheus, Grafana and dashboards talk to the crew as to one.
//!
//! Where there is no routing tree, people hear of incidents only; then every channel stands for a
//! receiver that hears of everything.

pub(crate) mod alerts;
pub(crate) mod answer;
pub(crate) mod groups;
pub(crate) mod reload;
mod routing;
mod shown;
mod silence_body;
pub(crate) mod silences;
pub(crate) mod status;
pub(crate) mod wanted;
mod written;
