"""The faults of a seed: all that the design names are among them, and the report tells of each whether it was met."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from app.chaos.report import as_json, print_report
from app.chaos.round import Round
from app.chaos.schedule import EXCHANGE_FAULTS, NAMES, draw

SEEDS = range(1, 21)  # what one run of twenty minutes plays at most, and the first that anybody runs
SECONDS = 20.0

# Section 8 of the design, in its own order, by the names that faults are counted as.
PROMISED = {
    "SIGKILL of workers and beat": {"kill worker-orders", "kill worker-default", "kill worker-critical", "kill beat"},
    "SIGSTOP of workers and beat": {
        "freeze worker-orders",
        "freeze worker-default",
        "freeze worker-critical",
        "freeze beat",
    },
    "Redis killed, flushed, frozen": {"redis_kill", "redis_flush", "redis_freeze"},
    "Postgres restarted": {"postgres_restart", "postgres_kill"},
    "replies lost": {"exchange: drop_reply", "exchange: timeout"},
    "replies delayed": {"exchange: delay_reply", "exchange: delay_acceptance"},
    "events duplicated": {"exchange: duplicate_events"},
    "5xx": {"exchange: http_error"},
    "429 and 418": {"exchange: rate_limited", "exchange: banned"},
    "partial fills": {"exchange: partial_fill"},
    "clock skew": {"exchange: clock_skew"},
    "full disk": {"disk_full"},
    "trips": {"trip"},
}


def test_twenty_seeds_draw_every_fault_there_is() -> None:
    drawn = Counter(fault.name for seed in SEEDS for fault in draw(seed, seconds=SECONDS))
    assert set(drawn) == NAMES


@pytest.mark.parametrize("promise", PROMISED)
def test_every_fault_that_the_design_names_can_be_drawn(promise: str) -> None:
    assert PROMISED[promise] <= NAMES


def test_every_way_of_the_exchange_to_misbehave_is_drawn_with_its_own_numbers() -> None:
    drawn = [
        fault.details for seed in range(1, 101) for fault in draw(seed, seconds=SECONDS) if fault.kind == "exchange"
    ]
    for rule in EXCHANGE_FAULTS:
        assert any(rule.items() <= details.items() for details in drawn), rule


def test_the_same_seed_draws_the_same_faults_in_order_of_time() -> None:
    for seed in SEEDS:
        faults = draw(seed, seconds=SECONDS)
        assert faults == draw(seed, seconds=SECONDS)
        assert [fault.at_seconds for fault in faults] == sorted(fault.at_seconds for fault in faults)
        assert all(0 < fault.at_seconds <= SECONDS for fault in faults)
    assert draw(1, seconds=SECONDS) != draw(2, seconds=SECONDS)


def test_the_report_names_every_fault_with_how_often_it_was_injected_and_hit() -> None:
    rounds = [
        Round(
            1, injected=Counter({"exchange: drop_reply": 2, "disk_full": 1}), hit=Counter({"exchange: drop_reply": 7})
        ),
        Round(2, injected=Counter({"exchange: drop_reply": 1})),
    ]
    text = io.StringIO()
    print_report(as_json(rounds), Console(file=text, width=120))
    rows = {cells[1].strip(): cells[2:4] for line in text.getvalue().splitlines() if len(cells := line.split("│")) == 5}
    assert set(rows) == NAMES | {"all"}
    assert [cell.strip() for cell in rows["exchange: drop_reply"]] == ["3", "7"]
    assert [cell.strip() for cell in rows["disk_full"]] == ["1", "1"]
    assert [cell.strip() for cell in rows["trip"]] == ["0", "0"]
    report = as_json(rounds)
    assert (report["injected"], report["hit"]) == (
        {"exchange: drop_reply": 3, "disk_full": 1},
        {"exchange: drop_reply": 7},
    )
