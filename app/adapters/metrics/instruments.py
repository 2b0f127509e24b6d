"""Counters and histograms of all processes; with PROMETHEUS_MULTIPROC_DIR set, the health service adds them up.

Labels take few values each: states, codes, tasks, paths without ids. Never a symbol, a signal or a name.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# From one millisecond to the longest wait that anything here is allowed.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

SIGNALS_ANSWERED = Counter("qt_signals_answered", "Signals answered at the door, by verdict", ["verdict"])
SIGNALS_DECIDED = Counter("qt_signals_decided", "Signals that reached a state, by state and reason", ["state", "code"])
ORDERS = Counter("qt_orders", "Orders that reached a state, by state and purpose", ["state", "purpose"])
ATTEMPTS = Counter("qt_attempts", "Orders sent to the exchange, by what it answered", ["outcome"])
FILLS = Counter("qt_fills", "Fills booked, by side", ["side"])
FILLED_NOTIONAL = Counter("qt_filled_notional_usdt", "Value of the fills booked")
STOP_CHANGES = Counter("qt_emergency_stop_changes", "Changes of the emergency stop, by the state it came to", ["state"])
EXCHANGE_REQUEST_SECONDS = Histogram(
    "qt_exchange_request_seconds",
    "Requests to the exchange, by endpoint and status (`silence`: no answer)",
    ["method", "path", "status"],
    buckets=_SECONDS,
)
TASK_WAIT_SECONDS = Histogram(
    "qt_task_wait_seconds", "From when a message could have been taken until a worker began", ["task"], buckets=_SECONDS
)
TASK_SECONDS = Histogram("qt_task_seconds", "How long tasks ran", ["task"], buckets=_SECONDS)
TASKS = Counter("qt_tasks", "Tasks that ended, by how", ["task", "outcome"])
HTTP_SECONDS = Histogram(
    "qt_http_request_seconds",
    "Requests answered by the web, by route and status",
    ["route", "status"],
    buckets=_SECONDS,
)
WEBSOCKET_CLIENTS = Gauge("qt_websocket_clients", "Dashboards connected", multiprocess_mode="livesum")
EVENTS_LOST = Counter("qt_events_lost", "Events that neither the stream nor the disk took")
