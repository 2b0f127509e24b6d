"""How long a transaction of a decision may stand still, and a setting that holds until the commit."""

from __future__ import annotations

import sqlalchemy as sa

# A decision whose process is frozen, or whose machine is gone, is ended by the server.
DECISION_IDLE_SECONDS_MAX = 2.0


def until_commit(setting: str, seconds: float) -> sa.ColumnElement[str]:
    """As a column of a SELECT: `setting` is `seconds` for the rest of the transaction."""
    return sa.func.set_config(setting, sa.literal(f"{round(seconds * 1000)}ms"), sa.true())


def limit_idling() -> sa.ColumnElement[str]:
    """From this statement on the transaction may not stand still for longer than a decision may."""
    return until_commit("idle_in_transaction_session_timeout", DECISION_IDLE_SECONDS_MAX)
