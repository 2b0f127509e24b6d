"""Who looks on during the outage proof: producers, the record of events, a stream reader, a dashboard, health."""

from __future__ import annotations

import json
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil
import psycopg
import websockets.exceptions
from websockets.sync.client import ClientConnection, connect

from app.adapters.redis.client import connect as connect_redis
from app.adapters.redis.event_group import RedisEventGroup
from app.adapters.redis.event_stream import RedisEventSource
from app.chaos.flood import SYMBOLS
from app.domain.events import Event
from app.ports import EventsUnavailableError

TTL_SECONDS = 10
SENDERS = 128  # at 50 a second answers may take 2.5 s before one is posted late
ANSWER_SECONDS_MAX = 20.0
RECORD_PAUSE_SECONDS = 2.0
RECORD_OVERLAP = 5_000  # numbers drawn by a transaction may become visible later than higher ones


@dataclass(frozen=True, slots=True)
class Answer:
    """One post: when it should have begun by the schedule, began, ended (monotonic), and what came of it."""

    due_at: float
    began_at: float
    ended_at: float
    verdict: str

    @property
    def late_seconds(self) -> float:
        return self.began_at - self.due_at

    @property
    def took_seconds(self) -> float:
        return self.ended_at - self.began_at


class Producers:
    """Post by a schedule, however long answers take, from a seed; who falls behind catches up and says how late it was.

    A 202 is a promise, everything else is none.
    """

    def __init__(self, *, base_url: str, token: str, seed: int, per_second: float) -> None:
        limits = httpx.Limits(max_connections=SENDERS, max_keepalive_connections=SENDERS)
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=ANSWER_SECONDS_MAX, limits=limits)
        self._draw = random.Random(f"outage {seed}")
        self._seed = seed
        self._pause_seconds = 1.0 / per_second
        self._pool = ThreadPoolExecutor(SENDERS)
        self._lock = threading.Lock()
        self.sent = 0
        self.promised: dict[str, float] = {}  # signal id -> when its 202 came (monotonic)
        self.verdicts: Counter[str] = Counter()
        self.answers: list[Answer] = []

    def run(self, seconds: float) -> None:
        """Until the time is over and the last answer is here."""
        began = time.monotonic()
        while (due := began + self.sent * self._pause_seconds) < began + seconds:
            time.sleep(max(0.0, due - time.monotonic()))  # the rate itself
            body = {
                "signal_id": f"outage-{self._seed}-{self.sent}",
                "symbol": self._draw.choice(SYMBOLS),
                "side": self._draw.choice(("BUY", "SELL")),
                "confidence": f"0.{self._draw.randrange(50, 100)}",
                "strategy": f"outage-{self._draw.randrange(4)}",
                "ttl_seconds": TTL_SECONDS,
            }
            self._pool.submit(self._post, body, due)
            self.sent += 1
        self._pool.shutdown(wait=True)
        self._client.close()

    def _post(self, body: dict[str, Any], due_at: float) -> None:
        began = time.monotonic()
        try:
            answer = self._client.post("/api/signals", json=body | {"generated_at": datetime.now(UTC).isoformat()})
            is_promise = answer.status_code == 202
            verdict = answer.json()["results"][0]["verdict"] if is_promise else f"HTTP {answer.status_code}"
        except httpx.HTTPError as error:
            is_promise, verdict = False, type(error).__name__
        ended = time.monotonic()
        with self._lock:
            self.verdicts[verdict] += 1
            self.answers.append(Answer(due_at, began, ended, verdict))
            if is_promise:
                self.promised[body["signal_id"]] = ended


