"""What a killed supervisor left behind is ended; what merely has the same number is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters.processes.leftovers import end_leftovers
from app.adapters.processes.records import (
    Identity,
    ProcessRecord,
    ProcessState,
    SystemRecord,
    read_record,
    write_record,
)

DEAD_SUPERVISOR = Identity(pid=2**22 - 1, started_at=0.0)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"], start_new_session=True)
    yield process
    process.kill()
    process.wait(5)


def record_of(identity: Identity) -> SystemRecord:
    line = ProcessRecord("sleeper", ProcessState.READY, identity, restarts=0)
    return SystemRecord(DEAD_SUPERVISOR, {"web": "http://127.0.0.1:1"}, ready=True, processes=(line,))


def identity_of(process: subprocess.Popen[bytes]) -> Identity:
    identity = Identity.of(process.pid)
    assert identity is not None
    return identity


def test_a_recorded_process_that_still_runs_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    assert end_leftovers(record_of(identity_of(sleeper))) == ["sleeper"]
    assert sleeper.wait(5) < 0


def test_a_frozen_one_is_ended_too(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    assert end_leftovers(record_of(identity_of(sleeper))) == ["sleeper"]
    assert sleeper.wait(5) < 0


def test_a_stranger_with_a_recorded_number_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    an_hour_before = identity_of(sleeper).started_at - 3600
    assert end_leftovers(record_of(Identity(sleeper.pid, an_hour_before))) == []
    assert sleeper.poll() is None


def test_a_record_reads_back_as_it_was_written(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(identity_of(sleeper))
    write_record(tmp_path / "system.json", record)
    assert read_record(tmp_path / "system.json") == record


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": null}'])
def test_a_torn_record_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "system.json").write_text(text)
    assert read_record(tmp_path / "system.json") is None
