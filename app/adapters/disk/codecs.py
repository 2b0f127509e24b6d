"""Events, signals and alerts as JSON values and back, exactly."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from app.domain.alerts import Alert, AlertChange
from app.domain.events import Event, EventType
from app.domain.health import Status
from app.domain.signals import ModelVote, Side, Signal


class EventCodec:
    """`app.domain.events.Event` as `[type, at, payload]`: they come in floods, and names would be half of each."""

    def key(self, item: Event) -> str:
        return item.event_id

    def to_json(self, item: Event) -> Any:
        return (item.type, item.at, item.payload)

    def from_json(self, key: str, value: Any) -> Event:
        type_, at, payload = value
        return Event(event_id=key, type=EventType(type_), at=datetime.fromisoformat(at), payload=payload)


class SignalCodec:
    """`app.domain.signals.Signal`; decimals as text, digit by digit as they came."""

    def key(self, item: Signal) -> str:
        return item.signal_id

    def to_json(self, item: Signal) -> Any:
        return {
            "symbol": item.symbol,
            "side": item.side.value,
            "confidence": str(item.confidence),
            "strategy": item.strategy,
            "generated_at": item.generated_at.isoformat(),
            "received_at": item.received_at.isoformat(),
            "expires_at": item.expires_at.isoformat(),
            "reference_price": None if item.reference_price is None else str(item.reference_price),
            "models": {
                name: {"action": vote.action, "confidence": str(vote.confidence), "source": vote.source}
                for name, vote in item.models.items()
            },
            "correlation_id": item.correlation_id,
            "producer": item.producer,
        }

    def from_json(self, key: str, value: Any) -> Signal:
        price = value["reference_price"]
        return Signal(
            signal_id=key,
            symbol=value["symbol"],
            side=Side(value["side"]),
            confidence=Decimal(value["confidence"]),
            strategy=value["strategy"],
            generated_at=datetime.fromisoformat(value["generated_at"]),
            received_at=datetime.fromisoformat(value["received_at"]),
            expires_at=datetime.fromisoformat(value["expires_at"]),
            reference_price=None if price is None else Decimal(price),
            models={
                name: ModelVote(action=vote["action"], confidence=Decimal(vote["confidence"]), source=vote["source"])
                for name, vote in value["models"].items()
            },
            correlation_id=value["correlation_id"],
            producer=value["producer"],
        )


class AlertCodec:
    """`app.domain.alerts.Alert`; one line a revision."""

    def key(self, item: Alert) -> str:
        return f"{item.alert_id}.{item.revision}"

    def to_json(self, item: Alert) -> Any:
        return {
            "component": item.component,
            "status": item.status.value,
            "cause": item.cause,
            "raised_at": item.raised_at.isoformat(),
            "changed_at": item.changed_at.isoformat(),
            "cleared_at": None if item.cleared_at is None else item.cleared_at.isoformat(),
            "occurrences": item.occurrences,
            "last_change": item.last_change.value,
            "delivered": dict(item.delivered),
        }

    def from_json(self, key: str, value: Any) -> Alert:
        alert_id, _, revision = key.rpartition(".")
        cleared_at = value["cleared_at"]
        return Alert(
            alert_id=alert_id,
            revision=int(revision),
            component=value["component"],
            status=Status(value["status"]),
            cause=value["cause"],
            raised_at=datetime.fromisoformat(value["raised_at"]),
            changed_at=datetime.fromisoformat(value["changed_at"]),
            cleared_at=None if cleared_at is None else datetime.fromisoformat(cleared_at),
            occurrences=value["occurrences"],
            last_change=AlertChange(value["last_change"]),
            delivered=value["delivered"],
        )
