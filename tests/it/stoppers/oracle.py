"""The stopping rules of other tools, asked over pipes: one JSON object a line in, `true` (stop) or `false` a line out.

    {"rule": "optuna.median", "mode": "max", "settings": {...}}     from here on this rule; no answer
    {"trial": 3, "step": 5, "value": 0.25}                          a report; the answer is what the rule says
    {"trial": 3, "end": "complete"}                                 or "stopped", "failed"; no answer

Each class below drives the real one as its own tool does, and decides nothing itself. Steps count from 1.
"""

import importlib.abc
import importlib.machinery
import json
import logging
import math
import os
import sys
import warnings
from unittest.mock import MagicMock

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


def finite_mean(values):
    finite = [v for v in values if math.isfinite(v)]
    return sum(finite) / len(finite) if finite else 0.0


class Optuna:
    """A study in memory; a trial's objective is the mean of its finite values."""

    def __init__(self, pruner, mode):
        import optuna

        self.states = optuna.trial.TrialState
        self.study = optuna.create_study(pruner=pruner, direction=mode + "imize")
        self.trials = {}
        self.values = {}

    def report(self, trial, step, value):
        if trial not in self.trials:
            self.trials[trial] = self.study.ask()
            self.values[trial] = []
        self.trials[trial].report(value, step)
        self.values[trial].append(value)
        return self.trials[trial].should_prune()

    def end(self, trial, how):
        asked = self.trials[trial]
        if how == "complete":
            self.study.tell(asked, finite_mean(self.values[trial]))
        else:
            self.study.tell(asked, state=self.states.PRUNED if how == "stopped" else self.states.FAIL)


class RayTrial:
    def __init__(self, name):
        self.trial_id = str(name)


class RayScheduler:
    """A scheduler that is told of results; no controller has others waiting."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.trials = {}
        self.controller = MagicMock()
        self.controller.get_live_trials.return_value = []

    def report(self, trial, step, value):
        if trial not in self.trials:
            self.trials[trial] = RayTrial(trial)
            self.scheduler.on_trial_add(self.controller, self.trials[trial])
        result = {"t": step, "m": value}
        return self.scheduler.on_trial_result(self.controller, self.trials[trial], result) == "STOP"

    def end(self, trial, how):
        pass


class RayStopper:
    def __init__(self, stopper):
        self.stopper = stopper

    def report(self, trial, step, value):
        return bool(self.stopper(str(trial), {"m": value}))

    def end(self, trial, how):
        pass


class SyneTune:
    def __init__(self, scheduler):
        from syne_tune.backend.trial_status import Trial

        self.scheduler = scheduler
        self.new = lambda name: Trial(trial_id=name, config={"x": 0.5}, creation_time=None)
        self.trials = {}

    def report(self, trial, step, value):
        if trial not in self.trials:
            self.trials[trial] = self.new(trial)
            self.scheduler.on_trial_add(self.trials[trial])
        return self.scheduler.on_trial_result(self.trials[trial], {"t": step, "m": value}) == "STOP"

    def end(self, trial, how):
        pass


class Nni:
    def __init__(self, assessor):
        self.assessor = assessor
        self.histories = {}

    def report(self, trial, step, value):
        history = self.histories.setdefault(trial, [])
        history.append(value)
        return self.assessor.assess_trial(trial, list(history)).name == "Bad"

    def end(self, trial, how):
        self.assessor.trial_end(trial, how == "complete")


class Keras:
    """One callback a trial; epochs count from 0."""

    def __init__(self, new):
        self.new = new
        self.callbacks = {}

    def report(self, trial, step, value):
        if trial not in self.callbacks:
            self.callbacks[trial] = callback = self.new()
            model = MagicMock()
            model.stop_training = False
            callback.set_model(model)
            callback.on_train_begin()
        callback = self.callbacks[trial]
        callback.on_epoch_end(step - 1, {"m": value})
        return callback.model.stop_training

    def end(self, trial, how):
        pass


class NoJax(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Keras' numpy backend imports jax, and the callback has no use for it."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "jax":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = MagicMock()
        module.__path__ = []
        module.__spec__ = spec
        return module

    def exec_module(self, module):
        pass


def optuna_rule(name, mode, settings):
    import optuna

    pruners = {
        "median": optuna.pruners.MedianPruner,
        "percentile": optuna.pruners.PercentilePruner,
        "asha": optuna.pruners.SuccessiveHalvingPruner,
        "threshold": optuna.pruners.ThresholdPruner,
        "wilcoxon": optuna.pruners.WilcoxonPruner,
    }
    return Optuna(pruners[name](**settings), mode)


def ray_rule(name, mode, settings):
    from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule
    from ray.tune.stopper import TrialPlateauStopper

    if name == "plateau":
        return RayStopper(TrialPlateauStopper(metric="m", **settings))
    kind = {"median": MedianStoppingRule, "asha": AsyncHyperBandScheduler}[name]
    return RayScheduler(kind(time_attr="t", metric="m", mode=mode, **settings))


def syne_tune_rule(name, mode, settings):
    from syne_tune.config_space import uniform
    from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving
    from syne_tune.optimizer.schedulers.median_stopping_rule import MedianStoppingRule

    lower = mode == "min"
    if name == "median":
        inner = MagicMock(metric="m")
        inner.on_trial_result.return_value = "CONTINUE"
        return SyneTune(MedianStoppingRule(inner, time_attr="t", metric="m", do_minimize=lower, **settings))
    space = {"x": uniform(0, 1)}
    return SyneTune(AsynchronousSuccessiveHalving(space, metric="m", do_minimize=lower, time_attr="t", **settings))


def nni_rule(name, mode, settings):
    from nni.algorithms.hpo.medianstop_assessor import MedianstopAssessor

    return Nni(MedianstopAssessor(optimize_mode=mode + "imize", **settings))


def keras_rule(name, mode, settings):
    if not any(isinstance(finder, NoJax) for finder in sys.meta_path):
        os.environ["KERAS_BACKEND"] = "numpy"
        sys.meta_path.insert(0, NoJax())
    from keras.callbacks import EarlyStopping

    return Keras(lambda: EarlyStopping(monitor="m", mode=mode, **settings))


def main():
    tools = {"optuna": optuna_rule, "ray": ray_rule, "syne_tune": syne_tune_rule, "nni": nni_rule, "keras": keras_rule}
    # What a tool prints is no answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    rule = None
    for line in sys.stdin:
        told = json.loads(line)
        if "rule" in told:
            tool, name = told["rule"].split(".")
            rule = tools[tool](name, told["mode"], told["settings"])
        elif "end" in told:
            rule.end(told["trial"], told["end"])
        else:
            answers.write(json.dumps(bool(rule.report(told["trial"], told["step"], float(told["value"])))) + "\n")


main()
