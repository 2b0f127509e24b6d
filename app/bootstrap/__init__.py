"""The only place that joins the parts: settings in, ready use cases out."""

from __future__ import annotations

from app.adapters.binance.user_events import UserEvent
from app.bootstrap.database import prepare_database
from app.bootstrap.panic import open_panic
from app.bootstrap.streams import (
    Streams,
    calls_for_reconciliation,
    conditional_update_of,
    open_streams,
    order_update_of,
)
from app.bootstrap.system import Adapters, System
from app.bootstrap.wiring import open_system

__all__ = [
    "Adapters",
    "Streams",
    "System",
    "UserEvent",
    "calls_for_reconciliation",
    "conditional_update_of",
    "open_panic",
    "open_streams",
    "open_system",
    "order_update_of",
    "prepare_database",
]
