"""A trial's run in MLflow: its hyperparameters, each report, how it ended.

    python mlflow_run.py URI NAME...      makes the store and these experiments, so that trials need not
"""

import os
import sys

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves this machine
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # no word about a git that is not there
import mlflow

ENDS = {"completed": "FINISHED", "stopped": "KILLED"}


def make(uri, experiments):
    """Makes the store, which takes a second and must be done by one alone."""
    mlflow.set_tracking_uri(uri)
    for experiment in experiments:
        mlflow.set_experiment(experiment)


def close_left(uri):
    """Ends the runs of trials that were killed: nobody else does. No trial may be running."""
    client = mlflow.MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    while left := client.search_runs(experiments, "attributes.status = 'RUNNING'"):
        for run in left:
            client.set_terminated(run.info.run_id, "KILLED")


class MlflowRun:
    def __init__(self, uri, training):
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(training.set)
        mlflow.start_run(run_name=training.name, tags=training.labels)
        mlflow.log_params({**training.params, "group": training.group, "fold": training.of.fold})

    def report(self, step, metrics):
        mlflow.log_metrics(metrics, step=step)

    def end(self, status, metrics):
        mlflow.log_metrics(metrics)
        mlflow.end_run(ENDS[status])


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2:])
