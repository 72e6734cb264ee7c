# The commands of the project.  `make run` and `make test` are all that a newcomer needs.

.PHONY: run build test test-scenarios lint bench demo

run: build
	target/release/nightcrew up

build:
	cargo build --release --locked --package nightcrew

demo: build
	target/release/nightcrew demo

test:
	./.ci/test.sh

# Breaks real things of this machine, one after the other, and prints how they were healed.
test-scenarios:
	./.ci/test-scenarios.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

bench: build
	cargo run --release --locked --package nightcrew-bench
