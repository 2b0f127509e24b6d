"""Where a process is made to die: adapters that kill their own process at exactly one place, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.bootstrap import Adapters
from app.domain.orders import Attempt

DIE_DURING_SECONDS = 0.3  # after the request left, well before a delayed reply comes


def die() -> None:
    """SIGKILL to ourselves: no handler runs, no connection is closed in order, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


class _Recorder:
    """A repository that remembers which of its methods were called in this transaction, with their arguments."""

    def __init__(self, inner: Any, calls: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def recorded(*arguments: Any, **named: Any) -> Any:
            self._calls.append((name, arguments))
            return method(*arguments, **named)

        return recorded


@dataclass
class DyingUnitOfWork:
    """Dies `when` ("before" or "after") the commit of the first transaction that called `method` on a repository."""

    inner: Any
    when: str
    method: str
    on: Callable[..., bool]
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __enter__(self) -> DyingUnitOfWork:
        self.inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self.inner.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        return _Recorder(value, self.calls) if name in ("signals", "orders", "ledger", "control") else value

    def commit(self) -> None:
        is_the_one = any(name == self.method and self.on(*arguments) for name, arguments in self.calls)
        if is_the_one and self.when == "before":
            die()
        self.inner.commit()
        if is_the_one:
            die()


def _any(*_: Any) -> bool:
    return True


def commit(when: str, method: str, on: Callable[..., bool] = _any) -> Callable[[Adapters], Adapters]:
    """Die before or after the commit of the transaction that called `method` with arguments that `on` likes."""

    def adapt(adapters: Adapters) -> Adapters:
        begin = adapters.unit_of_work
        return replace(
            adapters,
            unit_of_work=lambda: DyingUnitOfWork(begin(), when, method, on),  # type: ignore[arg-type,return-value]
        )

    return adapt


@dataclass
class DyingExchange:
    """Dies before, during or after the submission of attempt `number`, or after the answer to a query; or stops
    before the submission, until somebody continues the process."""

    inner: Any
    when: str
    number: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def submit(self, attempt: Attempt) -> Any:
        if attempt.number != self.number:
            return self.inner.submit(attempt)
        if self.when == "before":
            die()
        if self.when == "stop":
            # To this very thread: sent to the process it may stop any other first, and this one goes on sending.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        if self.when == "during":
            threading.Timer(DIE_DURING_SECONDS, die).start()
        reply = self.inner.submit(attempt)
        if self.when == "after":
            die()
        return reply

    def query_order(self, **question: Any) -> Any:
        reply = self.inner.query_order(**question)
        if self.when == "asked":
            die()
        return reply


def submission(when: str, number: int = 1) -> Callable[[Adapters], Adapters]:
    """Die around the submission of an attempt."""
    return lambda adapters: replace(adapters, exchange=DyingExchange(adapters.exchange, when, number))


@dataclass
class DyingWindow:
    """Dies before or after one of the window's calls."""

    inner: Any
    when: str
    method: str

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name != self.method:
            return method

        def deadly(*arguments: Any, **named: Any) -> Any:
            if self.when == "before":
                die()
            answer = method(*arguments, **named)
            die()
            return answer

        return deadly


def window(when: str, method: str) -> Callable[[Adapters], Adapters]:
    """Die around a call of the admission window."""
    return lambda adapters: replace(adapters, window=DyingWindow(adapters.window, when, method))  # type: ignore[arg-type]


@dataclass
class DyingTasks:
    """Dies instead of sending a hint."""

    inner: Any
    task: str

    def send(self, task: str, **options: Any) -> bool:
        if task == self.task:
            die()
        sent: bool = self.inner.send(task, **options)
        return sent


def hint(task: str) -> Callable[[Adapters], Adapters]:
    """Die instead of sending the hint of `task`."""
    return lambda adapters: replace(adapters, tasks=DyingTasks(adapters.tasks, task))


@dataclass
class OwnTasks:
    """Sends every hint to the doomed worker's own queue: what it would have hinted dies with it."""

    application: Any
    queue: str

    def send(self, task: str, *, priority: int = 5, countdown_seconds: float = 0.0, **arguments: Any) -> bool:
        options = {"countdown": countdown_seconds} if countdown_seconds else {}
        self.application.send_task(task, kwargs=arguments, queue=self.queue, priority=priority, **options)
        return True


def _is_second_attempt(attempt: Attempt) -> bool:
    return attempt.number == 2


# The deaths of app/domain/recovery_points.py by name, each at its place.
DOOMS: Mapping[str, Callable[[Adapters], Adapters]] = {
    "stored_not_ranked": window("before", "offer"),
    "ranked_loser_not_recorded": window("after", "offer"),
    "ranked_not_hinted": hint("signals.dispatch"),
    "popped_not_marked": window("after", "pop_best"),
    "marked_not_hinted": commit("after", "advance"),
    "hint_taken_not_decided": commit("before", "add_attempt"),
    "decided_not_sent": submission("before"),
    "sent_not_answered": submission("during"),
    "answered_not_settled": submission("after"),
    "booked_not_settled": commit("before", "save_attempt"),
    "unknown_not_hinted": commit("after", "save_attempt"),
    "asked_not_recorded": submission("asked"),
    "settled_not_hinted": commit("after", "save_attempt"),
    "chase_not_decided": commit("before", "add_attempt", on=_is_second_attempt),
    "chase_decided_not_sent": submission("before", number=2),
    "chase_answered_not_settled": submission("after", number=2),
    "filled_not_collected": commit("after", "save_attempt"),
    "collected_not_booked": commit("before", "add_fill"),
}

# Not a death: the process stops in mid-send, the attempt durable and the request signed, and is continued later.
FROZEN_IN_MID_SEND = "frozen_in_mid_send"
FATES: Mapping[str, Callable[[Adapters], Adapters]] = {**DOOMS, FROZEN_IN_MID_SEND: submission("stop")}
