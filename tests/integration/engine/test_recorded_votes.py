"""The recorded signals over HTTP: which of their votes are told as FALLBACK is settled vote by vote."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from app.cli.recorded_signals import RecordedSignal, read_recorded
from tests.integration.outages.door import open_door

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

FALLBACK_ENDINGS = ("_insufficient_history", "_fallback_rules")  # of the sources that the recorder wrote


def test_every_recorded_vote_is_told_with_the_label_that_its_source_earns(
    tmp_path: Path, fresh_database: str, fresh_redis: str, recorded_data: Path
) -> None:
    file = recorded_data / "signals-2025-11-22.jsonl"
    with file.open("rb") as lines:
        recorded = [each for each in read_recorded(lines, quote="USDT") if isinstance(each, RecordedSignal)]
    # Read once more by nobody's code but the JSON parser's: what the votes of the file are.
    written = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert len(recorded) == len(written) == 510
    door = open_door(tmp_path, database_url=fresh_database, redis_url=fresh_redis)
    client = door.app.test_client()
    posting = {"Authorization": f"Bearer {door.token}"}
    reading = {"Authorization": f"Bearer {door.system.issue_token(name='reader', scopes=['read'])}"}
    labels: Counter[tuple[str, str]] = Counter()
    try:
        for number, (signal, line) in enumerate(zip(recorded, written, strict=True)):
            body = signal.request(signal_id=f"recorded-{number}", generated_at=datetime.now(UTC))
            assert client.post("/api/signals", json=body, headers=posting).status_code == 202
            told = client.get("/api/ensemble", headers=reading).json
            cast = {
                each["model"]: each
                for each in told["models"]
                if each["vote"] is not None and each["vote"]["signal_id"] == f"recorded-{number}"
            }
            votes = line["signal"]["model"]["models"]
            assert set(cast) == set(votes)
            for model, vote in votes.items():
                is_fallback = vote["model"].endswith(FALLBACK_ENDINGS)
                label = cast[model]["provenance"]
                assert (cast[model]["vote"]["source"], cast[model]["vote"]["action"]) == (vote["model"], vote["action"])
                assert label == ("FALLBACK" if is_fallback else "LIVE"), vote
                assert cast[model]["reason"] == (vote["model"] if is_fallback else None)
                labels[model, label] += 1
            assert told["agreement"]["live"] == sum(each["provenance"] == "LIVE" for each in cast.values())
    finally:
        door.system.close()
    # A file that came to hold no fallback, or nothing else, would prove nothing.
    assert {label for _, label in labels} == {"FALLBACK", "LIVE"}
    assert labels.total() == sum(len(line["signal"]["model"]["models"]) for line in written)
