"""Group commit: each caller is told what it would have been told alone, whatever its neighbours send or suffer."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain.signals import IntakeVerdict, Signal
from app.ports import BufferFullError, ConstraintViolatedError, DatabaseUnavailableError, Offer
from app.services.admit_signals import Admission
from app.services.admit_together import AdmitTogether, IntakeCrowdedError, StoredTogetherError
from tests.support.desk import Desk
from tests.support.waiting import wait_until

SECONDS_MAX = 20.0


class Doorway:
    """A desk behind `AdmitTogether`, and a database that can be made to hold a group up or to refuse signals.

    The fake database refuses units of work that overlap: a second group at the same time fails the test.
    """

    def __init__(self, *, capacity: int = 2_000, **bounds: Any) -> None:
        self.desk = Desk(capacity=capacity)
        self.open = threading.Event()
        self.open.set()
        self.groups: list[list[str]] = []  # the ids of every attempt to write
        self.refused: Callable[[Signal], bool] = lambda _: False
        self.admit = replace(self.desk.admit, unit_of_work=self._begin)
        self.together = AdmitTogether(self.admit, **bounds)
        self._pool = ThreadPoolExecutor(64)
        self._entered = threading.Semaphore(0)

    def __enter__(self) -> Doorway:
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._pool.shutdown(wait=True)

    def _begin(self) -> Any:
        self._entered.release()
        assert self.open.wait(SECONDS_MAX)
        return _Watched(self, self.desk.unit_of_work())

    def send(self, *signals: Signal) -> Future[Sequence[Admission]]:
        return self._pool.submit(self.together, signals)

    def hold_up(self, *signals: Signal) -> Future[Sequence[Admission]]:
        """The group of these signals stands still in the database until `open` is set."""
        self.open.clear()
        held = self.send(*signals)
        assert self._entered.acquire(timeout=SECONDS_MAX)
        return held

    def wait_for_line(self, signals: int) -> None:
        wait_until(lambda: self.together._waiting_signals == signals, seconds=SECONDS_MAX, what="the line to form")

    def signal(self, name: str, confidence: str = "0.8") -> Signal:
        return self.desk.signal(name, confidence=Decimal(confidence))

    def rows(self) -> set[str]:
        return set(self.desk.database.state.signals)


class _Watched:
    """A unit of work that tells which signals it is given and refuses those it is told to."""

    def __init__(self, doorway: Doorway, inner: Any) -> None:
        self._doorway = doorway
        self._inner = inner

    def __enter__(self) -> _Watched:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._inner.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return self if name == "signals" else getattr(self._inner, name)

    def add_many(self, signals: Sequence[Signal]) -> Sequence[bool]:
        self._doorway.groups.append([signal.signal_id for signal in signals])
        if any(self._doorway.refused(signal) for signal in signals):
            raise ConstraintViolatedError("one of them cannot be stored")
        return self._inner.signals.add_many(signals)  # type: ignore[no-any-return]

    def advance(self, *arguments: Any, **named: Any) -> Sequence[str]:
        return self._inner.signals.advance(*arguments, **named)  # type: ignore[no-any-return]


def verdicts(found: Sequence[Admission]) -> list[str]:
    return [each.verdict.value for each in found]


def test_a_lone_caller_waits_for_nobody_and_no_thread_is_started() -> None:
    with Doorway() as doorway:
        threads = threading.active_count()
        (admission,) = doorway.together([doorway.signal("a")])
        assert (admission.signal_id, admission.verdict) == ("a", IntakeVerdict.QUEUED)
        assert threading.active_count() == threads


def test_what_arrives_while_a_group_is_stored_is_one_group_with_one_commit() -> None:
    with Doorway() as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        before = doorway.desk.database.commits
        others = [doorway.send(doorway.signal(f"s{number}")) for number in range(20)]
        doorway.wait_for_line(20)
        doorway.open.set()
        assert verdicts(held.result(SECONDS_MAX)) == ["QUEUED"]
        assert [verdicts(each.result(SECONDS_MAX)) for each in others] == [["QUEUED"]] * 20
        assert [len(group) for group in doorway.groups] == [1, 20]
        assert doorway.desk.database.commits - before == 2


def test_a_group_is_no_larger_than_one_statement_takes_and_nobody_is_torn_apart() -> None:
    with Doorway(group_signals_max=5) as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        others = []
        for number in range(4):
            others.append(doorway.send(*(doorway.signal(f"s{number}-{index}") for index in range(3))))
            doorway.wait_for_line(3 * (number + 1))
        doorway.open.set()
        for each in (held, *others):
            each.result(SECONDS_MAX)
        assert [len(group) for group in doorway.groups] == [1, 3, 3, 3, 3]


def test_a_large_request_does_not_stand_in_line() -> None:
    with Doorway(alone_signals_min=5) as doorway:
        doorway.hold_up(doorway.signal("first"))
        large = doorway.send(*(doorway.signal(f"large-{number}") for number in range(5)))
        assert doorway._entered.acquire(timeout=SECONDS_MAX)  # at the database while the group is still there
        assert doorway.together._waiting_signals == 0
        small = doorway.send(doorway.signal("small"))
        doorway.wait_for_line(1)
        assert not large.done()
        assert not small.done()


def test_a_request_larger_than_a_group_still_gets_its_turn() -> None:
    with Doorway(group_signals_max=2) as doorway:
        admissions = doorway.together([doorway.signal(f"s{index}") for index in range(5)])
        assert verdicts(admissions) == ["QUEUED"] * 5


def test_duplicates_within_a_group_are_told_as_if_they_had_come_one_after_the_other() -> None:
    with Doorway() as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        line = []
        for position, confidence in enumerate(("0.9", "0.1", "0.5")):
            line.append(doorway.send(doorway.signal("same", confidence), doorway.signal(f"own-{position}")))
            doorway.wait_for_line(2 * (position + 1))
        doorway.open.set()
        held.result(SECONDS_MAX)
        assert [verdicts(each.result(SECONDS_MAX)) for each in line] == [
            ["QUEUED", "QUEUED"],
            ["DUPLICATE", "QUEUED"],
            ["DUPLICATE", "QUEUED"],
        ]
        assert doorway.desk.stored("same").signal.confidence == Decimal("0.9")


def test_in_a_full_window_a_group_gets_the_verdicts_of_a_sequence() -> None:
    confidences = [f"0.{number}" for number in random.Random(11).sample(range(100, 1000), 40)]
    alone = Desk(capacity=5)
    expected = [
        alone.admit([alone.signal(f"s{index}", confidence=Decimal(confidence))])[0]
        for index, confidence in enumerate(confidences)
    ]
    with Doorway(capacity=5) as doorway:
        line = [doorway.hold_up(doorway.signal("s0", confidences[0]))]
        for index, confidence in enumerate(confidences[1:], start=1):
            line.append(doorway.send(doorway.signal(f"s{index}", confidence)))
            doorway.wait_for_line(index)
        doorway.open.set()
        assert [each.result(SECONDS_MAX)[0] for each in line] == expected
        states = {f"s{index}": doorway.desk.state_of(f"s{index}") for index in range(40)}
        assert states == {f"s{index}": alone.state_of(f"s{index}") for index in range(40)}
        assert [len(group) for group in doorway.groups] == [1, 39]


def test_a_thousand_requests_at_once_with_duplicates_get_one_verdict_each_and_one_row_an_id() -> None:
    chance = random.Random(3)
    names = [f"s{chance.randrange(400)}" for _ in range(1_000)]
    with Doorway() as doorway:
        answers = [doorway.send(doorway.signal(name)) for name in names]
        told = [each.result(SECONDS_MAX)[0] for each in answers]
        assert [each.signal_id for each in told] == names
        assert doorway.rows() == set(names)
        by_name: dict[str, Counter[IntakeVerdict]] = {}
        for each in told:
            by_name.setdefault(each.signal_id, Counter())[each.verdict] += 1
        for name, counted in by_name.items():
            assert counted == {IntakeVerdict.QUEUED: 1, IntakeVerdict.DUPLICATE: names.count(name) - 1} or counted == {
                IntakeVerdict.QUEUED: 1
            }, name
        assert sorted(doorway.desk.window.members()) == sorted(set(names))


def test_one_that_cannot_be_stored_fails_its_own_request_and_no_other() -> None:
    with Doorway() as doorway:
        doorway.refused = lambda signal: signal.signal_id.startswith("bad")
        held = doorway.hold_up(doorway.signal("first"))
        names = [*(f"s{number}" for number in range(6)), "bad-1", *(f"s{number}" for number in range(6, 9)), "bad-2"]
        line = []
        for position, name in enumerate(names, start=1):
            line.append(doorway.send(doorway.signal(name)))
            doorway.wait_for_line(position)
        doorway.open.set()
        held.result(SECONDS_MAX)
        for name, each in zip(names, line, strict=True):
            if name.startswith("bad"):
                with pytest.raises(ConstraintViolatedError):
                    each.result(SECONDS_MAX)
            else:
                assert verdicts(each.result(SECONDS_MAX)) == ["QUEUED"], name
        assert doorway.rows() == {"first", *(name for name in names if not name.startswith("bad"))}


def test_with_postgres_away_a_group_waits_on_the_disk() -> None:
    with Doorway() as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        others = [doorway.send(doorway.signal(f"s{number}")) for number in range(5)]
        doorway.wait_for_line(5)
        doorway.desk.database.is_away = True
        doorway.open.set()
        for each in (held, *others):
            assert verdicts(each.result(SECONDS_MAX)) == ["SPOOLED"]
        assert {signal.signal_id for signal in doorway.desk.spool.waiting} == {"first", *(f"s{n}" for n in range(5))}
        assert doorway.rows() == set()


def test_with_postgres_away_and_the_disk_full_nothing_is_promised_to_anybody() -> None:
    with Doorway() as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        other = doorway.send(doorway.signal("second"))
        doorway.wait_for_line(1)
        doorway.desk.database.is_away = doorway.desk.spool.is_full = True
        doorway.open.set()
        for each in (held, other):
            with pytest.raises(BufferFullError):
                each.result(SECONDS_MAX)


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_answer_is_lost_is_spooled_and_drained_into_one_row_each(committed: bool) -> None:
    with Doorway() as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        others = [doorway.send(doorway.signal(f"s{number}")) for number in range(3)]
        doorway.wait_for_line(3)
        for _ in range(2):  # the group that is held up, and the one behind it
            doorway.desk.database.lose_answer_of_next_commit(committed=committed)
        doorway.open.set()
        for each in (held, *others):
            assert verdicts(each.result(SECONDS_MAX)) == ["SPOOLED"]
        assert len(doorway.rows()) == (4 if committed else 0)
        doorway.desk.drain()
        assert doorway.rows() == {"first", "s0", "s1", "s2"}


def test_a_failure_after_the_commit_is_told_to_all_of_the_group_and_nobody_is_stored_twice() -> None:
    class Broken:
        def offer(self, offers: Sequence[Offer], *, now: object) -> None:
            raise ZeroDivisionError("a mistake in the window")

    with Doorway() as doorway:
        doorway.together = AdmitTogether(replace(doorway.admit, window=Broken()))  # type: ignore[arg-type]
        held = doorway.hold_up(doorway.signal("first"))
        others = [doorway.send(doorway.signal(f"s{number}")) for number in range(3)]
        doorway.wait_for_line(3)
        doorway.open.set()
        with pytest.raises(ZeroDivisionError):
            held.result(SECONDS_MAX)
        for each in others:
            with pytest.raises(StoredTogetherError, match="a mistake in the window"):
                each.result(SECONDS_MAX)
        assert [len(group) for group in doorway.groups] == [1, 3]
        assert doorway.rows() == {"first", "s0", "s1", "s2"}


def test_over_the_bound_nothing_is_taken_in_and_the_next_one_is_served() -> None:
    with Doorway(waiting_signals_max=3) as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        waiting = doorway.send(*(doorway.signal(f"s{number}") for number in range(3)))
        doorway.wait_for_line(3)
        with pytest.raises(IntakeCrowdedError, match="maximum=3"):
            doorway.together([doorway.signal("one-too-many")])
        doorway.open.set()
        held.result(SECONDS_MAX)
        waiting.result(SECONDS_MAX)
        assert verdicts(doorway.together([doorway.signal("later")])) == ["QUEUED"]
        assert "one-too-many" not in doorway.rows()


def test_who_waits_too_long_spools_its_signals_itself() -> None:
    with Doorway(wait_seconds_max=0.1) as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        late = doorway.send(doorway.signal("late"))
        assert verdicts(late.result(SECONDS_MAX)) == ["SPOOLED"]
        assert [signal.signal_id for signal in doorway.desk.spool.waiting] == ["late"]
        doorway.open.set()
        assert verdicts(held.result(SECONDS_MAX)) == ["QUEUED"]
        assert doorway.groups == [["first"]]
        assert verdicts(doorway.together([doorway.signal("next")])) == ["QUEUED"]


def test_nobody_is_sent_after_a_group_that_postgres_keeps_waiting() -> None:
    moment = [0.0]
    with Doorway(monotonic=lambda: moment[0]) as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        moment[0] = 1.5
        began = time.monotonic()
        assert verdicts(doorway.together([doorway.signal("late")])) == ["SPOOLED"]
        assert time.monotonic() - began < 1.0
        doorway.open.set()
        assert verdicts(held.result(SECONDS_MAX)) == ["QUEUED"]
        assert verdicts(doorway.together([doorway.signal("next")])) == ["QUEUED"]


class _WentAwayError(BaseException):
    """As an exit that is asked for in the middle of a request."""


@pytest.mark.parametrize("where", ["in line", "at work"])
def test_a_caller_that_is_cut_off_stands_in_nobodys_way(where: str) -> None:
    with Doorway() as doorway:

        def cut_off(_: Signal) -> bool:
            raise _WentAwayError

        if where == "at work":
            doorway.refused = cut_off
        held = doorway.hold_up(doorway.signal("first"))
        others = [doorway.send(doorway.signal(f"s{number}")) for number in range(2)]
        doorway.wait_for_line(2)
        if where == "in line":
            # The first in line is gone: what it leaves behind is what an exception in its wait leaves behind.
            doorway.together._leave(doorway.together._line[0])
            doorway.open.set()
            assert verdicts(held.result(SECONDS_MAX)) == ["QUEUED"]
            assert sorted(verdicts(each.result(SECONDS_MAX))[0] for each in others) == ["QUEUED", "SPOOLED"]
        else:
            doorway.open.set()
            with pytest.raises(_WentAwayError):
                held.result(SECONDS_MAX)
            outcomes = []
            for each in others:
                try:
                    outcomes.append(verdicts(each.result(SECONDS_MAX))[0])
                except _WentAwayError:
                    outcomes.append("gone")
            assert sorted(outcomes) == ["SPOOLED", "gone"]
            doorway.refused = lambda _: False
        assert verdicts(doorway.together([doorway.signal("next")])) == ["QUEUED"]


def test_requests_that_wait_when_the_process_is_asked_to_stop_are_answered() -> None:
    """The server waits for its threads: those in line lead one another, and need no thread that could be gone."""
    with Doorway() as doorway:
        held = doorway.hold_up(doorway.signal("first"))
        others = [doorway.send(doorway.signal(f"s{number}")) for number in range(10)]
        doorway.wait_for_line(10)
        doorway._pool.shutdown(wait=False)
        doorway.open.set()
        for each in (held, *others):
            assert verdicts(each.result(SECONDS_MAX)) == ["QUEUED"]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fails_in_between_every_verdict_is_true(seed: int) -> None:
    """Outages, lost commits and refusals at random moments: who was told QUEUED or DUPLICATE has a row, who was told
    SPOOLED is on the disk, who was told an error may have neither; after draining there is one row for each promise."""
    chance = random.Random(seed)
    with Doorway() as doorway:
        database = doorway.desk.database
        doorway.refused = lambda signal: signal.signal_id.startswith("bad")
        stop = threading.Event()

        def disturb() -> None:
            while not stop.wait(0.002):
                roll = chance.random()
                if roll < 0.3:
                    database.lose_answer_of_next_commit(committed=chance.random() < 0.5)
                database.is_away = roll > 0.8

        trouble = threading.Thread(target=disturb)
        trouble.start()
        names = [f"{chance.choice(('s', 's', 's', 's', 'bad'))}{chance.randrange(150)}" for _ in range(500)]
        answers = [(name, doorway.send(doorway.signal(name))) for name in names]
        told: list[tuple[str, str]] = []
        for name, each in answers:
            try:
                told.append((name, verdicts(each.result(SECONDS_MAX))[0]))
            except (ConstraintViolatedError, DatabaseUnavailableError) as error:
                told.append((name, type(error).__name__))
        stop.set()
        trouble.join()
        database.is_away = False
        database._lost_commits.clear()
        rows = doorway.rows()
        spooled = {signal.signal_id for signal in doorway.desk.spool.waiting}
        for name, verdict in told:
            if verdict in ("QUEUED", "DUPLICATE"):
                assert name in rows, name
            elif verdict == "SPOOLED":
                assert name in spooled, name
            else:
                assert name.startswith("bad"), (name, verdict)
        assert all(count == 1 for count in Counter(n for n, verdict in told if verdict == "QUEUED").values())
