#!/usr/bin/env bash
# Formatting, lints, every Rust test, the dashboard tests in a real Chromium.  On a Debian machine
# as root it installs the real parts that the tests start; elsewhere it names what is missing, and
# the tests that need it say that they were skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never

# Program and the Debian package that brings it.
parts=(
  nginx:nginx-light redis-server:redis-server prometheus:prometheus
  prometheus-alertmanager:prometheus-alertmanager amtool:prometheus-alertmanager
  prometheus-node-exporter:prometheus-node-exporter victoria-metrics:victoria-metrics
  chromium:chromium openssl:openssl cc:gcc python3:python3
  # What the scenarios break and heal.
  logrotate:logrotate pebble:pebble certbot:certbot dockerd:docker.io busybox:busybox-static
  postgres:postgresql systemd-nspawn:systemd-container
)
# The server of PostgreSQL lies in the folder of its version.
postgres=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | tail -1 || true)
missing=()
packages=()
for part in "${parts[@]}"; do
  program=${part%%:*}
  if ! PATH="$PATH:/usr/sbin:$postgres" command -v "$program" >/dev/null; then
    missing+=("$program")
    packages+=("${part#*:}")
  fi
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  else
    echo "missing, so the tests that need them are skipped: ${missing[*]}"
  fi
fi

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
if cargo nextest --version >/dev/null 2>&1; then
  step cargo nextest run --workspace --locked --no-fail-fast --status-level fail --final-status-level fail
else
  step cargo test --workspace --locked --no-fail-fast
fi

step cargo build --locked --quiet --package nightcrew
if command -v npm >/dev/null; then
  step npm ci --prefix web --no-audit --no-fund --silent
  step npm test --prefix web --silent
else
  echo "npm is missing, so the dashboard tests are skipped"
fi
