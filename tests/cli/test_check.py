"""`./qt check` on a healthy system and on broken ones: the right table, the right cause, the right exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.bootstrap import System, open_system
from app.cli.__main__ import qt
from app.domain.reconciliation import Difference
from app.flow import Queue
from app.ports import Progress
from app.settings import Settings
from tests.support.paper_exchange import PaperExchange, start_paper_exchange
from tests.unit.domain.builders import D, make_quote

pytestmark = pytest.mark.integration

CHECK_SECONDS_MAX = 30.0
NOWHERE = "127.0.0.1:1"


@dataclass
class Patient:
    """Servers that answer, and all that a running system would have noted in them."""

    environment: dict[str, str]
    system: System

    def note(self, name: str, role: str, **facts: Any) -> None:
        self.system.progress.note(Progress(name=name, role=role, facts=facts))

    def work(self, *, without: str | None = None) -> None:
        """Everybody gets something done, now."""
        for queue in Queue:
            if queue.value != without:
                self.note(f"{queue.value}@a", "worker", queues=[queue.value], policy_age_seconds=1.0)
        self.note("beat", "beat")
        self.note("listener@a", "listener", market_silence_seconds=0.1, user_silence_seconds=0.1)
        self.system.market_sink.put([replace(make_quote(), observed_at=self.system.clock.now())], [])

    def reconcile(self, *differences: Difference) -> None:
        with self.system.unit_of_work() as uow:
            uow.control.add_reconciliation(differences, now=self.system.clock.now())
            uow.commit()

    def check(self, *arguments: str) -> Result:
        return CliRunner().invoke(qt, ["check", *arguments], env=self.environment)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperExchange]:
    started = start_paper_exchange(tmp_path_factory.mktemp("paper"), "--market", "seed:1")
    yield started
    started.stop()


@pytest.fixture
def patient(tmp_path: Path, fresh_database: str, fresh_redis: str, exchange: PaperExchange) -> Iterator[Patient]:
    environment = {
        "QT_STATE_DIR": str(tmp_path),
        "QT_DATABASE_URL": fresh_database,
        "QT_REDIS_URL": fresh_redis,
        "QT_EXCHANGE_URL": exchange.url,
        "QT_EXCHANGE_KEY": exchange.key,
        "QT_EXCHANGE_SECRET": exchange.secret,
    }
    with open_system(Settings.from_environment(environment)) as system:
        system.set_up()
        patient = Patient(environment, system)
        patient.reconcile()
        patient.work()
        yield patient


def a_deaf_worker(patient: Patient) -> None:
    patient.system.progress.forget("orders@a")


def no_redis(patient: Patient) -> None:
    patient.environment["QT_REDIS_URL"] = f"redis://{NOWHERE}/0"


def no_postgres(patient: Patient) -> None:
    patient.environment["QT_DATABASE_URL"] = f"postgresql://nobody:pass-word@{NOWHERE}/none"


def no_exchange(patient: Patient) -> None:
    patient.environment["QT_EXCHANGE_URL"] = f"http://{NOWHERE}"


def a_wrong_ledger(patient: Patient) -> None:
    patient.reconcile(Difference(subject="wallet", ours=D("10"), theirs=D("9")))


@pytest.mark.parametrize(
    ("harm", "component", "says"),
    [
        (a_deaf_worker, "worker-orders", "no worker has finished anything"),
        (no_redis, "redis", "refused"),
        (no_postgres, "postgres", "refused"),
        (no_exchange, "exchange", "ConnectError"),
        (a_wrong_ledger, "ledger", "wallet: ours=10, theirs=9"),
    ],
)
def test_what_is_broken_is_named_with_its_cause_and_the_exit_code_is_1(
    patient: Patient, harm: Callable[[Patient], None], component: str, says: str
) -> None:
    harm(patient)
    patient.work(without="orders" if harm is a_deaf_worker else None)
    began = time.monotonic()
    result = patient.check("--json")
    assert time.monotonic() - began < CHECK_SECONDS_MAX
    answer = json.loads(result.stdout)
    roots = {
        each["component"]: each["detail"]
        for each in answer["findings"]
        if each["status"] == "CRITICAL" and each["because_of"] is None
    }
    assert (result.exit_code, answer["ok"], answer["status"]) == (1, False, "CRITICAL")
    assert list(roots) == [component]
    assert says in roots[component]
    assert "pass-word" not in result.stdout


def test_a_healthy_system_is_a_table_of_ok_and_exit_code_0(patient: Patient) -> None:
    result = patient.check()
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.stdout
    assert lines[-1] == "everything works", result.stdout
    assert {line.split()[1] for line in lines[:-1]} == {"OK"}, result.stdout
    assert {"postgres", "redis", "exchange", "worker-critical", "beat", "listener", "ledger", "disk"} <= {
        line.split()[0] for line in lines[:-1]
    }
