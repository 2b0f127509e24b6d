"""The supervisor, tried on small programs that misbehave in every way we know."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.adapters.processes.back_off import BackOff
from app.adapters.processes.logs import keep_log_bounded, last_lines
from app.adapters.processes.probes import answers_http, touched
from app.adapters.processes.records import ProcessState
from app.adapters.processes.specification import ProcessSpec, SupervisorLimits
from app.adapters.processes.supervisor import StartError, Supervisor
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
LIMITS = SupervisorLimits(
    probe_timeout_seconds=0.3,
    probe_starting_interval_seconds=0.02,
    probe_ready_interval_seconds=0.05,
    start_seconds_max=10.0,
    exit_poll_seconds=0.01,
)
READY = "import os, pathlib; pathlib.Path(os.environ['READY']).touch()\n"
FOR_EVER = "import signal\nwhile True: signal.pause()\n"


def fast_back_off() -> BackOff:
    return BackOff(first_seconds=0.01, seconds_max=0.05)


class Programs:
    """Makes specs of little Python programs that keep their files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def spec(self, name: str, code: str, **options: object) -> ProcessSpec:
        ready = self.folder / f"{name}.ready"
        made = ProcessSpec(
            name=name,
            command=(sys.executable, "-S", "-c", textwrap.dedent(code)),
            environment={"READY": str(ready), "FOLDER": str(self.folder)},
            log_path=self.folder / f"{name}.log",
            ready_file=ready,
            probe=touched(ready),
            stop_grace_seconds=5.0,
        )
        return replace(made, **options)  # type: ignore[arg-type]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def supervise(
    specs: list[ProcessSpec], test: Callable[[Supervisor], Awaitable[None]], limits: SupervisorLimits = LIMITS
) -> None:
    """Run `test` on a started supervisor; whatever happens, everything is stopped and nothing is left."""

    async def run() -> None:
        supervisor = Supervisor(specs, limits=limits, back_off=fast_back_off)
        supervisor.start()
        try:
            await test(supervisor)
        finally:
            await supervisor.stop()

    asyncio.run(run())


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


def pid_of(supervisor: Supervisor, name: str) -> int:
    identity = next(record.identity for record in supervisor.records if record.name == name)
    assert identity is not None
    return identity.pid


