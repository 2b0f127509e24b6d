"""Containers and units against the code: no engine runs them here, so every name they use is resolved instead."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from app.adapters.processes.specification import ProcessSpec
from app.cli.__main__ import COMMANDS, qt
from app.cli.container_secrets import make_secrets
from app.cli.exchange_choice import choose_exchange
from app.cli.failure import CommandFailure
from app.cli.one_process import process_specification
from app.cli.processes import process_table
from app.cli.servers import Servers
from app.cli.state_directory import StateDirectory
from app.settings import Settings, SettingsError
from tests.support.system import REPOSITORY

COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
SERVERS = {"postgres", "redis", "rabbitmq"}
ENGINE = "worker-ai"
OURS = sorted(SERVICES.keys() - SERVERS)
UNITS = REPOSITORY / "docs" / "systemd"
IMAGE_STATE = "/var/lib/quantum-trader"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    make_secrets(tmp_path / "secrets")
    return tmp_path / "secrets"


def environment_of(
    service: str, secrets: Path, state: Path, given: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """What the container's process sees, with the mounted secrets where they are on this machine."""
    described = SERVICES[service]["environment"]
    assert all(isinstance(value, str) for value in described.values()), "YAML must not make numbers of them"
    mounted = {
        name: interpolated(value, given).replace("/run/secrets/", f"{secrets}/") for name, value in described.items()
    }
    return {"QT_STATE_DIR": str(state), **mounted}


def interpolated(value: str, given: Mapping[str, str]) -> str:
    """`${NAME:-default}` as compose replaces it."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], value)


def specification_of(service: str, secrets: Path, state: Path) -> ProcessSpec:
    """What the service's command becomes inside its container."""
    verb, name, *options = SERVICES[service]["command"]
    assert (verb, name) == ("run", service)
    assert verb in COMMANDS
    settings = Settings.from_environment(environment_of(service, secrets, state))
    chosen = dict(zip(options[::2], options[1::2], strict=True))
    return process_specification(name, settings, StateDirectory(state), market=chosen.get("--market"))


def whole_table(state: Path) -> set[str]:
    settings = Settings(state_dir=state)
    exchange = choose_exchange(settings, StateDirectory(state), market=None, speed=None)
    table = process_table(settings, StateDirectory(state), Servers("", "", (), ()), exchange)
    return {spec.name for spec in table}


def test_every_process_of_the_system_has_a_service_and_no_other_has(tmp_path: Path) -> None:
    assert set(OURS) == whole_table(tmp_path) | {ENGINE}


def test_what_is_not_everybodys_needs_a_profile() -> None:
    profiles = {name: described["profiles"] for name, described in SERVICES.items() if "profiles" in described}
    assert profiles == {ENGINE: ["engine"], "rabbitmq": ["rabbitmq"]}


def test_the_engine_has_an_image_of_its_own_with_its_models_and_posts_to_the_web_service(
    secrets: Path, tmp_path: Path
) -> None:
    stages = {line.split()[3]: line.split()[1] for line in image_lines() if re.match(r"FROM \S+ AS ", line)}
    assert SERVICES[ENGINE]["build"]["target"] in stages
    assert SERVICES["web"]["build"]["target"] in stages
    assert SERVICES[ENGINE]["image"] != SERVICES["web"]["image"]
    assert any("requirements-engine.lock" in line and "--require-hashes" in line for line in image_lines())
    spec = specification_of(ENGINE, secrets, tmp_path)
    assert "ai" in spec.command
    settings = Settings.from_environment(environment_of(ENGINE, secrets, tmp_path))
    assert settings.engine
    assert settings.engine_api_url == f"http://web:{settings.web_port}"
    # The tasks come from beat, which has to be told of the engine too.
    assert Settings.from_environment(environment_of("beat", secrets, tmp_path, {"QT_ENGINE": "1"})).engine
    assert not Settings.from_environment(environment_of("beat", secrets, tmp_path)).engine


