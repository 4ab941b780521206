"""What stopping rules save and lose on recorded curves, by `earlystop import` and `earlystop replay`.

usage: frontier.py EARLYSTOP CURVES [PERMUTATIONS [SEED]]

CURVES is a folder with metaqnn_cifar10.csv.gz, deep_resnets_cifar10.csv.gz and lstm_ptb.csv.gz (MITAutoML/accelerating_nas).
100 trials, one worker, the guard off: what the rules alone do. A rung at a share of R is the first step at or behind it (ceil);
"one step earlier" is the step before.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

CORPORA = [
    ("metaqnn_cifar10", 20, "max", "acc_*", []),
    ("deep_resnets_cifar10", 49, "max", "acc_*", ["--skip-first"]),
    ("lstm_ptb", 59, "min", "ep_*", ["--skip-first"]),
]
GUARD = "[guard]\nmax_share = 1.0\nkeep_best = 0\n"


def rule(name, keys):
    return f'[[rule]]\nname = "{name}"\nstopper = {{ metric = "score", {keys} }}\n'


def policies(total):
    """Name, policy text."""
    ceil, floor = math.ceil(0.3 * total), math.floor(0.3 * total)
    asha = lambda grace, end=total: f'kind = "asha", dialect = "ray", eta = 3, grace = {grace}, max = {end}'
    median = lambda grace: f'kind = "median", dialect = "optuna", grace = {grace}'
    # The second rung is at 0.9 R, three times the first: a grace of exactly 0.3 R gives both as ceilings.
    yield "asha (ray, eta 3)", GUARD + rule("asha", asha('"30 %"'))
    if floor != ceil:
        # Two rules with a rung each: 0.3 R and 0.9 R rounded down are not three times one another.
        early, late = asha(floor, end=floor + 1), asha(math.floor(0.9 * total))
        yield "asha, one step earlier", GUARD + rule("early", early) + rule("late", late)
    yield "median (optuna)", GUARD + rule("median", median(ceil))
    if floor != ceil:
        yield "median, one step earlier", GUARD + rule("median", median(floor))
    yield "auto", GUARD + rule("auto", 'kind = "auto"')
    yield "auto, with the guard", rule("auto", 'kind = "auto"')


def main():
    binary, curves = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    permutations, seed = (sys.argv[3:] + ["1000", "1"][len(sys.argv) - 3 :])[:2]
    print(f"| corpus | rule | speed-up | kept | kept, 95 % | mean regret |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, total, mode, columns, flags in CORPORA:
            journal, policy = Path(folder, f"{name}.sqlite"), Path(folder, "policy.toml")
            words = ["import", "--metric", "score", "--mode", mode, "--columns", columns, *flags]
            subprocess.run([binary, *words, curves / f"{name}.csv.gz", "-o", journal], check=True, capture_output=True)
            for rule_name, text in policies(total):
                policy.write_text(text)
                words = ["--permutations", permutations, "--sample", "100", "--seed", seed, "--json"]
                seen = subprocess.run([binary, "replay", "--policy", policy, journal, *words], check=True, capture_output=True)
                told = json.loads(seen.stdout)
                kept = told["kept"]
                print(
                    f"| {name} | {rule_name} | {told['speedup']['mean']:.2f}x | {kept['share']:.3f} "
                    f"| {kept['low']:.3f} to {kept['high']:.3f} | {100 * told['regret']['mean']:.3f} % |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