def test_back_off_doubles_up_to_its_bound() -> None:
    back_off = BackOff(first_seconds=0.2, seconds_max=5.0)
    waits = [back_off.after_exit(healthy_seconds=0.0) for _ in range(7)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_back_off_starts_over_after_thirty_healthy_seconds() -> None:
    back_off = BackOff()
    for _ in range(4):
        back_off.after_exit(healthy_seconds=29.9)
    assert back_off.after_exit(healthy_seconds=29.9) == 3.2
    assert back_off.after_exit(healthy_seconds=30.0) == 0.2


def test_a_process_starts_only_after_those_it_needs_are_ready(programs: Programs) -> None:
    note = "open(os.environ['FOLDER'] + '/order', 'a').write('{} ')\n"
    first = programs.spec("first", "import os, time; time.sleep(0.2)\n" + note.format("first") + READY + FOR_EVER)
    second = programs.spec("second", "import os\n" + note.format("second") + READY + FOR_EVER, after=("first",))

    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()
        assert supervisor.is_ready
        assert (programs.folder / "order").read_text().split() == ["first", "second"]

    supervise([second, first], test)


def test_a_process_that_is_killed_runs_again_and_the_restart_is_counted(programs: Programs) -> None:
    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()
        before = pid_of(supervisor, "one")
        os.kill(before, signal.SIGKILL)
        await until(lambda: supervisor.records[0].restarts == 1 and supervisor.is_ready)
        assert pid_of(supervisor, "one") != before

    supervise([programs.spec("one", READY + FOR_EVER)], test)


def test_children_of_a_process_that_died_do_not_outlive_it(programs: Programs) -> None:
    code = """
        import os, subprocess, sys
        child = subprocess.Popen([sys.executable, "-S", "-c", "import signal\\nwhile True: signal.pause()"])
        open(os.environ["FOLDER"] + "/children", "a").write(f"{child.pid} ")
    """

    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()
        first_child = int((programs.folder / "children").read_text().split()[0])
        os.kill(pid_of(supervisor, "parent"), signal.SIGKILL)
        await until(lambda: gone(first_child))

    supervise([programs.spec("parent", textwrap.dedent(code) + READY + FOR_EVER)], test)


def test_a_process_that_keeps_ending_fails_the_start_and_its_log_is_shown(programs: Programs) -> None:
    async def test(supervisor: Supervisor) -> None:
        with pytest.raises(StartError, match=r"(?s)broken: ended 3 times .* code 7 .*no such table"):
            await supervisor.wait_until_ready()

    supervise([programs.spec("broken", "print('no such table'); raise SystemExit(7)")], test)


def test_a_program_that_does_not_exist_fails_the_start(programs: Programs) -> None:
    async def test(supervisor: Supervisor) -> None:
        with pytest.raises(StartError, match=r"absent: .*No such file"):
            await supervisor.wait_until_ready()

    supervise([replace(programs.spec("absent", ""), command=("/no/such/program",))], test)


def test_a_process_that_never_gets_ready_is_named_with_the_reason(programs: Programs) -> None:
    async def test(supervisor: Supervisor) -> None:
        with pytest.raises(StartError, match=r"slow: not ready after 0.5 s: has not reported ready"):
            await supervisor.wait_until_ready()

    specs = [programs.spec("slow", FOR_EVER), programs.spec("dependent", READY + FOR_EVER, after=("slow",))]
    supervise(specs, test, limits=replace(LIMITS, start_seconds_max=0.5))


def test_a_probe_that_hangs_is_cut_off_and_holds_nobody_else_up(programs: Programs) -> None:
    async def hang() -> str | None:
        await asyncio.sleep(3600)
        return None

    async def test(supervisor: Supervisor) -> None:
        with pytest.raises(StartError, match=r"mute: not ready after 1 s: no answer within 0.3 s"):
            await supervisor.wait_until_ready()
        assert [record.state for record in supervisor.records] == [ProcessState.STARTING, ProcessState.READY]

    specs = [programs.spec("mute", FOR_EVER, probe=hang), programs.spec("other", READY + FOR_EVER)]
    supervise(specs, test, limits=replace(LIMITS, start_seconds_max=1.0))


def test_a_process_that_stops_answering_is_unhealthy_until_it_answers_again(programs: Programs) -> None:
    heartbeat = "import os, time\nwhile True: open(os.environ['READY'], 'w').close(); time.sleep(0.05)\n"
    spec = programs.spec("beating", heartbeat)
    assert spec.ready_file is not None
    spec = replace(spec, probe=touched(spec.ready_file, seconds_max=0.5))

    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()
        os.kill(pid_of(supervisor, "beating"), signal.SIGSTOP)
        await until(lambda: supervisor.records[0].state is ProcessState.UNHEALTHY)
        assert "last sign of life" in supervisor.records[0].detail
        assert not supervisor.is_ready
        os.kill(pid_of(supervisor, "beating"), signal.SIGCONT)
        await until(lambda: supervisor.is_ready)
        assert supervisor.records[0].restarts == 0

    supervise([spec], test)


def test_a_ready_file_of_the_last_life_proves_nothing(programs: Programs) -> None:
    spec = programs.spec("late", FOR_EVER)
    assert spec.ready_file is not None
    spec.ready_file.touch()

    async def test(supervisor: Supervisor) -> None:
        with pytest.raises(StartError, match="has not reported ready"):
            await supervisor.wait_until_ready()

    supervise([spec], test, limits=replace(LIMITS, start_seconds_max=0.3))


def test_a_step_runs_once_and_is_no_part_of_what_runs(programs: Programs) -> None:
    step = programs.spec("step", "import os; open(os.environ['FOLDER'] + '/runs', 'a').write('x')", runs_once=True)
    service = programs.spec("service", READY + FOR_EVER, after=("step",))

    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()
        assert supervisor.is_ready
        assert [record.name for record in supervisor.records] == ["service"]
        assert (programs.folder / "runs").read_text() == "x"

    supervise([step, service], test)


def test_a_step_that_fails_fails_the_start_at_once(programs: Programs) -> None:
    step = programs.spec("step", "raise SystemExit('relation missing')", runs_once=True)

    async def test(supervisor: Supervisor) -> None:
        with pytest.raises(StartError, match=r"(?s)step: ended with code 1 .*relation missing"):
            await supervisor.wait_until_ready()

    supervise([step, programs.spec("service", READY + FOR_EVER, after=("step",))], test)


def test_those_that_need_others_stop_before_them(programs: Programs) -> None:
    def noting(name: str, **options: object) -> ProcessSpec:
        code = f"""
            import os, signal, sys, time
            def end(*_):
                time.sleep(0.1)
                open(os.environ["FOLDER"] + "/order", "a").write("{name} ")
                sys.exit(0)
            signal.signal(signal.SIGTERM, end)
        """
        return programs.spec(name, textwrap.dedent(code) + READY + FOR_EVER, **options)

    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()

    supervise([noting("database"), noting("worker", after=("database",)), noting("web", after=("worker",))], test)
    assert (programs.folder / "order").read_text().split() == ["web", "worker", "database"]


def test_a_process_that_ignores_the_request_to_stop_is_killed_after_its_grace(programs: Programs) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + FOR_EVER
    pids: list[int] = []

    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()
        pids.append(pid_of(supervisor, "stubborn"))

    began = time.monotonic()
    supervise([programs.spec("stubborn", code, stop_grace_seconds=0.3)], test)
    assert gone(pids[0])
    assert time.monotonic() - began < 5


def test_a_frozen_process_is_stopped_too(programs: Programs) -> None:
    async def test(supervisor: Supervisor) -> None:
        await supervisor.wait_until_ready()
        os.kill(pid_of(supervisor, "frozen"), signal.SIGSTOP)

    began = time.monotonic()
    supervise([programs.spec("frozen", READY + FOR_EVER)], test)
    assert time.monotonic() - began < 4, "it was waited for instead of being woken"


def test_stopping_does_not_wait_for_a_back_off(programs: Programs) -> None:
    async def run() -> None:
        seen = programs.folder / "seen"
        code = f"import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(0.01)\n"
        spec = programs.spec("flapping", READY + code)
        supervisor = Supervisor([spec], limits=LIMITS, back_off=lambda: BackOff(first_seconds=60, seconds_max=60))
        supervisor.start()
        await supervisor.wait_until_ready()
        seen.touch()  # it ends now, and not before it was seen to be ready
        await until(lambda: supervisor.records[0].state is ProcessState.RESTARTING)
        began = time.monotonic()
        await supervisor.stop()
        assert time.monotonic() - began < 5

    asyncio.run(run())


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG; elsewhere the next start cleans up")
def test_nothing_survives_a_kill_of_the_supervisor_itself(tmp_path: Path) -> None:
    code = f"""
        import asyncio, sys
        from pathlib import Path
        from tests.cli.test_supervisor import FOR_EVER, READY, Programs
        from app.adapters.processes.supervisor import Supervisor

        async def main():
            programs = Programs(Path({str(tmp_path)!r}))
            deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n" + READY + FOR_EVER
            supervisor = Supervisor([programs.spec("plain", READY + FOR_EVER), programs.spec("deaf", deaf)])
            supervisor.start()
            await supervisor.wait_until_ready()
            print(*(record.identity.pid for record in supervisor.records), flush=True)
            await asyncio.sleep(3600)

        asyncio.run(main())
    """
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    with program:
        assert program.stdout is not None
        pids = [int(pid) for pid in program.stdout.readline().split()]
        assert len(pids) == 2
        program.kill()
    for pid in pids:
        wait_until(lambda pid=pid: gone(pid), seconds=5, what=f"process {pid} to be gone")


def test_an_outgrown_log_is_moved_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old line\n" * 100)
        keep_log_bounded(path, bytes_max=500)
        writer.write(b"new line\n")
    assert path.read_bytes() == b"new line\n"
    assert (tmp_path / "one.log.1").read_bytes() == b"old line\n" * 100


def test_the_end_of_a_log_is_read_without_its_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_text("".join(f"line {number}\n\n" for number in range(5_000)))
    assert last_lines(path, 2) == ["line 4998", "line 4999"]
    assert last_lines(tmp_path / "absent.log", 2) == []


def test_a_server_that_answers_an_error_is_not_ready(tmp_path: Path) -> None:
    async def ask(status: str) -> str | None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await answers_http(f"http://127.0.0.1:{port}/live")()

    assert asyncio.run(ask("200 OK")) is None
    assert asyncio.run(ask("503 Service Unavailable")) == "GET /live answers 'HTTP/1.1 503 Service Unavailable'"


def gone(pid: int) -> bool:
    """Not running any more; a zombie that its parent has yet to collect does not run."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
