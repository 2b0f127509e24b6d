"""Watches every component all the time, so that an answer about health is ready whatever hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from app.bootstrap import System
from app.checks.attribution import Attribution
from app.checks.components import Check
from app.domain.health import Confirmation, Finding, Status

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
DEADLINE_SECONDS = 1.5
TICK_SECONDS = 0.25
STALLED_SECONDS_MAX = 3.0
STOP_SECONDS_MAX = 2.0


@dataclass(frozen=True, slots=True)
class _Look:
    """The newest answer of one check, and since when it has been asked again (None: it rests)."""

    finding: Finding | None = None
    asking_since: float | None = None


class Sentry:
    """Asks one check again and again in a thread of its own; what hangs there hangs alone."""

    def __init__(
        self, component: str, check: Check, system: System, *, period_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self.component = component
        self._check = check
        self._system = system
        self._period_seconds = period_seconds
        self._monotonic = monotonic
        self._look = _Look()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"check-{component}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def seen(self) -> Finding:
        """What the component looks like now."""
        look = self._look
        if look.asking_since is not None and self._monotonic() - look.asking_since > DEADLINE_SECONDS:
            cause = f"no answer within {DEADLINE_SECONDS:g} s"
            return Finding(component=self.component, status=Status.CRITICAL, cause=cause)
        return look.finding or Finding(component=self.component, status=Status.CRITICAL, cause="not looked at yet")

    def _run(self) -> None:
        while True:
            began = self._monotonic()
            self._look = replace(self._look, asking_since=began)
            finding = self._ask()
            took = self._monotonic() - began
            self._look = _Look(finding=replace(finding, latency_ms=1000 * took))
            if self._stopping.wait(max(0.05, self._period_seconds - took)):
                return

    def _ask(self) -> Finding:
        try:
            return self._check(self._system)
        except Exception as error:
            # A check that fails is a finding, never an outage of health itself.
            log.exception("check_failed", component=self.component)
            cause = f"the check failed: {type(error).__name__}: {error}"
            return Finding(component=self.component, status=Status.CRITICAL, cause=cause)


class Watch:
    """All sentries, and the told state of each component: confirmed, and with the failure behind it named.

    `on_findings` is called with every new round, in the watch's own thread.
    """

    def __init__(
        self,
        system: System,
        checks: Mapping[str, Check],
        depends_on: Mapping[str, Sequence[str]],
        *,
        on_findings: Callable[[Sequence[Finding]], None] = lambda findings: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system = system
        self._monotonic = monotonic
        self._on_findings = on_findings
        self._sentries = [
            Sentry(component, check, system, period_seconds=PERIOD_SECONDS, monotonic=monotonic)
            for component, check in checks.items()
        ]
        self._confirmed: dict[str, Confirmation] = {}
        self._attribute = Attribution(depends_on)
        self._told: Sequence[Finding] = ()
        self._told_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look; `findings` is complete from then on."""
        for sentry in self._sentries:
            sentry.start()
        self._thread.start()

    def stop(self) -> None:
        """End the threads, except those that hang; they end with the process."""
        self._stopping.set()
        for sentry in self._sentries:
            sentry.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS_MAX)

    def findings(self) -> Sequence[Finding]:
        """The told state of every component; never waits."""
        age = self._monotonic() - self._told_at
        if age > STALLED_SECONDS_MAX:
            cause = "nothing was looked at yet" if not self._told else f"nothing was looked at for {age:.1f} s"
            return [Finding(component="health", status=Status.CRITICAL, cause=cause), *self._told]
        return self._told

    def tick(self) -> None:
        """One round over what the sentries see."""
        now = self._system.clock.now()
        told = []
        for sentry in self._sentries:
            seen = sentry.seen()
            before = self._confirmed.get(sentry.component)
            confirmed = Confirmation(told=seen) if before is None else before.next(seen, now=now)
            self._confirmed[sentry.component] = confirmed
            told.append(confirmed.told)
        self._told = self._attribute(told, now=now)
        self._told_at = self._monotonic()
        self._on_findings(self._told)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.tick()
            except Exception:  # health must outlive its own mistakes; `findings` tells that nothing new is known
                log.exception("watch_failed")
            self._stopping.wait(TICK_SECONDS)
