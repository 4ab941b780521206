#!/usr/bin/env python3
"""What a replay costs: permutations over made-up trials, on one thread.

usage: replay.py EARLYSTOP [TRIALS] [STEPS] [PERMUTATIONS] [RULE...]

Made-up curves (a level, a rate and noise each) become a journal by `earlystop import`; then a policy of six rules is replayed
over all trials in random order. A RULE is a line of TOML; the default is `auto`, where this version has it, and five others.
The target is that of the issue: 1,000 trials of 500 steps, `auto` and five other rules, 30 permutations under 60 s on one core.
"""
import math, os, random, subprocess, sys, tempfile, time

earlystop = sys.argv[1]
trials, steps, permutations = (int(word) for word in (sys.argv[2:5] + ["1000", "500", "30"][len(sys.argv[2:5]):]))

# Kinds whose verdicts rarely fall, so that the others have trials to judge.
OTHERS = [
    'stopper = { kind = "median", metric = "acc", mode = "max", grace = "50 %", dialect = "vizier" }',
    'stopper = { kind = "percentile", metric = "acc", mode = "max", grace = "50 %", p = 90 }',
    'stopper = { kind = "asha", metric = "acc", mode = "max", grace = "50 %", eta = 3 }',
    'stopper = { kind = "bandit", metric = "acc", mode = "max", grace = "50 %", slack = 0.5 }',
    "expr = 'trial_reports_since_best{metric=\"acc\"} > 300'",
]
AUTO = 'stopper = { kind = "auto", metric = "acc", mode = "max" }'


def text(lines):
    named = "".join(f'[[rule]]\nname = "r{n}"\n{line}\n' for n, line in enumerate(lines))
    return "[guard]\nenabled = false\n" + named


def curve(dice):
    level, rate, noise = dice.uniform(0.3, 0.9), dice.uniform(0.005, 0.05), dice.uniform(0.001, 0.01)
    return ",".join(f"{level * (1 - math.exp(-rate * step)) + dice.gauss(0, noise):.6f}" for step in range(1, steps + 1))


with tempfile.TemporaryDirectory() as folder:
    path = lambda name: os.path.join(folder, name)
    dice = random.Random(1)
    with open(path("made-up.csv"), "w") as table:
        print(*(f"acc_{step}" for step in range(1, steps + 1)), sep=",", file=table)
        for _ in range(trials):
            print(curve(dice), file=table)
    words = ["import", "--metric", "acc", "--mode", "max", "--columns", "acc_*", path("made-up.csv"), "-o", path("j.sqlite")]
    begin = time.monotonic()
    subprocess.run([earlystop, *words], check=True, stdout=subprocess.DEVNULL)
    print(f"import: {time.monotonic() - begin:.1f} s, {os.path.getsize(path('j.sqlite')) / 2**20:.0f} MiB")
    lines = sys.argv[5:]
    if not lines:
        with open(path("auto.toml"), "w") as policy:
            policy.write(text([AUTO]))
        known = subprocess.run([earlystop, "check", path("auto.toml")], capture_output=True).returncode == 0
        print("with auto" if known else "this version has no auto: without it")
        lines = ([AUTO] if known else []) + OTHERS
    with open(path("policy.toml"), "w") as policy:
        policy.write(text(lines))
    for count in (1, permutations):
        words = ["replay", "--policy", path("policy.toml"), path("j.sqlite"), "--permutations", str(count)]
        words += ["--sample", str(trials), "--threads", "1"]
        begin, before = time.monotonic(), os.times().children_user
        told = subprocess.run([earlystop, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds, cpu = time.monotonic() - begin, os.times().children_user - before
        print(f"{count} permutations of {trials} trials x {steps} steps: {seconds:.1f} s, {cpu:.1f} s of CPU")
    print(told)
