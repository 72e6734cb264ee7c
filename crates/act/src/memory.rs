//! How the process of a service uses its memory, and a higher limit for it.
//!
//! A limit is raised by a part of what it is, never above the service's `memory_limit_max_mb`, and
//! never where there is none.  A limit of a unit's control group lasts until systemd sets it again.

use std::time::Duration;

use nightcrew_config::settings::{ContainerVerb, Service, Supervisor};
use nightcrew_model::id::ServiceName;
use nightcrew_model::verdict::RiskClass;
use nightcrew_runtime::http::Http;
use nightcrew_runtime::process::{self, Matcher};

use crate::cgroup::{Group, processes_of_unit};
use crate::container::Container;
use crate::done::Done;
use crate::gate::Gate;
use crate::inventory::{well_formed, whole_unit};
use crate::ruling::{Fit, Unfit};
use crate::work::Work;

const COLLECT: &str = "collect_memory";
const RAISE: &str = "raise_memory_limit";

/// The most by which a limit is raised at once, in percent.
pub const RAISE_PERCENT_MAX: u16 = 400;

/// The largest file about a process's memory that is read, in bytes.
const ABOUT_BYTES_MAX: usize = 64 * 1_024;

const MEGABYTE: f64 = 1_000_000.0;

/// Where the memory of a service is.
#[derive(Clone, Debug)]
pub(crate) enum Whose {
    /// In a container.
    Container(Container),
    /// In the processes that a matcher finds.
    Process(Matcher),
    /// In the processes of a unit.
    Unit(String),
}

/// A raise that the gate let pass.
#[derive(Clone, Debug)]
pub(crate) struct Raise {
    whose: Whose,
    by_percent: u16,
    /// In bytes.
    max: u64,
}

/// What is in use, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    resident: u64,
    swapped: u64,
    anonymous: u64,
}

impl Gate {
    pub(crate) fn collect_memory(&self, name: &ServiceName) -> Result<Fit, Unfit> {
        let service = self.known(COLLECT, RiskClass::Observe, name)?;
        let whose = self.whose(COLLECT, service)?;
        Ok(Fit {
            class: RiskClass::Observe,
            rule: COLLECT.into(),
            reason: "only reads how much memory is in use".to_owned(),
            argv: vec![COLLECT.to_owned(), name.to_string()],
            approval: None,
            work: Work::Memory(whose),
        })
    }

    pub(crate) fn raise_memory_limit(
        &self,
        name: &ServiceName,
        by_percent: u16,
    ) -> Result<Fit, Unfit> {
        let refused =
            |reason: String| Unfit::refused(RAISE, reason).of_class(RiskClass::Reversible);
        let service = self.known(RAISE, RiskClass::Reversible, name)?;
        let max_mb = service.memory_limit_max_mb.ok_or_else(|| {
            refused(format!(
                "services.{name}.memory_limit_max_mb is not given, so its limit may not be raised"
            ))
        })?;
        if !(1..=RAISE_PERCENT_MAX).contains(&by_percent) {
            let reason =
                format!("by_percent is {by_percent}; it goes from 1 to {RAISE_PERCENT_MAX}");
            return Err(refused(reason));
        }
        if let Some(Supervisor::Docker { container }) = &service.supervisor {
            // Looking is free, a change has to be granted.
            self.container(RAISE, service, container, ContainerVerb::Update)?;
        }
        let whose = self.whose(RAISE, service)?;
        Ok(Fit {
            class: RiskClass::Reversible,
            rule: RAISE.into(),
            reason: format!("raises its memory limit, to {max_mb} MB at most"),
            argv: vec![RAISE.to_owned(), name.to_string(), format!("{by_percent}%")],
            approval: None,
            work: Work::Raise(Raise { whose, by_percent, max: max_mb.saturating_mul(1_000_000) }),
        })
    }

