//! The routing tree as an `alertmanager.yml`, so that `amtool config show` and `amtool config
//! routes` read it.
//!
//! What is not about routing is left out: the channels of a receiver hold secrets.

use std::fmt::Write as _;

use nightcrew_model::interval::{Range, TimeInterval};
use nightcrew_model::matcher::{Matcher, Matchers};
use nightcrew_model::route::{GroupBy, InhibitRule, Route, Routing};
use nightcrew_model::unit::Millis;

const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// The text.
pub(crate) fn written(routing: &Routing, resolve_timeout: Millis) -> String {
    let mut yaml = Yaml::default();
    yaml.line(0, "global:");
    yaml.line(1, &format!("resolve_timeout: {}", duration(resolve_timeout)));
    yaml.line(0, "route:");
    if let Some(root) = routing.route(Routing::ROOT) {
        route(&mut yaml, 1, routing, root, None);
    }
    if !routing.inhibit_rules.is_empty() {
        yaml.line(0, "inhibit_rules:");
        routing.inhibit_rules.iter().for_each(|rule| inhibit_rule(&mut yaml, rule));
    }
    yaml.line(0, "receivers:");
    for receiver in &routing.receivers {
        let channels = receiver.channels.iter().map(|channel| one_line(channel.as_str()));
        let channels = channels.collect::<Vec<_>>().join(", ");
        let told = if channels.is_empty() { String::new() } else { format!(" # told: {channels}") };
        yaml.line(0, &format!("- name: {}{told}", scalar(receiver.name.as_str())));
    }
    yaml.line(0, "templates: []");
    if !routing.intervals.is_empty() {
        yaml.line(0, "time_intervals:");
        for (name, intervals) in &routing.intervals {
            yaml.line(0, &format!("- name: {}", scalar(name.as_str())));
            yaml.line(1, "time_intervals:");
            intervals.iter().for_each(|interval| time_interval(&mut yaml, interval));
        }
    }
    yaml.0
}

/// A text that grows line by line.
#[derive(Default)]
struct Yaml(String);

impl Yaml {
    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{:width$}{text}", "", width = depth * 2);
    }

    /// The first line of an item of a list whose other lines have this depth.
    fn item(&mut self, depth: usize, text: &str) {
        self.line(depth.saturating_sub(1), &format!("- {text}"));
    }

    fn list<'a>(&mut self, depth: usize, key: &str, items: impl Iterator<Item = &'a str>) {
        let mut items = items.peekable();
        if items.peek().is_none() {
            return;
        }
        self.line(depth, &format!("{key}:"));
        for item in items {
            self.line(depth, &format!("- {}", scalar(item)));
        }
    }
}

/// One route and those below it; what is as in the parent is left out, as Alertmanager does.
fn route(yaml: &mut Yaml, depth: usize, routing: &Routing, route: &Route, parent: Option<&Route>) {
    let rule = &route.rule;
    let receiver = format!("receiver: {}", scalar(rule.receiver.as_str()));
    match parent {
        None => yaml.line(depth, &receiver),
        Some(_) => yaml.item(depth, &receiver),
    }
    if parent.is_none_or(|parent| parent.rule.group_by != rule.group_by) {
        match &rule.group_by {
            GroupBy::All => yaml.list(depth, "group_by", ["..."].into_iter()),
            GroupBy::Labels(labels) if labels.is_empty() && parent.is_some() => {
                yaml.line(depth, "group_by: []");
            }
            GroupBy::Labels(labels) => {
                yaml.list(depth, "group_by", labels.iter().map(String::as_str));
            }
        }
    }
    matchers(yaml, depth, "matchers", &rule.matchers);
    yaml.list(depth, "mute_time_intervals", rule.mute.iter().map(|name| name.as_str()));
    yaml.list(depth, "active_time_intervals", rule.active.iter().map(|name| name.as_str()));
    yaml.line(depth, &format!("continue: {}", rule.continues));
    if !route.children.is_empty() {
        yaml.line(depth, "routes:");
        for child in route.children.iter().filter_map(|id| routing.route(*id)) {
            self::route(yaml, depth + 1, routing, child, Some(route));
        }
    }
    let of_parent = parent.map(|parent| &parent.rule);
    for (key, above, own) in [
        ("group_wait", of_parent.map(|rule| rule.group_wait), rule.group_wait),
        ("group_interval", of_parent.map(|rule| rule.group_interval), rule.group_interval),
        ("repeat_interval", of_parent.map(|rule| rule.repeat_interval), rule.repeat_interval),
    ] {
        if above != Some(own) {
            yaml.line(depth, &format!("{key}: {}", duration(own)));
        }
    }
}

