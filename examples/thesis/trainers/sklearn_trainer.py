"""One trial of `thesis search --trainer sklearn`: the rows, steps and reports of `search/worker/`, trained by scikit-learn.

    python3 -m venv V && V/bin/pip install -r examples/thesis/trainers/requirements.txt ./python
    cargo run --release --example thesis -- search --trainer sklearn --python V/bin/python --configurations 5

`ray_trainer.py` runs the same training in Ray's processes.
"""

import argparse
import ctypes
import json
import math
import os
import pathlib
import signal
import time

HEAD = 4096  # bytes before the numbers, as search/shared.rs writes them
STEPS_A_REPORT = 100
WELCOME = 5.0
LOSSES = {"linear_regression": "squared_error", "logistic_regression": "log_loss", "linear_svm": "hinge"}


def arguments(words=None):
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
    parser.add_argument("--steps-a-report", type=int, help="and none at an epoch's end")
    parser.add_argument("--fold", required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--socket", help="where the sidecar listens, if not where its clients look")
    parser.add_argument("--says", choices=("all", "hello"), default="all")
    parser.add_argument("--mlflow", metavar="URI", help="log to this store too")
    return parser.parse_args(words)


def pin(core):
    """Keeps this process on a core, whatever threads it has begun already."""
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), {core})
        except ProcessLookupError:
            pass  # it ended meanwhile


def mapped(path):
    """What is in a file of rows: its head, and the numbers. The pages are shared with other trials."""
    import numpy

    with open(path, "rb") as file:
        head = json.loads(file.read(HEAD))
    return head, numpy.memmap(path, dtype=numpy.float64, mode="r", offset=HEAD)


def parts(head, numbers, eval_rows):
    """Rows to train on, and so many rows to judge by: views, no copies."""
    found, at = [], 0
    for rows in (head["train"], head["held_out"]):
        x = numbers[at:at + rows * head["features"]].reshape(rows, head["features"])
        at += x.size
        found += [x, numbers[at:at + rows]]
        at += rows
    if at != numbers.size:
        raise SystemExit(f"the rows of {head['set']} are not as many as their head says")
    x, y, held_x, held_y = found
    return x, y, held_x[:eval_rows], held_y[:eval_rows]


class Model:
    """scikit-learn's model: the same updates as `model/sgd.rs`, in the order of the rows."""

    def __init__(self, of, head):
        import numpy
        from sklearn.linear_model import SGDClassifier, SGDRegressor

        self.numpy = numpy
        self.classes, self.loss = head["classes"], LOSSES[of.algorithm]
        make = SGDClassifier if self.classes else SGDRegressor
        self.sgd = make(loss=self.loss, penalty="l2", alpha=float(of.alpha), learning_rate="constant",
                        eta0=float(of.learning_rate), shuffle=False, average=False)
        self.more = {"classes": numpy.arange(self.classes, dtype=float)} if self.classes else {}
        self.fitted, self.overflown = False, False

    def fit(self, x, y):
        """One step; gives the loss before it."""
        numpy = self.numpy
        outputs = self.sgd.decision_function if self.classes else self.sgd.predict
        width = self.classes if self.classes and self.classes > 2 else None
        p = outputs(x) if self.fitted else numpy.zeros((len(x), width) if width else len(x))
        sides = y
        if self.classes:
            sides = numpy.where(y[:, None] == self.more["classes"], 1, -1) if width else numpy.where(y == 1, 1, -1)
        try:
            self.sgd.partial_fit(x, y, **self.more)
        except ValueError as error:
            if "overflow" not in str(error):
                raise
            self.overflown = True  # scikit-learn goes no further once a weight is no finite number
            return math.nan
        self.fitted = True
        return self.mean_loss(p, sides)

    def mean_loss(self, p, y):
        """Mean over the rows, summed over the classes."""
        numpy = self.numpy
        if self.loss == "squared_error":
            return float(numpy.mean(0.5 * (p - y) ** 2))
        z = p * y
        each = numpy.maximum(0, 1 - z) if self.loss == "hinge" else numpy.logaddexp(0, -z)
        return float(each.reshape(len(each), -1).sum(axis=1).mean())

    def score(self, x, y):
        if self.overflown:
            return math.nan
        p = self.sgd.predict(x)
        return float(self.numpy.mean(p == y)) if self.classes else float(self.numpy.sqrt(self.numpy.mean((p - y) ** 2)))


