"""`./qt panic` against a real paper exchange process: no database, no Redis, no process of ours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.paper_exchange import REPOSITORY, PaperExchange, start_paper_exchange

pytestmark = pytest.mark.integration

CALL_SECONDS_MAX = 90


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[PaperExchange]:
    started = start_paper_exchange(tmp_path / "exchange", "--market", "seed:7")
    yield started
    started.stop()


def run_panic(state: Path, *arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, with nothing of ours reachable but what `environment` names."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QT_")}
    # Ports nobody listens on: what panic does must not need them.
    gone = {
        "QT_WEB_PORT": "9",
        "QT_DATABASE_URL": "postgresql://x:y@127.0.0.1:9/z",
        "QT_REDIS_URL": "redis://127.0.0.1:9/0",
    }
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "panic", *arguments],
        cwd=REPOSITORY,
        env={**clean, **gone, "QT_STATE_DIR": str(state), "PYTHONPATH": str(REPOSITORY), **environment},
        input=typed,
        capture_output=True,
        text=True,
        timeout=CALL_SECONDS_MAX,
        check=False,
    )


def keys(paper: PaperExchange) -> dict[str, str]:
    return {"QT_EXCHANGE_URL": paper.url, "QT_EXCHANGE_KEY": paper.key, "QT_EXCHANGE_SECRET": paper.secret}


def open_everything(paper: PaperExchange) -> None:
    """Two positions, a resting order and a conditional one."""
    assert paper.order("BTCUSDT", "BUY", "0.050").status_code == 200
    assert paper.order("ETHUSDT", "SELL", "0.500").status_code == 200
    price = float(paper.book_ticker("BTCUSDT")["bidPrice"])
    resting = paper.order("BTCUSDT", "BUY", "0.010", price=f"{price * 0.97:.1f}")
    assert resting.json()["status"] == "NEW", resting.text
    stop = paper.signed(
        "POST",
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        symbol="ETHUSDT",
        side="BUY",
        type="STOP_MARKET",
        triggerPrice=f"{float(paper.book_ticker('ETHUSDT')['askPrice']) * 1.2:.2f}",
        quantity="0.500",
        reduceOnly="true",
    )
    assert stop.status_code == 200, stop.text


def what_is_open(paper: PaperExchange) -> tuple[int, int, int]:
    """(positions, orders, conditional orders), by the exchange's own word."""
    positions = [each for each in paper.ledger()["positions"] if float(each["quantity"])]
    orders = paper.signed("GET", "/fapi/v1/openOrders").json()
    conditional = paper.signed("GET", "/fapi/v1/openAlgoOrders").json()
    return len(positions), len(orders), len(conditional)


def test_with_nothing_else_alive_everything_is_canceled_and_closed(paper: PaperExchange, tmp_path: Path) -> None:
    open_everything(paper)
    assert what_is_open(paper) == (2, 1, 1)
    result = run_panic(tmp_path, "--yes", **keys(paper))
    assert result.returncode == 0, result.stdout + result.stderr
    assert what_is_open(paper) == (0, 0, 0)
    flat = re.search(r"flat after ([0-9.]+) s, 2 orders", result.stdout)
    assert flat, result.stdout
    print(f"panic: flat after {flat[1]} s")
    exits = [order for order in paper.ledger()["orders"] if order["reduce_only"] and order["type"] == "MARKET"]
    assert [Decimal(each["executed_quantity"]) for each in exits] == [Decimal("0.05"), Decimal("0.5")]


def test_the_connection_that_a_killed_system_left_behind_is_enough(paper: PaperExchange, tmp_path: Path) -> None:
    open_everything(paper)
    connection = tmp_path / "run" / "connection.json"
    connection.parent.mkdir()
    values = {"exchange_url": paper.url, "exchange_key": paper.key, "exchange_secret": paper.secret}
    connection.write_text(json.dumps({**values, "database_url": "x", "redis_url": "y"}))
    result = run_panic(tmp_path, "--yes")
    assert result.returncode == 0, result.stdout + result.stderr
    assert what_is_open(paper) == (0, 0, 0)


def test_partial_fills_refusals_lost_answers_and_429_only_take_longer_and_nothing_is_flipped(
    paper: PaperExchange, tmp_path: Path
) -> None:
    open_everything(paper)
    paper.faults(
        {"kind": "partial_fill", "share": "0.4", "count": 2},
        {"kind": "throttled", "after": 1, "count": 1},
        {"kind": "timeout", "accepted": True, "after": 2, "count": 1},
        {"kind": "rate_limited", "endpoint": "GET /fapi/v3/positionRisk", "after": 2, "count": 1},
    )
    result = run_panic(tmp_path, "--yes", **keys(paper))
    assert result.returncode == 0, result.stdout + result.stderr
    assert what_is_open(paper) == (0, 0, 0)
    side = {"BTCUSDT": "SELL", "ETHUSDT": "BUY"}
    ours = [order for order in paper.ledger()["orders"] if order["reduce_only"] and order["type"] == "MARKET"]
    assert len(ours) > 2
    assert all(order["side"] == side[order["symbol"]] for order in ours)


def test_without_the_word_nothing_is_done(paper: PaperExchange, tmp_path: Path) -> None:
    open_everything(paper)
    result = run_panic(tmp_path, typed="yes\n", **keys(paper))
    assert result.returncode == 1
    assert what_is_open(paper) == (2, 1, 1)
    assert run_panic(tmp_path, typed="panic\n", **keys(paper)).returncode == 0
    assert what_is_open(paper) == (0, 0, 0)


def test_an_exchange_that_does_not_answer_is_not_called_flat(tmp_path: Path) -> None:
    gone = {"QT_EXCHANGE_URL": "http://127.0.0.1:9", "QT_EXCHANGE_KEY": "k" * 8, "QT_EXCHANGE_SECRET": "s" * 8}
    result = run_panic(tmp_path, "--yes", "--seconds-max", "10", **gone)
    assert result.returncode == 1
    assert "NOT flat" in result.stderr


def test_without_an_exchange_to_go_to_it_says_what_to_give(tmp_path: Path) -> None:
    result = run_panic(tmp_path, "--yes")
    assert result.returncode == 1
    assert "QT_EXCHANGE_URL" in result.stderr
