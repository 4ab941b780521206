"""Writes a tracking store as MLflow's own client does: write_mlflow.py SQLITE-FILE"""

import sys

import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

path = sys.argv[1]
mlflow.set_tracking_uri(f"sqlite:///{path}")
client = MlflowClient()
MINUTE = 60_000
START = 1_700_000_000_000


def run(experiment, name, status, values, start=START, tags=None, params=(), end=None):
    """One run; values: (metric, value, step, milliseconds after the start)."""
    made = client.create_run(experiment, start_time=start, run_name=name, tags=tags)
    for key, value in params:
        client.log_param(made.info.run_id, key, value)
    metrics = [Metric(key, value, start + after, step) for key, value, step, after in values]
    client.log_batch(made.info.run_id, metrics=metrics)
    if status != "RUNNING":
        client.set_terminated(made.info.run_id, status, end_time=end or start + 10 * MINUTE)
    return made.info.run_id


wine = client.create_experiment("red wine", artifact_location="file:///nowhere")
other = client.create_experiment("other", artifact_location="file:///nowhere")
gone = client.create_experiment("gone", artifact_location="file:///nowhere")

steps = range(1, 6)
parent = run(wine, "sweep", "FINISHED", [("best", 0.1, 0, 0)])
good = [("val/loss", 1 / s, s, s * MINUTE) for s in steps] + [("acc", s / 5, s, s * MINUTE + 300) for s in steps]
good += [("batch_loss", 0.5, 100 * s, s * MINUTE + 30_000) for s in steps]
good += [("system/cpu", 50.0, s, s * 1000) for s in range(100)]
good += [("val/loss", 0.15, 5, 5 * MINUTE + 500)]
run(wine, "good", "FINISHED", good, params=[("learning rate", 0.1), ("opt", "sgd"), ("long", "x" * 300)],
    tags={"algorithm": "svm", "mlflow.parentRunId": parent})
run(wine, "short", "FINISHED", [("val/loss", 0.5, 1, MINUTE), ("val/loss", 0.4, 2, 2 * MINUTE)], start=START + MINUTE)
odd = [float("nan"), float("inf"), float("-inf"), 1e308]
run(wine, "bad", "FAILED", [("val/loss", value, s, s * MINUTE) for s, value in enumerate(odd, 1)], start=START + 2 * MINUTE)
run(wine, "good", "KILLED", [("val/loss", 0.9, 1, MINUTE)], start=START + 3 * MINUTE)
run(wine, "hung", "RUNNING", [("val/loss", 0.8, s, s * MINUTE) for s in (1, 2)], start=START + 4 * MINUTE)
run(wine, "stepless", "FINISHED", [("val/loss", 1 - s / 10, 0, s * MINUTE) for s in steps], start=START + 5 * MINUTE)
client.delete_run(run(wine, "deleted", "FINISHED", [("val/loss", 0.0, 5, MINUTE)]))
run(other, "good", "FINISHED", [("val/loss", 0.7, s, s * MINUTE) for s in (1, 2)])
run(gone, "gone", "FINISHED", [("val/loss", 0.7, 1, MINUTE)])
client.delete_experiment(gone)
