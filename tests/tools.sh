#!/bin/sh
# Fetches what the tests need beyond the Rust toolchain into target/tools, without installing anything: python3 (must be
# there), Prometheus and promtool, MLflow, TensorBoard, tensorboardX and Ray Tune (1.2 GB), and the hyperparameter tuners whose
# stopping rules ours are compared with (0.7 GB, half a minute). What is on PATH is used as it is, but for the Python
# packages. What cannot be had is reported as SKIPPED by name; under CI=true that is a failure.
set -u
cd "$(dirname "$0")/.." || exit 1
tools=${CARGO_TARGET_DIR:-target}/tools
missing=0

skip() {
    echo "SKIPPED: $1: $2"
    missing=1
}

have() {
    command -v "$1" >/dev/null 2>&1 || [ -x "$tools/usr/bin/$1" ]
}

# fetch PACKAGE PROGRAM...: unpacks a Debian package into $tools unless all its programs are there.
fetch() {
    package=$1
    shift
    all=1
    for program in "$@"; do
        have "$program" || all=0
    done
    [ "$all" = 0 ] || return 0
    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        skip "$package" "not on PATH, and no apt-get and dpkg to fetch it with"
        return
    fi
    work=$(mktemp -d) || exit 1
    (cd "$work" && { apt-get download "$package" || { apt-get update && apt-get download "$package"; }; }) >"$work/log" 2>&1
    mkdir -p "$tools"
    if ! dpkg -x "$work/$package"_*.deb "$tools" 2>>"$work/log"; then
        skip "$package" "$(tail -n 1 "$work/log")"
    fi
    rm -rf "$work"
}

# packages FOLDER PACKAGE...: a Python environment of its own in $tools/FOLDER with these packages, unless it has them.
packages() {
    folder=$tools/$1
    shift
    [ "$(cat "$folder/whole" 2>/dev/null)" != "$*" ] || return 0
    log=$(mktemp) || exit 1
    mkdir -p "$tools"
    if python3 -m venv "$folder" >"$log" 2>&1 && "$folder/bin/python" -m pip install -q "$@" >>"$log" 2>&1; then
        echo "$@" >"$folder/whole"
    else
        skip "$*" "$(tail -n 1 "$log")"
    fi
    rm -f "$log"
}

command -v python3 >/dev/null || skip python3 "not on PATH; the tests' trainers are Python scripts"
fetch prometheus prometheus promtool
# Their histories are imported, and the experiments train with scikit-learn (which comes with MLflow) under Ray Tune. These
# versions were tried; others should do.
packages import-venv mlflow==3.17.2 tensorboard==2.21.0 tensorboardX==2.6.5 "ray[tune]==2.60.0"
packages tuners --no-compile --no-deps -r tests/it/stoppers/requirements.txt
# NNI brings 200 MB of a web server that nobody needs here.
rm -rf "$tools"/tuners/lib/python*/site-packages/nni_node

if [ "$missing" = 1 ] && [ "${CI:-}" = true ]; then
    echo "under CI a skip is a failure" >&2
    exit 1
fi
exit 0
