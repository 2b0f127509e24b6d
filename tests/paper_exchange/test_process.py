"""The process: what it prints, how it stops, what a taken port says, and what survives kill -9."""

from __future__ import annotations

import os
import signal
import socket
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.paper_exchange import PaperExchange, launch, start_paper_exchange


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_where_it_listens_and_stops_cleanly(tmp_path: Path, stop_signal: signal.Signals):
    exchange = start_paper_exchange(tmp_path, "--key", "mykey", "--secret", "mysecret")
    try:
        assert (exchange.key, exchange.secret) == ("mykey", "mysecret")
        assert exchange.ws == f"ws://127.0.0.1:{exchange.port}"
        assert exchange.http.get("/fapi/v1/ping").json() == {}
        exchange.process.send_signal(stop_signal)
        assert exchange.process.wait(timeout=10) == 0
    finally:
        exchange.stop()


def test_a_taken_port_is_one_clear_line_and_a_failure(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = launch(tmp_path, "--port", str(port))
        output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert output == ""
    [line] = (tmp_path / "paper_exchange.log").read_text().splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("--market", "seed:x"),
        ("--market", "/nowhere"),
        ("--speed", "0"),
        ("--wallet", "-1"),
        ("--state-dir", "/proc/x"),
    ],
)
def test_what_cannot_be_started_says_why_in_one_line(tmp_path: Path, arguments: tuple[str, str]):
    process = launch(tmp_path, *arguments)
    process.communicate(timeout=30)
    assert process.returncode != 0
    [line] = (tmp_path / "paper_exchange.log").read_text().splitlines()
    assert line.startswith("paper exchange: ")


def _restart(exchange: PaperExchange, directory: Path, state: Path) -> PaperExchange:
    exchange.kill()
    return start_paper_exchange(directory, "--state-dir", str(state))