class Training:
    """A training run: tells the sidecar of itself, and others who want to hear."""

    def __init__(self, of, head, numbers, trainer):
        from earlystop import Trial

        self.of, self.refit = of, of.fold == "refit"
        self.x, self.y, *self.held_out = parts(head, numbers, None if self.refit else of.eval_rows)
        self.model = Model(of, head)
        self.objective = ("test_" if self.refit else "val_") + ("accuracy" if head["classes"] else "rmse")
        self.mode = "max" if head["classes"] else "min"
        self.group = f"{of.algorithm}-b{of.batch_size}-lr{of.learning_rate}-a{of.alpha}"
        self.name, self.set = f"{self.group}-{of.fold}", head["set"]
        self.an_epoch = -(-len(self.y) // of.batch_size)
        self.total = min(self.an_epoch * of.epochs, of.steps or self.an_epoch * of.epochs)
        self.labels = {"dataset": self.set, "algorithm": of.algorithm, "trainer": trainer}
        if head["synthetic"]:
            self.labels["synthetic"] = "true"
        if head.get("share"):
            self.labels["share"] = str(head["share"])
        self.params = {"batch_size": str(of.batch_size), "learning_rate": of.learning_rate, "alpha": of.alpha}
        self.trial = Trial(self.name, experiment=self.set, labels=self.labels, params=self.params,
                           objective=(self.objective, self.mode), modes={"train_loss": "min", "epoch_loss": "min"},
                           total_steps=self.total, total_epochs=of.epochs, group=self.group, fold=of.fold,
                           socket=of.socket)
        self.step, self.samples, self.best = 0, 0, None
        self.epoch, self.epoch_loss = 0.0, None  # the sum over the epoch under way; the mean of the last that is over

    def run(self, others=()):
        """Trains to the end or until the sidecar asks to stop; gives how it ended. Each of `others` has report(step,
        metrics) and end(status, metrics)."""
        self.trial.wait_for_welcome(WELCOME)
        self.trial.step(phase="train")
        status, window = "completed", True
        while status == "completed" and window:
            window = self.window()
            if window and self.of.says == "all":
                status = self.tell(window, others)
        final = {}
        if status == "completed" and self.of.says == "all":
            self.trial.step(phase="eval")
            final = {self.objective: self.score()}
        for other in others:
            other.end(status, final)
        self.trial.done(status, **final)
        return status

    def window(self):
        """Trains up to the next report: what to say of it, or nothing when all is done."""
        if self.step >= self.total:
            return None
        of, begin, start = self.of, self.step, time.perf_counter()
        intervals = (of.steps_a_report,) if of.steps_a_report else (STEPS_A_REPORT, self.an_epoch)
        until = min(self.total, *((begin // interval + 1) * interval for interval in intervals))
        losses = []
        for step in range(begin, until):
            place = step % self.an_epoch * of.batch_size
            rows = slice(place, place + of.batch_size)
            losses.append(self.model.fit(self.x[rows], self.y[rows]))
            self.samples += len(self.y[rows])
            self.epoch += losses[-1] * len(self.y[rows])
            if (step + 1) % self.an_epoch == 0:
                self.epoch_loss, self.epoch = self.epoch / len(self.y), 0.0
            if self.model.overflown:
                self.total = step + 1
                break
        self.step = begin + len(losses)
        finite = not any(math.isnan(loss) for loss in losses)
        metrics = {"train_loss": sum(losses) / len(losses), "train_loss_min": min(losses) if finite else math.nan,
                   "train_loss_max": max(losses) if finite else math.nan, "train_loss_last": losses[-1]}
        return {"n": len(losses), "seconds": time.perf_counter() - start, "metrics": metrics}

    def tell(self, window, others):
        """Reports a window, judges the model; gives `stopped` if that was the last."""
        self.trial.step(self.step, epoch=self.step / self.an_epoch, samples=self.samples, phase="train", sample=True,
                        **window)
        metrics = dict(window["metrics"])
        status = "completed"
        if not self.refit:
            self.trial.step(phase="eval")
            judged = {self.objective: self.score()}
            if self.epoch_loss is not None:
                judged["epoch_loss"], self.epoch_loss = self.epoch_loss, None
            metrics.update(judged)
            # It trains on when it has heard that it may: see worker/mod.rs.
            status = "stopped" if self.trial.should_stop(phase="wait", metrics=judged) else status
        if others:
            self.trial.step(phase="log")
        for other in others:
            other.report(self.step, metrics)
        self.trial.step(phase="train")
        return status

    def score(self):
        score = self.model.score(*self.held_out)
        better = self.best is None or (score > self.best if self.mode == "max" else score < self.best)
        self.best = score if better else self.best
        return score


def begin():
    """What a process does before it loads anything heavy."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def main():
    of = arguments()
    if of.core is not None:
        pin(of.core)
    training = Training(of, *mapped(of.rows), "sklearn")
    others = ()
    if of.mlflow:
        from mlflow_run import MlflowRun
        others = (MlflowRun(of.mlflow, training),)
    training.run(others)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a search that is killed takes its trials with it
    begin()
    main()
