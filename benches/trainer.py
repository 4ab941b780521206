"""How fast the example's trainer is beside scikit-learn: both on one core, in turn, by CPU time.

    python3 -m venv V && V/bin/pip install scikit-learn==1.3.2 numpy==1.26.4
    cargo build --release --example thesis
    V/bin/python benches/trainer.py [--data DIR] [--core N] [--rounds N]

DIR holds mnist_784.arff.gz and red_wine.arff.gz. A round measures scikit-learn, then the example; the ratio is that of
the round, and the median of the rounds is shown. A step is one call of partial_fit.
"""

import argparse
import gzip
import os
import pathlib
import statistics
import subprocess
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy
import sklearn
from sklearn.linear_model import SGDClassifier, SGDRegressor

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "target/release/examples/thesis"
BATCHES = {"red_wine": [2, 32, 256], "mnist_784": [2, 32, 256, 4096, 60000]}


def read(path, rows):
    """Features, standardised, and targets of the first rows."""
    with gzip.open(path, "rt") as file:
        for line in file:
            if line.strip().lower() == "@data":
                break
        table = numpy.loadtxt(file, delimiter=",", max_rows=rows)
    x, y = table[:, :-1], table[:, -1]
    scale = x.std(axis=0)
    scale[scale == 0] = 1
    return numpy.ascontiguousarray((x - x.mean(axis=0)) / scale), y


def model(name):
    how = {"alpha": 1e-4, "learning_rate": "constant", "eta0": 1e-3, "shuffle": False, "penalty": "l2"}
    if name == "red_wine":
        return SGDRegressor(loss="squared_error", **how), {}
    return SGDClassifier(loss="log_loss", **how), {"classes": numpy.arange(10)}


def pace(name, x, y, batch, seconds):
    """Steps and samples a second of CPU time."""
    trained, more = model(name)
    trained.partial_fit(x[:batch], y[:batch], **more)
    steps = samples = 0
    start = time.process_time()
    while True:
        for first in range(0, len(y), batch):
            trained.partial_fit(x[first : first + batch], y[first : first + batch], **more)
            steps += 1
            samples += min(batch, len(y) - first)
            used = time.process_time() - start
            if used >= seconds:
                return steps / used, samples / used


def ours(name, data):
    """batch -> (steps, samples) a second of CPU time, as `thesis speed` measures."""
    command = [EXAMPLE, "speed", "--data", data, "--only", name]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1:]
    return {int(batch): (float(steps), float(samples)) for _, batch, steps, samples, *_ in map(str.split, lines)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "../shared/data")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    print(f"scikit-learn {sklearn.__version__}, core {arguments.core}, {arguments.rounds} rounds, CPU time")
    for name, rows in (("red_wine", None), ("mnist_784", 60000)):
        x, y = read(arguments.data / f"{name}.arff.gz", rows)
        rounds = []
        for _ in range(arguments.rounds):
            theirs = {batch: pace(name, x, y, batch, 1.0) for batch in BATCHES[name]}
            rounds.append((theirs, ours(name, arguments.data)))
        print(f"\n{name}{'':12}  scikit-learn: steps/s  samples/s   example: steps/s   samples/s   ratio")
        middle = lambda values: statistics.median(values)
        for batch in BATCHES[name]:
            t, o = ([middle(r[who][batch][i] for r in rounds) for i in (0, 1)] for who in (0, 1))
            ratio = middle(r[1][batch][1] / r[0][batch][1] for r in rounds)
            print(f"  batch {batch:>6}  {t[0]:>25,.0f} {t[1]:>10,.0f} {o[0]:>18,.0f} {o[1]:>11,.0f} {ratio:>7.1f}")
        best = [{who: max(p[1] for p in r[who].values()) for who in (0, 1)} for r in rounds]
        ratio = middle(b[1] / b[0] for b in best)
        print(f"  best batch size against best batch size, samples/s: {ratio:.1f}")


main()