    fn whose(&self, rule: &'static str, service: &Service) -> Result<Whose, Unfit> {
        let refused = |reason: String| Unfit::refused(rule, reason).of_class(RiskClass::Observe);
        if let Some(Supervisor::Docker { container }) = &service.supervisor {
            well_formed(container).map_err(|why| refused(why.to_string()))?;
            return Ok(Whose::Container(Container {
                socket: self.docker_socket.clone(),
                name: container.clone(),
            }));
        }
        if service.process.is_some() || service.start.is_some() {
            return Ok(Whose::Process(self.matcher(service).map_err(refused)?));
        }
        match &service.unit {
            Some(unit) => {
                let unit = whole_unit(unit);
                well_formed(&unit).map_err(|why| refused(why.to_string()))?;
                Ok(Whose::Unit(unit))
            }
            None => Err(refused(format!(
                "services.{0} has no process, unit or container; declare services.{0}.process",
                service.name
            ))),
        }
    }
}

impl Whose {
    /// The numbers of its processes; never empty.
    async fn pids(&self, http: &Http) -> Result<Vec<i32>, String> {
        let pids = match self {
            Self::Container(container) => vec![container.inspect(http).await?.state.pid],
            Self::Unit(unit) => processes_of_unit(unit),
            Self::Process(matcher) => {
                let matcher = matcher.clone();
                let found = tokio::task::spawn_blocking(move || process::find(&matcher)).await;
                let found = found.map_err(|why| why.to_string())?;
                let found = found.map_err(|why| format!("its process cannot be found: {why}"))?;
                found.iter().map(|identity| identity.pid.as_raw_pid()).collect()
            }
        };
        let pids: Vec<i32> = pids.into_iter().filter(|pid| *pid > 0).collect();
        if pids.is_empty() { Err("no process of it runs".to_owned()) } else { Ok(pids) }
    }

    /// Looks how much memory is in use.
    pub(crate) async fn collect(&self, http: &Http) -> Done {
        let pids = match self.pids(http).await {
            Ok(pids) => pids,
            Err(why) => return Done::failed(why),
        };
        // The kernel walks all pages of a process to answer, which takes its time.
        let read = tokio::task::spawn_blocking(move || looked_at(&pids)).await;
        read.unwrap_or_else(|why| Done::failed(format!("the step broke off: {why}")))
    }
}

/// The memory of some processes together.  Blocks.
fn looked_at(pids: &[i32]) -> Done {
    let found: Vec<Usage> = pids.iter().filter_map(|pid| usage(*pid)).collect();
    let Some(total) = found.iter().copied().reduce(|a, b| Usage {
        resident: a.resident + b.resident,
        swapped: a.swapped + b.swapped,
        anonymous: a.anonymous + b.anonymous,
    }) else {
        return Done::failed("the memory of its processes cannot be read");
    };
    let seen = found.len();
    let group = pids.first().and_then(|pid| Group::of(*pid).ok().flatten());
    let limit = group.and_then(|group| group.effective_limit());
    let shown = limit.map_or("no limit".to_owned(), |limit| format!("limit {:.1} MB", mb(limit)));
    let done = Done::succeeded(format!(
        "{seen} processes: resident {:.1} MB, anonymous {:.1} MB, swapped {:.1} MB, {shown}",
        mb(total.resident),
        mb(total.anonymous),
        mb(total.swapped),
    ))
    .number("rss_mb", mb(total.resident))
    .number("swap_mb", mb(total.swapped))
    .number("anonymous_mb", mb(total.anonymous));
    limit.iter().fold(done, |done, limit| done.number("limit_mb", mb(*limit)))
}

impl Raise {
    pub(crate) async fn carry_out(&self, http: &Http, limit: Duration) -> Done {
        match tokio::time::timeout(limit, self.raise(http)).await {
            Ok(Ok((before, after))) => Done::succeeded(format!(
                "memory limit {:.1} MB instead of {:.1} MB",
                mb(after),
                mb(before)
            ))
            .number("before_mb", mb(before))
            .number("after_mb", mb(after)),
            Ok(Err(why)) => Done::failed(why),
            Err(_) => Done::failed(format!("not done within {limit:?}")),
        }
    }

