//! Seeded microservices with one injected fault each, as a stress test of a shop would leave
//! them: queues, callers that wait for callees, a closed loop of users, sidecar and container
//! metrics with their noise, smoothing, gaps and coincidences.

use jiff::Timestamp;
use nightcrew_detect::point::Point;
use nightcrew_detect::rank::{Edge, Series};

/// What is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A busy loop beside the service.
    Cpu,
    /// Memory that is never given back.
    Memory,
    /// Every packet comes late.
    Delay,
    /// Some packets never come.
    Loss,
    /// The disk is kept busy.
    Disk,
    /// Sockets are opened and kept.
    Socket,
}

impl Fault {
    /// Every fault.
    pub(crate) const ALL: [Self; 6] =
        [Self::Cpu, Self::Memory, Self::Delay, Self::Loss, Self::Disk, Self::Socket];
}

/// What was recorded of one injection.
pub(crate) struct Case {
    /// Every metric of every component.
    pub(crate) series: Vec<Series>,
    /// Who calls whom.
    pub(crate) edges: Vec<Edge>,
    /// When somebody noticed.
    pub(crate) at: Timestamp,
    /// Where it was injected.
    pub(crate) cause: String,
}

/// A small seeded generator (`SplitMix64`; Steele, Lea, Flood, 2014).
pub(crate) struct Chance(u64);

impl Chance {
    /// The generator of that seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// Between two numbers, evenly in their logarithms.
    fn scaled(&mut self, low: f64, high: f64) -> f64 {
        (self.within(low.ln(), high.ln())).exp()
    }