def test_rabbitmq_carries_the_tasks_where_it_is_asked_for(secrets: Path, tmp_path: Path) -> None:
    given = {"QT_BROKER_URL_FILE": "/run/secrets/broker_url"}
    for service in ("web", "beat", "worker-orders", "health", "flower"):
        settings = Settings.from_environment(environment_of(service, secrets, tmp_path, given))
        assert settings.broker_url is not None
        spec = process_specification(service, settings, StateDirectory(tmp_path))
        assert spec.environment["QT_BROKER_URL"] == settings.broker_url.get_secret_value()
        assert Settings.from_environment(environment_of(service, secrets, tmp_path)).broker_url is None
    (secret,) = SERVICES["rabbitmq"]["secrets"]
    assert SERVICES["rabbitmq"]["environment"]["RABBITMQ_CONFIG_FILE"] == f"/run/secrets/{secret['target']}"


def test_what_processes_count_is_shared_by_all_containers_on_a_volume(secrets: Path, tmp_path: Path) -> None:
    for service in OURS:
        folder = Path(environment_of(service, secrets, tmp_path)["QT_METRICS_DIR"])
        (volume,) = [each for each in SERVICES[service]["volumes"] if each.endswith(f":{IMAGE_STATE}")]
        assert volume.partition(":")[0] in COMPOSE["volumes"]
        assert folder.parent == Path(IMAGE_STATE)
        assert not any(mount.startswith(str(folder)) for mount in SERVICES[service]["tmpfs"])


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_what_the_process_table_says(service: str, secrets: Path, tmp_path: Path) -> None:
    spec = specification_of(service, secrets, tmp_path)
    assert spec.command[0] == sys.executable
    if service == "exchange":
        assert spec.environment["QT_EXCHANGE_KEY"] == (secrets / "exchange_key").read_text().strip()
        assert spec.command[-2:] == ("--host", "0.0.0.0"), "nobody would reach it on its container's loopback"
        return
    assert spec.environment["QT_DATABASE_URL"] == (secrets / "database_url").read_text().strip()
    assert "QT_DATABASE_URL_FILE" not in spec.environment, "given twice is refused"
    # What the process itself will read must be whole.
    Settings.from_environment(spec.environment)


@pytest.mark.parametrize("service", OURS)
def test_a_service_names_settings_that_exist(service: str) -> None:
    known = {f"QT_{name.upper()}{suffix}" for name in Settings.model_fields for suffix in ("", "_FILE")}
    assert set(SERVICES[service]["environment"]) <= known


@pytest.mark.parametrize("service", OURS)
def test_a_service_is_healthy_restarted_bounded_and_unprivileged(service: str) -> None:
    described = SERVICES[service]
    if service == "database":
        assert described["restart"] == "no"
        assert "healthcheck" not in described
    else:
        assert described["restart"] == "unless-stopped"
        test = described["healthcheck"]["test"]
        assert test == ["CMD", "python", "-P", "-m", "app.cli", "probe", service]
        assert "probe" in COMMANDS
    assert {"cpus", "memory"} <= described["deploy"]["resources"]["limits"].keys()
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert described["init"] is True, "orphans of a process need somebody to bury them"
    assert any(volume.endswith(f":{IMAGE_STATE}") for volume in described["volumes"])
    assert any(mount.startswith(f"{IMAGE_STATE}/run:") for mount in described["tmpfs"]), "signs of life are not shared"


def test_workers_can_be_scaled() -> None:
    for service in ("worker-orders", "worker-default", "worker-critical"):
        assert not {"container_name", "hostname", "ports"} & SERVICES[service].keys()


def test_what_services_refer_to_exists() -> None:
    for name, described in SERVICES.items():
        for needed, condition in (described.get("depends_on") or {}).items():
            assert needed in SERVICES, f"{name} waits for {needed}"
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed], f"{name} would wait for ever for {needed}"
        sources = {each if isinstance(each, str) else each["source"] for each in described.get("secrets", ())}
        assert sources <= COMPOSE["secrets"].keys()
        for volume in described.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_only_what_people_open_is_published_and_only_on_loopback(secrets: Path, tmp_path: Path) -> None:
    published = {name: described["ports"] for name, described in SERVICES.items() if "ports" in described}
    ports = {"web": "web_port", "health": "health_port", "flower": "flower_port"}
    assert published.keys() == ports.keys()
    for name, field in ports.items():
        settings = Settings.from_environment(environment_of(name, secrets, tmp_path))
        port = getattr(settings, field)
        assert published[name] == [f"127.0.0.1:{port}:{port}"]
        assert settings.bind_host == "0.0.0.0"
        spec = specification_of(name, secrets, tmp_path)
        told = (*spec.command, spec.environment["QT_BIND_HOST"] if name == "web" else "")
        assert any("0.0.0.0" in word for word in told), "published, but nobody listens there"


