"""The short form of `bench.live_clients`: the real web process, fifty clients, five of whom stop reading; counted."""

from __future__ import annotations

import pytest

from bench.live_clients import Load, Round, bench_servers, growth_of, measure, merged

pytestmark = [pytest.mark.long, pytest.mark.integration, pytest.mark.timeout(300)]

READERS = 45
STALLED = 5
# Below the pace of one client, so that nobody who reads has anything merged or dropped.
COMMON = {"readers": READERS, "warm_seconds": 1.0, "events_per_second": 40}
# So large that what a stalled client's kernel and ours take in is full within two seconds.
LARGE = 2_500


@pytest.fixture(scope="module")
def rounds() -> list[Round]:
    """Without stalled clients, with, and without again."""
    with bench_servers(with_raw=False) as (server, _, redis_url):
        loads = (
            Load(**COMMON, seconds=4),
            Load(**COMMON, seconds=10, stalled=STALLED, wakes_stalled=True, padding_characters=LARGE),
            Load(**COMMON, seconds=4),
        )
        return [measure(server, load, redis_url) for load in loads]


def test_nobody_who_reads_misses_anything_or_gets_it_out_of_order(rounds: list[Round]) -> None:
    for seen in rounds:
        faults = {name: seen.readers[name] for name in ("lost", "reordered", "behind", "cut_off", "snapshots")}
        assert set(faults.values()) == {0}, faults
        assert seen.published > 0
        # A few more: what is published while the last sequence is asked for is read too.
        assert seen.readers["events"] + seen.readers["dropped"] >= READERS * (
            seen.published - seen.load.events_per_second
        )


def test_what_stalled_clients_miss_is_counted_for_them_and_for_nobody_else(rounds: list[Round]) -> None:
    _, seen, _ = rounds
    assert seen.stalled["dropped"] > 0, "they never were behind"
    assert {name: seen.stalled[name] for name in ("lost", "reordered", "behind")} == dict.fromkeys(
        ("lost", "reordered", "behind"), 0
    )
    assert seen.readers["dropped"] == 0


def test_stalled_clients_delay_nobody_who_reads(rounds: list[Round]) -> None:
    before, during, after = (each.percentile(0.5) for each in rounds)
    # One that was waited for would cost the others seconds; the machine's own noise costs a part.
    assert during <= 2 * max(before, after)


def test_figures_of_several_rounds_are_those_of_all_their_events() -> None:
    one, other = Round(Load(readers=1)), Round(Load(readers=1))
    one.latencies.update({9: 90, 19: 5})
    other.latencies.update({19: 4, 499: 1})
    one.memory_mib, other.memory_mib = [100.0, 101.0, 102.0], [103.0, 104.0, 105.0]
    both = merged([one, other])
    assert [both.percentile(share) for share in (0.5, 0.9, 0.95, 1.0)] == [10.0, 10.0, 20.0, 500.0]
    assert growth_of(both.memory_mib) == 4.0
