"""The only place that joins the parts: settings in, ready use cases out.

A name is looked up in its module when it is first asked for: `./qt panic` must not wait for the parts it does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Adapters": "app.bootstrap.system",
    "Streams": "app.bootstrap.streams",
    "System": "app.bootstrap.system",
    "UserEvent": "app.adapters.binance.user_events",
    "calls_for_reconciliation": "app.bootstrap.streams",
    "conditional_update_of": "app.bootstrap.streams",
    "open_panic": "app.bootstrap.panic",
    "open_streams": "app.bootstrap.streams",
    "open_system": "app.bootstrap.wiring",
    "order_update_of": "app.bootstrap.streams",
    "prepare_database": "app.bootstrap.database",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
