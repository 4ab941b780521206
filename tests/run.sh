#!/usr/bin/env bash
# All tests. Needs the Rust toolchain, python3 and a C compiler (for the bundled SQLite); what the tests want beyond
# that, tests/tools.sh fetches, or they say SKIPPED and why. With CI=true in the environment a skip is a failure.
# Arguments go to the tests: tests/run.sh readme
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for tool in cargo python3 cc; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "tests/run.sh: not found: ${missing[*]}" >&2
    echo "hint: cargo comes from https://rustup.rs; on Debian and Ubuntu: apt-get install python3 gcc" >&2
    exit 2
fi

tests/tools.sh

# The library, the program, the integration tests and the example's own tests; then the examples in the docs. The benches
# are compiled by clippy's --all-targets and run by `cargo bench`: unoptimized they take an hour and measure nothing.
# A shell that starts this in the background, and nohup, have SIGINT or SIGHUP ignored, and a program cannot be interrupted by
# what it was told to ignore: the tests are about signals, and begin with none ignored.
env --default-signal cargo test --lib --bins --tests --examples -- "$@"
env --default-signal cargo test --doc -- "$@"

# The Python client, where it has tests of its own.
if compgen -G "python/tests/test_*.py" >/dev/null; then
    PYTHONPATH=python python3 -m unittest discover -s python/tests
fi

echo "tests/run.sh: all tests passed"
