"""The listener process: the exchange's streams in; fills booked, orders settled, market data put for the gates."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog

from app.bootstrap import (
    Streams,
    System,
    UserEvent,
    calls_for_reconciliation,
    conditional_update_of,
    open_streams,
    open_system,
    order_update_of,
)
from app.logs import configure_logging
from app.ports import DatabaseUnavailableError, ExchangeError, Progress
from app.settings import Settings

log = structlog.get_logger(__name__)

FIRST_RULES_SECONDS = 1.0  # between two attempts to learn what the exchange trades
BEAT_SECONDS = 1.0
RECONCILE_SECONDS_MIN = 2.0  # between two that events ask for: funding comes as one event for each position
SILENCE_SECONDS_MAX = 10.0  # of market data: longer than this and the process no longer calls itself well


class Listener:
    """Runs both streams until told to stop; a stream that ends by an error ends the process, and is started again."""

    def __init__(self, system: System, stop: threading.Event) -> None:
        self._system = system
        self._stop = stop
        self._failure: BaseException | None = None
        self._reconciled_at = float("-inf")
        self._name = f"listener@{socket.gethostname()}"

    def run(self) -> None:
        """Learn the symbols, then listen."""
        symbols = self._learn_symbols()
        if self._stop.is_set():
            return
        streams = open_streams(self._system, symbols=symbols)
        threads = [
            self._start("user-stream", lambda: streams.user.run(self.hear, self._stop)),
            self._start("market-stream", lambda: streams.market.run(self._system.market_sink, self._stop)),
        ]
        while not self._stop.wait(BEAT_SECONDS):
            self._beat(streams)
        for thread in threads:
            thread.join(timeout=5.0)
        if self._failure is not None:
            raise self._failure

    def hear(self, event: UserEvent) -> None:
        """One event of the user stream; what cannot be recorded now is found again by sweeps and reconciliation."""
        update = order_update_of(event)
        conditional = conditional_update_of(event)
        try:
            if update is not None:
                self._system.hear_order_update(*update)
            elif conditional is not None:
                self._system.hear_protection_update(conditional)
            elif calls_for_reconciliation(event) and self._may_reconcile():
                self._system.reconcile()
        except (DatabaseUnavailableError, ExchangeError) as error:
            log.warning("user_event_not_recorded", event_kind=type(event).__name__, error=str(error))

    def _may_reconcile(self) -> bool:
        """Not again at once: the stream waits meanwhile, and beat reconciles every few seconds anyway."""
        now = time.monotonic()
        if now - self._reconciled_at < RECONCILE_SECONDS_MIN:
            return False
        self._reconciled_at = now
        return True

    def _learn_symbols(self) -> list[str]:
        while not self._stop.is_set():
            try:
                self._system.refresh_symbols()
                self._system.refresh_account()
                self._system.refresh_regimes()
                with self._system.unit_of_work() as uow:
                    known = uow.control.symbols()
                    account = uow.ledger.account()
                trading = sorted(symbol for symbol, rules in known.items() if rules.status == "TRADING")
                # Ready means that entries can be judged: without an account every one of them is denied.
                if trading and account is not None:
                    return trading
                log.info("exchange_not_known_yet", symbols=len(trading), account_known=account is not None)
            except (DatabaseUnavailableError, ExchangeError) as error:
                log.warning("symbols_not_learned", error=str(error))
            self._stop.wait(FIRST_RULES_SECONDS)
        return []

    def _start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                log.exception("stream_failed", stream=name)
                self._failure = error
                self._stop.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _beat(self, streams: Streams) -> None:
        """Touch the ready file only while market data really arrives."""
        path = self._system.settings.ready_file
        self._note_progress(streams)
        try:
            self._system.budget.set_exchange_clock(self._system.exchange.now_ms())
        except ExchangeError as error:
            log.debug("exchange_clock_not_known", error=str(error))
        last = streams.market.last_message_at
        if path is not None and last is not None:
            silence = self._system.clock.now() - last
            if silence < timedelta(seconds=SILENCE_SECONDS_MAX):
                Path(path).touch()

    def _note_progress(self, streams: Streams) -> None:
        """What was heard last, for health: a listener that runs and hears nothing is not well."""
        now = self._system.clock.now()
        heard = {"market": streams.market.last_message_at, "user": streams.user.last_alive_at}
        silence = {
            f"{stream}_silence_seconds": None if at is None else max(0.0, (now - at).total_seconds())
            for stream, at in heard.items()
        }
        self._system.progress.note(Progress(name=self._name, role="listener", facts=silence))


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.from_environment(os.environ)
    configure_logging(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_system(settings) as system:
        Listener(system, stop).run()


if __name__ == "__main__":
    main()