def test_everything_told_survives_kill_nine(tmp_path: Path):
    state = tmp_path / "state"
    exchange = start_paper_exchange(tmp_path, "--state-dir", str(state), "--wallet", "5000")
    try:
        assert exchange.order("BTCUSDT", "BUY", "0.010", newClientOrderId="bought").json()["status"] == "FILLED"
        bid = Decimal(exchange.book_ticker("ETHUSDT")["bidPrice"])
        far = str((bid * Decimal("0.96")).quantize(Decimal("0.01")))
        resting = exchange.order("ETHUSDT", "BUY", "0.05", price=far, newClientOrderId="resting").json()
        assert resting["status"] == "NEW"
        assert exchange.order("ETHUSDT", "BUY", "0.0001").status_code == 400
        trigger = str((Decimal(exchange.book_ticker("BTCUSDT")["bidPrice"]) * Decimal("0.9")).quantize(Decimal("0.1")))
        stop = exchange.signed(
            "POST", "/fapi/v1/algoOrder", algoType="CONDITIONAL", symbol="BTCUSDT", side="SELL", type="STOP_MARKET",
            quantity="0.010", triggerPrice=trigger, reduceOnly="true",
        ).json()  # fmt: skip
        exchange.signed("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=7)
        before = exchange.ledger()
        key, secret = exchange.key, exchange.secret
        exchange = _restart(exchange, tmp_path / "again", state)
        after = exchange.ledger()
        assert (exchange.key, exchange.secret) == (key, secret)
        for name in ("orders", "algo_orders", "wallet", "income"):
            assert after[name] == before[name], name
        strip = [{k: p[k] for k in ("symbol", "quantity", "entry_price")} for p in before["positions"]]
        assert [{k: p[k] for k in ("symbol", "quantity", "entry_price")} for p in after["positions"]] == strip
        open_orders = exchange.signed("GET", "/fapi/v1/openOrders").json()
        assert [o["clientOrderId"] for o in open_orders] == ["resting"]
        [algo] = exchange.signed("GET", "/fapi/v1/openAlgoOrders").json()
        assert algo["algoId"] == stop["algoId"]
        [config] = exchange.signed("GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT").json()
        assert config["leverage"] == 7
        # Numbers go on where they stopped: an id is never given twice.
        newer = exchange.order("BTCUSDT", "SELL", "0.010", reduceOnly="true").json()
        assert newer["orderId"] > resting["orderId"]
    finally:
        exchange.stop()


def test_a_request_held_back_by_a_fault_when_the_process_dies_never_comes_true(tmp_path: Path):
    state = tmp_path / "state"
    exchange = start_paper_exchange(tmp_path, "--state-dir", str(state))
    try:
        exchange.faults({"kind": "delay_acceptance", "delay_ms": 60_000, "reply": "timeout"})
        assert exchange.order("BTCUSDT", "BUY", "0.010", newClientOrderId="held").status_code == 408
        [order] = exchange.ledger()["orders"]
        assert (order["status"], order["error"]) == ("PENDING", None)
        exchange = _restart(exchange, tmp_path / "again", state)
        [order] = exchange.ledger()["orders"]
        assert (order["status"], order["order_id"], order["fills"]) == ("REJECTED", None, [])
        query = exchange.signed("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="held")
        assert query.json()["code"] == -2013
    finally:
        exchange.stop()


def test_every_answered_order_of_a_flood_is_there_after_kill_nine(tmp_path: Path):
    state = tmp_path / "state"
    exchange = start_paper_exchange(
        tmp_path, "--state-dir", str(state), "--limit-orders-10s", "1000000", "--limit-orders-1m", "1000000"
    )
    answered: list[dict[str, Any]] = []
    killed = threading.Event()

    def flood(worker: int) -> None:
        with httpx.Client(base_url=exchange.url, headers={"X-MBX-APIKEY": exchange.key}, timeout=5) as client:
            for number in range(10_000):
                query = exchange.sign(
                    {
                        "symbol": "XRPUSDT", "side": ("BUY", "SELL")[number % 2], "type": "MARKET", "quantity": "10",
                        "newOrderRespType": "RESULT", "newClientOrderId": f"w{worker}-{number}",
                        "timestamp": exchange_time,
                    }
                )  # fmt: skip
                try:
                    reply = client.post(f"/fapi/v1/order?{query}")
                except httpx.TransportError:
                    return
                answered.append(reply.json())
                if len(answered) >= 150:
                    killed.set()

    exchange_time = exchange.server_time()
    threads = [threading.Thread(target=flood, args=(worker,)) for worker in range(3)]
    try:
        for thread in threads:
            thread.start()
        assert killed.wait(timeout=60)
        os.kill(exchange.process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join(timeout=30)
        exchange = _restart(exchange, tmp_path / "again", state)
        found = {o["client_order_id"]: o for o in exchange.ledger()["orders"]}
        made = [a for a in answered if "orderId" in a]
        assert len(made) >= 100
        for answer in made:
            order = found[answer["clientOrderId"]]
            assert order["order_id"] == answer["orderId"]
            assert Decimal(order["executed_quantity"]) == Decimal(answer["executedQty"])
        ledger = exchange.ledger()
        assert Decimal(ledger["wallet"]["USDT"]) == sum(Decimal(i["amount"]) for i in ledger["income"])
    finally:
        exchange.stop()


def test_a_state_directory_in_use_or_damaged_is_one_clear_line(tmp_path: Path):
    state = tmp_path / "state"
    exchange = start_paper_exchange(tmp_path, "--state-dir", str(state))
    try:
        exchange.order("BTCUSDT", "BUY", "0.010")
        second = launch(tmp_path / "second", "--state-dir", str(state))
        second.communicate(timeout=30)
        assert second.returncode != 0
        [line] = (tmp_path / "second" / "paper_exchange.log").read_text().splitlines()
        assert "locked" in line
    finally:
        exchange.stop()
    for file in state.iterdir():
        file.write_bytes(b"this is no database" * 100)
    third = launch(tmp_path / "third", "--state-dir", str(state))
    third.communicate(timeout=30)
    assert third.returncode != 0
    [line] = (tmp_path / "third" / "paper_exchange.log").read_text().splitlines()
    assert line.startswith("paper exchange: cannot open the state")


def test_without_a_state_directory_nothing_is_kept_or_written(tmp_path: Path):
    exchange = start_paper_exchange(tmp_path)
    try:
        exchange.order("BTCUSDT", "BUY", "0.010")
    finally:
        exchange.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["paper_exchange.log"]
    again = start_paper_exchange(tmp_path)
    try:
        assert again.ledger()["orders"] == []
    finally:
        again.stop()


def test_the_same_seed_and_the_same_frozen_moments_give_the_same_fills(tmp_path: Path):
    def run(directory: Path) -> list[Any]:
        start = str(1_795_000_000_000)
        exchange = start_paper_exchange(directory, "--market", "seed:11", "--freeze", "--start-ms", start)
        try:
            for number in range(6):
                exchange.order("BTCUSDT", ("BUY", "SELL")[number % 2], "0.75", newClientOrderId=f"n{number}")
                exchange.clock(advance_ms=1_500)
            orders = exchange.ledger()["orders"]
        finally:
            exchange.stop()
        return [(o["client_order_id"], o["received_at"], o["fills"]) for o in orders]

    first, second = run(tmp_path / "a"), run(tmp_path / "b")
    assert all(fills for _, _, fills in first)
    assert first == second


def test_prices_go_on_where_they_would_be_after_a_restart(tmp_path: Path):
    """Frozen clocks make it exact: the second process stands where the first one stood when it was killed."""
    start, later = 1_795_000_000_000, 600_000
    state = str(tmp_path / "state")
    first = start_paper_exchange(tmp_path, "--state-dir", state, "--freeze", "--start-ms", str(start))
    try:
        opening = first.http.get("/fapi/v1/premiumIndex").json()
        first.clock(advance_ms=later)
        before = first.http.get("/fapi/v1/premiumIndex").json()
        assert [row["markPrice"] for row in before] != [row["markPrice"] for row in opening]
        first.kill()
        first = start_paper_exchange(tmp_path, "--state-dir", state, "--freeze", "--start-ms", str(start + later))
        assert first.http.get("/fapi/v1/premiumIndex").json() == before
    finally:
        first.stop()
