"""`./qt` on a machine with Python alone, tried on a copy of it with a lock file of one tiny package."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

QT = Path(__file__).resolve().parents[2] / "qt"
CALL_SECONDS_MAX = 90
COMMAND = """
import sys
from importlib.metadata import version
print("command", *sys.argv[1:], "tiny", version("tiny"))
"""


@dataclass
class Checkout:
    """A folder with `qt`, a lock file, a command that says what it sees, and an index of local wheels."""

    root: Path
    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def qt(self) -> Path:
        return self.root / "qt"

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "QT_", "XDG_"))}
        wheels = str(self.root / "wheels")
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels}
        return kept | pip | {"HOME": str(self.home)} | self.extra

    def lock(self, version: str, *, digest: str | None = None, name: str = "requirements.lock") -> None:
        wheel = make_wheel(self.root / "wheels", version)
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.root / name).write_text(f"tiny=={version} \\\n    --hash=sha256:{digest}\n    # via nothing\n")

    def start(self, *arguments: str, cwd: Path | None = None, python: str = sys.executable) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [python, str(self.qt), *arguments],
            env=self.environment,
            cwd=cwd or self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments: str, cwd: Path | None = None, python: str = sys.executable) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        with self.start(*arguments, cwd=cwd, python=python) as process:
            output, errors = process.communicate(timeout=CALL_SECONDS_MAX)
        return process.returncode, output, errors


def make_wheel(folder: Path, version: str) -> Path:
    """A wheel of one module, built by hand so that no build tool is needed."""
    folder.mkdir(exist_ok=True)
    wheel = folder / f"tiny-{version}-py3-none-any.whl"
    information = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"version = {version!r}\n",
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{information}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in (files | {f"{information}/RECORD": record}).items():
            # A fixed date: the hash of the wheel must not depend on the second it was made in.
            archive.writestr(zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0)), text)
    return wheel


def make_checkout(folder: Path) -> Checkout:
    made = Checkout(folder / "checkout", folder / "home")
    (made.root / "app" / "cli").mkdir(parents=True)
    made.home.mkdir()
    shutil.copy(QT, made.qt)
    (made.root / "app" / "cli" / "__main__.py").write_text(COMMAND)
    made.lock("1.0")
    return made


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


@pytest.fixture(scope="module")
def installed_once(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose first call has been made; tests must leave it working."""
    made = make_checkout(tmp_path_factory.mktemp("installed"))
    code, output, errors = made.call("status")
    assert (code, output) == (0, "command status tiny 1.0\n"), errors
    assert "creating the virtual environment" in errors
    assert "installing 1 packages from requirements.lock" in errors
    return made


@pytest.fixture
def installed(installed_once: Checkout, tmp_path: Path) -> Checkout:
    """A checkout of its own after its first call. Its environment is a copy: making one takes seconds."""
    made = make_checkout(tmp_path)
    shutil.copytree(installed_once.venv, made.venv, symlinks=True)
    return made


def test_the_second_call_installs_nothing_and_says_nothing(installed_once: Checkout) -> None:
    assert installed_once.call("status", "--json") == (0, "command status --json tiny 1.0\n", "")


