"""Records trials with early system metrics: small networks on scikit-learn's digits, each in a process of its own.

    python benches/system_metrics.py TRIALS OUT.csv

Hyperparameters are drawn at random (seed: the trial's number); a row has them, the mean memory (bytes of RSS - shared),
CPU utilisation (1 = a core) and seconds a step over the first four epochs, and the validation accuracy of 20 epochs.
`cargo bench --bench lookahead -- --system OUT.csv` says what a regression gains by them. Needs scikit-learn; one thread.
"""

import csv
import os
import random
import subprocess
import sys
import time

# This folder has a sklearn.py of its own.
sys.path.pop(0)

EPOCHS, EARLY = 20, 4
HEAD = ["width", "layers", "lr", "batch", "alpha", "solver"]
SYSTEM = ["memory_bytes", "cpu_utilization", "step_seconds"]


def memory():
    with open("/proc/self/statm") as f:
        fields = f.read().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def trial(number):
    import warnings

    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore")
    draw = random.Random(number)
    width = int(2 ** draw.uniform(1, 9))
    layers = draw.randint(1, 4)
    lr = 10 ** draw.uniform(-4.5, -0.5)
    batch = 2 ** draw.randint(3, 9)
    alpha = 10 ** draw.uniform(-6, 0)
    solver = draw.choice(["sgd", "adam"])
    x, y = load_digits(return_X_y=True)
    x, xv, y, yv = train_test_split(x / 16.0, y, test_size=0.5, random_state=0)
    model = MLPClassifier((width,) * layers, solver=solver, alpha=alpha, learning_rate_init=lr, random_state=number)
    order = np.random.RandomState(number)
    curve, seen, steps = [], [], 0
    begun, cpu = time.perf_counter(), time.process_time()
    for epoch in range(EPOCHS):
        rows = order.permutation(len(x))
        for i in range(0, len(rows), batch):
            model.partial_fit(x[rows[i : i + batch]], y[rows[i : i + batch]], classes=range(10))
            steps += 1
        curve.append(model.score(xv, yv))
        seen.append(memory())
        if epoch + 1 == EARLY:
            wall, used = time.perf_counter() - begun, time.process_time() - cpu
            system = [sum(seen) / len(seen), used / wall, wall / steps]
    print(*[width, layers, lr, batch, alpha, solver], *system, *curve, sep=",")


def main():
    if sys.argv[1] == "--trial":
        return trial(int(sys.argv[2]))
    names = HEAD + SYSTEM + [f"acc_{i + 1}" for i in range(EPOCHS)]
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with open(sys.argv[2], "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(names)
        for number in range(int(sys.argv[1])):
            done = subprocess.run([sys.executable, __file__, "--trial", str(number)], env=env, capture_output=True, text=True, check=True)
            out.writerow(done.stdout.strip().split(","))
            f.flush()


main()