def test_made_secrets_are_what_compose_reads_and_lead_to_its_services(secrets: Path) -> None:
    read = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert read == {path.name for path in secrets.iterdir()}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    values = {path.name: path.read_text().strip() for path in secrets.iterdir()}
    assert values["database_url"] == f"postgresql://qt:{values['postgres_password']}@postgres:5432/qt"
    assert {"POSTGRES_USER": "qt", "POSTGRES_DB": "qt"}.items() <= SERVICES["postgres"]["environment"].items()
    password = re.search(r"^requirepass (\S+)$", values["redis_configuration"], re.MULTILINE)
    assert password is not None
    assert values["redis_url"] == f"redis://:{password.group(1)}@redis:6379/0"
    word = re.search(r"^default_pass = (\S+)$", values["rabbitmq_configuration"], re.MULTILINE)
    assert word is not None
    assert values["broker_url"] == f"amqp://qt:{word.group(1)}@rabbitmq:5672/%2F"
    assert not make_secrets(secrets), "made again, nothing changes"
    (secrets / "database_url").unlink()
    with pytest.raises(CommandFailure, match="belong together"):
        make_secrets(secrets)


def image_lines() -> list[str]:
    text = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the image's last stage copies from the checkout, as .dockerignore lets them through."""
    root = tmp_path_factory.mktemp("image")
    allowed = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    lines = image_lines()
    for line in lines[next(i for i, line in enumerate(lines) if line.endswith(" AS system")) :]:
        if line.startswith("COPY") and "--from" not in line:
            _, source, target = line.split()
            assert source in allowed, f".dockerignore keeps {source} out"
            path = root / source if target == "./" else root / target
            copy = shutil.copytree if (REPOSITORY / source).is_dir() else shutil.copy
            copy(REPOSITORY / source, path)
    return root


def test_the_image_runs_as_nobody_in_particular_from_a_locked_environment() -> None:
    lines = image_lines()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users[-1:] == ["qt"]
    # Two stages build, one holds the dashboard's chart library to its lock file; what runs has no compiler and no npm.
    bases = [line.split()[1].partition(":")[0] for line in lines if line.startswith("FROM")]
    assert bases == ["python", "build", "node", "python", "system", "system"]
    assert any(line.startswith("RUN npm ci --ignore-scripts") for line in lines)
    assert any("--require-hashes" in line and "requirements.lock" in line for line in lines)
    compose_user = {
        mount.partition("uid=")[2].partition(",")[0] for mount in SERVICES["web"]["tmpfs"] if "uid=" in mount
    }
    assert any(f"--uid {user}" in line for user in compose_user for line in lines)