def test_it_runs_from_any_directory_and_through_a_link(installed_once: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "qt"
    link.parent.mkdir()
    link.symlink_to(installed_once.qt)
    (tmp_path / "app" / "cli").mkdir(parents=True)
    (tmp_path / "app" / "cli" / "__main__.py").write_text("print('somebody else')")
    (tmp_path / "app" / "__init__.py").touch()
    answer = subprocess.run(
        [link, "status"], cwd=tmp_path, env=installed_once.environment, capture_output=True, text=True, check=False
    )
    assert answer.stdout == "command status tiny 1.0\n", answer.stderr


def test_it_is_not_bent_by_the_callers_python_settings(installed_once: Checkout, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text("raise SystemExit('wrong module')")
    bent = Checkout(installed_once.root, installed_once.home, {"PYTHONPATH": str(tmp_path), "PIP_USER": "1"})
    assert bent.call("status") == (0, "command status tiny 1.0\n", "")


def test_byte_code_is_kept_whatever_the_caller_prefers(installed: Checkout) -> None:
    installed.extra = {"PYTHONDONTWRITEBYTECODE": "1"}
    assert installed.call("status")[0] == 0
    assert list((installed.root / "app").rglob("*.pyc"))


def test_a_changed_lock_file_is_installed_by_the_next_call(installed: Checkout) -> None:
    installed.lock("2.0")
    code, output, errors = installed.call("status")
    assert (code, output) == (0, "command status tiny 2.0\n")
    assert "creating" not in errors
    assert installed.call("status") == (0, "command status tiny 2.0\n", "")


def test_the_tests_bring_their_own_lock_file_and_other_commands_do_not(installed: Checkout) -> None:
    installed.lock("1.0", name="requirements-dev.lock")
    _, _, errors = installed.call("status")
    assert "requirements-dev.lock" not in errors
    code, output, errors = installed.call("test", "-q")
    assert (code, output) == (0, "command test -q tiny 1.0\n")
    assert "requirements-dev.lock" in errors
    assert installed.call("test") == (0, "command test tiny 1.0\n", "")


def test_the_engines_packages_are_installed_when_it_is_first_asked_for(installed: Checkout) -> None:
    installed.lock("1.0", name="requirements-engine.lock")
    code, _, errors = installed.call("up")
    assert (code, "requirements-engine.lock" in errors) == (0, False)
    code, _, errors = installed.call("up", "--engine")
    assert (code, "requirements-engine.lock" in errors) == (0, True)
    code, _, errors = installed.call("run", "worker-ai")
    assert (code, errors) == (0, "")


def test_the_libraries_that_benches_are_compared_with_are_installed_for_bench_alone(installed: Checkout) -> None:
    installed.lock("1.0", name="requirements-bench.lock")
    code, _, errors = installed.call("status")
    assert (code, "requirements-bench.lock" in errors) == (0, False)
    code, _, errors = installed.call("bench", "--quick")
    assert (code, "requirements-bench.lock" in errors) == (0, True)


def test_two_first_calls_at_once_install_once_and_both_work(checkout: Checkout) -> None:
    with checkout.start("one") as first, checkout.start("two") as second:
        outputs = [first.communicate(timeout=CALL_SECONDS_MAX), second.communicate(timeout=CALL_SECONDS_MAX)]
    assert [output for output, _ in outputs] == ["command one tiny 1.0\n", "command two tiny 1.0\n"]
    errors = "".join(errors for _, errors in outputs)
    assert errors.count("creating the virtual environment") == 1
    assert errors.count("waiting for it") == 1


@pytest.mark.parametrize("whole_group", [True, False], ids=["with-pip", "qt-alone"])
def test_an_installation_that_was_killed_half_way_is_started_over(checkout: Checkout, whole_group: bool) -> None:
    with checkout.start("status") as process:
        wait_until((checkout.venv / ".qt" / "unfinished").exists, seconds=CALL_SECONDS_MAX, what="the installation")
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    # What pip leaves when it is cut off: looks installed, and is not.
    (checkout.venv / "torn").write_text("half")
    code, output, errors = checkout.call("status")
    assert (code, output) == (0, "command status tiny 1.0\n"), errors
    assert "starting over" in errors
    assert not (checkout.venv / "torn").exists()
    assert checkout.call("status") == (0, "command status tiny 1.0\n", "")


def test_an_environment_whose_python_is_gone_is_made_anew(installed: Checkout) -> None:
    for name in ("python", "python3"):
        (installed.venv / "bin" / name).unlink(missing_ok=True)
    (installed.venv / "bin" / "python").symlink_to("/no/such/python3.11")
    code, output, errors = installed.call("status")
    assert (code, output) == (0, "command status tiny 1.0\n"), errors


def test_qt_venv_names_another_place_where_what_somebody_made_is_completed_not_wiped(
    checkout: Checkout, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    subprocess.run([sys.executable, "-m", "venv", theirs], check=True, timeout=CALL_SECONDS_MAX)
    (theirs / "their-file").touch()
    checkout.extra = {"QT_VENV": str(theirs)}
    code, output, errors = checkout.call("status")
    assert (code, output) == (0, "command status tiny 1.0\n"), errors
    assert (theirs / "their-file").exists()
    assert not checkout.venv.exists()


def test_a_package_that_does_not_match_its_hash_is_refused_in_one_line(installed: Checkout) -> None:
    installed.lock("2.0", digest="0" * 64)
    code, output, errors = installed.call("status")
    assert (code, output) == (1, "")
    assert "does not match its hash in requirements.lock" in last_line(errors)


def test_a_missing_network_is_said_in_one_line(installed: Checkout) -> None:
    installed.lock("2.0")
    installed.extra = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": ""}
    code, output, errors = installed.call("status")
    assert (code, output) == (1, "")
    assert "cannot reach the package index" in last_line(errors)


def test_a_python_without_ensurepip_is_told_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'ensurepip' else find(name, *rest)\n"
    )
    checkout.extra = {"PYTHONPATH": str(tmp_path)}
    code, _, errors = checkout.call("status")
    assert code == 1
    assert "lacks venv or ensurepip; on Debian and Ubuntu: apt-get install python3." in last_line(errors)


def test_a_full_disk_is_said_in_one_line(checkout: Checkout, small_disk: Path) -> None:
    checkout.extra = {"QT_VENV": str(small_disk / "venv")}
    code, _, errors = checkout.call("status")
    assert code == 1
    assert "no space left on" in last_line(errors).lower()


def test_a_checkout_that_is_not_writable_gets_its_environment_in_the_data_directory(
    checkout: Checkout, read_only: None
) -> None:
    code, output, errors = checkout.call("status")
    assert (code, output) == (0, "command status tiny 1.0\n"), errors
    assert list((checkout.home / ".local/share/quantum-trader").glob("venv-*/bin/python"))
    assert not checkout.venv.exists()


def test_an_old_python_can_read_far_enough_to_say_that_it_is_too_old() -> None:
    ast.parse(QT.read_text(), feature_version=(3, 8))
    # What is evaluated while old Pythons still read: everything above the check.
    before = QT.read_text().split("if sys.version_info < PYTHON_MINIMUM:")[0]
    assert "->" not in before


def test_an_old_python_looks_for_a_newer_one_or_says_so(checkout: Checkout, tmp_path: Path) -> None:
    old = next((path for name in ("python3.10", "python3.9", "python3.8") if (path := old_python(name))), None)
    if old is None:
        pytest.skip("no Python older than 3.11 on this machine")
    checkout.extra = {"PATH": str(tmp_path)}
    code, _, errors = checkout.call("status", python=old)
    assert (code, errors.count("\n")) == (1, 1)
    assert "needs Python 3.11 or newer" in errors
    (tmp_path / "python3.11").symlink_to(sys.executable)
    checkout.extra = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    code, output, errors = checkout.call("status", python=old)
    assert (code, output) == (0, "command status tiny 1.0\n"), errors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount") and mount(["-t", "tmpfs", "-o", "size=4m", "tmpfs"], folder)
    if not mounted:
        pytest.skip("cannot mount a small disk here (needs root)")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=10)


@pytest.fixture
def read_only(checkout: Checkout) -> Iterator[None]:
    """The checkout cannot be written to: by mode for an ordinary user, by a read-only mount for root."""
    if os.geteuid() != 0:
        checkout.root.chmod(0o555)
        yield
        checkout.root.chmod(0o755)
        return
    if not mount(["--bind", str(checkout.root)], checkout.root):
        pytest.skip("cannot mount here")
    if not mount(["-o", "remount,ro,bind"], checkout.root):
        subprocess.run(["umount", checkout.root], check=True, timeout=10)
        pytest.skip("cannot mount read-only here")
    yield
    subprocess.run(["umount", checkout.root], check=True, timeout=10)


def mount(arguments: list[str], target: Path) -> bool:
    return subprocess.run(["mount", *arguments, target], capture_output=True, check=False, timeout=10).returncode == 0


def old_python(name: str) -> str | None:
    found = shutil.which(name)
    if found is None:
        return None
    works = subprocess.run([found, "-c", "print(1)"], capture_output=True, check=False, timeout=20).returncode == 0
    return found if works else None


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def page_packages(checkout: Checkout, npm: str) -> None:
    """A lock file for the dashboard, and an `npm` of ours on the path."""
    web = checkout.root / "web"
    web.mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (web / name).write_text("{}")
    command = checkout.home / "bin" / "npm"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\n{npm}\n")
    command.chmod(0o755)
    checkout.extra = {"PATH": f"{command.parent}:/usr/bin:/bin"}


def test_the_dashboards_packages_are_installed_once_and_only_for_what_shows_it(installed: Checkout) -> None:
    page_packages(installed, 'mkdir node_modules; echo "$@" >> ../npm-calls')
    notes = installed.venv / ".qt"
    assert installed.call("status")[0] == 0
    assert not (notes / "npm").exists()
    for _ in range(2):
        code, output, _ = installed.call("up")
        assert (code, output) == (0, "command up tiny 1.0\n")
    assert (notes / "npm" / "node_modules").is_dir()
    assert (notes / "npm-calls").read_text() == "ci --ignore-scripts --no-audit --no-fund --fetch-retries=1\n"


def test_without_a_registry_it_starts_without_charts_and_says_so(installed: Checkout) -> None:
    page_packages(installed, 'echo "npm error code ENOTFOUND" >&2; exit 1')
    for _ in range(2):  # the next start tries again
        code, output, errors = installed.call("up")
        assert (code, output) == (0, "command up tiny 1.0\n")
        assert "the dashboard goes without charts: npm error code ENOTFOUND" in errors
