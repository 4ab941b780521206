"""The trials of `thesis search --trainer ray`: scikit-learn's training in Ray Tune's processes, logged to MLflow.

The search says on standard input what to train, a line of JSON each, and reads on standard output what ended. Ray Tune
asks for a trial whenever it has room for one. When standard input ends, so does everything that was started here.
"""

import argparse
import json
import os
import pathlib
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import traceback

import sklearn_trainer

STORE_LEAST = 100 << 20  # bytes; Ray takes no smaller object store than 75 MiB
PATH_MOST = 20  # bytes of the path of the temporary folder: a longer one leaves no room for the names of Ray's sockets
WITHOUT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",  # with a token of this session: others on this machine may not use its Ray
    "RAY_memory_monitor_refresh_ms": "0",  # whom to stop is the sidecar's to say
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlflow", metavar="URI", required=True)
    parser.add_argument("--slots", type=int, required=True, help="trials at a time")
    parser.add_argument("--watched-as", metavar="NAME", help="tell the sidecar of Ray itself, as this trial of `ray`")
    parser.add_argument("rows", nargs="+", type=pathlib.Path)
    return parser.parse_args()


class TuneReports:
    """What a trial tells Ray Tune."""

    def __init__(self, training):
        self.training = training

    def report(self, step, metrics):
        from ray import tune

        tune.report({"step": step, **metrics})

    def end(self, status, metrics):
        from ray import tune

        training = self.training
        tune.report({"step": training.step, "status": status, "best_" + training.objective: training.best, **metrics})


def trainable(config, rows):
    """One trial, in a process of Ray's."""
    import ray
    from mlflow_run import MlflowRun

    of = sklearn_trainer.arguments(config["arguments"])
    sklearn_trainer.pin(of.core)
    head, numbers = ray.get(rows[str(of.rows)])  # the numbers stay where they are: a mapping of the object store
    training = sklearn_trainer.Training(of, head, numbers, "ray")
    training.run((MlflowRun(config["mlflow"], training), TuneReports(training)))


class Wanted:
    """What the search asked for and Ray Tune has not taken yet."""

    def __init__(self):
        self.lock, self.left, self.over = threading.Lock(), [], False

    def read(self):
        """Takes the lines of standard input; at its end no trial may go on."""
        for line in sys.stdin:
            with self.lock:
                self.left.append(json.loads(line)["arguments"])
        self.over = True
        os.kill(os.getpid(), signal.SIGUSR2)  # for other signals Ray has handlers of its own

    def take(self):
        with self.lock:
            return self.left.pop(0) if self.left else None


def hands(of, wanted, say):
    """What Ray Tune takes its trials from, and what it tells of their ends."""
    from ray.tune import Callback
    from ray.tune.search import Searcher

    def nothing(self):
        """Ray Tune writes itself down, so that it can be restored. The search does that itself, from its records."""
        return object, ()

    class Asked(Searcher):
        __reduce__ = nothing

        def suggest(self, trial_id):
            words = wanted.take()
            if words is None:
                return Searcher.FINISHED if wanted.over else None
            return {"arguments": words, "mlflow": of.mlflow}

        def on_trial_complete(self, trial_id, result=None, error=False):
            pass

        def save(self, checkpoint_path):
            pass

        def restore(self, checkpoint_path):
            pass

    class Ended(Callback):
        __reduce__ = nothing

        def on_trial_complete(self, iteration, trials, trial, **info):
            say(ended=trial.config["arguments"], error=None)

        def on_trial_error(self, iteration, trials, trial, **info):
            error = pathlib.Path(trial.error_file).read_text() if trial.error_file else "no word why"
            say(ended=trial.config["arguments"], error=error.strip().splitlines()[-1])

    return Asked(), Ended()


def start(of, temp, heads):
    """Starts Ray, and puts the rows into its object store."""
    import numpy
    import ray

    store = max(STORE_LEAST, sum(numbers.nbytes for _, numbers in heads) * 5 // 4)
    room = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else 0
    ray.init(address="local", num_cpus=of.slots, num_gpus=0, include_dashboard=False, log_to_driver=False,
             object_store_memory=store, _temp_dir=temp, _node_ip_address="127.0.0.1",
             _plasma_directory=None if store < room else temp)
    return {str(path): ray.put((head, numpy.asarray(numbers))) for path, (head, numbers) in zip(of.rows, heads)}


def run(of, say):
    import ray
    from ray import tune
    import mlflow_run

    heads = [sklearn_trainer.mapped(path) for path in of.rows]
    mlflow_run.make(of.mlflow, sorted({head["set"] for head, _ in heads}))
    folder = tempfile.gettempdir()
    temp = tempfile.mkdtemp(prefix="thesis-ray-", dir=folder if len(folder) <= PATH_MOST else "/tmp")
    try:
        rows = start(of, temp, heads)
        if of.watched_as:
            from earlystop import Trial
            watched = Trial(of.watched_as, experiment="ray")
            watched.wait_for_welcome(sklearn_trainer.WELCOME)
            watched.step(phase="train")
        wanted = Wanted()
        asked, ended = hands(of, wanted, say)
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(trainable, rows=rows), {"cpu": 1}),
            tune_config=tune.TuneConfig(search_alg=asked, num_samples=-1, reuse_actors=False),
            run_config=tune.RunConfig(name="search", storage_path=os.path.join(temp, "tune"), verbose=0,
                                      failure_config=tune.FailureConfig(max_failures=0), callbacks=[ended]))
        say(ready=True)
        threading.Thread(target=wanted.read, daemon=True).start()
        tuner.fit()
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        ray.shutdown()
        mlflow_run.close_left(of.mlflow)
        shutil.rmtree(temp, ignore_errors=True)


def main():
    of = arguments()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what Ray prints is no answer

    def say(**what):
        print(json.dumps(what), file=answers)

    sklearn_trainer.begin()
    os.environ.update(WITHOUT, RAY_AUTH_TOKEN=secrets.token_hex(32))
    signal.signal(signal.SIGUSR2, lambda *_: sys.exit(0))
    try:
        run(of, say)
    except Exception as error:
        traceback.print_exc()
        say(broken=f"{type(error).__name__}: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