def test_everything_that_a_process_imports_is_in_the_image(image: Path) -> None:
    modules = (
        *("app.cli.run", "app.cli.probe", "app.cli.processes", "app.bootstrap", "app.listener"),
        *("app.paper_exchange.server", "celeryconfig", "tasks.app", "web.application", "app.health.application"),
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", f"import {', '.join(modules)}"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(image), "HOME": str(image)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    migrations = {path.name for path in (image / "migrations" / "versions").glob("*.py")}
    assert migrations == {path.name for path in (REPOSITORY / "migrations" / "versions").glob("*.py")}


@pytest.mark.parametrize("unit", sorted(path.name for path in UNITS.iterdir()))
def test_a_unit_starts_a_command_that_exists_and_reads_secrets_as_files(unit: str) -> None:
    text = (UNITS / unit).read_text()
    started = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)
    if started is None:
        assert unit.endswith(".target")
        return
    script, verb, name = shlex.split(started.group(1))
    assert Path(script).name == "qt"
    assert verb in COMMANDS
    assert name == ("%i" if "@" in unit else "database")
    credentials = set(re.findall(r"^LoadCredential=(\w+):", text, re.MULTILINE))
    assert credentials == set(re.findall(r"QT_\w+_FILE=%d/(\w+)", text))
    files = {f"QT_{name.upper()}_FILE" for name in Settings.model_fields}
    assert set(re.findall(r"(QT_\w+_FILE)=", text)) <= files


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/quantum-trader/qt", "/bin/true").replace("User=qt", "User=daemon")
        (tmp_path / unit.name.replace("@.", "@web.")).write_text(text)
    units = [str(path) for path in tmp_path.iterdir()]
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_process_alone_says_what_is_missing(tmp_path: Path) -> None:
    complete = {
        "state_dir": tmp_path,
        "database_url": "postgresql://h/d",
        "redis_url": "redis://h/0",
        "exchange_url": "http://h:1",
        "exchange_key": "k",
        "exchange_secret": "s",
    }
    for missing, variable in (
        ("database_url", "QT_DATABASE_URL"),
        ("redis_url", "QT_REDIS_URL"),
        ("exchange_url", "QT_EXCHANGE_URL"),
    ):
        settings = Settings.model_validate({**complete, missing: None})
        with pytest.raises(CommandFailure, match=variable):
            process_specification("web", settings, StateDirectory(tmp_path))
    with pytest.raises(CommandFailure, match=r"no process 'wbe'; there are .*web"):
        process_specification("wbe", Settings.model_validate(complete), StateDirectory(tmp_path))


def test_a_probe_tells_why_not(tmp_path: Path) -> None:
    environment = {
        "QT_STATE_DIR": str(tmp_path),
        "QT_DATABASE_URL": "postgresql://h/d",
        "QT_REDIS_URL": "redis://h/0",
        "QT_EXCHANGE_URL": "http://127.0.0.1:1",
        "QT_EXCHANGE_KEY": "k",
        "QT_EXCHANGE_SECRET": "s",
    }
    StateDirectory(tmp_path).create()
    runner = CliRunner()
    asked = runner.invoke(qt, ["probe", "beat"], env=environment)
    assert (asked.exit_code, asked.output) == (1, "qt: beat: has not reported ready\n")
    (tmp_path / "run" / "beat.ready").touch()
    assert runner.invoke(qt, ["probe", "beat"], env=environment).exit_code == 0
    asked = runner.invoke(qt, ["probe", "database"], env=environment)
    assert asked.exit_code == 1


def test_settings_come_from_files_once_each(tmp_path: Path) -> None:
    secret = tmp_path / "redis_url"
    secret.write_text("redis://:word@h/0\n")
    given = {"QT_STATE_DIR": str(tmp_path), "QT_REDIS_URL_FILE": str(secret)}
    redis_url = Settings.from_environment(given).redis_url
    assert redis_url is not None
    assert redis_url.get_secret_value() == "redis://:word@h/0"
    with pytest.raises(SettingsError, match="QT_REDIS_URL: given twice"):
        Settings.from_environment({**given, "QT_REDIS_URL": "redis://h/0"})
    secret.unlink()
    with pytest.raises(SettingsError, match=r"QT_REDIS_URL_FILE: cannot read .*redis_url: No such file"):
        Settings.from_environment(given)


def test_every_variable_of_a_unit_reaches_the_process(tmp_path: Path, secrets: Path) -> None:
    """As systemd would set it: credentials as files, the rest from the environment file."""
    environment = {
        "QT_STATE_DIR": str(tmp_path),
        **{f"QT_{name.upper()}_FILE": str(secrets / name) for name in ("database_url", "redis_url", "exchange_key")},
        "QT_EXCHANGE_SECRET_FILE": str(secrets / "exchange_secret"),
        "QT_EXCHANGE_URL": "http://127.0.0.1:1",
    }
    settings = Settings.from_environment(environment)
    spec = process_specification("listener", settings, StateDirectory(tmp_path))
    assert spec.probe is not None
    assert asyncio.run(spec.probe()) == "has not reported ready"
    assert spec.environment["QT_EXCHANGE_SECRET"] == (secrets / "exchange_secret").read_text().strip()
