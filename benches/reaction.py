#!/usr/bin/env python3
"""Crossing to SIGTERM: `earlystop run` with a memory rule at 200 MiB, in the shorthand and in PromQL, over a program that
takes 300 MiB and waits.

usage: reaction.py [EARLYSTOP] [REPETITIONS] [INTERVAL]

The program touches its memory in steps of 1 MiB and notes when its own RSS - shared (statm) has crossed the bound; its
SIGTERM handler notes when the signal arrives. Both on CLOCK_MONOTONIC. The phase to the tick is random.
"""
import os, random, statistics, subprocess, sys, tempfile

CHILD = r"""
import os, random, signal, sys, time
PAGE = os.sysconf("SC_PAGESIZE")
def private():
    fields = open("/proc/self/statm").read().split()
    return (int(fields[1]) - int(fields[2])) * PAGE
def term(number, frame):
    os.write(1, b"term %d\n" % time.monotonic_ns())
    os._exit(0)
signal.signal(signal.SIGTERM, term)
time.sleep(0.3 + random.random() * 0.3)     # two complete samples first, then any phase
held, crossed = [], None
while len(held) < 300:
    held.append(bytearray(b"x") * (1 << 20))
    if crossed is None and private() > 200 << 20:
        crossed = time.monotonic_ns()
        os.write(1, b"crossed %d\n" % crossed)
time.sleep(60)
"""
RULES = {
    "shorthand": 'metric = "memory"\nabove = "200 MiB"',
    "PromQL": "expr = 'max by (trial, experiment) (max_over_time(trial_memory_bytes[1s])) > 200 * 1024 ^ 2'",
}


def once(earlystop, interval, folder, rule):
    policy = os.path.join(folder, "policy.toml")
    with open(policy, "w") as file:
        file.write(f'[[rule]]\nname = "cap"\n{rule}\n')
    env = dict(os.environ, XDG_RUNTIME_DIR=folder, XDG_STATE_HOME=folder)
    words = [earlystop, "run", "--interval", interval, "--policy", policy, "--listen", "127.0.0.1:0", "--"]
    done = subprocess.run(words + [sys.executable, "-S", "-c", CHILD], env=env, capture_output=True, text=True, timeout=60)
    at = dict(line.split() for line in done.stdout.splitlines())
    return (int(at["term"]) - int(at["crossed"])) / 1e6


def main():
    earlystop = sys.argv[1] if len(sys.argv) > 1 else "target/release/earlystop"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    interval = sys.argv[3] if len(sys.argv) > 3 else "100ms"
    with tempfile.TemporaryDirectory() as folder:
        # In turns: what the machine does beside falls on both.
        turns = [{name: once(earlystop, interval, folder, rule) for name, rule in RULES.items()} for _ in range(count)]
    for name in RULES:
        took = sorted(turn[name] for turn in turns)
        print(f"crossing to SIGTERM, {name}, interval {interval}, n={count}: median {statistics.median(took):.1f} ms, "
              f"min {took[0]:.1f}, p95 {took[int(0.95 * (count - 1))]:.1f}, max {took[-1]:.1f}")


main()
