"""Starts a real paper exchange process for a test, and speaks to it without any of the product's client code."""

import hashlib
import hmac
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 10.0
REQUEST_SECONDS_MAX = 15.0


class PaperExchangeDidNotStartError(Exception):
    """The process ended or stayed silent; the text carries what it wrote."""


@dataclass
class PaperExchange:
    """A running exchange. `url` and `ws` have no trailing slash; `ws` is the base the stream paths are added to."""

    process: subprocess.Popen[str]
    url: str
    ws: str
    key: str
    secret: str
    log_path: Path
    http: httpx.Client = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def stop(self, *, seconds: float = STOP_SECONDS_MAX) -> int:
        """Ask it to stop and return its exit code; kill it if it does not listen."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=STOP_SECONDS_MAX)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode

    def kill(self) -> None:
        """kill -9."""
        self.http.close()
        self.process.kill()
        self.process.wait(timeout=STOP_SECONDS_MAX)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def ledger(self) -> dict[str, Any]:
        return self.http.get("/paper/ledger").raise_for_status().json()

    def faults(self, *rules: dict[str, Any]) -> dict[str, Any]:
        return self.http.post("/paper/faults", json=list(rules)).raise_for_status().json()

    def fault_list(self) -> list[dict[str, Any]]:
        return self.http.get("/paper/faults").raise_for_status().json()["faults"]

    def clear_faults(self) -> None:
        self.http.delete("/paper/faults").raise_for_status()

    def clock(self, **fields: Any) -> dict[str, Any]:
        return self.http.post("/paper/clock", json=fields).raise_for_status().json()

    def limits(self, **fields: Any) -> dict[str, Any]:
        return self.http.post("/paper/limits", json=fields).raise_for_status().json()

    def server_time(self) -> int:
        """The exchange's own time in ms; asked where it costs no request weight."""
        return int(self.http.get("/paper/clock").json()["now_ms"])

    def sign(self, params: dict[str, Any]) -> str:
        """Query text with timestamp (the exchange's own time unless given) and signature."""
        filled = dict(params)
        if "timestamp" not in filled:
            filled["timestamp"] = self.server_time()
        query = urlencode(filled)
        signature = hmac.new(self.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return f"{query}&signature={signature}"

    def signed(self, method: str, path: str, **params: Any) -> httpx.Response:
        """A signed request with its parameters in the query."""
        return self.http.request(method, f"{path}?{self.sign(params)}")

    def order(self, symbol: str, side: str, quantity: str, **params: Any) -> httpx.Response:
        """A new order, MARKET unless a price is given; asks for RESULT."""
        params = {"newOrderRespType": "RESULT", **params}
        if "price" in params:
            params = {"type": "LIMIT", "timeInForce": "GTC", **params}
        else:
            params = {"type": "MARKET", **params}
        return self.signed("POST", "/fapi/v1/order", symbol=symbol, side=side, quantity=quantity, **params)

    def book_ticker(self, symbol: str) -> dict[str, Any]:
        return self.http.get("/fapi/v1/ticker/bookTicker", params={"symbol": symbol}).raise_for_status().json()


def launch(tmp_path: Path, *args: str) -> subprocess.Popen[str]:
    """Start the process without waiting for it; its log goes to a file in `tmp_path`."""
    tmp_path.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "app.paper_exchange"]
    if "--port" not in args:
        command += ["--port", "0"]
    with (tmp_path / "paper_exchange.log").open("ab") as log:
        return subprocess.Popen(
            [*command, *args],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def _read_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """The first lines of its output, within START_SECONDS_MAX."""
    assert process.stdout is not None
    lines: list[str] = []
    ends = time.monotonic() + START_SECONDS_MAX
    buffer = b""
    descriptor = process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while len(lines) < count:
            if not selector.select(timeout=max(0.0, ends - time.monotonic())):
                return lines
            chunk = os.read(descriptor, 4096)
            if not chunk:
                return lines
            buffer += chunk
            *complete, buffer = buffer.split(b"\n")
            lines += [line.decode() for line in complete]
    return lines


def start_paper_exchange(tmp_path: Path, *args: str) -> PaperExchange:
    """Start an exchange on a free port and wait until it listens. The caller calls `.stop()`."""
    process = launch(tmp_path, *args)
    log_path = tmp_path / "paper_exchange.log"
    found = dict(line.split("=", 1) for line in _read_lines(process, 4) if "=" in line)
    if not {"url", "ws", "key", "secret"} <= set(found):
        process.kill()
        process.wait(timeout=STOP_SECONDS_MAX)
        raise PaperExchangeDidNotStartError(f"{found}: {log_path.read_text()[-2000:]}")
    http = httpx.Client(base_url=found["url"], timeout=REQUEST_SECONDS_MAX, headers={"X-MBX-APIKEY": found["key"]})
    return PaperExchange(process, found["url"], found["ws"], found["key"], found["secret"], log_path, http)
