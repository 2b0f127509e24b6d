"""Models are asked side by side; whoever is late, breaks or talks nonsense abstains, and the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.domain.ensemble.opinions import Abstention, AbstentionCode, Opinion, Vote
from app.domain.ensemble.series import CandleSeries
from app.services.engine.ask_models import AskModels
from tests.support.markets import market

WINDOWS = market(1, symbols=2, minutes=70)


class Says:
    def __init__(self, name: str, answer: Callable[[CandleSeries], object]) -> None:
        self.name = name
        self.version = "1"
        self._answer = answer

    def predict(self, window: CandleSeries) -> Opinion:
        return self._answer(window)  # type: ignore[return-value]


def vote(name: str) -> Vote:
    return Vote(model=name, version="1", probability=0.6)


def codes(opinions: object) -> list[object]:
    return [each.code if isinstance(each, Abstention) else each.probability for each in opinions]  # type: ignore[attr-defined]


def test_a_model_that_raises_or_answers_nonsense_abstains_and_the_others_vote() -> None:
    def raises(_: CandleSeries) -> object:
        raise ZeroDivisionError("by zero")

    models = {
        model.name: model
        for model in (
            Says("good", lambda _: vote("good")),
            Says("broken", raises),
            Says("odd", lambda _: 0.7),
            Says("liar", lambda _: vote("good")),
        )
    }
    said = AskModels(deadline_seconds=5.0)(models, WINDOWS)
    assert codes(said["good"]) == [0.6, 0.6]
    for name in ("broken", "odd", "liar"):
        assert codes(said[name]) == [AbstentionCode.FAILED] * 2
    assert said["broken"][0].reason == "ZeroDivisionError: by zero"  # type: ignore[union-attr]


def test_a_late_model_abstains_and_is_not_asked_again_before_it_is_done() -> None:
    go_on, calls = threading.Event(), []

    def slow(window: CandleSeries) -> object:
        calls.append(window.symbol)
        assert go_on.wait(10.0)
        return vote("slow")

    model = Says("slow", slow)
    ask = AskModels(deadline_seconds=0.05)
    assert codes(ask({"slow": model}, WINDOWS)["slow"]) == [AbstentionCode.OVER_DEADLINE] * 2
    again = ask({"slow": model}, WINDOWS)["slow"]
    assert codes(again) == [AbstentionCode.OVER_DEADLINE] * 2
    assert "still at work" in again[0].reason  # type: ignore[union-attr]
    assert calls == [WINDOWS[0].symbol]
    go_on.set()
    patient = AskModels(deadline_seconds=5.0)
    assert codes(patient({"slow": model}, WINDOWS)["slow"]) == [0.6, 0.6]
