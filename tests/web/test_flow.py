"""Pacing and conflation, with the time given in."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import Event, EventType, SequencedEvent
from tests.web.fakes import NOW
from web.live.backlog import Backlog, BacklogLimits
from web.live.flow import Flow
from web.live.frames import EncodedEvent, encode_event, text_frame


def an_event(seq: int, type_: EventType = EventType.SIGNAL_RECEIVED, **payload: Any) -> EncodedEvent:
    return encode_event(
        SequencedEvent(sequence=seq, event=Event(event_id=f"e{seq}", type=type_, at=NOW, payload=payload))
    )


def position(seq: int, symbol: str) -> EncodedEvent:
    return an_event(seq, EventType.POSITION_UPDATED, symbol=symbol)


def unwrap(frame: bytes) -> dict[str, Any]:
    start = frame.index(b"{")
    assert text_frame(frame[start:]) == frame
    return json.loads(frame[start:])  # type: ignore[no-any-return]


def drain(
    flow: Flow, now: float, until: float, arrivals: list[tuple[float, EncodedEvent]], *, step: float = 0.001
) -> list[tuple[float, dict[str, Any]]]:
    """Run a flow in steps of a millisecond, or of however late a busy machine looks again."""
    frames = []
    waiting = deque(arrivals)
    while now < until:
        while waiting and waiting[0][0] <= now:
            flow.offer(waiting.popleft()[1], now=now)
        while flow.due_in(now=now) == 0.0:
            frames.append((now, unwrap(flow.take(now=now)[0])))
        flow.ease(now=now)
        now += step
    return frames


def test_a_lone_event_waits_100_ms_for_company() -> None:
    flow = Flow(0)
    flow.offer(an_event(1), now=10.0)
    assert flow.due_in(now=10.04) == pytest.approx(0.06)
    assert flow.due_in(now=10.11) == 0.0


def test_ten_events_do_not_wait() -> None:
    flow = Flow(0)
    for seq in range(1, 11):
        assert flow.due_in(now=10.0) != 0.0
        flow.offer(an_event(seq), now=10.0)
    assert flow.due_in(now=10.0) == 0.0
    frame = unwrap(flow.take(now=10.0)[0])
    assert (frame["count"], frame["first_seq"], frame["last_seq"], frame["dropped"]) == (10, 1, 10, 0)


def test_a_frame_is_the_contracts() -> None:
    flow = Flow(6)
    flow.offer(an_event(7, EventType.ESS_STATE_CHANGED, state="ARMED"), now=0.0)
    assert unwrap(flow.take(now=1.0)[0]) == {
        "type": "event_batch",
        "count": 1,
        "first_seq": 7,
        "last_seq": 7,
        "dropped": 0,
        "events": [
            {"seq": 7, "type": "ess_state_changed", "at": "2026-03-01T12:00:00.000000Z", "payload": {"state": "ARMED"}}
        ],
    }


@settings(deadline=None)  # thousands of steps: on a busy machine they take what they take
@given(st.lists(st.floats(0, 3), min_size=1, max_size=300).map(sorted))
def test_no_second_holds_more_than_50_events_and_nothing_goes_uncounted(times: list[float]) -> None:
    arrivals = [(at, an_event(seq)) for seq, at in enumerate(times, 1)]
    frames = drain(Flow(0), 0.0, 9.0, arrivals)
    for at, _ in frames:
        assert sum(frame["count"] for other, frame in frames if at <= other < at + 1.0) <= 50
    position = 0
    for _, frame in frames:
        assert 1 <= frame["count"] <= 10
        assert frame["last_seq"] - position == frame["count"] + frame["dropped"]
        assert [event["seq"] for event in frame["events"]] == sorted({event["seq"] for event in frame["events"]})
        position = frame["last_seq"]
    assert position == len(times)


def test_50_events_a_second_pass_without_loss_and_with_little_delay() -> None:
    arrivals = [(seq * 0.02, an_event(seq)) for seq in range(1, 501)]
    frames = drain(Flow(0), 0.0, 12.0, arrivals)
    assert sum(frame["dropped"] for _, frame in frames) == 0
    delays = sorted(at - event["seq"] * 0.02 for at, frame in frames for event in frame["events"])
    assert delays[int(len(delays) * 0.95)] < 0.2


@pytest.mark.parametrize("share_of_states", [0, 2])
def test_at_the_limit_itself_a_client_does_not_fall_behind_for_good(share_of_states: int) -> None:
    # Every frame is up to 7 ms late, and what is late takes its part of the next second: 50 a second do not fit.
    arrivals = [
        (seq * 0.02, position(seq, f"S{seq % 8}") if share_of_states and seq % share_of_states else an_event(seq))
        for seq in range(1, 3001)
    ]
    frames = drain(Flow(0), 0.0, 62.0, arrivals, step=0.007)
    delays = sorted(at - event["seq"] * 0.02 for at, frame in frames for event in frame["events"])
    assert delays[int(len(delays) * 0.95)] < 0.25
    assert delays[-1] < 0.6
    dropped = sum(frame["dropped"] for _, frame in frames)
    assert len(delays) + dropped == 3000
    assert dropped < 60  # two in a hundred, and counted


def test_a_burst_is_given_whole_however_long_the_pace_holds_it_up() -> None:
    frames = [frame for _, frame in drain(Flow(0), 0.0, 5.0, [(0.0, an_event(seq)) for seq in range(1, 101)])]
    assert [event["seq"] for frame in frames for event in frame["events"]] == list(range(1, 101))


def test_who_is_sent_more_than_the_limit_for_long_sees_what_is_new() -> None:
    arrivals = [(seq / 80, an_event(seq)) for seq in range(1, 1601)]
    frames = drain(Flow(0), 0.0, 25.0, arrivals)
    late = [at - event["seq"] / 80 for at, frame in frames for event in frame["events"] if at > 5]
    assert max(late) < 1.1
    assert sum(frame["count"] + frame["dropped"] for _, frame in frames) == 1600


def test_what_is_given_up_is_never_the_newest_state_of_a_thing() -> None:
    arrivals = [(seq / 200, position(seq, f"S{seq % 4}") if seq % 2 else an_event(seq)) for seq in range(1, 2001)]
    frames = drain(Flow(0), 0.0, 14.0, arrivals)
    newest = {e["payload"]["symbol"]: e["seq"] for _, f in frames for e in f["events"] if "symbol" in e["payload"]}
    assert newest == {"S1": 1997, "S3": 1999}


def test_states_are_not_conflated_while_a_client_keeps_up() -> None:
    frames = drain(Flow(0), 0.0, 1.0, [(0.0, position(seq, "BTCUSDT")) for seq in range(1, 31)])
    assert [frame["count"] for _, frame in frames] == [10, 10, 10]


def test_behind_by_more_than_a_second_only_the_newest_state_of_each_thing_is_kept() -> None:
    flow = Flow(0)
    for seq in range(1, 401):
        flow.offer(position(seq, f"S{seq % 4}"), now=0.0)
    frames = [frame for _, frame in drain(flow, 0.0, 10.0, [])]
    last = {event["payload"]["symbol"]: event["seq"] for frame in frames for event in frame["events"]}
    assert last == {"S0": 400, "S1": 397, "S2": 398, "S3": 399}
    assert sum(frame["count"] + frame["dropped"] for frame in frames) == 400
    assert sum(frame["dropped"] for frame in frames) >= 340


def test_of_ordinary_events_the_oldest_are_dropped_and_counted() -> None:
    flow = Flow(0)
    for seq in range(1, 1001):
        flow.offer(an_event(seq), now=0.0)
    frames = [frame for _, frame in drain(flow, 0.0, 10.0, [])]
    assert frames[0]["dropped"] == 900
    assert [event["seq"] for frame in frames for event in frame["events"]] == list(range(901, 1001))


def test_a_flood_of_signals_does_not_push_out_the_emergency_stop() -> None:
    flow = Flow(0)
    flow.offer(an_event(1, EventType.ESS_STATE_CHANGED, state="TRIPPED"), now=0.0)
    for seq in range(2, 1001):
        flow.offer(an_event(seq), now=0.0)
    assert unwrap(flow.take(now=0.0)[0])["events"][0]["payload"] == {"state": "TRIPPED"}


def test_an_update_of_nobody_knows_what_is_never_conflated() -> None:
    assert an_event(1, EventType.ORDER_UPDATED).subject is None
    assert an_event(1, EventType.ORDER_UPDATED, order_id="a").subject == (EventType.ORDER_UPDATED, "a")


def test_history_is_given_back_whole_however_long() -> None:
    history = [position(seq, "BTCUSDT") for seq in range(1, 1001)]
    flow = Flow(0, history=history, now=0.0)
    frames = drain(flow, 0.0, 25.0, [(at / 10, position(1000 + at, "BTCUSDT")) for at in range(1, 201)])
    events = [event["seq"] for _, frame in frames for event in frame["events"]]
    assert events[:1000] == list(range(1, 1001))
    assert frames[-1][1]["last_seq"] == 1200


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 4)), max_size=200),
    st.integers(1, 10),
    st.integers(1, 10),
)
def test_a_backlog_keeps_order_bounds_and_the_newest_state(
    steps: list[tuple[bool, int, int]], conflate_above: int, ordinary_max: int
) -> None:
    backlog = Backlog(BacklogLimits(conflate_above=conflate_above, ordinary_max=ordinary_max, waiting_max=50))
    newest: dict[str, int] = {}
    seen: list[EncodedEvent] = []
    for seq, (is_state, subject, take) in enumerate(steps, 1):
        backlog.add(position(seq, f"S{subject}") if is_state else an_event(seq), now=float(seq))
        if is_state:
            newest[f"S{subject}"] = seq
        seen += backlog.take(take) if take > 2 else []
        assert len(backlog) <= max(conflate_above, ordinary_max + 6)
    seen += backlog.take(1_000)
    seqs = [event.seq for event in seen]
    assert seqs == sorted(set(seqs))
    assert not backlog.overflowed
    assert {symbol: seq for symbol, seq in newest.items() if seq in seqs} == newest
