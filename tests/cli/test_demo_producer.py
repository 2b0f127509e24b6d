"""The demonstration's producer: what it sends, and when it gives up."""

from __future__ import annotations

import itertools
import json
import random

import httpx

from app.cli.run_demo_producer import SYMBOLS, demo_signals, send_for_ever


def test_demo_signals_are_valid_wishes_that_claim_no_model() -> None:
    sent = list(itertools.islice(demo_signals(random.Random(7)), 500))
    assert {one["symbol"] for one in sent} == set(SYMBOLS)
    assert {one["side"] for one in sent} == {"BUY", "SELL"}
    assert all(0 <= one["confidence"] <= 1 for one in sent)
    assert all(set(one) == {"symbol", "side", "confidence", "strategy"} for one in sent)


def test_the_same_chance_makes_the_same_signals() -> None:
    first, again = (list(itertools.islice(demo_signals(random.Random(7)), 20)) for _ in range(2))
    assert first == again


def test_it_outlives_a_web_process_that_is_away_and_stops_when_it_is_refused_for_good() -> None:
    answers = iter([httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(202), httpx.Response(401)])
    received = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(json.loads(request.content))
        one = next(answers)
        if isinstance(one, Exception):
            raise one
        return one

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://test") as client:
        assert send_for_ever(client, random.Random(7), signals_per_second=1000) == "/api/signals answers 401"
    assert len(received) == 4
    assert all(one["generated_at"].endswith("+00:00") for one in received)
