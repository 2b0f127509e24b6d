"""A task queue that remembers the hints it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint as it was sent."""

    task: str
    priority: int
    countdown_seconds: float
    arguments: Mapping[str, Any]


class FakeTaskQueue:
    """`app.ports.TaskQueue`; runs nothing. `is_away`: the broker does not take hints."""

    def __init__(self) -> None:
        self.sent: list[Hint] = []
        self.is_away = False

    def send(self, task: str, *, priority: int = 5, countdown_seconds: float = 0.0, **arguments: Any) -> bool:
        if self.is_away:
            return False
        self.sent.append(Hint(task, priority, countdown_seconds, arguments))
        return True

    def arguments_of(self, task: str) -> list[Mapping[str, Any]]:
        """The arguments of every hint for `task`, in order."""
        return [hint.arguments for hint in self.sent if hint.task == task]
