"""The checks of processes by what they get done: one that lives and does nothing is not well."""

from __future__ import annotations

from collections.abc import Sequence

from app.bootstrap import System
from app.checks.components import Check
from app.domain.health import Finding, Status
from app.flow import Queue
from app.ports import Progress, ProgressUnavailableError

# Beat sends every queue something each second; three times that, and what confirms it, is within five seconds.
SILENT_SECONDS_MAX = 3.0
MISSED_SECONDS_MAX = 600.0  # a worker silent for longer is not counted as one any more while others work
QUEUE_LENGTH_DEGRADED = 200
QUEUE_LENGTH_CRITICAL = 5_000
POLICY_AGE_SECONDS_DEGRADED = 60.0
POLICY_AGE_SECONDS_CRITICAL = 600.0  # entries are denied from here on
NO_ENGINE = "no AI engine was asked for"
NOT_READABLE = "not known: what processes note in Redis cannot be read"


def worker_check(queue: Queue) -> Check:
    """Does any worker of this queue end tasks, and do all of them?"""
    component = f"worker-{queue.value}"

    def check(system: System) -> Finding:
        try:
            workers = [each for each in system.progress.all() if queue.value in each.facts.get("queues", ())]
        except ProgressUnavailableError as error:
            return Finding(component=component, status=Status.CRITICAL, cause=f"{NOT_READABLE}: {error}")
        if queue is Queue.AI and not workers and not system.settings.engine:
            return Finding(component=component, status=Status.OK, cause=NO_ENGINE)
        return judge_workers(component, workers)

    return check


def judge_workers(component: str, workers: Sequence[Progress]) -> Finding:
    """CRITICAL when none works, DEGRADED when one does not: the queue's messages go to each in turn."""
    if not workers:
        return Finding(component=component, status=Status.CRITICAL, cause="no worker has finished anything yet")
    recent = [each for each in workers if each.age_seconds <= MISSED_SECONDS_MAX]
    patience = SILENT_SECONDS_MAX * max(1, len(recent))
    silent = [each for each in recent if each.age_seconds > patience]
    youngest = min(each.age_seconds for each in workers)
    if len(silent) == len(recent):
        cause = f"no task has ended for {youngest:.1f} s"
        return Finding(component=component, status=Status.CRITICAL, cause=cause, age_seconds=youngest)
    if silent:
        names = ", ".join(f"{each.name} for {each.age_seconds:.0f} s" for each in silent[:5])
        cause = f"{len(silent)} of {len(recent)} workers end no task: {names}"
        return Finding(component=component, status=Status.DEGRADED, cause=cause, age_seconds=youngest)
    return Finding(component=component, status=Status.OK, age_seconds=youngest)


def queue_check(queue: Queue) -> Check:
    """How many messages wait for a worker?"""
    component = f"queue-{queue.value}"

    def check(system: System) -> Finding:
        try:
            waiting = system.queue_lengths.waiting().get(queue.value)
        except ProgressUnavailableError as error:
            return Finding(component=component, status=Status.CRITICAL, cause=str(error))
        if waiting is None:
            if queue is Queue.AI and not system.settings.engine:
                return Finding(component=component, status=Status.OK, cause=NO_ENGINE)
            return Finding(component=component, status=Status.DEGRADED, cause="not known: the broker has no such queue")
        if waiting >= QUEUE_LENGTH_DEGRADED:
            status = Status.CRITICAL if waiting >= QUEUE_LENGTH_CRITICAL else Status.DEGRADED
            return Finding(component=component, status=status, cause=f"{waiting} messages wait")
        return Finding(component=component, status=Status.OK)

    return check


def check_beat(system: System) -> Finding:
    """When did beat last send something?"""
    return _newest_of("beat", system, what="beat has sent nothing")


def check_listener(system: System) -> Finding:
    """When did the listener last hear of the market, and is its connection for the account's events alive?"""
    finding = _newest_of("listener", system, what="the listener has noted nothing")
    if finding.status is not Status.OK:
        return finding
    (newest, *_) = sorted(_of_role("listener", system), key=lambda each: each.age_seconds)
    silences = {"market": 0.0, "user": 0.0}
    for stream in silences:
        noted = newest.facts.get(f"{stream}_silence_seconds")
        if noted is None:
            cause = f"the {stream} stream has said nothing yet"
            return Finding(component="listener", status=Status.CRITICAL, cause=cause)
        silences[stream] = float(noted) + newest.age_seconds
    if silences["market"] > SILENT_SECONDS_MAX:
        cause = f"the market stream has been silent for {silences['market']:.1f} s"
        return Finding(component="listener", status=Status.CRITICAL, cause=cause, age_seconds=silences["market"])
    if silences["user"] > 30.0:  # pinged every 15 s, answered within 10
        cause = f"the user stream has been dead for {silences['user']:.0f} s; fills are collected by asking"
        return Finding(component="listener", status=Status.DEGRADED, cause=cause, age_seconds=silences["user"])
    return Finding(component="listener", status=Status.OK, age_seconds=silences["market"])


def check_policy_age(system: System) -> Finding:
    """By how old a policy do the workers decide? The critical one reads it every second, so the newest tells."""
    try:
        noted = [each for each in system.progress.all() if each.role == "worker"]
    except ProgressUnavailableError as error:
        return Finding(component="policy_age", status=Status.CRITICAL, cause=f"{NOT_READABLE}: {error}")
    ages = [
        each.facts["policy_age_seconds"] + each.age_seconds for each in noted if each.facts.get("policy_age_seconds")
    ]
    if not ages:
        return Finding(component="policy_age", status=Status.DEGRADED, cause="no worker has read a policy yet")
    age = min(ages)
    if age <= POLICY_AGE_SECONDS_DEGRADED:
        return Finding(component="policy_age", status=Status.OK, age_seconds=age)
    status = Status.CRITICAL if age > POLICY_AGE_SECONDS_CRITICAL else Status.DEGRADED
    return Finding(component="policy_age", status=status, cause=f"workers hold one {age:.0f} s old", age_seconds=age)


def _of_role(role: str, system: System) -> list[Progress]:
    return [each for each in system.progress.all() if each.role == role]


def _newest_of(role: str, system: System, *, what: str) -> Finding:
    try:
        noted = _of_role(role, system)
    except ProgressUnavailableError as error:
        return Finding(component=role, status=Status.CRITICAL, cause=f"{NOT_READABLE}: {error}")
    if not noted:
        return Finding(component=role, status=Status.CRITICAL, cause=f"{what} yet")
    age = min(each.age_seconds for each in noted)
    if age > SILENT_SECONDS_MAX:
        return Finding(component=role, status=Status.CRITICAL, cause=f"{what} for {age:.1f} s", age_seconds=age)
    return Finding(component=role, status=Status.OK, age_seconds=age)
