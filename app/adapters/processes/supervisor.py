"""The supervisor: starts processes in order, watches them, restarts what dies, stops everything in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.adapters.processes.back_off import BackOff
from app.adapters.processes.logs import keep_log_bounded, last_lines
from app.adapters.processes.records import Identity, ProcessRecord, ProcessState
from app.adapters.processes.spawn import signal_group, spawn
from app.adapters.processes.specification import Probe, ProcessSpec, SupervisorLimits

LOG_LINES_SHOWN = 8
ENDED_WELL = "code 0"


class StartError(Exception):
    """The system did not become ready; the message names the process, the reason and the end of its log."""


@dataclass(slots=True)
class Supervised:
    """One process under supervision, over all its lives."""

    spec: ProcessSpec
    back_off: BackOff
    state: ProcessState = ProcessState.WAITING
    process: subprocess.Popen[bytes] | None = None
    identity: Identity | None = None
    restarts: int = 0
    ready_since: float | None = None
    detail: str = ""
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def record(self) -> ProcessRecord:
        return ProcessRecord(self.spec.name, self.state, self.identity, self.restarts, self.detail)


class Supervisor:
    """Runs on one thread, the main one: children die with the thread that started them (spawn.py)."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        on_change: Callable[[], None] = lambda: None,
        limits: SupervisorLimits | None = None,
        back_off: Callable[[], BackOff] = BackOff,
    ) -> None:
        self._all = {spec.name: Supervised(spec, back_off()) for spec in specs}
        self._on_change = on_change
        self._limits = limits or SupervisorLimits()
        self._stopping = asyncio.Event()
        self._no_grace = asyncio.Event()
        self._given_up: asyncio.Future[StartError] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        unknown = {name for spec in specs for name in spec.after} - self._all.keys()
        if unknown:
            raise ValueError(f"unknown processes in `after`: {sorted(unknown)}")

    @property
    def records(self) -> tuple[ProcessRecord, ...]:
        """The services; a step that is done is no part of what runs."""
        return tuple(one.record for one in self._all.values() if not one.spec.runs_once)

    @property
    def is_ready(self) -> bool:
        return all(one.state in {ProcessState.READY, ProcessState.DONE} for one in self._all.values())

    def start(self) -> None:
        """Begin to start everything; returns at once."""
        self._tasks = [asyncio.create_task(self._keep_running(one), name=one.spec.name) for one in self._all.values()]
        self._tasks.append(asyncio.create_task(self._keep_logs_bounded(), name="logs"))

    async def wait_until_ready(self, names: Sequence[str] | None = None) -> None:
        """Wait until all (or the named) processes have been ready; raises `StartError` when that will not happen."""
        wanted = [self._all[name] for name in names] if names else list(self._all.values())
        ready: asyncio.Future[Any] = asyncio.gather(*(one.was_ready.wait() for one in wanted))
        awaited: list[asyncio.Future[Any]] = [ready, self._given_up, *self._tasks]
        pending: set[asyncio.Future[Any]] = set(awaited)
        deadline = time.monotonic() + self._limits.start_seconds_max
        while not ready.done() and not self._given_up.done() and (left := deadline - time.monotonic()) > 0:
            done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in done & set(self._tasks):
                task.result()  # a broken task of our own: raise its error
        if ready.done():
            return
        ready.cancel()
        await asyncio.gather(ready, return_exceptions=True)
        if self._given_up.done():
            raise self._given_up.result()
        late = next(
            one for one in self._all.values() if not one.was_ready.is_set() and one.state is not ProcessState.WAITING
        )
        raise self._start_error(late, f"not ready after {self._limits.start_seconds_max:g} s: {late.detail}")

    async def watch(self) -> None:
        """Return only when a task of the supervisor itself breaks, which is a bug: raise its error."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """End everything, dependents first, each with its grace; returns when nothing is left."""
        self._stopping.set()
        await asyncio.gather(*(self._stop(one) for one in self._all.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hurry(self) -> None:
        """Cut every grace short: what still runs is killed."""
        self._no_grace.set()

    async def _keep_running(self, one: Supervised) -> None:
        for name in one.spec.after:
            await self._all[name].was_ready.wait()
        while not self._stopping.is_set():
            ending = await self._live_once(one)
            if self._stopping.is_set():
                return
            if one.spec.runs_once:
                if ending == ENDED_WELL:
                    self._change(one, ProcessState.DONE, "")
                    one.was_ready.set()
                else:
                    self._change(one, ProcessState.STOPPED, f"ended with {ending}")
                    self._give_up(one, f"ended with {ending}")
                return
            healthy_seconds = time.monotonic() - one.ready_since if one.ready_since is not None else 0.0
            wait = one.back_off.after_exit(healthy_seconds=healthy_seconds)
            one.restarts += 1
            if not one.was_ready.is_set() and one.restarts >= self._limits.start_attempts_max:
                self._give_up(one, f"ended {one.restarts} times without becoming ready, last with {ending}")
            self._change(one, ProcessState.RESTARTING, f"ended with {ending}")
            await self._pause(wait)

    async def _live_once(self, one: Supervised) -> str:
        """Start the process, probe it until it ends, leave nothing of its group; how it ended."""
        one.ready_since = None
        keep_log_bounded(one.spec.log_path, bytes_max=self._limits.log_bytes_max)
        try:
            if one.spec.ready_file is not None:
                one.spec.ready_file.unlink(missing_ok=True)
            if one.spec.before_start is not None:
                one.spec.before_start()
            process = one.process = spawn(
                one.spec.command,
                environment=one.spec.environment,
                log_path=one.spec.log_path,
                working_directory=one.spec.working_directory,
                user=one.spec.user,
                death_signal=one.spec.death_signal,
            )
        except OSError as error:
            return f"error: {error}"
        one.identity = Identity.of(process.pid)
        self._change(one, ProcessState.STARTING, "")
        prober = asyncio.create_task(self._probe(one, one.spec.probe or _alive))
        try:
            while process.poll() is None:
                await asyncio.sleep(self._limits.exit_poll_seconds)
        finally:
            prober.cancel()
            await asyncio.gather(prober, return_exceptions=True)
        # Its children would hold its ports and files while the next one starts.
        signal_group(process, signal.SIGKILL)
        one.process = one.identity = None
        return describe_exit(process.returncode)

    async def _probe(self, one: Supervised, probe: Probe) -> None:
        failures = 0
        while not one.spec.runs_once:
            reason = await self._ask(probe)
            if self._stopping.is_set():
                return
            failures = 0 if reason is None else failures + 1
            if reason is None:
                one.ready_since = one.ready_since or time.monotonic()
                self._change(one, ProcessState.READY, "")
                one.was_ready.set()
            elif one.ready_since is None:
                one.detail = reason
            elif failures >= self._limits.failed_probes_max:
                self._change(one, ProcessState.UNHEALTHY, reason)
            is_calm = one.state is ProcessState.READY and failures == 0
            limits = self._limits
            await asyncio.sleep(
                limits.probe_ready_interval_seconds if is_calm else limits.probe_starting_interval_seconds
            )

    async def _ask(self, probe: Probe) -> str | None:
        try:
            # Not wait_for: in Python 3.11 it may swallow a cancellation that comes with the answer.
            async with asyncio.timeout(self._limits.probe_timeout_seconds):
                return await probe()
        except TimeoutError:
            return f"no answer within {self._limits.probe_timeout_seconds:g} s"
        except OSError as error:
            return error.strerror or str(error)

    async def _stop(self, one: Supervised) -> None:
        dependents = [other for other in self._all.values() if one.spec.name in other.spec.after]
        await asyncio.gather(*(other.stopped.wait() for other in dependents))
        process = one.process
        if process is not None and process.poll() is None:
            self._change(one, ProcessState.STOPPING, "")
            process.send_signal(one.spec.stop_signal)
            process.send_signal(signal.SIGCONT)  # a frozen one would not hear it
            if not await self._ended(process, one.spec.stop_grace_seconds):
                signal_group(process, signal.SIGKILL)
                if not await self._ended(process, self._limits.kill_seconds_max):
                    one.detail = f"survives SIGKILL (pid {process.pid})"
        if process is not None:
            signal_group(process, signal.SIGKILL)
        one.identity = None
        self._change(one, ProcessState.STOPPED, one.detail)
        one.stopped.set()

    async def _ended(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while process.poll() is None:
            if time.monotonic() > deadline or self._no_grace.is_set():
                return False
            await asyncio.sleep(self._limits.exit_poll_seconds)
        return True

    async def _keep_logs_bounded(self) -> None:
        while not self._stopping.is_set():
            for one in self._all.values():
                # A full disk must not end the supervisor: the children's own errors will say so.
                with contextlib.suppress(OSError):
                    keep_log_bounded(one.spec.log_path, bytes_max=self._limits.log_bytes_max)
            await self._pause(self._limits.log_check_interval_seconds)

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the end is asked for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _give_up(self, one: Supervised, reason: str) -> None:
        if not self._given_up.done():
            self._given_up.set_result(self._start_error(one, reason))

    def _start_error(self, one: Supervised, reason: str) -> StartError:
        log = "".join(f"\n    {line}" for line in last_lines(one.spec.log_path, LOG_LINES_SHOWN))
        return StartError(f"{one.spec.name}: {reason} (log: {one.spec.log_path}){log}")

    def _change(self, one: Supervised, state: ProcessState, detail: str) -> None:
        if (one.state, one.detail) != (state, detail):
            one.state, one.detail = state, detail
            self._on_change()


async def _alive() -> str | None:
    return None


def describe_exit(code: int) -> str:
    """ "code 1" or "SIGKILL"."""
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
