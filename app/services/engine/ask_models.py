"""Asks every model about every window, each in a thread of its own and none for longer than its deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from app.domain.ensemble.opinions import Abstention, AbstentionCode, Opinion, Vote
from app.domain.ensemble.series import CandleSeries
from app.ports.forecasting import Model

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Asked:
    """One model being asked: opinions by symbol as they come."""

    key: str
    opinions: dict[str, Opinion] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)


class AskModels:
    """A model that is late abstains, and is left alone until it has come back: at most one thread each."""

    def __init__(self, *, deadline_seconds: float, ticks: Callable[[], float] = time.monotonic) -> None:
        self._deadline_seconds = deadline_seconds
        self._ticks = ticks
        self._busy: dict[str, _Asked] = {}

    def __call__(self, models: Mapping[str, Model], windows: Sequence[CandleSeries]) -> Mapping[str, Sequence[Opinion]]:
        """By the key of each model, one opinion for each window; every opinion bears its model's name."""
        ends = self._ticks() + self._deadline_seconds
        asked: dict[str, _Asked] = {}
        for key, model in models.items():
            before = self._busy.get(key)
            if before is not None and not before.done.is_set():
                continue
            asked[key] = self._busy[key] = _Asked(key)
            threading.Thread(
                target=_ask, args=(model, tuple(windows), asked[key]), name=f"model-{key}", daemon=True
            ).start()
        for one in asked.values():
            one.done.wait(max(0.0, ends - self._ticks()))
        self._busy = {key: one for key, one in self._busy.items() if not one.done.is_set()}
        return {
            key: [self._opinion(model, window, asked.get(key)) for window in windows] for key, model in models.items()
        }

    def _opinion(self, model: Model, window: CandleSeries, asked: _Asked | None) -> Opinion:
        opinion = None if asked is None else asked.opinions.get(window.symbol)
        if opinion is not None:
            return opinion
        reason = (
            "still at work on what it was asked before"
            if asked is None
            else f"no answer within {self._deadline_seconds:g} s"
        )
        return Abstention(model=model.name, version=None, code=AbstentionCode.OVER_DEADLINE, reason=reason)


def _ask(model: Model, windows: Sequence[CandleSeries], asked: _Asked) -> None:
    try:
        for window in windows:
            asked.opinions[window.symbol] = _opinion_of(model, window)
    finally:
        asked.done.set()


def _opinion_of(model: Model, window: CandleSeries) -> Opinion:
    try:
        opinion: object = model.predict(window)
    except Exception as error:  # somebody else's code, which may raise anything; it must not stop the others
        log.exception("model_failed", model=model.name, symbol=window.symbol)
        return _failed(model, f"{type(error).__name__}: {error}"[:200])
    if not isinstance(opinion, Vote | Abstention):
        return _failed(model, f"answered with {type(opinion).__name__}, which is neither a vote nor an abstention")
    if opinion.model != model.name:
        return _failed(model, f"answered in the name of {opinion.model!r}")
    return opinion


def _failed(model: Model, reason: str) -> Abstention:
    return Abstention(model=model.name, version=None, code=AbstentionCode.FAILED, reason=reason)
