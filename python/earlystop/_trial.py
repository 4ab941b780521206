"""A training run, as its trainer sees it."""

import logging
import os
import threading
import time
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, Union

from ._link import Link, sockets

BETWEEN = 0.1
"""Seconds between two sends of progress."""
AT_ONCE = 10.0
"""Reports with values that may go out at once in a row, so that the last value before a long silence is not held; one
more each BETWEEN."""
RETRY, RETRY_MOST = 1.0, 30.0
"""Seconds before the daemon is looked for again; doubled each time."""
VALUES_HELD = 1000
"""Reported values held at most before they are sent: a line may have 64 KiB."""
LAST_WORD = 0.2
"""Seconds that done() may wait for a daemon that does not read."""

_log = logging.getLogger("earlystop")
_clock = time.monotonic


class Objective(NamedTuple):
    """What the trial is judged by; a pair ("val_rmse", "min") will do."""

    metric: str
    mode: str


class Stop(NamedTuple):
    """The daemon asks the trainer to stop."""

    id: str
    rule: str
    reason: str
    deadline: float
    """Seconds from when it came until the next rung."""


class Welcome(NamedTuple):
    """The daemon's answer to hello."""

    experiment: str
    trial: str
    run: str
    attempt: int
    last_step: int
    stopped_before: Optional[str]
    visible: bool
    hint: Optional[str]


class Refusal(NamedTuple):
    """The daemon did not take something."""

    code: str
    message: str
    hint: str


Value = Union[str, int, float, bool, None]


