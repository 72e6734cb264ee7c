//! Prints how often the ranking names the cause of an injected fault, beside a baseline:
//! `cargo run --release -p nightcrew-detect --example rank -- [CASES] [SEED]`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example may panic and print")]

#[path = "../tests/it/accuracy.rs"]
mod accuracy;
#[path = "../tests/it/microservices.rs"]
mod microservices;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>().unwrap());
    let cases = arguments.next().unwrap_or(50);
    let seed = arguments.next().unwrap_or(1);
    let names = ["this project", "without edges", "BARO's scorer"];
    let rankings = [accuracy::ours, accuracy::without_edges, accuracy::baro];
    for (name, rows) in names.into_iter().zip(accuracy::of(cases, seed, &rankings)) {
        println!("{name:14}  AC@1  AC@3  AC@5 Avg@5");
        for (fault, accuracy) in &rows {
            println!("{:14} {}", format!("{fault:?}"), accuracy.row());
        }
        println!("{:14} {}\n", "all", accuracy::total(&rows).row());
    }
}
