"""What Prometheus gets: from all processes, and exactly what the dashboard and the alert rules ask for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from app.adapters.metrics.shared_folder import begin, folders
from app.bootstrap import System, open_system
from app.domain.health import Finding, Status
from app.flow import Queue
from app.health.metrics import LiveProcessesCollector, SharedFoldersCollector, metrics_registry
from app.ports import Progress
from app.settings import Settings
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.integration

MENTION = re.compile(r"(qt_[a-z0-9_]+)(?:\{([^}]*)\})?")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


@pytest.fixture
def system(tmp_path: Path, fresh_database: str, fresh_redis: str) -> Iterator[System]:
    environment = {
        "QT_STATE_DIR": str(tmp_path),
        "QT_DATABASE_URL": fresh_database,
        "QT_REDIS_URL": fresh_redis,
        "QT_EXCHANGE_URL": "http://127.0.0.1:1",
        "QT_EXCHANGE_KEY": "key",
        "QT_EXCHANGE_SECRET": "secret",
    }
    with open_system(Settings.from_environment(environment)) as opened:
        opened.set_up()
        yield opened


def families(system: System, *findings: Finding) -> dict[str, Metric]:
    """Every metric that exists, by the names that queries use."""
    found = findings or (Finding(component="redis", status=Status.OK, age_seconds=0.1),)
    registry = metrics_registry(system, lambda: found, lambda: ())
    return {
        metric.name + suffix: metric
        for metric in registry.collect()
        if metric.name.startswith("qt_")
        for suffix in SUFFIXES[metric.type]
    }


def queries() -> list[str]:
    """Every expression of the dashboard and of the alert rules."""
    dashboard = json.loads((REPOSITORY / "docs" / "grafana_dashboard.json").read_text())
    rules = yaml.safe_load((REPOSITORY / "docs" / "alert_rules.yml").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + [
        rule["expr"] for group in rules["groups"] for rule in group["rules"]
    ]


def test_dashboard_and_alert_rules_ask_for_metrics_that_exist(system: System) -> None:
    exist = families(system)
    asked = {name for query in queries() for name, _ in MENTION.findall(query)}
    assert len(asked) > 25
    assert asked - set(exist) == set()


def test_every_metric_is_on_the_dashboard(system: System) -> None:
    asked = {name for query in queries() for name, _ in MENTION.findall(query)}
    shown = {metric.name for name, metric in families(system).items() if name in asked}
    assert {metric.name for metric in families(system).values()} - shown == set()


def test_a_label_that_is_asked_for_is_one_that_the_metric_has(system: System) -> None:
    exist = families(system)
    for query in queries():
        for name, conditions in MENTION.findall(query):
            wanted = set(re.findall(r"(\w+)\s*[=!]~?\"", conditions))
            has = {label for sample in exist[name].samples for label in sample.labels}
            assert not exist[name].samples or wanted <= has, query


def test_every_alert_rule_says_where_to_read_on() -> None:
    runbook = (REPOSITORY / "docs" / "runbook.md").read_text()
    sections = set(re.findall(r"^## `?([\w-]+)`?", runbook, re.MULTILINE))
    rules = yaml.safe_load((REPOSITORY / "docs" / "alert_rules.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert (REPOSITORY / page).is_file()
        assert not section or section in sections, rule["alert"]


def test_what_a_dead_server_knows_is_absent_instead_of_zero(system: System) -> None:
    away = [Finding(component=name, status=Status.CRITICAL) for name in ("redis", "postgres")]
    names = set(families(system, *away))
    assert "qt_component_status" in names
    assert not {"qt_window_occupancy", "qt_queue_length", "qt_portfolio_usdt", "qt_signals_in_flight"} & names


def test_progress_and_queues_are_told_by_name(system: System) -> None:
    system.progress.note(Progress(name="orders@a", role="worker", facts={}))
    exist = families(system)
    assert [sample.labels for sample in exist["qt_progress_age_seconds"].samples] == [{"process": "orders@a"}]
    assert {sample.labels["queue"] for sample in exist["qt_queue_length"].samples} == {queue.value for queue in Queue}


COUNTING_PROCESS = """
from app.adapters.metrics.instruments import ATTEMPTS, WEBSOCKET_CLIENTS
ATTEMPTS.labels(outcome="FILLED").inc(2)
WEBSOCKET_CLIENTS.set(7)
"""


def test_counters_of_all_processes_add_up_and_gauges_of_dead_ones_are_gone(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNTING_PROCESS], env=environment, check=True, timeout=60)
    assert list(tmp_path.glob("gauge_livesum_*.db"))
    registry = CollectorRegistry()
    registry.register(LiveProcessesCollector(tmp_path))
    scraped = generate_latest(registry).decode()
    assert 'qt_attempts_total{outcome="FILLED"} 4.0' in scraped
    assert "qt_websocket_clients 14" not in scraped


RUN_AND_COUNT = """
import os, sys
from pathlib import Path
from app.adapters.metrics.shared_folder import claim
folder = claim(Path(sys.argv[1]), "web")
code = "from app.adapters.metrics.instruments import ATTEMPTS, WEBSOCKET_CLIENTS\\n"
code += "ATTEMPTS.labels(outcome='FILLED').inc(2); WEBSOCKET_CLIENTS.set(7); print('counted', flush=True)\\n"
code += "import sys; sys.stdin.read()"
os.execve(sys.executable, [sys.executable, "-c", code], {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)})
"""


def test_containers_that_share_a_folder_are_added_up_and_only_the_living_have_gauges(tmp_path: Path) -> None:
    """Two with the same name on the same host stand for two containers whose processes have the same number."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RUN_AND_COUNT, str(tmp_path)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    registry = CollectorRegistry()
    registry.register(SharedFoldersCollector(tmp_path))
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "counted\n"
        scraped = generate_latest(registry).decode()
        assert 'qt_attempts_total{outcome="FILLED"} 4.0' in scraped
        assert "qt_websocket_clients 14.0" in scraped
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=10)
    scraped = generate_latest(registry).decode()
    assert 'qt_attempts_total{outcome="FILLED"} 4.0' in scraped, "what was counted stays counted"
    assert "qt_websocket_clients" not in scraped
    assert len(list(folders(tmp_path))) == 2
    begin(tmp_path)
    assert list(folders(tmp_path)) == []