/// Matchers, in the order in which Alertmanager keeps them.
fn matchers(yaml: &mut Yaml, depth: usize, key: &str, matchers: &Matchers) {
    let mut sorted: Vec<&Matcher> = matchers.iter().collect();
    sorted.sort_by_key(|matcher| (matcher.name(), matcher.op(), matcher.value()));
    let texts: Vec<String> = sorted.into_iter().map(ToString::to_string).collect();
    yaml.list(depth, key, texts.iter().map(String::as_str));
}

fn inhibit_rule(yaml: &mut Yaml, rule: &InhibitRule) {
    let mut lines = Yaml::default();
    matchers(&mut lines, 1, "source_matchers", &rule.source);
    matchers(&mut lines, 1, "target_matchers", &rule.target);
    lines.list(1, "equal", rule.equal.iter().map(String::as_str));
    if lines.0.is_empty() {
        return yaml.line(0, "- {}");
    }
    // The first line carries the mark of the item in the place of its indent.
    yaml.0.push_str("- ");
    yaml.0.push_str(lines.0.trim_start());
}

fn time_interval(yaml: &mut Yaml, interval: &TimeInterval) {
    let zone = interval.zone.to_string();
    yaml.item(2, &format!("location: {}", scalar(&zone)));
    if !interval.times.is_empty() {
        yaml.line(2, "times:");
        for part in &interval.times {
            yaml.item(3, &format!("start_time: \"{}\"", clock(part.from)));
            yaml.line(3, &format!("end_time: \"{}\"", clock(part.until)));
        }
    }
    let weekday = |day: u8| WEEKDAYS.get(usize::from(day)).copied().unwrap_or("sunday").to_owned();
    ranges(yaml, "weekdays", &interval.weekdays, weekday);
    ranges(yaml, "days_of_month", &interval.days_of_month, |day| day.to_string());
    ranges(yaml, "months", &interval.months, |month| month.to_string());
    ranges(yaml, "years", &interval.years, |year| year.to_string());
}

fn ranges<T: Copy + PartialEq>(
    yaml: &mut Yaml,
    key: &str,
    ranges: &[Range<T>],
    word: impl Fn(T) -> String,
) {
    if ranges.is_empty() {
        return;
    }
    let written = ranges.iter().map(|range| match (word(range.first), word(range.last)) {
        (first, _) if range.first == range.last => format!("\"{first}\""),
        (first, last) => format!("\"{first}:{last}\""),
    });
    yaml.line(2, &format!("{key}: [{}]", written.collect::<Vec<_>>().join(", ")));
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A span of time as Prometheus writes it (`common/model`, `Duration.String`).
fn duration(span: Millis) -> String {
    /// Milliseconds, the unit, and whether it is used only where nothing is left over.
    const UNITS: [(u64, &str, bool); 7] = [
        (365 * 86_400_000, "y", true),
        (7 * 86_400_000, "w", true),
        (86_400_000, "d", false),
        (3_600_000, "h", false),
        (60_000, "m", false),
        (1_000, "s", false),
        (1, "ms", false),
    ];
    let mut left = span.0;
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (length, unit, exact) in UNITS {
        if left >= length && (!exact || left.is_multiple_of(length)) {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{unit}", left / length);
            left %= length;
        }
    }
    text
}

/// A text as YAML reads it back: plain where that is safe.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=~!\"^$*+()|".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let word = text.to_ascii_lowercase();
    let special = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    if begins && text.chars().all(plain) && !special.contains(&word.as_str()) {
        return text.to_owned();
    }
    // A JSON string is a YAML string.
    serde_json::Value::from(text).to_string()
}

