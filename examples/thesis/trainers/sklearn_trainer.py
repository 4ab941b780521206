"""One trial of `thesis search --trainer sklearn`: the rows, steps and reports of `search/worker.rs`, trained by scikit-learn.

    python3 -m venv V && V/bin/pip install -r examples/thesis/trainers/requirements.txt ./python
    cargo run --release --example thesis -- search --trainer sklearn --python V/bin/python --configurations 5
"""

import argparse
import ctypes
import json
import os
import pathlib
import signal
import time

HEAD = 4096  # bytes before the numbers, as search/shared.rs writes them
STEPS_A_REPORT = 100
WELCOME = 5.0
LOSSES = {"linear_regression": "squared_error", "logistic_regression": "log_loss", "linear_svm": "hinge"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=pathlib.Path, required=True)
    parser.add_argument("--algorithm", choices=LOSSES, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    # As text they are named in the trial as the search names them.
    parser.add_argument("--learning-rate", required=True)
    parser.add_argument("--alpha", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--eval-rows", type=int, required=True)
    parser.add_argument("--fold", required=True)
    parser.add_argument("--core", type=int)
    return parser.parse_args()


def mapped(path, eval_rows):
    """What is in a file of rows: its head, rows to train on, rows to judge by. The pages are shared with other trials."""
    with open(path, "rb") as file:
        head = json.loads(file.read(HEAD))
    numbers = numpy.memmap(path, dtype=numpy.float64, mode="r", offset=HEAD)
    parts, at = [], 0
    for rows in (head["train"], head["held_out"]):
        x = numbers[at:at + rows * head["features"]].reshape(rows, head["features"])
        at += x.size
        parts += [x, numbers[at:at + rows]]
        at += rows
    if at != numbers.size:
        raise SystemExit(f"{path} does not hold what its head says")
    x, y, held_x, held_y = parts
    return head, x, y, held_x[:eval_rows], held_y[:eval_rows]


def loss_of(loss, p, y):
    """Mean over the rows, summed over the classes."""
    if loss == "squared_error":
        return float(numpy.mean(0.5 * (p - y) ** 2))
    z = p * y
    each = numpy.maximum(0, 1 - z) if loss == "hinge" else numpy.logaddexp(0, -z)
    return float(each.reshape(len(each), -1).sum(axis=1).mean())


class Model:
    """scikit-learn's model: the same updates as `model/sgd.rs`, in the order of the rows."""

    def __init__(self, of, head):
        self.classes, self.loss = head["classes"], LOSSES[of.algorithm]
        make = SGDClassifier if self.classes else SGDRegressor
        self.sgd = make(loss=self.loss, penalty="l2", alpha=float(of.alpha), learning_rate="constant",
                        eta0=float(of.learning_rate), shuffle=False, average=False)
        self.more = {"classes": numpy.arange(self.classes, dtype=float)} if self.classes else {}
        self.fitted = False

    def fit(self, x, y):
        """One step; gives the loss before it."""
        outputs = self.sgd.decision_function if self.classes else self.sgd.predict
        width = self.classes if self.classes and self.classes > 2 else None
        p = outputs(x) if self.fitted else numpy.zeros((len(x), width) if width else len(x))
        sides = y
        if self.classes:
            sides = numpy.where(y[:, None] == self.more["classes"], 1, -1) if width else numpy.where(y == 1, 1, -1)
        self.sgd.partial_fit(x, y, **self.more)
        self.fitted = True
        return loss_of(self.loss, p, sides)

    def score(self, x, y):
        p = self.sgd.predict(x)
        return float(numpy.mean(p == y)) if self.classes else float(numpy.sqrt(numpy.mean((p - y) ** 2)))


def main():
    of = arguments()
    head, x, y, held_x, held_y = mapped(of.rows, None if of.fold == "refit" else of.eval_rows)
    model = Model(of, head)
    refit = of.fold == "refit"
    objective = ("test_" if refit else "val_") + ("accuracy" if head["classes"] else "rmse")
    group = f"{of.algorithm}-b{of.batch_size}-lr{of.learning_rate}-a{of.alpha}"
    an_epoch = -(-len(y) // of.batch_size)
    total = min(an_epoch * of.epochs, of.steps or an_epoch * of.epochs)
    labels = {"dataset": head["set"], "algorithm": of.algorithm, "trainer": "sklearn"}
    if head["synthetic"]:
        labels["synthetic"] = "true"
    if head.get("share"):
        labels["share"] = str(head["share"])
    params = {"batch_size": str(of.batch_size), "learning_rate": of.learning_rate, "alpha": of.alpha}
    trial = Trial(f"{group}-{of.fold}", experiment=head["set"], labels=labels, params=params,
                  objective=(objective, "max" if head["classes"] else "min"), modes={"train_loss": "min"},
                  total_steps=total, total_epochs=of.epochs, group=group, fold=of.fold)
    trial.wait_for_welcome(WELCOME)
    trial.step(phase="train")
    step, samples = 0, 0
    while step < total:
        until = min(total, (step // STEPS_A_REPORT + 1) * STEPS_A_REPORT, (step // an_epoch + 1) * an_epoch)
        window, start = [], time.perf_counter()
        for place in range(step % an_epoch, step % an_epoch + until - step):
            rows = slice(place * of.batch_size, (place + 1) * of.batch_size)
            window.append(model.fit(x[rows], y[rows]))
            samples += len(y[rows])
        seconds, steps, step = time.perf_counter() - start, until - step, until
        metrics = {"train_loss": sum(window) / steps, "train_loss_min": min(window), "train_loss_max": max(window),
                   "train_loss_last": window[-1]}
        trial.step(step, epoch=step / an_epoch, samples=samples, n=steps, seconds=seconds, phase="train",
                   metrics=metrics, sample=True)
        if trial.stop_requested:
            trial.done("stopped")
            return
        if not refit:
            trial.step(phase="eval")
            trial.step(phase="train", metrics={objective: model.score(held_x, held_y)})
    trial.step(phase="eval")
    trial.done("completed", **{objective: model.score(held_x, held_y)})


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a search that is killed takes its trials with it
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    import numpy
    from earlystop import Trial
    from sklearn.linear_model import SGDClassifier, SGDRegressor
    main()
