//! A made-up day of an nginx site with five planted problems: guesses at the login, a scanner, more
//! errors after a deployment, a slow upstream, a burst of SQL injection.

use std::fmt::Write as _;

use jiff::Timestamp;
use nightcrew_detect::signs::finding::Finding;
use nightcrew_detect::signs::kind::Kind;
use nightcrew_detect::signs::line;
use nightcrew_detect::{access, signs};

/// A small generator of even numbers (Vigna, `SplitMix64`).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn is(&mut self, percent: u64) -> bool {
        self.below(1_000) < percent * 10
    }
}

/// When each problem is, in seconds of the day.
struct Planted {
    guesses: u64,
    scan: u64,
    deployment: u64,
    slow: u64,
    injection: u64,
}

const PLANTED: Planted =
    Planted { guesses: 11_000, scan: 25_000, deployment: 40_000, slow: 60_000, injection: 75_000 };

/// How long each lasts.
const LASTS: u64 = 1_800;

struct Day {
    chance: Chance,
    requests_per_minute: u64,
    with_problems: bool,
    lines: Vec<String>,
}

impl Day {
    fn write(&mut self, second: u64, address: &str, request: &str, status: u16, millis: u64) {
        let at = Timestamp::from_second(1_772_409_600 + i64::try_from(second).unwrap()).unwrap();
        let mut line = String::new();
        write!(
            line,
            "{address} - - [{}] \"{request} HTTP/1.1\" {status} {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\" rt={}.{:03} urt=\"{}.{:03}\"",
            at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            200 + millis * 7,
            millis / 1_000,
            millis % 1_000,
            millis / 1_000,
            millis % 1_000,
        )
        .unwrap();
        self.lines.push(line);
    }

    fn ordinary(&mut self, second: u64) {
        const ROUTES: [&str; 8] = [
            "GET /",
            "GET /products/17?sort=price:asc",
            "GET /api/orders?page=2",
            "GET /search?q=o%27reilly+and+union+select",
            "GET /static/app.js",
            "POST /api/cart",
            "POST /login",
            "GET /images/a%20b.png",
        ];
        let route = usize::try_from(self.chance.below(8)).unwrap();
        let address = format!("198.51.{}.{}", self.chance.below(8), self.chance.below(250));
        let is_during = |from: u64| (from..from + LASTS).contains(&second);
        // A long tail, as latencies have it.
        let mut millis = 20 + self.chance.below(60) + self.chance.below(60);
        if self.chance.is(3) {
            millis *= 8;
        }
        if self.with_problems && is_during(PLANTED.slow) && route == 2 {
            millis += 1_500;
        }
        let errors = if self.with_problems && is_during(PLANTED.deployment) { 12 } else { 0 };
        let status = match route {
            _ if self.chance.is(errors) || self.chance.below(1_000) < 4 => 502,
            6 if self.chance.is(15) => 401,
            6 => 302,
            _ if self.chance.is(2) => 404,
            _ => 200,
        };
        let request = ROUTES[route];
        self.write(second, &address, request, status, millis);
    }

    fn problems(&mut self, second: u64) {
        if (PLANTED.guesses..PLANTED.guesses + 400).contains(&second) && second.is_multiple_of(2) {
            self.write(second, "203.0.113.1", "POST /login", 401, 40);
        }
        if (PLANTED.scan..PLANTED.scan + 120).contains(&second) {
            let request = format!("GET /a{}/index.php", second % 97);
            self.write(second, "203.0.113.2", &request, 404, 5);
        }
        if (PLANTED.injection..PLANTED.injection + 60).contains(&second) {
            let request = format!("GET /products/1?id=1%27%20AND%20{second}={second}--%20-");
            self.write(second, "203.0.113.3", &request, 200, 30);
        }
    }
}

fn day(seed: u64, requests_per_minute: u64, with_problems: bool) -> Vec<Finding> {
    let chance = Chance(seed);
    let mut day = Day { chance, requests_per_minute, with_problems, lines: Vec::new() };
    for second in 0..86_400 {
        if day.chance.below(60) < day.requests_per_minute {
            day.ordinary(second);
        }
        if with_problems {
            day.problems(second);
        }
    }
    let end = Timestamp::from_second(1_772_409_600 + 90_000).unwrap();
    let (mut access, mut signs) = (access::Watcher::new(), signs::Watcher::new());
    for text in &day.lines {
        let line = line::parse(text.as_bytes(), end);
        access.observe(&line);
        signs.observe(&line);
    }
    let mut all = access.findings(end);
    all.extend(signs.findings(end));
    all
}

#[test]
fn five_planted_problems_are_found_and_at_most_one_more() {
    for seed in 1..=2 {
        let requests_per_minute = 8 * seed;
        let found = day(seed, requests_per_minute, true);
        let of = |kind: Kind, name: &str| {
            let is_it = |found: &&Finding| found.kind == kind && found.subject.name() == name;
            found.iter().filter(is_it).count()
        };
        let words: Vec<String> =
            found.iter().map(|found| format!("{} {}", found.kind, found.subject)).collect();
        let case = format!("seed {seed}, {requests_per_minute} a minute: {words:?}");
        assert_eq!(of(Kind::LoginBruteForce, "203.0.113.1"), 1, "{case}");
        assert_eq!(of(Kind::Scanner, "203.0.113.2"), 1, "{case}");
        assert_eq!(of(Kind::SqlInjection, "203.0.113.3"), 1, "{case}");
        assert_eq!(of(Kind::SlowResponses, "/api/orders"), 1, "{case}");
        assert_eq!(of(Kind::ErrorRatio, ""), 1, "{case}");
        assert!(found.len() <= 6, "{case}");
    }
}

#[test]
fn an_ordinary_day_is_quiet() {
    assert_eq!(day(11, 10, false), []);
}
