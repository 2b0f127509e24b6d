"""What health needs from the world: where processes note their progress, and whom alerts are told to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.alerts import Alert


class ProgressUnavailableError(Exception):
    """What processes noted could not be read; carries its cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a process got done. `name` is unique over all machines, `role` is what it is for: worker, beat, listener.

    `facts` are JSON values that say more of it. `age_seconds` is how long ago it was noted, by one clock for all.
    """

    name: str
    role: str
    facts: Mapping[str, Any]
    age_seconds: float = 0.0


class ProgressBoard(Protocol):
    """Where processes note that they got something done: a process that merely lives notes nothing."""

    def note(self, progress: Progress) -> None:
        """Replace what was noted under its name. Never raises: who cannot note looks silent, which is true enough."""
        ...

    def forget(self, name: str) -> None:
        """The process ends in good order. Never raises."""
        ...

    def all(self) -> Sequence[Progress]:
        """Of every process that noted anything. Raises `ProgressUnavailableError`."""
        ...


class QueueLengths(Protocol):
    """How many messages wait in the broker; `source` names it: redis or rabbitmq."""

    source: str

    def waiting(self) -> Mapping[str, int]:
        """By queue; one that the broker does not know yet is left out. Raises `ProgressUnavailableError`."""
        ...


class AlertNotDeliveredError(Exception):
    """A channel did not take an alert; carries its cause. Trying again may help."""


class AlertChannel(Protocol):
    """A way by which alerts reach people."""

    @property
    def name(self) -> str:
        """e.g. `webhook`."""
        ...

    def deliver(self, alert: Alert) -> None:
        """Tell the newest change of `alert`, within seconds; raises `AlertNotDeliveredError`."""
        ...