    async fn raise(&self, http: &Http) -> Result<(u64, u64), String> {
        if let Whose::Container(container) = &self.whose {
            let inspected = container.inspect(http).await?;
            let before = inspected.host_config.memory;
            let after = self.after((before > 0).then_some(before))?;
            container.limit_memory(http, &inspected.host_config, after).await?;
            let now = container.inspect(http).await?.host_config.memory;
            return Ok((before, now));
        }
        let pids = self.whose.pids(http).await?;
        let unreadable = |why: std::io::Error| format!("its control group: {why}");
        let mut group = None;
        for pid in &pids {
            let of_pid = Group::of(*pid).map_err(unreadable)?;
            if group.is_some() && of_pid != group {
                return Err("its processes are in several control groups".to_owned());
            }
            group = of_pid;
        }
        let group = group.ok_or("no control group limits its memory")?;
        let own = i32::try_from(std::process::id()).ok().and_then(|pid| Group::of(pid).ok());
        if own.flatten().as_ref() == Some(&group) {
            return Err("its control group is the crew's own".to_owned());
        }
        let before = group.limit().map_err(unreadable)?;
        let after = self.after(before)?;
        group.set_limit(after).map_err(unreadable)?;
        let now = group.limit().map_err(unreadable)?.ok_or("its limit is gone")?;
        Ok((before.unwrap_or_default(), now))
    }

    /// The new limit, in bytes.
    fn after(&self, before: Option<u64>) -> Result<u64, String> {
        let before = before.ok_or("its memory has no limit, so there is none to raise")?;
        if before >= self.max {
            return Err(format!(
                "its limit is {:.1} MB already, and memory_limit_max_mb is {:.1}",
                mb(before),
                mb(self.max)
            ));
        }
        let more = u128::from(before) * u128::from(self.by_percent) / 100;
        let after = u64::try_from(u128::from(before) + more).unwrap_or(u64::MAX);
        Ok(after.min(self.max))
    }
}

/// What one process uses: `smaps_rollup`, or what `status` says where that may not be read.
fn usage(pid: i32) -> Option<Usage> {
    let read = |name: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{name}")).ok()?;
        Some(String::from_utf8_lossy(bytes.get(..ABOUT_BYTES_MAX).unwrap_or(&bytes)).into_owned())
    };
    let rollup = read("smaps_rollup").and_then(|text| of(&text, ["Rss:", "Swap:", "Anonymous:"]));
    rollup.or_else(|| of(&read("status")?, ["VmRSS:", "VmSwap:", "RssAnon:"]))
}

/// Reads three lines such as `Rss:   1024 kB`; none: the first is missing.
fn of(text: &str, [resident, swapped, anonymous]: [&str; 3]) -> Option<Usage> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
        Some(kibibytes.saturating_mul(1_024))
    };
    Some(Usage {
        resident: bytes(resident)?,
        swapped: bytes(swapped).unwrap_or_default(),
        anonymous: bytes(anonymous).unwrap_or_default(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_by_its_part_and_never_above_the_bound() {
        let raise =
            |by_percent, max| Raise { whose: Whose::Unit("web.service".into()), by_percent, max };
        assert_eq!(raise(50, 1_000).after(Some(100)), Ok(150));
        assert_eq!(raise(50, 120).after(Some(100)), Ok(120));
        assert!(raise(50, 100).after(Some(100)).unwrap_err().contains("already"));
        assert!(raise(50, 100).after(None).unwrap_err().contains("no limit"));
        assert_eq!(raise(400, u64::MAX).after(Some(u64::MAX - 1)), Ok(u64::MAX));
    }

    #[test]
    fn the_memory_of_this_process_is_read() {
        let own = i32::try_from(std::process::id()).unwrap();
        let usage = usage(own).unwrap();
        assert!(usage.resident > 100_000 && usage.anonymous > 0, "{usage:?}");
        assert_eq!(of("Swap: 1 kB\n", ["Rss:", "Swap:", "Anonymous:"]), None);
        assert_eq!(super::usage(-1), None);
    }
}
