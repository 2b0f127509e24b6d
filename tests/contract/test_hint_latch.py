"""What every hint latch does, the one in Redis and the fake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.adapters.redis.client import connect
from app.adapters.redis.hint_latch import RedisHintLatch
from app.ports import HintLatch
from tests.fakes.clock import FakeClock
from tests.fakes.redis import FakeHintLatch
from tests.support.waiting import wait_until


class Patience:
    """Lets a claim lapse: by the fake's clock, or by waiting for Redis to do it."""

    def __init__(self, clock: FakeClock | None) -> None:
        self._clock = clock

    def until_claimed_again(self, latch: HintLatch, name: str, *, ttl_ms: int) -> None:
        if self._clock is not None:
            self._clock.advance(ttl_ms / 1000 + 0.001)
        wait_until(lambda: latch.claim_hint(name, ttl_ms), seconds=5, what=f"the claim of {name} to lapse")


@pytest.fixture(params=["redis", "fake"])
def rig(request: pytest.FixtureRequest) -> Iterator[tuple[HintLatch, Patience]]:
    if request.param == "fake":
        clock = FakeClock()
        yield FakeHintLatch(clock.now), Patience(clock)
        return
    link = connect(request.getfixturevalue("fresh_redis"))
    yield RedisHintLatch(link), Patience(None)
    link.close()


def test_one_claim_at_a_time_and_a_release_allows_the_next(rig: tuple[HintLatch, Patience]) -> None:
    latch, _ = rig
    assert latch.claim_hint("dispatch", 60_000) is True
    assert latch.claim_hint("dispatch", 60_000) is False
    assert latch.claim_hint("something else", 60_000) is True
    latch.release_hint("dispatch")
    latch.release_hint("never claimed")
    assert latch.claim_hint("dispatch", 60_000) is True


def test_a_claim_lapses_so_that_a_lost_hint_does_not_silence_the_rest(rig: tuple[HintLatch, Patience]) -> None:
    latch, patience = rig
    assert latch.claim_hint("dispatch", 50) is True
    patience.until_claimed_again(latch, "dispatch", ttl_ms=50)
