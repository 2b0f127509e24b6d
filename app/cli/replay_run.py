"""Sending recorded signals at a steady rate over one connection, and following each to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from app.cli.api_client import describe_problem
from app.cli.failure import CommandFailure
from app.cli.recorded_signals import RecordedSignal
from app.domain.signals import SignalState

# A web process that is being restarted is back within seconds; the signal id makes a second try harmless.
SEND_ATTEMPTS_MAX = 8
SEND_RETRY_SECONDS = 0.5
POLL_SECONDS = 0.5
TRANSIENT_STATUSES = {429, 502, 503, 504}
TERMINAL_STATES = {state.value for state in SignalState if state.is_terminal}


@dataclass(slots=True)
class Sent:
    """A recorded signal on its way: what intake said, and where it ended."""

    recorded: RecordedSignal
    signal_id: str
    verdict: str | None = None
    state: str | None = None
    reason_code: str | None = None

    @property
    def is_finished(self) -> bool:
        return self.state in TERMINAL_STATES


class ReplayRun:
    """One run over an open client; `rate` is signals per second."""

    def __init__(self, client: httpx.Client, signals: Sequence[Sent], *, rate: float) -> None:
        self._client = client
        self._signals = signals
        self._rate = rate

    def send_all(self) -> None:
        """Send each at its moment; a slow answer delays those after it, but they catch up."""
        began = time.monotonic()
        with progress("sending", len(self._signals)) as advance:
            for index, sent in enumerate(self._signals):
                time.sleep(max(0.0, began + index / self._rate - time.monotonic()))
                sent.verdict = self._send(sent)
                advance(1)

    def wait_for_ends(self, *, seconds_max: float) -> None:
        """Ask for every signal until it is in a terminal state, or the time is over."""
        deadline = time.monotonic() + seconds_max
        pending = list(self._signals)
        with progress("deciding", len(pending)) as advance:
            while True:
                for sent in pending:
                    self._ask(sent)
                finished = sum(sent.is_finished for sent in pending)
                pending = [sent for sent in pending if not sent.is_finished]
                advance(finished)
                if not pending or time.monotonic() >= deadline:
                    return
                time.sleep(POLL_SECONDS)

    def _send(self, sent: Sent) -> str:
        problem = "no attempt made"
        for _ in range(SEND_ATTEMPTS_MAX):
            body = sent.recorded.request(signal_id=sent.signal_id, generated_at=datetime.now(UTC))
            try:
                response = self._client.post("/api/signals", json=body)
            except httpx.TransportError as error:
                problem = f"cannot reach {self._client.base_url}: {error}"
            else:
                if response.is_success:
                    return str(response.json()["results"][0]["verdict"])
                problem = describe_problem(response)
                if response.status_code not in TRANSIENT_STATUSES:
                    raise CommandFailure(f"line {sent.recorded.line_number}: {problem}")
            time.sleep(SEND_RETRY_SECONDS)
        raise CommandFailure(f"line {sent.recorded.line_number}: {problem} ({SEND_ATTEMPTS_MAX} attempts)")

    def _ask(self, sent: Sent) -> None:
        try:
            response = self._client.get(f"/api/signals/{sent.signal_id}")
        except httpx.TransportError:
            return  # asked again in the next round
        if response.status_code == httpx.codes.NOT_FOUND or response.status_code in TRANSIENT_STATUSES:
            return  # spooled signals are found once they are in the database
        if response.is_error:
            raise CommandFailure(describe_problem(response))
        signal = response.json()["signal"]
        sent.state, sent.reason_code = signal["state"], signal.get("reason_code")


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; on a terminal alone."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)
