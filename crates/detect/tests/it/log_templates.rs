//! Templates of made-up logs, whose truth is known.

use std::collections::HashMap;

use nightcrew_detect::log::miner::{Limits, Miner};
use nightcrew_detect::log::scan::MESSAGE_BYTES_MAX;
use nightcrew_detect::log::shape::{ShapeId, shape_of};
use proptest::prelude::*;

use crate::log_corpus::generator::Seeded;
use crate::log_corpus::{System, messages, systems, unseen};

/// The share of lines whose group is exactly the true group, and the groups that are not.
fn grouping_accuracy(lines: &[(usize, String)]) -> (f64, Vec<String>) {
    let mut miner = Miner::new(Limits::default());
    let shapes: Vec<ShapeId> = lines.iter().map(|(_, line)| miner.learn(line.as_bytes())).collect();
    let templates = miner.templates();
    let mut truth: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for (n, ((pattern, _), shape)) in lines.iter().zip(&shapes).enumerate() {
        truth.entry(*pattern).or_default().push(n);
        found.entry(templates.resolve(*shape).unwrap().to_string()).or_default().push(n);
    }
    let mut right = 0;
    let mut wrong = Vec::new();
    for group in truth.values() {
        let of: Vec<&String> =
            found.iter().filter(|(_, lines)| lines.contains(&group[0])).map(|(t, _)| t).collect();
        if found[of[0]] == *group {
            right += group.len();
        } else {
            let mut split: Vec<&String> = found
                .iter()
                .filter(|(_, found)| found.iter().any(|line| group.contains(line)))
                .map(|(text, _)| text)
                .collect();
            split.sort();
            split.truncate(6);
            wrong.push(format!("{} lines, {:?} -> {split:#?}", group.len(), lines[group[0]].1));
        }
    }
    wrong.sort();
    (right as f64 / lines.len() as f64, wrong)
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn accuracy_of(system: &System, n_names: usize) -> f64 {
    let (accuracy, wrong) = grouping_accuracy(&messages(system, 2_000, Seeded::new(7, n_names)));
    println!("{:12} {accuracy:.3}", system.name);
    for line in wrong {
        println!("    {line}");
    }
    accuracy
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn mean_accuracy(systems: &[System], n_names: usize) -> f64 {
    let all: Vec<f64> = systems.iter().map(|system| accuracy_of(system, n_names)).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    println!("mean {mean:.4}");
    mean
}

#[test]
fn lines_are_grouped_as_the_patterns_that_made_them() {
    assert!(mean_accuracy(&systems(), usize::MAX) > 0.98);
}

#[test]
fn lines_of_unseen_systems_are_grouped_as_well() {
    assert!(mean_accuracy(&unseen(), usize::MAX) > 0.97);
}

#[test]
fn names_are_parameters_though_there_are_only_two_of_them() {
    assert!(mean_accuracy(&systems(), 2) > 0.98);
    assert!(mean_accuracy(&unseen(), 2) > 0.97);
}

/// The templates of some messages, in order.
fn templates(messages: &[&str]) -> Vec<String> {
    let mut miner = Miner::new(Limits::default());
    for message in messages {
        miner.learn(message.as_bytes());
    }
    miner.templates().iter().map(ToString::to_string).collect()
}

#[test]
fn one_word_with_meaning_keeps_templates_apart() {
    let messages = [
        "session opened for user root",
        "session closed for user root",
        "session opened for user cyrus",
        "session closed for user news",
    ];
    assert_eq!(
        templates(&messages),
        ["session opened for user <*>", "session closed for user <*>"]
    );
}

#[test]
fn lists_of_any_length_have_one_template() {
    let messages = ["to datanodes 10.0.0.1:50 10.0.0.2:50 now", "to datanodes 10.0.0.3:50 now"];
    assert_eq!(templates(&messages), ["to datanodes <*> now"]);
}

#[test]
fn a_size_said_twice_does_not_split() {
    let messages = [
        "a.b.example:80 close, 403 bytes sent, 1190 bytes (1.16 KB) received, lifetime <1 sec",
        "a.b.example:80 close, 1403 bytes (1.37 KB) sent, 9 bytes received, lifetime 00:02",
    ];
    assert_eq!(
        templates(&messages),
        ["<*> close, <*> bytes sent, <*> bytes received, lifetime <*>"]
    );
}

#[test]
fn a_numbered_word_that_never_varies_is_constant() {
    let messages = ["Accepted for a1 port 22 ssh2", "Accepted for b2 port 99 ssh2"];
    assert_eq!(templates(&messages), ["Accepted for <*> port <*> ssh2"]);
}

#[test]
fn parameters_are_typed() {
    let mut miner = Miner::new(Limits::default());
    let message = b"took 12 ms for 10.0.0.1:80 by user=root size=3KB id 0xff";
    let shape = miner.learn(message);
    let templates = miner.templates();
    let template = templates.resolve(shape).unwrap();
    let found: Vec<String> = template
        .parameters(message)
        .unwrap()
        .into_iter()
        .map(|parameter| {
            let text = String::from_utf8_lossy(&message[parameter.range]).into_owned();
            format!("{text}: {}", parameter.kind)
        })
        .collect();
    let wanted = ["12: number", "10.0.0.1:80: ip", "root: word", "3KB: bytes", "0xff: hex"];
    assert_eq!(found, wanted);
    assert_eq!(template.parameters(b"something else"), None);
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_is_counted() {
    let mut miner = Miner::new(Limits { shapes: 100 });
    let frequent = miner.learn(b"this one comes often");
    for n in 0..2_000_u32 {
        let letters: String = n.to_string().bytes().map(|b| char::from(b + 50)).collect();
        miner.learn(format!("only once said: {letters}").as_bytes());
        miner.learn(b"this one comes often");
        assert!(miner.n_shapes() <= 100);
    }
    assert!(miner.n_evicted() > 1_500);
    let templates = miner.templates();
    assert_eq!(templates.resolve(frequent).unwrap().n_lines, 2_001);
    assert!(templates.len() <= 100);
}

#[test]
fn a_line_of_any_length_is_read_to_its_limit() {
    let mut line = b"the beginning ".to_vec();
    line.extend(std::iter::repeat_n(b"x y ".as_slice(), 300_000).flatten());
    let mut miner = Miner::new(Limits::default());
    let shape = miner.learn(&line);
    line.extend_from_slice(b"another end");
    assert_eq!(miner.learn(&line), shape);
    assert!(miner.templates().resolve(shape).unwrap().to_string().len() < MESSAGE_BYTES_MAX);
}

#[test]
fn colours_and_controls_are_space() {
    let messages = ["\u{1b}[31mfailed\u{1b}[0m to start 7", "failed to start 8"];
    assert_eq!(templates(&messages).last().unwrap(), "failed to start <*>");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_message_is_too_strange(messages in prop::collection::vec(
        prop::collection::vec(
            prop_oneof![any::<u8>(), Just(b'='), Just(b'{'), Just(b'"'), Just(b':'), Just(b' ')],
            0..80,
        ),
        0..30,
    )) {
        let mut miner = Miner::new(Limits { shapes: 16 });
        let shapes: Vec<ShapeId> = messages.iter().map(|message| miner.learn(message)).collect();
        let templates = miner.templates();
        for (message, shape) in messages.iter().zip(shapes) {
            if let Some(template) = templates.resolve(shape) {
                let parameters = template.parameters(message).unwrap_or_default();
                prop_assert!(parameters.iter().all(|p| p.range.end <= message.len()));
            }
        }
    }

    #[test]
    fn numbers_never_change_the_shape(a in any::<u32>(), b in any::<u32>()) {
        let message = |n: u32| format!("worker {n} took {n} ms for /var/{n}/x (id={n})");
        prop_assert_eq!(shape_of(message(a).as_bytes()), shape_of(message(b).as_bytes()));
    }
}
