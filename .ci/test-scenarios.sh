#!/usr/bin/env bash
# Runs every scenario (something real is broken, healed and proven healed) and prints the table.
# What they need is installed by .ci/test.sh; a scenario whose part is missing says so in its row.
set -uo pipefail
cd "$(dirname "$0")/.."

export CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
# `make test` kills the crew less often than this.
export NIGHTCREW_STEP_CRASHES="${NIGHTCREW_STEP_CRASHES:-200}"

rows=${CARGO_TARGET_DIR:-target}/scenarios
rm -rf "$rows"
began=$SECONDS
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --package nightcrew --test scenarios --locked --no-fail-fast \
    --status-level fail --final-status-level fail
else
  cargo test --package nightcrew --test scenarios --locked --no-fail-fast
fi
ended=$?
if ! [ -d "$rows" ]; then
  echo "no scenario ran"
  exit 1
fi

format='%-74s  %-8s  %-8s  %s\n'
# shellcheck disable=SC2059 # The format is above.
{
  echo
  printf "$format" scenario detected repaired verified
  sort "$rows"/*.tsv | while IFS=$'\t' read -r name detected repaired verified; do
    printf "$format" "$name" "$detected" "$repaired" "$verified"
  done
}
echo "$((SECONDS - began)) s in all"
exit "$ended"