    fn happens(&mut self, share: f64) -> bool {
        self.share() < share
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    fn normal(&mut self) -> f64 {
        // Box and Muller, 1958.
        (-2.0 * self.share().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }
}

/// One service as it is built.
struct Service {
    name: String,
    callees: Vec<(usize, f64)>,
    in_parallel: bool,
    service_ms: f64,
    cpu_limit: f64,
    cpu_idle: f64,
    memory: f64,
    memory_style: MemoryStyle,
    memory_part: f64,
    disk_per_call: f64,
    disk_idle: f64,
    bytes_per_call: f64,
    error_base: f64,
    sockets: f64,
    /// Whether latency and errors of it are measured.
    is_metered: bool,
    noise: f64,
    /// Seconds after which a caller gives up.
    timeout_ms: f64,
}

enum MemoryStyle {
    Constant,
    Steps,
    Sawtooth,
    Growing,
}

/// The metrics of one service at one moment.
#[derive(Clone, Default)]
struct Tick {
    load: f64,
    latency_ms: f64,
    errors: f64,
    cpu: f64,
    memory: f64,
    disk: f64,
    network: f64,
    sockets: f64,
    throttled: f64,
}

/// How and how hard the fault acts.
struct Injection {
    fault: Fault,
    on: usize,
    strength: f64,
    slows: f64,
    seen_by_callers_only: bool,
    ramp_s: f64,
    ends_s: f64,
}

/// Something else that happens by chance.
struct Coincidence {
    on: usize,
    metric: usize,
    from_s: f64,
    to_s: f64,
    factor: f64,
}

const START: i64 = 1_700_000_000;

/// One case of that seed and fault.
pub(crate) fn case(seed: u64, fault: Fault) -> Case {
    let mut chance = Chance::new(seed);
    let services = services(&mut chance);
    let mut before_s = chance.within(600.0, 2_400.0).round();
    let after_s = chance.within(300.0, 1_800.0).round();
    let mut step_s = [1.0, 5.0, 10.0, 15.0][chance.below(4)];
    if chance.happens(0.2) {
        (before_s, step_s) = (chance.within(20_000.0, 90_000.0).round(), 60.0);
    }
    let called: Vec<usize> = (0..services.len())
        .filter(|n| services.iter().any(|other| other.callees.iter().any(|(to, _)| to == n)))
        .collect();
    let mut on = if chance.happens(0.1) { 0 } else { called[chance.below(called.len())] };
    if !services[on].is_metered && chance.happens(0.7) {
        on = called[chance.below(called.len())];
    }
    let injection = Injection {
        fault,
        on,
        strength: chance.scaled(0.4, 2.0),
        slows: chance.scaled(1.0, 4.0),
        seen_by_callers_only: chance.happens(0.3),
        ramp_s: if fault == Fault::Memory {
            chance.within(60.0, 600.0)
        } else {
            chance.within(1.0, 30.0)
        },
        ends_s: if chance.happens(0.5) { after_s * 2.0 } else { chance.within(240.0, 600.0) },
    };
    let coincidences = coincidences(&mut chance, services.len(), after_s, before_s);
    let ticks = run(&mut chance, &services, &injection, &coincidences, (before_s, after_s, step_s));
    let series = record(&mut chance, &services, &ticks, before_s, step_s);
    let mut edges: Vec<Edge> = services
        .iter()
        .flat_map(|from| from.callees.iter().map(move |(to, _)| (from, *to)))
        .map(|(from, to)| Edge {
            caller: from.name.as_str().into(),
            callee: services[to].name.as_str().into(),
        })
        .collect();
    edges.retain(|_| !chance.happens(0.03));
    edges.push(Edge { caller: "load-generator".into(), callee: services[0].name.as_str().into() });
    let off_s = if chance.happens(0.5) { 0.0 } else { chance.within(-60.0, 180.0).round() };
    Case { series, edges, at: moment(off_s), cause: services[injection.on].name.clone() }
}

fn moment(seconds: f64) -> Timestamp {
    let offset = jiff::SignedDuration::from_secs_f64(seconds);
    Timestamp::from_second(START).unwrap().checked_add(offset).unwrap()
}

/// A graph without cycles in layers, every service reached from the first.
fn services(chance: &mut Chance) -> Vec<Service> {
    let n = 8 + chance.below(25);
    let mut services: Vec<Service> = (0..n)
        .map(|n| Service {
            name: format!("svc-{n:02}"),
            callees: Vec::new(),
            in_parallel: chance.happens(0.4),
            service_ms: chance.scaled(1.0, 60.0),
            cpu_limit: chance.within(0.2, 1.5),
            cpu_idle: chance.scaled(0.001, 0.02),
            memory: chance.scaled(2e7, 1e9),
            memory_style: match chance.below(4) {
                0 => MemoryStyle::Constant,
                1 => MemoryStyle::Steps,
                2 => MemoryStyle::Sawtooth,
                _ => MemoryStyle::Growing,
            },
            memory_part: chance.scaled(0.002, 0.1),
            disk_per_call: if chance.happens(0.3) { chance.scaled(100.0, 1e4) } else { 0.0 },
            disk_idle: if chance.happens(0.5) { chance.scaled(10.0, 1e4) } else { 0.0 },
            bytes_per_call: chance.scaled(500.0, 5e4),
            error_base: if chance.happens(0.3) { chance.scaled(1e-4, 1e-2) } else { 0.0 },
            sockets: chance.within(5.0, 80.0).round(),
            is_metered: true,
            noise: chance.scaled(0.02, 0.25),
            timeout_ms: chance.scaled(1_000.0, 20_000.0),
        })
        .collect();
    for to in 1..n {
        let n_callers = 1 + chance.below(2) + usize::from(chance.happens(0.1)) * 3;
        for _ in 0..n_callers {
            let from = chance.below(to.min(1 + n / 2));
            if services[from].callees.iter().all(|(other, _)| *other != to) {
                services[from].callees.push((to, chance.scaled(0.2, 2.5)));
            }
        }
    }
    for service in services.iter_mut().filter(|service| service.callees.is_empty()) {
        service.is_metered = !chance.happens(0.35);
    }
    services
}

fn coincidences(chance: &mut Chance, n: usize, after_s: f64, before_s: f64) -> Vec<Coincidence> {
    (0..chance.below(5))
        .map(|_| {
            let from_s = chance.within(-0.5 * before_s, after_s);
            let metric = chance.below(9);
            Coincidence {
                on: chance.below(n),
                metric,
                from_s,
                to_s: from_s + chance.scaled(20.0, 3_000.0),
                factor: match metric {
                    4 => 1.0 + chance.scaled(0.005, 0.4),
                    _ => 1.0 + chance.scaled(0.05, 2.0),
                },
            }
        })
        .collect()
}

/// Lets the users click.
fn run(
    chance: &mut Chance,
    services: &[Service],
    injection: &Injection,
    coincidences: &[Coincidence],
    (before_s, after_s, step_s): (f64, f64, f64),
) -> Vec<Vec<Tick>> {
    let users = chance.scaled(5.0, 200.0);
    let think_s = chance.within(1.0, 5.0);
    let is_open_loop = chance.happens(0.3);
    let drift = chance.within(-0.2, 0.2) / (before_s + after_s);
    let calls = calls_per_click(services);
    // No service is busier than that when all is well.
    let busiest = chance.within(0.3, 0.8);
    let click_limit = services
        .iter()
        .zip(&calls)
        .map(|(service, calls)| {
            busiest * 1_000.0 * service.cpu_limit / (service.service_ms * calls.max(0.01))
        })
        .fold(f64::INFINITY, f64::min);
    let mut click_latency_s = 0.2;
    let phase = chance.within(0.0, std::f64::consts::TAU);
    let mut walk = 0.0;
    let mut ticks = Vec::new();
    let mut at_s = -before_s;
    while at_s < after_s {
        walk = 0.97 * walk + 0.02 * chance.normal();
        let day = 1.0 + 0.3 * (at_s / 86_400.0 * std::f64::consts::TAU + phase).sin();
        let wanted =
            day * (users / think_s).min(click_limit) * (1.0 + walk + drift * (at_s + before_s));
        let slowed = if is_open_loop { 1.0 } else { think_s / (think_s + click_latency_s) };
        let clicks = (wanted * slowed).max(0.01);
        let loads: Vec<f64> = calls.iter().map(|calls| clicks * calls).collect();
        let mut tick = settle(services, injection, at_s, &loads);
        click_latency_s = 0.5 * click_latency_s + 0.5 * tick[0].latency_ms / 1_000.0;
        for (service, tick) in services.iter().zip(&mut tick) {
            blur(chance, service, tick, at_s + before_s, step_s);
        }
        for it in coincidences.iter().filter(|it| (it.from_s..it.to_s).contains(&at_s)) {
            let value = tick[it.on].field(it.metric);
            *value = *value * it.factor + if *value == 0.0 { 0.01 * it.factor } else { 0.0 };
        }
        ticks.push(tick);
        at_s += step_s;
    }
    ticks
}

fn calls_per_click(services: &[Service]) -> Vec<f64> {
    let mut calls = vec![0.0; services.len()];
    calls[0] = 1.0;
    for (n, service) in services.iter().enumerate() {
        for (to, times) in &service.callees {
            calls[*to] += calls[n] * times;
        }
    }
    // Caches and batches: nobody is asked a hundred times a click.
    calls.iter().map(|calls| calls.min(8.0)).collect()
}

/// What every service shows at one moment, callees first.
fn settle(services: &[Service], injection: &Injection, at_s: f64, loads: &[f64]) -> Vec<Tick> {
    let acts = if (0.0..injection.ends_s).contains(&at_s) {
        (at_s / injection.ramp_s).min(1.0) * injection.strength
    } else {
        0.0
    };
    let mut ticks = vec![Tick::default(); services.len()];
    let mut extra_for_callers_ms = vec![0.0; services.len()];
    for (n, service) in services.iter().enumerate().rev() {
        let hit = if n == injection.on { acts } else { 0.0 };
        let load = loads[n];
        let mut tick = Tick {
            load,
            errors: service.error_base,
            memory: service.memory,
            disk: service.disk_idle + service.disk_per_call * load,
            sockets: service.sockets + 0.2 * load,
            ..Tick::default()
        };
        let Blow { service_ms, hog, delay_ms, lost } = strike(service, injection, hit, &mut tick);
        let cpu = service.cpu_idle + load * service.service_ms / 1_000.0;
        let busy = ((cpu + hog) / service.cpu_limit).min(0.97);
        tick.cpu = (cpu + hog).min(service.cpu_limit);
        tick.throttled = (busy - 0.6).max(0.0);
        tick.network = load * service.bytes_per_call * (1.0 - lost);
        let waits = service.callees.iter().map(|(to, times)| {
            times.min(8.0) * (ticks[*to].latency_ms + extra_for_callers_ms[*to])
        });
        let waited = if service.in_parallel { waits.fold(0.0, f64::max) } else { waits.sum() };
        let answered = service.callees.iter().fold(1.0, |share, (to, times)| {
            share * (1.0 - 0.7 * ticks[*to].errors).max(0.0).powf(*times)
        });
        let own_ms = service_ms / (1.0 - busy);
        let to_callees = if service.callees.is_empty() { 1.0 } else { 2.0 };
        if injection.seen_by_callers_only {
            extra_for_callers_ms[n] = delay_ms;
        } else {
            extra_for_callers_ms[n] = 0.3 * delay_ms;
            tick.latency_ms = to_callees * delay_ms;
        }
        tick.latency_ms += own_ms + waited;
        tick.errors = 1.0 - (1.0 - tick.errors) * answered * (1.0 - 0.1 * lost);
        if tick.latency_ms > service.timeout_ms {
            tick.errors = 1.0 - (1.0 - tick.errors) * 0.6;
            tick.latency_ms = service.timeout_ms;
        }
        ticks[n] = tick;
    }
    ticks
}

/// What a fault does to the service that it hits.
struct Blow {
    service_ms: f64,
    hog: f64,
    delay_ms: f64,
    lost: f64,
}

fn strike(service: &Service, injection: &Injection, hit: f64, tick: &mut Tick) -> Blow {
    let mut blow = Blow { service_ms: service.service_ms, hog: 0.0, delay_ms: 0.0, lost: 0.0 };
    if hit <= 0.0 {
        return blow;
    }
    let slower = (injection.slows - 1.0) * hit;
    match injection.fault {
        Fault::Cpu => {
            blow.hog = (0.6 * hit).min(0.95) * service.cpu_limit;
            blow.service_ms *= 1.0 + slower;
        }
        Fault::Memory => {
            tick.memory += 0.8 * hit * service.memory.max(1e8);
            blow.service_ms *= 1.0 + 0.3 * slower;
        }
        Fault::Disk => {
            tick.disk += hit * 2e6;
            blow.hog = 0.15 * hit * service.cpu_limit;
            blow.service_ms *= 1.0 + 0.5 * slower;
        }
        Fault::Socket => {
            tick.sockets += 150.0 * hit;
            blow.hog = 0.25 * hit * service.cpu_limit;
            blow.service_ms *= 1.0 + 0.5 * slower;
        }
        Fault::Delay => blow.delay_ms = 200.0 * hit,
        Fault::Loss => {
            blow.lost = (0.1 * hit).min(0.4);
            blow.delay_ms = 1_000.0 * blow.lost * injection.slows;
        }
    }
    blow
}

/// What measuring adds.
fn blur(chance: &mut Chance, service: &Service, tick: &mut Tick, at_s: f64, step_s: f64) {
    let few = 1.0 / (tick.load * step_s.max(5.0) + 1.0).sqrt();
    let mut by = |value: &mut f64, noise: f64| {
        *value *= (noise * chance.normal()).exp();
    };
    by(&mut tick.load, few);
    by(&mut tick.latency_ms, service.noise + few);
    by(&mut tick.cpu, 0.5 * service.noise + 0.3 * few);
    by(&mut tick.disk, 2.0 * service.noise);
    by(&mut tick.network, few + 0.5 * service.noise);
    let part = service.memory * service.memory_part;
    tick.memory += match service.memory_style {
        MemoryStyle::Constant => 0.0,
        MemoryStyle::Steps => part * (at_s / 300.0).floor(),
        MemoryStyle::Sawtooth => 3.0 * part * (at_s / (200.0 + part % 400.0)).fract(),
        MemoryStyle::Growing => part * at_s / 600.0,
    };
    if chance.happens(0.004) {
        tick.latency_ms *= chance.scaled(2.0, 20.0);
    }
    if chance.happens(0.004) {
        tick.cpu *= chance.scaled(1.5, 4.0);
    }
    let n_calls = tick.load * step_s.max(5.0);
    let failed = tick.errors * n_calls;
    let failed = (failed + failed.sqrt() * chance.normal()).max(0.0);
    // Failed calls are whole.
    tick.errors = failed.round() / step_s.max(5.0);
    tick.sockets = tick.sockets.round();
}

impl Tick {
    fn field(&mut self, n: usize) -> &mut f64 {
        match n {
            0 => &mut self.load,
            1 => &mut self.latency_ms,
            2 => &mut self.errors,
            3 => &mut self.cpu,
            4 => &mut self.memory,
            5 => &mut self.disk,
            6 => &mut self.network,
            7 => &mut self.sockets,
            _ => &mut self.throttled,
        }
    }
}

/// The names under which the fields are recorded, by what kind of shop it is.
const NAMES: [[&str; 9]; 2] = [
    ["load", "latency", "error", "cpu", "mem", "diskio", "network", "socket", "throttled"],
    [
        "istio-request-total",
        "istio-latency-90",
        "istio-error-total",
        "container-cpu-usage-seconds-total",
        "container-memory-working-set-bytes",
        "container-fs-writes-bytes-total",
        "container-network-receive-bytes-total",
        "container-sockets",
        "container-cpu-cfs-throttled-seconds-total",
    ],
];

/// What ends up in the store: rates are smoothed, scrapes are held, some rows are lost.
fn record(
    chance: &mut Chance,
    services: &[Service],
    ticks: &[Vec<Tick>],
    before_s: f64,
    step_s: f64,
) -> Vec<Series> {
    let names = NAMES[chance.below(2)];
    let n_recorded = if chance.happens(0.5) { 5 } else { 9 };
    let smoothed = 1 + chance.below(if step_s < 2.0 { 60 } else { 6 });
    let held = if step_s < 2.0 { [1, 5, 15][chance.below(3)] } else { 1 };
    let lost = if chance.happens(0.3) { 0.05 } else { 0.0 };
    let mut all = Vec::new();
    for (n, service) in services.iter().enumerate() {
        for (field, name) in names.iter().enumerate().take(n_recorded) {
            if field < 3 && !service.is_metered {
                continue;
            }
            let raw: Vec<f64> = ticks.iter().map(|tick| *tick[n].clone().field(field)).collect();
            let mut sums = vec![0.0];
            for value in &raw {
                sums.push(sums[sums.len() - 1] + value);
            }
            let width = |n: usize| f64::from(u32::try_from(n).unwrap());
            let is_gauge = field == 4 || field == 7;
            let values = (0..raw.len()).map(|n| {
                let n = n / held * held;
                let from = (n + 1).saturating_sub(smoothed);
                if is_gauge || smoothed == 1 {
                    raw[n]
                } else {
                    (sums[n + 1] - sums[from]) / width(n + 1 - from)
                }
            });
            let mut at_s = -before_s - step_s;
            let mut points: Vec<Point> = values
                .map(|value| {
                    at_s += step_s;
                    Point { at: moment(at_s), value }
                })
                .collect();
            points.retain(|_| !chance.happens(lost));
            if chance.happens(0.05) {
                points.iter_mut().step_by(17).for_each(|point| point.value = f64::NAN);
            }
            all.push(Series {
                component: service.name.as_str().into(),
                metric: (*name).into(),
                points,
            });
        }
    }
    all
}