class Trial:
    """Says hello when it is made, reports progress, and knows whether to stop.

    No call raises because of the daemon, and only should_stop() waits for it. A child that forks off (a data loader) says
    nothing.
    """

    def __init__(
        self,
        name: Optional[str] = None,
        *,
        experiment: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        params: Optional[Mapping[str, Value]] = None,
        objective: Optional[Tuple[str, str]] = None,
        modes: Optional[Mapping[str, str]] = None,
        total_steps: Optional[int] = None,
        total_epochs: Optional[float] = None,
        start_step: Optional[int] = None,
        group: Optional[str] = None,
        fold: Union[str, int, None] = None,
        process: Optional[str] = None,
        resume: Optional[str] = None,
        worker: Optional[str] = None,
        primary: Optional[bool] = None,
        on_stop: Optional[Callable[[Stop], None]] = None,
        socket: Optional[str] = None,
    ) -> None:
        """`socket`: where the daemon listens, if not where clients look. `on_stop` is called once, from step(),
        flush() or a look at stop_requested; what it raises is raised there."""
        hello = {
            "trial": name,
            "experiment": experiment or os.environ.get("EARLYSTOP_EXPERIMENT") or None,
            "labels": dict(labels) if labels else None,
            "params": {key: _plain(value) for key, value in params.items()} if params else None,
            "objective": {"metric": objective[0], "mode": objective[1]} if objective else None,
            "modes": dict(modes) if modes else None,
            "total_steps": total_steps,
            "total_epochs": total_epochs,
            "start_step": start_step,
            "group": group,
            "fold": fold,
            "process": process,
            "resume": resume,
            "worker": worker if worker is not None else os.environ.get("RANK"),
            "primary": primary,
        }
        self._hello: Dict[str, Any] = {"type": "hello", "v": 1}
        self._hello.update((key, value) for key, value in hello.items() if value is not None)
        self._sockets: Sequence[str] = [socket] if socket else sockets()
        self._on_stop = on_stop
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._link: Optional[Link] = None
        self._retry_at = 0.0
        self._retry_after = RETRY
        self._send_at = 0.0
        self._look_at = 0.0
        self._latest: Optional[int] = None
        self._sent: Optional[int] = None
        self._held: Dict[str, Any] = {}
        self._points: Dict[str, Dict[str, List[Any]]] = {}
        self._values = 0
        self._at_once, self._counted = AT_ONCE, 0.0
        self._phase: Optional[str] = None
        self._ended = False
        self._told = False
        self._unanswered = 0
        self.dropped = 0
        """Lines that were left out since nobody took them."""
        self.stop: Optional[Stop] = None
        """The stop that was asked for; stop_requested looks for it."""
        self.refused: Optional[Refusal] = None
        """The last refusal of the daemon."""
        self._welcome: Optional[Welcome] = None
        self._connect()

    def step(
        self,
        step: Optional[int] = None,
        *,
        epoch: Optional[float] = None,
        samples: Optional[int] = None,
        n: Optional[int] = None,
        seconds: Optional[float] = None,
        phase: Optional[str] = None,
        total_steps: Optional[int] = None,
        metrics: Optional[Mapping[str, float]] = None,
        sample: bool = False,
        **values: float,
    ) -> None:
        """Reports progress: steps done so far, and values of metrics. Progress within 100 ms of the last send is merged
        with what follows. Every value arrives, with its step, and at once unless they come faster than ten a second for
        long."""
        if not (values or sample or metrics) and type(step) is int and phase == self._phase:
            if epoch is samples is n is seconds is total_steps is None and _clock() < self._send_at:
                latest = self._latest
                if latest is None or step >= latest:
                    self._latest = step  # the common case: a few comparisons and a look at the clock
                    return
        progress = {"epoch": epoch, "samples": samples, "n": n, "seconds": seconds, "total_steps": total_steps}
        self._take_report(step, progress, phase, {**(metrics or {}), **values}, ("sample",) * sample)
        self._tell()

    def should_stop(
        self,
        step: Optional[int] = None,
        *,
        epoch: Optional[float] = None,
        samples: Optional[int] = None,
        n: Optional[int] = None,
        seconds: Optional[float] = None,
        phase: Optional[str] = None,
        total_steps: Optional[int] = None,
        metrics: Optional[Mapping[str, float]] = None,
        sample: bool = False,
        timeout: float = 1.0,
        **values: float,
    ) -> bool:
        """Reports as step() does and waits until that is judged: whether rules over learning curves end the trial at this
        very report, as should_prune() of Optuna, or anything else has asked to stop. It waits `timeout` seconds at most, and
        then not again before the daemon has caught up; without a daemon it does not wait at all."""
        behind = self._unanswered > 0
        progress = {"epoch": epoch, "samples": samples, "n": n, "seconds": seconds, "total_steps": total_steps}
        self._take_report(step, progress, phase, {**(metrics or {}), **values}, ("sample",) * sample + ("answer",))
        until = _clock() + (0 if behind else timeout)
        while self._is_awaiting() and _clock() < until:
            link = self._link
            try:
                if link is not None:
                    # In short turns: another thread may have read the answer. The lock is free meanwhile.
                    link.wait(min(until - _clock(), 0.05))
            except (OSError, ValueError):
                break  # another thread closed it
        self._tell()
        return self.stop is not None

    def _is_awaiting(self) -> bool:
        with self._lock:
            self._listen()
            return self._unanswered > 0 and self.stop is None and self._link is not None

    @property
    def stop_requested(self) -> bool:
        """Whether the daemon asked to stop. Cheap enough for every step: it looks every 10 ms at most."""
        if self.stop is None and _clock() >= self._look_at:
            with self._lock:
                self._listen()
        self._tell()
        return self.stop is not None

    @property
    def welcome(self) -> Optional[Welcome]:
        """What the daemon said to hello, if it has by now."""
        with self._lock:
            self._listen()
        return self._welcome

    def wait_for_welcome(self, timeout: float = 1.0) -> Optional[Welcome]:
        """As `welcome`, but waits for it: for trainers that resume at `last_step`."""
        until = _clock() + timeout
        while self.welcome is None and self.refused is None and self._link is not None:
            left = until - _clock()
            if left <= 0:
                break
            self._link.wait(left)
        return self._welcome

    def ack(self, need: Optional[float] = None) -> None:
        """Tells that the stop was understood; `need` seconds lengthen its deadline, up to what the policy allows."""
        if self.stop is None:
            return
        line: Dict[str, Any] = {"type": "ack", "id": self.stop.id}
        if need is not None:
            line["need_ms"] = max(0, int(need * 1000))
        with self._lock:
            self._say(line)

    def flush(self) -> None:
        """Sends what is held: before something long during which nothing is reported."""
        with self._lock:
            self._send_held()
        self._tell()

    def done(self, status: str = "completed", **metrics: float) -> None:
        """The end: completed, failed or stopped, with final figures. The first call counts."""
        with self._lock:
            if self._ended:
                return
            self._send_held()
            line: Dict[str, Any] = {"type": "done", "status": status}
            try:
                if metrics:
                    line["metrics"] = {name: float(value) for name, value in metrics.items()}
            except (TypeError, ValueError) as error:
                _log.warning("final figures were left out: %s", error)
            self._say(line)
            self._ended = True
            if self._link is not None:
                self._link.finish(LAST_WORD)
                self._link.close()
                self._link = None

    def __enter__(self) -> "Trial":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        """done(): `stopped` if a stop was asked for, `failed` after an exception, else `completed`."""
        if self.stop is not None:
            self.done("stopped")
        else:
            self.done("completed" if kind is None else "failed")

    def _take_report(
        self,
        step: Optional[int],
        progress: Dict[str, Any],
        phase: Optional[str],
        values: Mapping[str, float],
        wishes: Sequence[str],
    ) -> None:
        progress = {key: value for key, value in progress.items() if value is not None}
        with self._lock:
            try:
                self._report(step, progress, phase, values, wishes)
            except Exception as error:  # a value that is no number must not end a training run
                _log.warning("a report was left out: %s", error)

    def _report(
        self,
        step: Optional[int],
        progress: Dict[str, Any],
        phase: Optional[str],
        values: Mapping[str, float],
        wishes: Sequence[str],
    ) -> None:
        step = None if step is None else int(step)
        numbers = {name: float(value) for name, value in values.items()}
        back = step is not None and self._latest is not None and step < self._latest
        # n and seconds are summed: merged only where both reports say them or neither does.
        uneven = bool(self._held) and any((key in self._held) != (key in progress) for key in ("n", "seconds"))
        if phase != self._phase or back or uneven or (numbers and step is None):
            self._send_held()
        at_once = bool(wishes) or phase != self._phase
        self._phase = phase
        if step is not None:
            self._latest = step
        self._held.setdefault("type", "step")
        for key, value in progress.items():
            value = float(value) if key in ("epoch", "seconds") else int(value)
            self._held[key] = value + self._held.get(key, 0) if key in ("n", "seconds") else value
        for wish in wishes:
            self._held[wish] = True
        if numbers and step is None:
            self._held["metrics"] = numbers
            at_once = True
        for name, number in numbers.items() if step is not None else ():
            points = self._points.setdefault(name, {"step": [], "value": []})
            points["step"].append(step)
            points["value"].append(number)
            self._values += 1
        now = _clock()
        if at_once or self._values >= VALUES_HELD or now >= self._send_at or (numbers and self._may_go(now)):
            self._send_held()

    def _may_go(self, now: float) -> bool:
        left = min(AT_ONCE, self._at_once + (now - self._counted) / BETWEEN)
        may = left >= 1
        self._at_once, self._counted = left - may, now
        return may

    def _send_held(self) -> None:
        self._send_at = _clock() + BETWEEN
        if self._held or self._latest != self._sent:
            self._sent = self._latest
            line: Dict[str, Any] = {"type": "step"}
            line.update(self._held)
            if self._latest is not None:
                line["step"] = self._latest
            if self._phase is not None:
                line["phase"] = self._phase
            if self._points:
                line["points"] = self._points
            self._held, self._points, self._values = {}, {}, 0
            if self._say(line) and line.get("answer"):
                self._unanswered += 1
        self._listen()

    def _say(self, line: Dict[str, Any]) -> bool:
        if self._ended or os.getpid() != self._pid:
            return False  # a forked child shares the socket; the trial is its parent's
        self._connect()
        try:
            taken = self._link is not None and self._link.send(line)
        except (TypeError, ValueError) as error:
            _log.warning("a line was left out: %s", error)
            taken = False
        self.dropped += not taken
        self._let_go()
        return taken and self._link is not None

    def _listen(self) -> None:
        if self._link is None or os.getpid() != self._pid:
            return
        self._look_at = _clock() + 0.01
        for answer in self._link.receive():
            try:
                self._take(answer)
            except (KeyError, TypeError, ValueError) as error:
                _log.debug("an answer of the daemon was passed over: %s", error)
        self._let_go()

    def _take(self, answer: Dict[str, Any]) -> None:
        kind = answer.get("type")
        if kind == "welcome":
            self._welcome = Welcome(*(answer.get(field) for field in Welcome._fields))  # type: ignore[arg-type]
            # After the daemon came back, this trial is meant and no new one.
            self._hello.update(trial=answer["trial"], experiment=answer["experiment"])
            self._retry_after = RETRY
        elif kind == "stop":
            self.stop = Stop(answer["id"], answer["rule"], answer["reason"], answer["deadline_ms"] / 1000)
        elif kind == "go":
            self._unanswered = max(0, self._unanswered - 1)
        elif kind == "error":
            # What was refused is not judged: no other answer comes to it.
            self._unanswered = max(0, self._unanswered - 1)
            self.refused = Refusal(answer["code"], answer["message"], answer.get("hint", ""))
            _log.warning("%s: %s (%s)", *self.refused)

    def _tell(self) -> None:
        if self.stop is not None and self._on_stop is not None and not self._told:
            self._told = True
            self._on_stop(self.stop)

    def _let_go(self) -> None:
        if self._link is not None and self._link.broken:
            self._link.close()
            self._link = None
            self._unanswered = 0
            self._wait_longer()

    def _wait_longer(self) -> None:
        self._retry_at = _clock() + self._retry_after
        self._retry_after = min(self._retry_after * 2, RETRY_MOST)

    def _connect(self) -> None:
        if self._link is not None or self._ended or _clock() < self._retry_at:
            return
        for path in self._sockets:
            try:
                self._link = Link(path)
                self._link.send(self._hello)
                return
            except (OSError, TypeError, ValueError) as error:
                _log.debug("no daemon at %s: %s", path, error)
                self._link = None
        self._wait_longer()


def _plain(value: Any) -> Value:
    """A param as JSON can write it: numpy's numbers as numbers, anything else as its text."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    item = getattr(value, "item", None)
    if callable(item):
        try:
            found = item()
        except (TypeError, ValueError):
            return str(value)
        if isinstance(found, (str, bool, int, float)):
            return found
    return str(value)