/// A text inside of a comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nightcrew_model::interval::{DayPart, Zone};
    use nightcrew_model::route::{Branch, Receiver, RouteRule};

    use super::*;

    fn branch(matchers: &str, receiver: &str, routes: Vec<Branch>) -> Branch {
        let rule = RouteRule {
            matchers: Matchers::parse(matchers).unwrap(),
            receiver: receiver.into(),
            group_by: GroupBy::Labels(["alertname".to_owned()].into()),
            group_wait: Millis::from_secs(30),
            group_interval: Millis::from_secs(300),
            repeat_interval: Millis::from_secs(4 * 3_600),
            mute: Vec::new(),
            active: Vec::new(),
            continues: false,
        };
        Branch { rule, routes }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "the whole text is shown")]
    fn a_tree_reads_like_an_alertmanager_yml() {
        let mut pager = branch(r#"severity=~"crit.*",env!="dev""#, "db-pager", Vec::new());
        pager.rule.mute = vec!["weekends".into()];
        pager.rule.repeat_interval = Millis(90_500);
        let mut db = branch("team=db", "db", vec![pager]);
        db.rule.group_by = GroupBy::All;
        db.rule.continues = true;
        let root = branch("", "default", vec![db]);
        let interval = TimeInterval {
            times: vec![DayPart { from: 540, until: 1_440 }],
            weekdays: vec![Range { first: 6, last: 6 }, Range { first: 1, last: 5 }],
            days_of_month: vec![Range { first: -3, last: -1 }],
            zone: Zone::named("Asia/Seoul").unwrap(),
            ..TimeInterval::default()
        };
        let inhibit = InhibitRule {
            name: "1".to_owned(),
            source: Matchers::parse("severity=critical").unwrap(),
            target: Matchers::parse("severity=warning").unwrap(),
            equal: vec!["alertname".to_owned()],
        };
        let receivers = vec![
            Receiver { name: "default".into(), channels: vec!["console".into(), "결제".into()] },
            Receiver { name: "db".into(), channels: Vec::new() },
        ];
        let intervals = BTreeMap::from([("weekends".into(), vec![interval])]);
        let routing = Routing::new(root, receivers, vec![inhibit], intervals);
        let expected = r#"global:
  resolve_timeout: 5m
route:
  receiver: default
  group_by:
  - alertname
  continue: false
  routes:
  - receiver: db
    group_by:
    - "..."
    matchers:
    - team="db"
    continue: true
    routes:
    - receiver: db-pager
      group_by:
      - alertname
      matchers:
      - env!="dev"
      - severity=~"crit.*"
      mute_time_intervals:
      - weekends
      continue: false
      repeat_interval: 1m30s500ms
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
inhibit_rules:
- source_matchers:
  - severity="critical"
  target_matchers:
  - severity="warning"
  equal:
  - alertname
receivers:
- name: default # told: console, 결제
- name: db
templates: []
time_intervals:
- name: weekends
  time_intervals:
  - location: Asia/Seoul
    times:
    - start_time: "09:00"
      end_time: "24:00"
    weekdays: ["saturday", "monday:friday"]
    days_of_month: ["-3:-1"]
"#;
        assert_eq!(written(&routing, Millis::from_secs(300)), expected);
    }

    #[test]
    fn spans_and_texts_are_written_so_that_they_read_back() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (1_500, "1s500ms"),
            (86_400_000, "1d"),
            (604_800_000, "1w"),
            (694_800_000, "8d1h"),
        ] {
            assert_eq!(duration(Millis(millis)), text);
        }
        for (text, written) in [
            ("db-pager", "db-pager"),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("1", "\"1\""),
            ("a: b", "\"a: b\""),
            ("서비스", "\"서비스\""),
            ("a\nb", "\"a\\nb\""),
            ("severity=\"critical\"", "severity=\"critical\""),
            ("a#b", "\"a#b\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