class Witness(ABC):
    """Something that looks again and again in a thread of its own until it is told to stop."""

    pause_seconds = 0.0

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """One look more, then the end."""
        self._stop.set()
        self._thread.join(60)
        if self.failure is not None:
            raise self.failure

    @abstractmethod
    def look(self) -> None:
        """One look; an exception ends the looking and is raised by `stop`."""

    def _run(self) -> None:
        try:
            while not self._stop.wait(self.pause_seconds):
                self.look()
            self.look()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self.failure = error


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it was committed."""

    number: int
    type: str
    signal_id: str | None
    state: str | None


class Record(Witness):
    """What Postgres recorded as published, copied before it forgets it."""

    pause_seconds = RECORD_PAUSE_SECONDS

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._database_url = database_url
        self._newest = 0
        self.events: dict[str, Recorded] = {}

    def look(self) -> None:
        with suppress(psycopg.OperationalError), psycopg.connect(self._database_url, connect_timeout=2) as connection:
            rows = connection.execute(
                "SELECT event_id, number, type, payload->>'signal_id', payload->>'state' FROM events"
                " WHERE number > %s ORDER BY number",
                (self._newest - RECORD_OVERLAP,),
            ).fetchall()
            self.events |= {row[0]: Recorded(*row[1:]) for row in rows}
            self._newest = max([self._newest, *(row[1] for row in rows)])


class Follower(Witness):
    """Applies each event once, by its id, in the order of its first delivery."""

    def __init__(self) -> None:
        super().__init__()
        self.deliveries: list[tuple[float, str]] = []  # when (monotonic), event id
        self.first_at: dict[str, float] = {}  # event id -> when it was first delivered
        self.by_signal: dict[str, list[str]] = defaultdict(list)  # signal id -> ids of its events as first delivered

    def take(self, event: Event) -> None:
        """One delivery."""
        now = time.monotonic()
        self.deliveries.append((now, event.event_id))
        if event.event_id not in self.first_at:
            self.first_at[event.event_id] = now
            self.by_signal[str(event.payload.get("signal_id"))].append(event.event_id)


class StreamReader(Follower):
    """Follows the live stream as any reader may."""

    def __init__(self, redis_url: str) -> None:
        super().__init__()
        self._source = RedisEventSource(connect_redis(redis_url, answer_seconds_max=2.0))
        self._after = 0
        self.jumps = 0

    def look(self) -> None:
        try:
            events = self._source.read(after=self._after, block_seconds=0.5, limit=1_000)
        except EventsUnavailableError:
            time.sleep(0.05)  # away: nothing to wait on
            return
        for each in events:
            self.jumps += bool(self._after) and each.sequence != self._after + 1
            self._after = each.sequence
            self.take(each.event)


class GroupReader(Follower):
    """A consumer group of its own: takes, applies, acknowledges."""

    pause_seconds = 0.05

    def __init__(self, redis_url: str) -> None:
        super().__init__()
        link = connect_redis(redis_url, answer_seconds_max=2.0)
        self._group = RedisEventGroup(link, group="outage-proof", member="outage-proof")

    def look(self) -> None:
        with suppress(EventsUnavailableError):
            while deliveries := self._group.take(limit=500):
                for each in deliveries:
                    self.take(each.event)
                self._group.acknowledge(deliveries)


class Dashboard(Witness):
    """A dashboard client that comes back whenever it is sent away, and keeps count of what it was told."""

    def __init__(self, *, url: str, token: str) -> None:
        super().__init__()
        self._url = url.replace("http://", "ws://")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connection: ClientConnection | None = None
        self._last: int | None = None
        self.frames = 0
        self.events = 0
        self.dropped = 0
        self.told: Counter[str] = Counter()  # why it was sent to a snapshot, or away
        self.untold: list[str] = []

    def look(self) -> None:
        try:
            if self._connection is None:
                query = "" if self._last is None else f"?after={self._last}"
                self._connection = connect(
                    f"{self._url}/ws/dashboard{query}", additional_headers=self._headers, open_timeout=5, proxy=None
                )
            self._take(json.loads(self._connection.recv(timeout=1.0)))
        except TimeoutError:
            return
        except (OSError, websockets.exceptions.WebSocketException) as error:
            self._connection = None
            self.told[type(error).__name__] += 1
            self._stop.wait(0.5)

    def _take(self, frame: dict[str, Any]) -> None:
        self.frames += 1
        if frame["type"] == "snapshot_required":
            self.told[f"snapshot: {frame['reason']}".rstrip("0123456789")] += 1
            self._last = frame["last_seq"]
            return
        self.events += frame["count"]
        self.dropped += frame["dropped"]
        counted = frame["count"] + frame["dropped"]
        # The first frame of all begins wherever the stream stands, and so does the first event of a stream that had
        # none (0): numbers are moments, so nothing is missing before it.
        if self._last and frame["last_seq"] - self._last != counted:
            self.untold.append(f"from {self._last} to {frame['last_seq']} only {counted} were accounted for")
        self._last = frame["last_seq"]


@dataclass
class Seen:
    """What health said of one component, and when."""

    statuses: list[tuple[float, str, str]] = field(default_factory=list)  # when, status, cause

    def between(self, begin: float, end: float) -> list[tuple[str, str]]:
        return [(status, cause) for at, status, cause in self.statuses if begin <= at <= end]


class Health(Witness):
    """Asks the health service every second."""

    pause_seconds = 1.0

    def __init__(self, url: str) -> None:
        super().__init__()
        self._client = httpx.Client(base_url=url, timeout=5.0)
        self.components: dict[str, Seen] = defaultdict(Seen)
        self.ready: list[tuple[float, int]] = []
        self.silent = 0

    def look(self) -> None:
        at = time.monotonic()
        try:
            found = self._client.get("/health").json()["components"]
            self.ready.append((at, self._client.get("/ready").status_code))
        except httpx.HTTPError:
            self.silent += 1
            return
        for each in found:
            self.components[each["component"]].statuses.append((at, each["status"], str(each["cause"])))


class Processors(Witness):
    """How much processor time each process of the system has used: what a busy machine cannot disturb."""

    pause_seconds = 0.5

    def __init__(self, processes: Callable[[], Mapping[str, int]]) -> None:
        super().__init__()
        self._processes = processes
        self._used: dict[tuple[str, int], float] = {}
        self.samples: list[tuple[float, dict[str, float]]] = []  # when, seconds used since the start by name

    def look(self) -> None:
        for name, pid in self._processes().items():
            with suppress(psutil.NoSuchProcess):
                leader = psutil.Process(pid)
                for each in (leader, *leader.children(recursive=True)):
                    with suppress(psutil.NoSuchProcess):
                        times = each.cpu_times()
                        self._used[name, each.pid] = times.user + times.system
        used: dict[str, float] = defaultdict(float)
        for (name, _), seconds in self._used.items():
            used[name] += seconds
        self.samples.append((time.monotonic(), dict(used)))

    def cores(self, begin: float, end: float) -> dict[str, float]:
        """Cores in use on average by process; empty without two samples in between."""
        within = [each for each in self.samples if begin <= each[0] <= end]
        if len(within) < 2:
            return {}
        (first_at, first), (last_at, last) = within[0], within[-1]
        return {name: (seconds - first.get(name, 0.0)) / (last_at - first_at) for name, seconds in last.items()}
