"""The registry of models, as people see it and as an operator changes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol


class ModelRegistry(Protocol):
    """JSON-ready mappings; raises `DatabaseUnavailableError`. Knows nothing of how a forecast is computed."""

    def engine_overview(self, *, now: datetime) -> Mapping[str, Any]:
        """The AI engine as of its last pass: state, models, verdicts, registry, training, outcomes of signals.

        What is old keeps its words and loses its numbers.
        """
        ...

    def roll_back_model(self, version: str, *, reason: str, actor: str, now: datetime) -> Mapping[str, Any] | None:
        """Let this version serve in place of its family's champion; None when there is no such version."""
        ...
