# The commands of the project.  `make run` and `make test` are all that a newcomer needs.

.PHONY: run build test lint bench demo

run: build
	target/release/nightcrew up

build:
	cargo build --release --locked --package nightcrew

demo: build
	target/release/nightcrew demo

test:
	./.ci/test.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

bench: build
	cargo run --release --locked --package nightcrew-bench
