#!/usr/bin/env bash
# The fault list again and again: tests/faults.sh [ROUNDS] [FILTER], 20 rounds of `faults::` if not said.
# Beside the tests' own bystanders stands a herd that lives through all rounds, of the same user and session: each notes
# every signal that can be caught. After each round nobody of the herd has noted any, all live, and no process of the
# round is left. Ends at the first fault, keeps that round's output and says where.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-20} filter=${2:-faults::}

binary=$(cargo test --test it --no-run --message-format=json 2>/dev/null |
    python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "it" and message["profile"]["test"]:
        print(message["executable"])')
[ -x "$binary" ] || { echo "tests/faults.sh: the tests do not build; see cargo test --test it --no-run" >&2; exit 2; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/earlystop-faults.XXXXXX")
export TMPDIR=$folder
herd=()
# Ends the herd, which leaves when its input does; keeps the folder if something went wrong.
finish() {
    local status=$?
    exec 7>&-
    wait "${herd[@]}" 2>/dev/null || true
    [ $status -eq 0 ] && rm -rf "$folder" || echo "tests/faults.sh: see $folder" >&2
}
trap finish EXIT

mkfifo "$folder/leash"
exec 7<>"$folder/leash"
for i in 1 2 3 4 5 6 7 8; do
    python3 -S -u -c '
import os, signal, sys
notes, ready = sys.argv[1:]
def note(number, _):
    with open(notes, "a") as file: file.write("%d %d\n" % (os.getpid(), number))
for number in signal.valid_signals() - {9, 19}: signal.signal(number, note)
open(ready, "w").close()
hog = bytearray(160 << 20)
sys.stdin.read()' "$folder/herd" "$folder/ready.$i" <"$folder/leash" 7>&- &
    herd+=($!)
done
until [ "$(ls "$folder" | grep -c '^ready')" -eq 8 ]; do sleep 0.05; done

# Processes of the tests: their environment names our folder. Zombies have none.
left() {
    grep -lz "^FOLDER=$folder/" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
}

begin=$SECONDS skipped=0
for ((round = 1; round <= rounds; round++)); do
    status=0
    # Without the leash: a daemon that is left over would keep the herd waiting for its end.
    "$binary" "$filter" --nocapture >"$folder/round" 2>&1 7>&- || status=$?
    if [ $status -ne 0 ]; then
        grep -E '^test .*FAILED|panicked at' "$folder/round" >&2 || tail -5 "$folder/round" >&2
        echo "tests/faults.sh: round $round failed with $status (above 128: ended by signal $status - 128)," \
            "its output is in $folder/round" >&2
        exit 1
    fi
    skipped=$(grep -c SKIPPED "$folder/round" || true)
    for pid in "${herd[@]}"; do
        kill -0 "$pid" 2>/dev/null || { echo "tests/faults.sh: round $round: bystander $pid is gone" >&2; exit 1; }
    done
    if [ -s "$folder/herd" ]; then
        echo "tests/faults.sh: round $round: bystanders were signalled (pid, signal):" >&2
        cat "$folder/herd" >&2
        exit 1
    fi
    for _ in $(seq 100); do
        remains=$(left)
        [ -z "$remains" ] && break
        sleep 0.05
    done
    [ -z "$remains" ] || { echo "tests/faults.sh: round $round: still alive:" $remains >&2; exit 1; }
    grep '^test result' "$folder/round" | sed "s/^/round $round: /"
done
echo "tests/faults.sh: $rounds rounds in $((SECONDS - begin)) s, $skipped tests skipped; no bystander signalled, every stop ended"
